"""What was seen is proven by the book once it is sealed: altered, deleted and added records are named."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from adapters import access_sealing
from adapters.access_log import AccessLog
from adapters.nats import access_stream
from adapters.nats.stream import alter
from ledger.access_record import AccessRecord
from ledger.access_seal import AccessSeal, SealAccessLog
from ledger.refusal import Refused
from tests.adapters.conftest import Bench

DAY = datetime(2026, 9, 1, tzinfo=UTC)


class Seen:
    """An access log whose clock is the test's."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.now = DAY
        self.log = AccessLog(bench.client, bench.book, bench.database, lambda: self.now)

    def record(self, *ids: str) -> None:
        for name in ids:
            record = AccessRecord(
                at=self.now,
                request=name,
                actor="ada",
                role="auditor",
                action="event",
                what={},
                outcome="answered",
            )
            self.log.write(record)

    def seal(self) -> AccessSeal | None:
        return access_sealing.seal(self.log, self.bench.door, actor="cli")

    def check(self) -> access_sealing.Checked:
        return access_sealing.check(self.log, self.bench.door)

    def records(self) -> list[AccessRecord]:
        return [one.record for one in self.log.read()]

    def rewritten(self, change: Callable[[list[AccessRecord]], list[AccessRecord]]) -> None:
        """What somebody with the operator's identity and the database's can do."""
        records = change(self.records())
        operator, name = self.bench.operator, access_stream.stream_name(self.bench.book)
        alter(operator, f"STREAM.DELETE.{name}", {})
        access_stream.create(operator, self.bench.book, max_bytes=64 << 20)
        self.bench.query("DELETE FROM ledger.access_mark RETURNING 1")
        self.log = AccessLog(self.bench.client, self.bench.book, self.bench.database, lambda: self.now)
        for one in records:
            self.log.write(one)


@pytest.fixture
def seen(bench: Bench) -> Seen:
    return Seen(bench)


def two_days(seen: Seen) -> None:
    """Two sealed days, and a record of the third, which is not over."""
    assert seen.seal() is None
    for day, ids in enumerate((("a", "b", "c"), ("d", "e"), ("f",))):
        seen.now = DAY + timedelta(days=day)
        seen.record(*ids)
        seen.seal()


def test_each_day_is_sealed_once_it_is_over(seen: Seen) -> None:
    two_days(seen)
    found = access_sealing.seals(seen.bench.door)
    assert [(one.first, one.last, one.first_at) for one in found] == [
        (1, 3, DAY),
        (4, 5, DAY + timedelta(days=1)),
    ]
    assert seen.seal() is None
    assert seen.check() == access_sealing.Checked(5, 0, ())


def _altered(records: list[AccessRecord]) -> list[AccessRecord]:
    return [*records[:3], msgspec.structs.replace(records[3], actor="bob"), *records[4:]]


def _deleted(records: list[AccessRecord]) -> list[AccessRecord]:
    return [*records[:4], *records[5:]]


def _all_gone(_: list[AccessRecord]) -> list[AccessRecord]:
    return []


@pytest.mark.parametrize("change", [_altered, _deleted, _all_gone])
def test_what_was_changed_is_named(
    seen: Seen, change: Callable[[list[AccessRecord]], list[AccessRecord]]
) -> None:
    two_days(seen)
    seen.rewritten(change)
    faults = seen.check().faults
    assert {fault.code for fault in faults} == {"access_altered"}
    assert faults[-1].place == "access records 4 to 5"
    assert len(faults) == (2 if change is _all_gone else 1)


def test_what_is_not_sealed_yet_is_not_proven(seen: Seen) -> None:
    two_days(seen)
    seen.rewritten(lambda records: [*records[:5], msgspec.structs.replace(records[5], actor="bob")])
    assert seen.check().faults == ()


def test_what_was_forgotten_by_age_is_no_fault(seen: Seen) -> None:
    """Of the stream's own retention; a seal whose first record is not that old must be whole."""
    two_days(seen)
    seen.rewritten(_all_gone)
    seen.now = DAY + timedelta(days=access_stream.DAYS)
    assert seen.check().forgotten == 3
    assert [fault.place for fault in seen.check().faults] == ["access records 4 to 5"]
    seen.now += timedelta(days=1)
    assert seen.check() == access_sealing.Checked(0, 5, ())


def test_a_seal_follows_the_one_before(seen: Seen) -> None:
    two_days(seen)
    for first, last in ((5, 6), (7, 8)):
        command = SealAccessLog(AccessSeal(first, last, DAY, "ab" * 32))
        with pytest.raises(Refused, match="the next record to seal is 6") as refused:
            seen.bench.door.execute(command, command_id=f"s{first}", actor="cli")
        assert refused.value.code == "access_seal"
    with pytest.raises(Refused):
        AccessSeal(2, 1, DAY, "ab" * 32)
    with pytest.raises(Refused):
        AccessSeal(1, 1, DAY, "ab")
