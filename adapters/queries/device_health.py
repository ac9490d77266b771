"""How a device is, as of a sequence number: from its days, its capacity tests and its alarms on record."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from fractions import Fraction
from typing import Any, Final, cast

import msgspec

from adapters.postgres.database import Connection
from adapters.queries import device_care, registered_page
from adapters.queries.registered_events import folded_states
from dispatch.health.alarm import Alarm, AlarmKind
from dispatch.health.efficiency import life_discharge_wh, throughput
from dispatch.health.record import CapacityTestOnRecord, HealthDay, HealthEvent, HealthRecord
from dispatch.health.state_of_health import CapacityTest, state_of_health
from dispatch.health.trends import TRENDS, found_trend
from ledger.clauses.flow import exact_text
from ledger.device import Device
from ledger.kpi.kpi import Kpi
from ledger.kpi.operation import NodeHours, availability, equivalent_cycles
from ledger.quantity import round_half_away
from ledger.refusal import Refused

WINDOW_DAYS: Final = 30


class HealthShares(msgspec.Struct, frozen=True, kw_only=True):
    """Shares of the nameplate as exact text; `fade` of one equivalent cycle, None with fewer than three
    tests."""

    health: str
    tested: str
    cycles_since_test: str
    fade: str | None
    health_ppm: int


class ShownTrend(msgspec.Struct, frozen=True, kw_only=True):
    """`newest` is the newest day's value. Slope a day and level as exact text; None where too few days have a
    value. `crosses_in` days; None: not within the horizon, or not for certain."""

    kind: AlarmKind
    unit: str
    method: str
    newest: int | None
    slope: str | None
    level: str | None
    certain: bool
    crosses_in: int | None


class DeviceHealth(msgspec.Struct, frozen=True, kw_only=True):
    """`first` to `last`: the days of which the key figures are, the last 30 of those on record. A figure that
    is None was not measured."""

    position: int
    device: str
    site: str
    nameplate_wh: int
    first: date | None
    last: date | None
    days: int
    availability: Kpi | None
    efficiency: Kpi | None
    cycles: Kpi | None
    state_of_health: HealthShares | None
    tests: tuple[CapacityTestOnRecord, ...]
    spread_mv: int | None
    rise_mk: int | None
    trends: tuple[ShownTrend, ...]
    alarms: tuple[Alarm, ...]


def device_health(connection: Connection, position: int, name: str) -> DeviceHealth:
    """Raises:
    Refused: `unknown_device`."""
    versions = registered_page.versions(connection, "device", Device, position, name)
    if not versions:
        raise Refused("unknown_device", f"no device {name!r} is registered", place="name")
    device = versions[-1].document
    record = health_record(connection, position, name)
    window = recent(record.days)
    alarms = device_care.open_alarms(connection, position, name)
    used = throughput(window)
    return DeviceHealth(
        position=position,
        device=name,
        site=device.site,
        nameplate_wh=device.energy_wh,
        first=window[0].day if window else None,
        last=window[-1].day if window else None,
        days=len(window),
        availability=_availability(name, device.energy_wh, window),
        efficiency=None if used is None else used.efficiency,
        cycles=_cycles(record, device.energy_wh),
        state_of_health=_shares(record, device.energy_wh),
        tests=record.tests,
        spread_mv=_newest([one.spread_mv for one in record.days]),
        rise_mk=_newest([one.rise_mk for one in record.days]),
        trends=tuple(_shown(kind, record.days, device.energy_wh) for kind in TRENDS),
        alarms=tuple(one.alarm for one in alarms),
    )


def health_record(connection: Connection, position: int, name: str) -> HealthRecord:
    """What is on record of a device's health; empty where nothing is."""
    found = folded_states(connection, "health", cast("Any", HealthEvent), position, name).get(name)
    return HealthRecord() if found is None else found.state


def recent(days: Sequence[HealthDay]) -> tuple[HealthDay, ...]:
    """Of the last 30 local days up to the newest on record."""
    if not days:
        return ()
    first = days[-1].day - timedelta(days=WINDOW_DAYS - 1)
    return tuple(one for one in days if one.day >= first)


def health_lines(found: DeviceHealth) -> list[str]:
    """The answer as text."""
    lines = [f"health of {found.device} at {found.site} as of {found.position}"]
    if found.first is not None:
        lines.append(f"{found.days} days from {found.first} to {found.last}")
    else:
        lines.append("no day of its telemetry is on record")
    shares = found.state_of_health
    health = "no capacity test is on record" if shares is None else _health_text(shares, found.tests)
    lines.append(f"state of health        {health}")
    for title, kpi in (
        ("equivalent cycles", found.cycles),
        ("round-trip efficiency", found.efficiency),
        ("availability", found.availability),
    ):
        lines.append(f"{title:<23}{_kpi_text(kpi)}")
    lines.append(f"cell spread            {_or_none(found.spread_mv, 'mV at rest')}")
    lines.append(f"temperature rise       {_or_none(found.rise_mk, 'm°C above the air at full power')}")
    for trend in found.trends:
        lines += [f"{trend.kind:<23}{_trend_text(trend)}", f"{'':<23}{trend.method}"]
    lines += [
        f"ALARM {one.severity} {one.kind} since {one.since:%Y-%m-%dT%H:%M:%SZ}: {one.detail}"
        for one in found.alarms
    ]
    if not found.alarms:
        lines.append("no alarm is open")
    return lines


def _availability(name: str, energy_wh: int, days: Sequence[HealthDay]) -> Kpi | None:
    """Of the days on record: a day without telemetry is not one that was not available, and not in it."""
    if not days or energy_wh <= 0:
        return None
    available, whole = sum(one.available_s for one in days), sum(one.whole_s for one in days)
    return availability([NodeHours(name, energy_wh, available, whole)])


def _cycles(record: HealthRecord, nameplate_wh: int) -> Kpi | None:
    if nameplate_wh <= 0 or not any(one.opened for one in record.days):
        return None
    return equivalent_cycles(life_discharge_wh(record.days), nameplate_wh)


def _shares(record: HealthRecord, nameplate_wh: int) -> HealthShares | None:
    if nameplate_wh <= 0:
        return None
    tests = [
        CapacityTest(
            measured_wh=one.usable_wh,
            discharged_wh=life_discharge_wh(day for day in record.days if day.end <= one.tested_at),
        )
        for one in record.tests
    ]
    found = state_of_health(nameplate_wh, tests, life_discharge_wh(record.days))
    if found is None:
        return None
    return HealthShares(
        health=exact_text(found.health),
        tested=exact_text(found.tested),
        cycles_since_test=exact_text(found.cycles_since_test),
        fade=None if found.fade is None else exact_text(Fraction(found.fade)),
        health_ppm=round_half_away(found.health * 1_000_000),
    )


def _shown(kind: AlarmKind, days: Sequence[HealthDay], energy_wh: int) -> ShownTrend:
    watched = TRENDS[kind]
    found = found_trend(kind, days, energy_wh)
    return ShownTrend(
        kind=kind,
        unit=watched.unit,
        method=watched.method,
        newest=watched.value(days[-1], energy_wh) if days else None,
        slope=None if found is None else exact_text(found.slope),
        level=None if found is None else exact_text(found.level),
        certain=found is not None and found.certain,
        crosses_in=None if found is None else found.crosses_in,
    )


def _newest(values: Sequence[int | None]) -> int | None:
    return next((one for one in reversed(values) if one is not None), None)


def _health_text(shares: HealthShares, tests: Sequence[CapacityTestOnRecord]) -> str:
    permille = round_half_away(Fraction(shares.health_ppm, 1000))
    last = tests[-1]
    since = round_half_away(Fraction(shares.cycles_since_test))
    return (
        f"{permille // 10}.{permille % 10} % of the nameplate: {last.usable_wh} Wh on"
        f" {last.tested_at:%Y-%m-%d} by {last.by} ({last.evidence}), {since} cycles since"
    )


def _kpi_text(kpi: Kpi | None) -> str:
    if kpi is None:
        return "not measured"
    note = f" ({kpi.note})" if kpi.note else ""
    return f"{kpi.rounded(2)} {kpi.unit}{note}"


def _trend_text(one: ShownTrend) -> str:
    if one.slope is None or one.level is None:
        return "too few days have a value"
    level, slope = Fraction(one.level), Fraction(one.slope)
    told = f"{round_half_away(level)} {one.unit}, {round_half_away(slope * 1000)} thousandths of it a day"
    if one.crosses_in is not None:
        return f"{told}: crosses in {one.crosses_in} days"
    return f"{told}, {'certain' if one.certain else 'not certain'}"


def _or_none(value: int | None, unit: str) -> str:
    return "not measured" if value is None else f"{value} {unit}"
