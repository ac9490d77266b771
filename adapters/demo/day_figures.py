"""What the driven day came to: planned, commanded, metered, in the ledger, settled; and how it was told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Final, NamedTuple

import numpy as np

from adapters.demo.day_programme import BID
from adapters.demo.day_story import power_at
from adapters.demo.driven_book import DAY, END, QUARTER, QUARTERS, SITES, START, STORAGES, DrivenBook
from adapters.documents.readable import readable_sum
from adapters.integrity import proven_events
from adapters.mapper import EnvelopeMapper
from adapters.queries import meter_month
from adapters.queries.recorded_plans import RecordedPlan
from adapters.telemetry.history import History
from dispatch.control.command_life import (
    Command,
    DeviceDay,
    SetpointReadBack,
    SetpointWritten,
    WrittenFirst,
    command_aggregate,
)
from dispatch.devices.role import Role
from dispatch.health.alarm import AlarmRaised, alarm_aggregate
from dispatch.plan_check import Whole
from dispatch.telemetry.gaps import GapWatch
from dispatch.telemetry.sample import Sample
from dispatch.telemetry.settlement_interval import interval_energies, register_reads
from ledger.interval import Interval
from ledger.quantity import Money, exact, round_half_away
from ledger.readings import Register
from ledger.refusal import Refused
from ledger.settlement.result import Result
from trading.award import SharedAward, aggregate_of

_MAPPER: Final = EnvelopeMapper()
_DAYS: Final = (DAY - timedelta(days=1), DAY)
"""The UTC days that the local day is part of."""
_ROLES: Final[tuple[tuple[Role, Register], ...]] = (
    ("meter_import_wh", "charge"),
    ("meter_export_wh", "discharge"),
)


class Energy(NamedTuple):
    """Wh of the day, both at least 0."""

    charged: int
    discharged: int

    def plus(self, other: Energy) -> Energy:
        return Energy(self.charged + other.charged, self.discharged + other.discharged)


class SiteDay(NamedTuple):
    """`registers` is what the storages' meters counted from midnight to midnight, `ledger` the sum of the
    book's quarter-hours, `settled` what settlement priced."""

    site: str
    planned: Energy
    commanded: Energy
    registers: Energy
    ledger: Energy
    settled: Energy


class SiteResponse(NamedTuple):
    """Of the call at a site, Wh: its share of the award, and what its storages' meters gave in the ledger."""

    share: int
    given: int

    @property
    def counts(self) -> int:
        """What the programme's effective band takes of it (examples/demo/drive/response_rule.toml)."""
        return min(self.given, self.share * 6 // 5) if self.given * 5 >= self.share * 4 else 0


class ResponseFigures(NamedTuple):
    """Of the call: its sites, the Wh that settlement paid for, and the money."""

    sites: Mapping[str, SiteResponse]
    settled: int
    amount: str

    @property
    def awarded(self) -> int:
        """Wh, of all sites."""
        return sum(one.share for one in self.sites.values())

    @property
    def counts(self) -> int:
        """Wh, of all sites."""
        return sum(one.counts for one in self.sites.values())


class DayFigures(NamedTuple):
    """`missing`: quarter-hours of a storage's register without a reading. `short_wh`: by storage what it
    was told to discharge and did not. `latencies_ms`: from the write to the reading that shows it. `gaps`:
    marks of telemetry by kind. `alarms`: a device and a kind. `waiting`: setpoints of the day that the meters
    showed and that no settlement holds."""

    sites: tuple[SiteDay, ...]
    missing: int
    short_wh: Mapping[str, int]
    statuses: Mapping[str, int]
    latencies_ms: tuple[int, ...]
    gaps: Mapping[str, int]
    samples: int
    alarms: Mapping[str, int]
    waiting: int = 0
    response: ResponseFigures = ResponseFigures({}, 0, "")


def day_figures(book: DrivenBook, result: Result) -> DayFigures:
    """Raises:
    Refused: `demo_agreement` for a register that was not seen at midnight."""
    plans = book.plans()
    commands = {name: list(_commands(book, name)) for name in STORAGES}
    readings = _readings(book)
    ledger, missing = _ledger(readings)
    registers, gaps, samples = _telemetry(book)
    sites = tuple(
        SiteDay(
            site=site,
            planned=_of_powers(plans, site),
            commanded=total(_commanded(commands[name]) for name in _at(site)),
            registers=total(registers[name] for name in _at(site)),
            ledger=total(ledger[name] for name in _at(site)),
            settled=_settled(result, site),
        )
        for site in SITES
    )
    statuses: Counter[str] = Counter(one.status for told in commands.values() for one in told)
    short = {
        name: _commanded(told).discharged - registers[name].discharged for name, told in commands.items()
    }
    latencies, alarms = _told(book)
    waiting = sum(
        one.awaits_settlement and START <= _written_at(one) < END
        for told in commands.values()
        for one in told
    )
    return DayFigures(
        sites,
        missing,
        short,
        statuses,
        latencies,
        gaps,
        samples,
        alarms,
        waiting,
        _response(book, readings, result),
    )


def check_agreement(figures: DayFigures) -> None:
    """Registers, ledger and settlement have the same Wh at every site, the call is paid for as the ledger's
    Wh count, and every setpoint of the day that the meters showed is settled.

    Raises:
        Refused: `demo_agreement`, with the site.
    """
    for one in figures.sites:
        if not one.registers == one.ledger == one.settled:
            wrong = f"meters {one.registers}, ledger {one.ledger}, settled {one.settled}"
            raise Refused("demo_agreement", wrong, place=f"site {one.site}")
    response = figures.response
    if response.counts != response.settled:
        wrong = f"{response.counts} Wh of the ledger count, {response.settled} Wh settled as a response"
        raise Refused("demo_agreement", wrong, place="response")
    if figures.waiting:
        wrong = f"{figures.waiting} setpoints that the meters showed are not settled"
        raise Refused("demo_agreement", wrong, place="commands")


def _at(site: str) -> tuple[str, ...]:
    return tuple(name for name, its in STORAGES.items() if its == site)


def total(parts: Iterable[Energy]) -> Energy:
    """Of all of them."""
    found = Energy(0, 0)
    for one in parts:
        found = found.plus(one)
    return found


def _energy(power_w: int, lasts: timedelta) -> Energy:
    wh = round_half_away(Fraction(abs(power_w) * (lasts // timedelta(microseconds=1)), 3600 * 10**6))
    return Energy(0, wh) if power_w > 0 else Energy(wh, 0)


def _of_powers(plans: Sequence[RecordedPlan], site: str) -> Energy:
    """By the plan of each quarter-hour."""
    return total(
        _energy(power_at(plan, site, START + number * QUARTER), QUARTER) for number, plan in enumerate(plans)
    )


def _commands(book: DrivenBook, device: str) -> Iterator[Command]:
    for day in _DAYS:
        state = book.stack.door.state(command_aggregate(device, day))
        if isinstance(state, DeviceDay):
            yield from (one for _, one in sorted(state.commands.items()))


def _commanded(commands: list[Command]) -> Energy:
    """Each setpoint from its write to the next one, or to its end."""
    written = sorted((one for one in commands if one.written_at is not None), key=_written_at)
    ends: list[datetime] = [_written_at(one) for one in written[1:]] + [END]
    return total(
        _energy(
            one.setpoint.setpoint_w, max(min(end, one.setpoint.expires_at) - _written_at(one), timedelta(0))
        )
        for one, end in zip(written, ends, strict=True)
    )


def _written_at(command: Command) -> datetime:
    assert command.written_at is not None, "only those that were written"
    return command.written_at


def _readings(book: DrivenBook) -> Whole:
    """Wh, a row a storage and register, a column a quarter-hour."""
    keys = [(f"STORAGE-{name}", register) for name in STORAGES for _, register in _ROLES]
    with book.reading() as (connection, position):
        month = meter_month.load(
            connection, book.stack.settings.book, keys, Interval(START, END), QUARTER.seconds, position
        )
    return np.asarray(month.wh, dtype=np.int64)


def _ledger(wh: Whole) -> tuple[dict[str, Energy], int]:
    there = wh != meter_month.MISSING
    sums = (wh * there).sum(axis=1).tolist()
    found = {name: Energy(sums[2 * n], sums[2 * n + 1]) for n, name in enumerate(STORAGES)}
    return found, int((~there).sum())


def _response(book: DrivenBook, wh: Whole, result: Result) -> ResponseFigures:
    award = book.stack.door.state(aggregate_of(BID, 1))
    assert isinstance(award, SharedAward), "it was shared out"
    given = wh[1::2] - wh[::2]
    sites = {}
    for site, share_w in award.sites.items():
        called = np.array(share_w) > 0
        rows = [number for number, its in enumerate(STORAGES.values()) if its == site]
        sites[site] = SiteResponse(sum(share_w) * QUARTER.seconds // 3600, int(given[rows][:, called].sum()))
    lines = [line for line in result.lines if (line.kind, line.code) == ("stream", "demand_response")]
    settled = sum((exact(term.quantity) * 1000 for line in lines for term in line.basis), Fraction(0))
    amount = sum(line.amount.minor for line in lines)
    return ResponseFigures(sites, round_half_away(settled), readable_sum(Money(amount, result.currency)))


def _telemetry(book: DrivenBook) -> tuple[dict[str, Energy], Counter[str], int]:
    history = History(book.stack.client, book.stack.settings.book)
    found: dict[str, Energy] = {}
    gaps: Counter[str] = Counter()
    count = 0
    first, last = (round(at.timestamp() * 1000) for at in (START, END))
    for name in STORAGES:
        for device in (name, f"M-{name}"):
            samples = _samples(history, device)
            watch = GapWatch(device)
            gaps.update(mark.kind for one in samples for mark in watch.seen(one))
            count += len(samples)
        sums: list[int] = []
        of_meter = _samples(history, f"M-{name}")
        for role, register in _ROLES:
            reads = register_reads(of_meter, role)
            (whole,) = interval_energies(
                reads, first_ms=first, end_ms=last, interval_s=QUARTERS * QUARTER.seconds
            )
            if whole.wh is None:
                raise Refused("demo_agreement", f"{whole.missing}", place=f"STORAGE-{name}.{register}")
            sums.append(whole.wh)
        found[name] = Energy(*sums)
    return found, gaps, count


def _samples(history: History, device: str) -> list[Sample]:
    return [one for _, batch in history.batches(device) for one in batch.samples]


def _settled(result: Result, site: str) -> Energy:
    sums = {"charged": 0, "discharged": 0}
    for line in result.lines:
        if (line.kind, line.code, line.site) != ("stream", "arbitrage", site):
            continue
        for term in line.basis:
            label = term.label.partition(",")[0]
            if label in sums and term.unit == "Wh":
                sums[label] += int(exact(term.quantity))
    return Energy(**sums)


def _told(book: DrivenBook) -> tuple[tuple[int, ...], Counter[str]]:
    """From the events themselves: latencies and alarms."""
    names = [command_aggregate(name, day) for name in STORAGES for day in _DAYS]
    written: dict[tuple[str, int], datetime] = {}
    found: list[int] = []
    alarms: Counter[str] = Counter()
    with book.reading() as (connection, position):
        of_commands = list(proven_events.of_aggregates(connection, names, position))
        of_alarms = list(
            proven_events.of_aggregates(connection, [alarm_aggregate(name) for name in STORAGES], position)
        )
    for proven in of_commands:
        for event in _MAPPER.to_envelope(proven.header.topic, proven.state).events:
            match event:
                case SetpointWritten() | WrittenFirst():
                    written[proven.header.aggregate, event.sequence] = event.at
                case SetpointReadBack():
                    begun = written.pop((proven.header.aggregate, event.sequence), None)
                    if begun is not None:
                        found.append((event.at - begun) // timedelta(milliseconds=1))
                case _:
                    pass
    for proven in of_alarms:
        for event in _MAPPER.to_envelope(proven.header.topic, proven.state).events:
            if isinstance(event, AlarmRaised):
                alarms[f"{event.device} {event.alarm.kind}"] += 1
    return tuple(sorted(found)), alarms
