"""Setpoints that the meter showed are settled by the first run that covers them, once, whoever dies when."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from adapters.driving.settling_commands import SettlingCommands
from adapters.queries.story.device import device as device_story
from adapters.settling import settle_month
from dispatch.control.command_life import DeviceDay, command_aggregate
from dispatch.control.command_records import RecordReadBack, RecordSeen, RecordWritten
from dispatch.control.command_steps import IntendSetpoint, LeaseSetpoint
from dispatch.control.lease import Lease, TakeLease, lease_aggregate
from dispatch.control.setpoint import Setpoint
from dispatch.control.settled_by import RunSpan
from ledger.device import Device, RegisterDevice
from ledger.interval import Interval
from tests.adapters import sample
from tests.adapters.conftest import Bench
from tests.adapters.story.link_walk import WALKED, walked
from tests.adapters.test_settling import AUGUST, CONTRACT, filled, record

THIRD = datetime(2026, 8, 3, 16, tzinfo=UTC)
"""Midnight after 3 August where the site is, within a UTC day."""
BEFORE, AFTER = THIRD - timedelta(hours=2), THIRD + timedelta(hours=2)
LATE = datetime(2026, 8, 20, 3, tzinfo=UTC)
FIRST = "eaas-s1_2026-08_1"
SECOND = "eaas-s1_2026-08_2"


class Driven:
    """S1 with a battery, told setpoints that its meter shows; then a month of readings."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.said: list[str] = []
        bench.now = datetime(2026, 7, 30, tzinfo=UTC)
        filled(bench, CONTRACT)
        self._do(RegisterDevice(sample.FROM_2026, Device("b1", "S1", "battery", 250_000, 500_000)), "b1")

    def _do(self, command: Any, name: str) -> None:
        self.bench.door.execute(command, command_id=name, actor="driver")

    def told(self, at: datetime, *, seen: bool = True) -> None:
        """A setpoint, written at `at` and read back."""
        self.bench.now, day = at, at.date()
        held = self.bench.door.state(command_aggregate("b1", day))
        number = held.newest + 1 if isinstance(held, DeviceDay) else 1
        self._do(TakeLease("b1", "driver-1", day, 900, 500), f"take {at}")
        lease = self.bench.door.state(lease_aggregate("b1", day))
        assert isinstance(lease, Lease)
        token = lease.token
        until = at + timedelta(hours=1)
        wanted = Setpoint(setpoint_w=100_000, expires_at=until, origin="plan", cause="plan 1")
        for command in (
            IntendSetpoint("b1", day, wanted, "driver-1"),
            LeaseSetpoint("b1", day, number, "driver-1", token),
            RecordWritten("b1", day, number, token, 0, at + timedelta(seconds=3)),
            RecordReadBack("b1", day, number, 100_000, at + timedelta(seconds=4)),
        ):
            self._do(command, f"{type(command).__name__} {day} {number}")
        if seen:
            self.shown(at, number)

    def shown(self, at: datetime, number: int) -> None:
        seen = RecordSeen("b1", at.date(), number, "S1-STORAGE", 100_000, at + timedelta(seconds=9), 5_000)
        self._do(seen, f"seen {at.date()} {number}")

    def settle(self, through: date | None = None) -> None:
        self.bench.now = max(self.bench.now, datetime(2026, 9, 2, tzinfo=UTC))
        self.bench.project()
        settle_month(self.bench.door, self.bench.database, AUGUST, actor="finance", through=through)
        self.bench.project()

    def turn(self, window: int = 50_000) -> int:
        """As a process that starts again."""
        bench = self.bench
        settled = SettlingCommands(bench.door, bench.database, self.said.append, window=window).turn()
        bench.project()
        return settled

    def lives(self, *days: datetime) -> list[tuple[str, str]]:
        found = []
        for at in days:
            state = self.bench.door.state(command_aggregate("b1", at.date()))
            assert isinstance(state, DeviceDay)
            found += [(one.status, one.settlement) for one in state.commands.values()]
        return found


@pytest.fixture
def driven(bench: Bench) -> Driven:
    return Driven(bench)


def test_the_first_run_that_covers_it_settles_it_and_no_later_one(driven: Driven) -> None:
    for at in (BEFORE, AFTER, LATE):
        driven.told(at)
    driven.settle(date(2026, 8, 3))
    assert driven.turn() == 1, "what was written after the local midnight is of the next day"
    assert driven.lives(BEFORE) == [("settled", FIRST), ("seen", "")]
    assert driven.turn() == 0
    driven.settle()
    assert driven.turn(window=7) == 2
    assert driven.lives(BEFORE, LATE) == [("settled", FIRST), ("settled", SECOND), ("settled", SECOND)]
    assert driven.said == [f"1 setpoints are settled in {FIRST}", f"2 setpoints are settled in {SECOND}"]
    record(driven.bench, "S1-STORAGE", "charge", np.full(2976, 9), "revised")
    driven.settle()
    end = driven.bench.log.client.run(driven.bench.log.last_sequence())
    assert driven.bench.query("SELECT max(run) FROM ledger.settlement") == [(3,)], "a correction"
    assert driven.turn() == 0
    assert driven.bench.log.client.run(driven.bench.log.last_sequence()) == end
    _check_story(driven, end)


def _check_story(driven: Driven, end: int) -> None:
    bench = driven.bench
    with bench.database.reading(bench.book) as connection:
        story = device_story(connection, end, "b1")
        (first, *_) = [one for one in story.entries if "settlement" in one.sentence]
        assert (
            first.sentence == f"What the meter saw of 1 commands of b1_2026-08-03 is in settlement {FIRST}."
        )
        assert "settled_in" in {link.link for link in first.links}
        assert walked(connection, end, range(1, end + 1)) >= WALKED["driven_settled"]


def test_who_dies_between_does_nothing_twice(driven: Driven) -> None:
    for at in (BEFORE, LATE):
        driven.told(at)
    driven.settle()

    class Killed(Exception):
        pass

    def killed(_: str) -> None:
        raise Killed

    bench = driven.bench
    with pytest.raises(Killed):
        SettlingCommands(bench.door, bench.database, killed).turn()
    assert bench.query("SELECT sequence FROM ledger.settled_commands") == [], "where it was is not told yet"
    end = bench.log.client.run(bench.log.last_sequence())
    again = SettlingCommands(bench.door, bench.database, driven.said.append)
    assert again.turn() == 2, "nothing is projected since: it tells the same again"
    assert bench.log.client.run(bench.log.last_sequence()) == end
    bench.project()
    assert bench.query("SELECT count(*) FROM ledger.settled_commands") == [(1,)]
    with bench.database.owning() as connection:
        connection.execute("DELETE FROM ledger.settled_commands")
    assert driven.turn() == 0, "though it goes through all of it again"
    assert driven.lives(BEFORE, LATE) == [("settled", FIRST)] * 2


def test_what_is_seen_after_the_run_is_settled_then(driven: Driven) -> None:
    driven.told(BEFORE, seen=False)
    driven.settle()
    assert driven.turn() == 0
    assert driven.lives(BEFORE) == [("read_back", "")]
    driven.shown(BEFORE, 1)
    driven.bench.project()
    assert driven.turn() == 1
    assert driven.lives(BEFORE) == [("settled", FIRST)]


def test_a_projection_that_is_not_there_is_waited_for(bench: Bench) -> None:
    said: list[str] = []
    bench.door.execute(sample.found_book(), command_id="found", actor="ada")
    settling = SettlingCommands(bench.door, bench.database, said.append)
    assert settling.turn() == 0
    bench.project()
    assert settling.turn() == 0
    assert bench.query("SELECT sequence FROM ledger.settled_commands") == [(1,)]
    assert said == []


def test_what_a_run_covers_newly() -> None:
    def span(number: int, end: int) -> RunSpan:
        covered = Interval(datetime(2026, 8, 1, tzinfo=UTC), datetime(2026, 8, end, tzinfo=UTC))
        return RunSpan(number, "C", "2026-08", number, frozenset({"S1"}), covered)

    first, second, third = span(1, 4), span(2, 9), span(3, 9)
    assert first.newly_covered("S1", ()) == first.covered
    assert second.newly_covered("S1", [first]) == Interval(first.covered.end, second.covered.end)
    assert third.newly_covered("S1", [first, second]) is None
    assert not first.covers("S2", first.covered.start)
    assert second.newly_covered("S2", [first]) == second.covered, "no earlier run had that site"
    assert not first.covers("S1", first.covered.end)
