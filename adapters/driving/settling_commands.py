"""Follows settlement runs: the setpoints that the meters showed on their days are settled, by that run.

It goes through the book from where it was, a window at a time: runs that cover new days, and setpoints that
were seen since, which a run may cover already. What it did it tells by commands, and where it is only after
them, so that it may be killed at any moment; a second run, or a correction, settles nothing twice. A run
whose sites have no device costs a look at its name.
"""

from __future__ import annotations

import re
import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import date, datetime, timedelta
from itertools import product
from typing import Final, NamedTuple

from adapters.continuity import Discontinuity
from adapters.front_door import FrontDoor
from adapters.integrity import proven_events
from adapters.links import KNOWN_AS, seen_in
from adapters.mapper import EnvelopeMapper
from adapters.postgres.database import Connection, Database
from adapters.queries import folded, registered
from adapters.queries.contracts_in_force import covered_by, holding
from adapters.queries.registered import Register
from adapters.queries.void_runs import void_runs
from adapters.settling import Behind, lowest_position
from dispatch.control.command_life import DeviceDay, command_aggregate
from dispatch.control.command_steps import SettleCommands
from dispatch.control.setpoint import step_id
from dispatch.control.settled_by import RunSpan, settled_by, utc_days
from ledger.contract import Contract
from ledger.device import Device
from ledger.interval import Interval, Month, midnight, zone_of
from ledger.refusal import Refused
from ledger.settlement.run import SettlementRecorded

ACTOR: Final = "settling"
WINDOW: Final = 50_000
"""Sequence numbers that are gone through before it is told how far it came."""
_DAYS_AT_ONCE: Final = 64
"""Devices' days that are in memory together; under AGC each may have twenty thousand commands."""
_RUN: Final = re.compile(r"run/(.+)_(\d{4}-\d{2})/\d+")
_COMMANDS: Final = re.compile(r"command\.(.+)_(\d{4}-\d{2}-\d{2})")
_MAPPER: Final = EnvelopeMapper()


class _DeviceDay(NamedTuple):
    device: str
    day: date

    @property
    def aggregate(self) -> str:
        return command_aggregate(self.device, self.day)


class _Wish(NamedTuple):
    at: _DeviceDay
    span: RunSpan
    sequences: tuple[int, ...]


class RecordedRun(NamedTuple):
    """`position` is what it was settled as of, `through` its last day where it is provisional."""

    sequence: int
    contract: str
    month: Month
    run: int
    position: int
    through: date | None


class SettlingCommands:
    """All devices of a book. `say` gets a line for each run that settles some, and each trouble once."""

    def __init__(
        self, door: FrontDoor, database: Database, say: Callable[[str], None], *, window: int = WINDOW
    ) -> None:
        self._door = door
        self._database = database
        self._say = say
        self._window = window
        self._known: dict[int, RecordedRun] = {}
        self._said = ""

    def turn(self, stopping: threading.Event | None = None) -> int:
        """Go on to what is projected; answers how many setpoints were settled.

        Raises:
            StoreUnavailable, psycopg.OperationalError: the servers are gone; to be called again.
        """
        settled = 0
        try:
            while stopping is None or not stopping.is_set():
                more = self._step(stopping)
                if more is None:
                    break
                settled += more
        except (Behind, Discontinuity, Refused) as trouble:
            self._tell(str(trouble))
        else:
            self._tell("")
        return settled

    def _step(self, stopping: threading.Event | None) -> int | None:
        """One window; None where nothing is left of it."""
        with self._database.reading(self._door.book) as connection:
            position = lowest_position(connection)
            before = _reached(connection)
            upto = min(before + self._window, position)
            if upto <= before:
                return None
            book = _Book(connection, position, self._known)
            days = sorted(book.days_in_question(before, upto))
            counts: Counter[RunSpan] = Counter()
            for start in range(0, len(days), _DAYS_AT_ONCE):
                if stopping is not None and stopping.is_set():
                    return None
                for wish in book.wishes(days[start : start + _DAYS_AT_ONCE]):
                    self._execute(wish)
                    counts[wish.span] += len(wish.sequences)
        for span, count in counts.items():
            self._say(f"{count} setpoints are settled in {span.name}")
        self._move(before, upto)
        return counts.total()

    def _execute(self, wish: _Wish) -> None:
        (device, day), span = wish.at, wish.span
        told = f"{span.name} {wish.sequences}"
        self._door.execute(
            SettleCommands(device, day, span.name, wish.sequences),
            command_id=step_id(device, day.isoformat(), wish.sequences[-1], "settled", told),
            actor=ACTOR,
            causation=f"sequence:{span.sequence}",
        )

    def _move(self, before: int, upto: int) -> None:
        """Another process that was as far is let be: it has told the same."""
        with self._database.projecting() as connection:
            connection.execute(
                "INSERT INTO ledger.settled_commands AS held VALUES (%s, %s) ON CONFLICT (book)"
                " DO UPDATE SET sequence = excluded.sequence WHERE held.sequence = %s",
                [self._door.book, upto, before],
            )

    def _tell(self, text: str) -> None:
        if self._said != text:
            self._said = text
            self._say(f"settling setpoints: {text or 'well again'}")


def _reached(connection: Connection) -> int:
    row = connection.execute("SELECT sequence FROM ledger.settled_commands").fetchone()
    return 0 if row is None else int(row[0])


class _Book:
    """What the book says up to a position. `known` are runs that were read before."""

    def __init__(self, connection: Connection, position: int, known: dict[int, RecordedRun]) -> None:
        self._connection = connection
        self._position = position
        self._devices = registered.load(connection, "device", Device, position)
        self._contracts = registered.load(connection, "contract", Contract, position)
        self._void = void_runs(connection, position)
        self._names = _names_by_site(self._devices)
        self._known = known
        self._spans: dict[tuple[str, str], tuple[RunSpan, ...]] = {}

    def days_in_question(self, after: int, upto: int) -> set[_DeviceDay]:
        """Devices' days of which something became settled, or was seen, in the window (after, upto]."""
        rows = self._connection.execute(
            "SELECT sequence, thing, link FROM ledger.link WHERE sequence > %s AND sequence <= %s"
            " AND (link = %s OR (link = %s AND thing LIKE 'run/%%'))",
            [after, upto, seen_in.KIND.name, KNOWN_AS],
        ).fetchall()
        runs = {sequence: thing for sequence, thing, link in rows if link == KNOWN_AS}
        seen = [sequence for sequence, _, link in rows if link != KNOWN_AS]
        return self._newly_covered(runs) | self._seen(seen)

    def wishes(self, days: Collection[_DeviceDay]) -> Iterator[_Wish]:
        """What is to be told of these days."""
        by_name = {one.aggregate: one for one in days}
        for name, state in folded.states(self._connection, by_name, self._position).items():
            assert isinstance(state, DeviceDay), f"{name} is one"
            at = by_name[name]

            def site_at(instant: datetime, device: str = at.device) -> str | None:
                held = self._devices.at(device, instant)
                return None if held is None else held.document.site

            waiting = [one for one in state.commands.values() if one.awaits_settlement]
            spans = self._may_cover(at) if waiting else ()
            for span, sequences in settled_by(waiting, site_at, spans).items():
                yield _Wish(at, span, sequences)

    def _newly_covered(self, runs: Mapping[int, str]) -> set[_DeviceDay]:
        """The days of devices at sites of those runs that no earlier run of the same month covered."""
        found: set[_DeviceDay] = set()
        for key in sorted({_run_parts(thing) for thing in runs.values()}):
            if not self._sites_with_devices(key[0]):
                continue
            spans = self._of_month(*key)
            for number, span in enumerate(spans):
                if span.sequence in runs:
                    for site in span.sites & self._names.keys():
                        new = span.newly_covered(site, spans[:number])
                        days = () if new is None else utc_days(new)
                        found.update(_DeviceDay(*each) for each in product(self._names[site], days))
        return self._there(found)

    def _there(self, days: Collection[_DeviceDay]) -> set[_DeviceDay]:
        """Those on which the device was told anything."""
        by_name = {one.aggregate: one for one in days}
        rows = self._connection.execute(
            "SELECT aggregate FROM ledger.envelope WHERE aggregate = ANY(%s) AND version = 1"
            " AND sequence <= %s",
            [list(by_name), self._position],
        )
        return {by_name[name] for (name,) in rows}

    def _seen(self, sequences: Collection[int]) -> set[_DeviceDay]:
        """The days of which these events tell that a meter showed a setpoint."""
        rows = self._connection.execute(
            "SELECT DISTINCT aggregate FROM ledger.envelope WHERE sequence = ANY(%s)", [list(sequences)]
        )
        matched = (_COMMANDS.fullmatch(name) for (name,) in rows)
        return {_DeviceDay(found[1], date.fromisoformat(found[2])) for found in matched if found}

    def _may_cover(self, at: _DeviceDay) -> Iterator[RunSpan]:
        """The runs that may be of a device's day: one of UTC is of up to three days of a place."""
        versions = self._devices.versions.get(at.device, ())
        sites = {one.document.site for one in versions}
        months = {Month.of(at.day + timedelta(days=number)) for number in (-1, 0, 1)}
        for contract in self._contracts.versions:
            if sites & self._sites_with_devices(contract):
                for month in months:
                    yield from self._of_month(contract, str(month))

    def _sites_with_devices(self, contract: str) -> frozenset[str]:
        """Of any version of a contract."""
        versions = self._contracts.versions.get(contract, ())
        return frozenset(site for one in versions for site in one.document.sites if site in self._names)

    def _of_month(self, contract: str, month: str) -> tuple[RunSpan, ...]:
        """The runs of a contract's month in their order, less those that are void."""
        if (contract, month) not in self._spans:
            rows = self._connection.execute(
                "SELECT sequence FROM ledger.settlement"
                " WHERE contract = %s AND month = %s AND sequence <= %s",
                [contract, month, self._position],
            )
            recorded = (self._recorded(sequence) for (sequence,) in rows)
            spans = (self._span(one) for one in recorded)
            there = (one for one in spans if one and (contract, month, one.run) not in self._void)
            self._spans[contract, month] = tuple(sorted(there, key=lambda span: span.sequence))
        return self._spans[contract, month]

    def _recorded(self, sequence: int) -> RecordedRun:
        """From the event itself, once."""
        if sequence not in self._known:
            (proven,) = proven_events.at(self._connection, [sequence])
            envelope = _MAPPER.to_envelope(proven.header.topic, proven.state)
            (run,) = (one.run for one in envelope.events if isinstance(one, SettlementRecorded))
            result = run.result
            self._known[sequence] = RecordedRun(
                sequence, result.contract, result.month, run.number, result.position, result.through
            )
        return self._known[sequence]

    def _span(self, one: RecordedRun) -> RunSpan | None:
        """None for a run of no day: what its contract was settled for before fell away."""
        versions = self._contracts.versions.get(one.contract, ())
        held = holding([each for each in versions if each.sequence <= one.position], one.month)
        if held is None:
            return None
        contract = held.document
        days = covered_by(contract, one.month)
        end = days.end
        if one.through is not None:
            end = min(end, midnight(one.through + timedelta(days=1), zone_of(contract.zone)))
        if end <= days.start:
            return None
        covered = Interval(days.start, end)
        return RunSpan(
            one.sequence, one.contract, str(one.month), one.run, frozenset(contract.sites), covered
        )


def _run_parts(thing: str) -> tuple[str, str]:
    """Contract and month."""
    found = _RUN.fullmatch(thing)
    assert found is not None, f"{thing} is a run"
    return found[1], found[2]


def _names_by_site(devices: Register[Device]) -> dict[str, frozenset[str]]:
    """The devices that any version of theirs puts at a site."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    for name, versions in devices.versions.items():
        for one in versions:
            found[one.document.site].add(name)
    return {site: frozenset(names) for site, names in found.items()}
