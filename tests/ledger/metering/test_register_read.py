"""Register reads as facts, and the two that enclose a gap."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from ledger.effective import History, Period
from ledger.interval import Interval
from ledger.meter import Meter
from ledger.metering.register_read import RecordRegisterReads, RegisterRead, RegisterReads, around
from ledger.refusal import Refused

START = datetime(2026, 8, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
METER = Meter("M1", "S1", "storage", ("charge", "discharge"), 900, 250_000, "Asia/Shanghai")
KNOWN: dict[str, object] = {"meter.M1": History[Meter]().with_version(Period(START), METER)}


def read(hours: float, total: int, register: Any = "charge") -> RegisterRead:
    return RegisterRead(register, START + hours * HOUR, total, 1)


def record(*shown: RegisterRead, month: str = "2026-08") -> RecordRegisterReads:
    return RecordRegisterReads("M1", month, shown)


def test_reads_are_kept_in_order_and_the_latest_recorded_holds() -> None:
    (first,) = record(read(2, 70), read(1, 50), read(1, 9, "discharge")).decide(None, KNOWN)
    (second,) = record(read(2, 60)).decide(first.apply(None), KNOWN)
    assert second.apply(first.apply(None)) == RegisterReads(
        (read(1, 50), read(2, 60), read(1, 9, "discharge"))
    )
    (falling,) = record(read(3, 10)).decide(None, KNOWN)
    assert falling.reads[0].total_wh == 10, "a fall is found by the validation and recorded as it is"


@pytest.mark.parametrize(
    ("code", "command"),
    [
        ("register_reads", record()),
        ("register_reads", record(read(1, 5), month="2026-07")),
        ("register_reads", record(read(1, 5), read(1, 6))),
        ("unknown_register", record(read(1, 5, "pv"))),
    ],
)
def test_what_cannot_be_recorded(code: str, command: RecordRegisterReads) -> None:
    with pytest.raises(Refused) as caught:
        command.decide(None, KNOWN)
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("code", "values"),
    [
        ("register", ("steam", START, 1, 1)),
        ("read_instant", ("charge", START.astimezone(timezone(HOUR)), 1, 1)),
        ("read_instant", ("charge", START + timedelta(microseconds=1), 1, 1)),
        ("reading_range", ("charge", START, -1, 1)),
        ("read_step", ("charge", START, 1, 0)),
    ],
)
def test_what_is_no_read(code: str, values: tuple[Any, ...]) -> None:
    with pytest.raises(Refused) as caught:
        RegisterRead(*values)
    assert caught.value.code == code


def test_a_gap_is_enclosed_by_the_nearest_reads_on_its_grid() -> None:
    reads = [
        read(0, 1),
        read(1, 2),
        read(1.9, 3),
        read(4.1, 4),
        read(5, 5),
        read(9, 6),
        read(2, 7, "discharge"),
    ]
    gap = Interval(START + 2 * HOUR, START + 4 * HOUR)
    assert around(reads, "charge", gap, 900) == (read(1, 2), read(5, 5))
    assert around(reads, "discharge", gap, 900) is None
    assert around(reads[:3], "charge", gap, 900) is None, "no end point"
    edges = Interval(START + HOUR, START + 5 * HOUR)
    assert around(reads, "charge", edges, 900) == (read(1, 2), read(5, 5))
