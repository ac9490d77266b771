"""A meter's telemetry becomes the ledger's readings: each interval once, and none that nobody saw."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from adapters.front_door import Wish
from adapters.integrity import proven_events
from adapters.mapper import EnvelopeMapper
from adapters.queries import readings_page
from adapters.queries.story.sentence import sentence
from adapters.settling import lowest_position
from adapters.telemetry.forwarding import Forwarder
from adapters.telemetry.history import History
from adapters.telemetry.missing_readings import MissingReadings
from adapters.telemetry.outbox import Outbox
from adapters.telemetry.settling_readings import ORIGIN, WAIT_S, Decided, SettlingReadings
from dispatch.devices.quality import Reading
from dispatch.telemetry.sample import Sample
from ledger.meter_import import ReadingsRecorded, RecordReadings
from ledger.readings import run_of
from ledger.refusal import Refused
from tests.adapters.conftest import Bench
from tests.adapters.sample import found_book, register_meter, register_party, register_site

MIDNIGHT = int(datetime(2026, 8, 31, 23, 30, tzinfo=UTC).timestamp())
STEP = 900
BOTH = ("charge", "discharge")


class Metered:
    """A storage's meter that gives 1 Wh a second on each register, more on export, read each 5 s."""

    def __init__(self, bench: Bench, folder: Path) -> None:
        self.bench = bench
        self.outbox = Outbox(folder, 8 << 20)
        self.forwarder = Forwarder(self.outbox, bench.client, bench.book)
        self.decided: list[Decided] = []
        self.number = 0
        self.now = MIDNIGHT
        for wish in (found_book(), register_party(), register_site(), register_meter()):
            bench.door.execute_all([Wish(wish, "set-up")], actor="t")
        self.told: Callable[[Decided], object] = self.decided.append
        self.settling = self.started()

    def started(self) -> SettlingReadings:
        """As a process that starts again."""
        self.decided.clear()
        history = History(self.bench.client, self.bench.book)
        return SettlingReadings(
            self.bench.door,
            history,
            {"G1": "M1"},
            lambda: datetime.fromtimestamp(self.now, UTC),
            self.told,
        )

    def read(self, start: int, end: int, *, sent: bool = True, factor: int = 1, **given: str) -> None:
        """Samples of [start, end), seconds from midnight; the clock goes with them."""
        for second in range(start, end, 5):
            self.number += 1
            at_ms = (MIDNIGHT + second) * 1000
            values = {"meter_import_wh": 5000 + second * factor, "meter_export_wh": 7000 + 2 * second}
            readings = {} if given else {role: Reading(value) for role, value in values.items()}
            sample = Sample(device="G1", run="r", number=self.number, at_ms=at_ms, readings=readings, **given)  # type: ignore[arg-type]
            assert self.outbox.put(sample)
        self.now = max(self.now, MIDNIGHT + end)
        if sent:
            self.send()

    def send(self) -> None:
        while asyncio.run(self.forwarder.turn()):
            pass

    def rows(self) -> dict[tuple[str, int], list[int]]:
        """Every version of each reading as the ledger has it, by register and interval from the start."""
        self.bench.project()
        found: dict[tuple[str, int], list[int]] = {}
        with self.bench.database.reading(self.bench.book) as connection:
            position = lowest_position(connection)
            start, end = (datetime.fromtimestamp(MIDNIGHT + day * 86_400, UTC) for day in (-9, 9))
            for one in readings_page.page(
                connection, position, meter="M1", register=None, start=start, end=end, every_version=True,
                after=("", start, 0), limit=10_000,
            ):  # fmt: skip
                key = (one.register, (int(one.start.timestamp()) - MIDNIGHT) // STEP)
                found.setdefault(key, []).append(one.wh)
                assert one.quality == "A"
        return found


@pytest.fixture
def metered(bench: Bench, tmp_path: Path) -> Iterator[Metered]:
    made = Metered(bench, tmp_path)
    yield made
    made.outbox.close()


def test_intervals_are_recorded_when_they_are_over_and_once(metered: Metered) -> None:
    """From before one UTC month's end to behind it: two aggregates of the ledger."""
    metered.read(-300, STEP)
    assert metered.settling.turn() == 0, "over, but its end was not seen"
    metered.read(STEP, STEP + 20)
    assert metered.settling.turn() == 0, "may still be on its way"
    metered.read(STEP + 20, 3 * STEP + WAIT_S)
    assert metered.settling.turn() == 3
    assert metered.settling.turn() == 0
    wanted = {("charge", n): [STEP] for n in range(3)} | {("discharge", n): [2 * STEP] for n in range(3)}
    assert metered.rows() == wanted
    assert all(one.energy.evidence_ppm == 1_000_000 and one.sequence for one in metered.decided)
    bench = metered.bench
    bench.project()
    with bench.database.reading(bench.book) as connection:
        (first, *_) = proven_events.at(connection, [metered.decided[0].sequence])
    (event,) = EnvelopeMapper().to_envelope(first.header.topic, first.state).events
    assert isinstance(event, ReadingsRecorded)
    assert event.evidence_ppm == {"charge": 1_000_000, "discharge": 1_000_000}
    assert "watched" not in sentence(event, first.header.aggregate, 1, "en")
    half = msgspec.structs.replace(event, evidence_ppm={"charge": 500_000, "discharge": 987_654})
    assert sentence(half, first.header.aggregate, 1, "en").endswith("Z, 50.0000 % of it watched.")
    again = metered.started()
    assert again.turn() == 0
    metered.read(3 * STEP + WAIT_S, 4 * STEP + WAIT_S)
    assert again.turn() == 1
    assert metered.rows() == wanted | {("charge", 3): [STEP], ("discharge", 3): [2 * STEP]}


def test_two_who_ask_for_a_turn_at_once_skip_nothing(metered: Metered) -> None:
    metered.read(-10, 24 * STEP + WAIT_S + 10)
    with ThreadPoolExecutor(4) as pool:
        recorded = sum(pool.map(lambda _: metered.settling.turn(), range(8)))
    assert recorded == 24
    assert sorted({number for _, number in metered.rows()}) == list(range(24))


def test_a_restart_that_forgot_repeats_nothing(metered: Metered, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even a start that does not know what was recorded: the command ids are known to the aggregates."""
    metered.read(-20, 3 * STEP + WAIT_S)
    assert metered.settling.turn() == 3
    before = metered.rows()
    again = metered.started()
    monkeypatch.setattr(type(metered.bench.door), "accepted_ids", lambda *_: ())
    assert again.turn() == 3
    assert metered.rows() == before


def test_a_missing_interval_is_not_recorded_and_the_next_one_is(metered: Metered) -> None:
    metered.read(-20, STEP)
    metered.read(STEP, 2 * STEP - 30)
    metered.read(2 * STEP - 30, 2 * STEP + 30, lost="timeout")
    metered.read(2 * STEP + 30, 4 * STEP + WAIT_S)
    assert metered.settling.turn() == 2
    assert sorted(metered.rows()) == [(name, n) for name in ("charge", "discharge") for n in (0, 3)]
    missing = {one.energy.missing for one in metered.decided if one.energy.wh is None}
    assert missing == {"end_unseen", "start_unseen"}
    assert all(one.sequence == 0 for one in metered.decided if one.energy.wh is None)
    assert metered.started().turn() == 0


def test_what_has_no_energy_is_said_once_and_when_that_is_over(metered: Metered) -> None:
    said: list[str] = []
    metered.told = MissingReadings(said.append).decided
    metered.settling = metered.started()
    metered.read(-20, 2 * STEP - 30)
    metered.read(2 * STEP - 30, 5 * STEP + 30, lost="timeout")
    metered.read(5 * STEP + 30, 5 * STEP + 90)
    metered.settling.turn()
    begun = [f"readings M1: {one} of 2026-08-31T23:45Z has no energy (end_unseen)" for one in BOTH]
    assert said == [f"{one}: it is left to metering" for one in begun]
    metered.read(5 * STEP + 90, 8 * STEP + WAIT_S)
    metered.settling.turn()
    metered.settling.turn()
    again = "has energy again from 2026-09-01T01:00Z on: 5 of its intervals have none"
    assert said[2:] == [f"readings M1: {one} {again} (end_unseen, start_unseen)" for one in BOTH]


def test_an_energy_that_the_meter_cannot_have_is_said(metered: Metered) -> None:
    said: list[str] = []
    metered.told = MissingReadings(said.append).decided
    metered.settling = metered.started()
    metered.read(-20, STEP + 40, factor=1000)
    metered.read(STEP + 40, 3 * STEP + WAIT_S)
    metered.settling.turn()
    assert said[0] == (
        "readings M1: charge of 2026-08-31T23:30Z has no energy (above_device_limit): it is left to metering"
    )


def test_late_telemetry_is_settled_when_it_comes(metered: Metered) -> None:
    metered.read(-20, STEP + WAIT_S)
    assert metered.settling.turn() == 1
    metered.read(STEP + WAIT_S, 16 * STEP, sent=False)
    assert metered.settling.turn() == 0
    assert len(metered.rows()) == 2
    assert metered.started().turn() == 0
    metered.send()
    metered.now += 60
    assert metered.settling.turn() == 14
    assert set(metered.rows()) == {(name, n) for name in ("charge", "discharge") for n in range(15)}
    assert all(len(versions) == 1 for versions in metered.rows().values())


def test_an_energy_beyond_the_meter_is_refused_and_the_next_interval_is_recorded(metered: Metered) -> None:
    """As much as 1,000 times what the meter's connection carries: a register of another scale."""
    metered.read(-20, STEP + 40, factor=1000)
    metered.read(STEP + 40, 3 * STEP + WAIT_S)
    metered.settling.turn()
    assert {one.refused for one in metered.decided if one.energy.start_ms == MIDNIGHT * 1000} == {
        "above_device_limit"
    }
    assert ("charge", 0) not in metered.rows()
    assert ("charge", 2) in metered.rows()


def test_a_meter_that_the_ledger_does_not_know_is_told_and_skips_nothing(metered: Metered) -> None:
    history = History(metered.bench.client, metered.bench.book)
    metered.read(-20, STEP + WAIT_S)
    settling = SettlingReadings(metered.bench.door, history, {"G1": "M9"}, metered.bench.clock)
    assert settling.turn() == 0
    assert settling.problems == {"M9": "the ledger has no meter M9"}
    metered.bench.door.execute(register_meter("M9"), command_id="later", actor="t")
    settling._clock = lambda: datetime.fromtimestamp(metered.now, UTC)
    assert settling.turn() == 1
    assert settling.problems == {}


def test_what_another_reader_decided_first_stands(metered: Metered) -> None:
    metered.read(-20, STEP)
    assert metered.settling.turn() == 0, "it has begun"
    start = datetime.fromtimestamp(MIDNIGHT, UTC)
    others = RecordReadings("M1", "2026-08", ORIGIN, (run_of("M1", "charge", start, STEP, [899], "A"),))
    named = "telemetry:M1:2026-08-31T23:30:00Z"
    receipt = metered.bench.door.execute(others, command_id=named, actor=ORIGIN)
    metered.read(STEP, 3 * STEP)
    assert metered.settling.turn() == 1
    assert metered.settling.problems == {}
    assert {one.sequence for one in metered.decided if one.energy.start_ms == MIDNIGHT * 1000} == {
        receipt.sequence
    }
    assert metered.rows() == {("charge", 0): [899], ("charge", 1): [STEP], ("discharge", 1): [2 * STEP]}


def test_what_cannot_be_recorded_for_another_reason_is_told_and_not_skipped(
    metered: Metered, monkeypatch: pytest.MonkeyPatch
) -> None:
    metered.read(-20, 3 * STEP)
    with monkeypatch.context() as refusing:

        def contended(*_: object, **__: object) -> None:
            raise Refused("conflict", "others keep changing the same thing; try again")

        refusing.setattr(metered.bench.door, "execute", contended)
        assert metered.settling.turn() == 0
        assert metered.settling.problems["M1"].startswith("conflict")
    assert metered.settling.turn() == 2
    assert metered.settling.problems == {}
