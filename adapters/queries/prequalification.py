"""What a trading unit's devices were proven to do: from their step tests and what was stated of their
sites."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

import msgspec

from adapters.postgres.database import Connection
from adapters.queries import device_care, registered_page
from adapters.queries.device_health import health_record
from dispatch.commissioning.judging import TO_ITS_ANSWER
from dispatch.commissioning.report import CommissioningReport
from dispatch.commissioning.step_result import StepName
from ledger.device import Device
from ledger.interval import Month, zone_of
from ledger.kpi.kpi import Kpi
from ledger.kpi.operation import NodeHours, availability
from ledger.kpi.stated_availability import SiteAvailability
from ledger.refusal import Refused
from ledger.site import Site
from ledger.trading_unit import TradingUnit


class ProvenDevice(msgspec.Struct, frozen=True, kw_only=True):
    """Powers in W, ramp in W/s, latency to the effect in ms, as measured; None where the newest test did not
    measure it, and `not_measured` says why of its steps. `unmetered`: steps that passed by the device's own
    reading, and that no meter saw."""

    site: str
    device: str
    passed: bool
    failed_step: str
    tested_at: str
    discharge_w: int | None = None
    charge_w: int | None = None
    ramp_w_per_s: int | None = None
    latency_ms: int | None = None
    not_measured: Mapping[StepName, str] = {}
    unmetered: tuple[StepName, ...] = ()


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """What telemetry told of a month, by whole local days that are over and on record: how many the devices
    have, in which part of them they were available, weighted by kWh, and which devices have none. A day that
    is not over tells nothing yet."""

    device_days: int
    availability: Kpi | None
    never: tuple[str, ...]


class Prequalification(msgspec.Struct, frozen=True, kw_only=True):
    """`discharge_w`, `charge_w` and `ramp_w_per_s` are of the devices that passed, and the ramp of those of
    which it was measured. `latency_ms` is the slowest one's; None where one's was not measured.
    `availability` is None without a month, or where a site's was not stated; `seen` without a month."""

    position: int
    unit: str
    month: str
    devices: tuple[ProvenDevice, ...]
    discharge_w: int
    charge_w: int
    ramp_w_per_s: int
    latency_ms: int | None
    untested: tuple[str, ...]
    availability: Kpi | None
    not_stated: tuple[str, ...]
    seen: Seen | None


def prequalification(
    connection: Connection, position: int, unit: str, month: Month | None
) -> Prequalification:
    """Of the unit's newest version, and every battery and converter at its sites.

    Raises:
        Refused: `unknown_trading_unit`.
    """
    versions = registered_page.versions(connection, "trading_unit", TradingUnit, position, unit)
    if not versions:
        raise Refused("unknown_trading_unit", f"no trading unit {unit!r} is registered", place="unit")
    sites = sorted({member.site for member in versions[-1].document.members})
    devices: list[ProvenDevice] = []
    untested: list[str] = []
    nameplates: dict[str, int] = {}
    for row in registered_page.page(connection, "device", Device, position, limit=100_000):
        one = row.document
        if one.site not in sites or one.type not in ("battery", "pcs", "ems"):
            continue
        nameplates[one.id] = one.energy_wh
        tests = device_care.step_tests(connection, position, one.id)
        if tests:
            devices.append(_proven(one, tests[-1].report))
        else:
            untested.append(one.id)
    passed = [one for one in devices if one.passed]
    latencies = [one.latency_ms for one in passed]
    known = [one for one in latencies if one is not None]
    nodes, silent = ([], []) if month is None else _nodes(connection, position, sites, month)
    return Prequalification(
        position=position,
        unit=unit,
        month="" if month is None else str(month),
        devices=tuple(devices),
        discharge_w=sum(one.discharge_w or 0 for one in passed),
        charge_w=sum(one.charge_w or 0 for one in passed),
        ramp_w_per_s=sum(one.ramp_w_per_s or 0 for one in passed),
        latency_ms=max(known) if known and len(known) == len(latencies) else None,
        untested=tuple(untested),
        availability=availability(nodes) if nodes and not silent else None,
        not_stated=tuple(silent),
        seen=None if month is None else _seen(connection, position, nameplates, month),
    )


def report_lines(found: Prequalification) -> list[str]:
    """The report as text."""
    lines = [f"prequalification of {found.unit} as of {found.position}"]
    for one in found.devices:
        verdict = "passed" if one.passed else f"failed at {one.failed_step}"
        lines.append(
            f"{one.site}/{one.device}  {verdict} {one.tested_at}  out {_or_none(one.discharge_w, 'W')}"
            f"  in {_or_none(one.charge_w, 'W')}  ramp {_measured(one, 'ramp', one.ramp_w_per_s, 'W/s')}"
            f"  latency {_measured(one, 'latency', one.latency_ms, 'ms')}"
        )
        lines += [f"{one.device}  {step} not measured: {why}" for step, why in one.not_measured.items()]
    lines += [f"{name}  never tested" for name in found.untested]
    lines.append(
        f"proven: out {found.discharge_w} W, in {found.charge_w} W,"
        f" ramp {found.ramp_w_per_s} W/s{_without(found, 'ramp')},"
        f" slowest latency {_or_none(found.latency_ms, 'ms')}{_without(found, 'latency')}"
    )
    if found.month:
        kpi = found.availability
        if found.not_stated:
            lines.append(f"availability of {found.month}: not stated of {', '.join(found.not_stated)}")
        elif kpi is None or kpi.value is None:
            lines.append(f"availability of {found.month}: no site has storage")
        else:
            lines.append(f"availability of {found.month}: {_percent(Fraction(kpi.value))} %, weighted by kWh")
    if found.seen is not None:
        lines.append(_seen_text(found.month, found.seen))
    for one in found.devices:
        if one.unmetered:
            steps = ", ".join(one.unmetered)
            lines.append(f"{one.device}  unmetered: {steps}: passed by its own reading, seen by no meter")
    return lines


def _proven(device: Device, report: CommissioningReport) -> ProvenDevice:
    by_step = {one.step: one for one in report.results}
    whole = by_step["capability"].verdict == "passed"
    ramp, latency = by_step["ramp"], by_step["latency"]
    not_measured: dict[StepName, str] = {}
    if ramp.verdict == "flagged":
        not_measured["ramp"] = ramp.note
    if latency.note.startswith(TO_ITS_ANSWER):
        not_measured["latency"] = f"{_or_none(latency.measured, latency.unit)} {latency.note}"
    return ProvenDevice(
        site=device.site,
        device=device.id,
        passed=report.passed,
        failed_step=report.failed_step,
        tested_at=f"{report.ended_at:%Y-%m-%dT%H:%MZ}",
        discharge_w=report.plan.discharge_w if whole else None,
        charge_w=report.plan.charge_w if whole else None,
        ramp_w_per_s=None if "ramp" in not_measured else ramp.measured,
        latency_ms=None if "latency" in not_measured else latency.measured,
        not_measured=not_measured,
        unmetered=_unmetered(report),
    )


def _unmetered(report: CommissioningReport) -> tuple[StepName, ...]:
    """The steps that something was commanded in and that passed, and that no meter saw."""
    return tuple(
        one.step
        for one in report.results
        if one.verdict in ("passed", "flagged") and one.commanded_w is not None and one.metered_w is None
    )


def _nodes(
    connection: Connection, position: int, sites: list[str], month: Month
) -> tuple[list[NodeHours], list[str]]:
    nodes: list[NodeHours] = []
    silent: list[str] = []
    for name in sites:
        site = registered_page.versions(connection, "site", Site, position, name)[-1].document
        if not site.storage_energy_wh:
            continue
        key = f"{name}_{month}"
        stated = registered_page.versions(connection, "availability", SiteAvailability, position, key)
        if not stated:
            silent.append(name)
            continue
        whole = month.interval(zone_of(site.zone)).seconds
        out = stated[-1].document.unavailable_s
        nodes.append(NodeHours(name, site.storage_energy_wh, whole - out, whole))
    return nodes, silent


def _seen(connection: Connection, position: int, nameplates: Mapping[str, int], month: Month) -> Seen:
    nodes: list[NodeHours] = []
    device_days = 0
    for name, energy_wh in nameplates.items():
        days = [
            one
            for one in health_record(connection, position, name).days
            if Month(one.day.year, one.day.month) == month
        ]
        device_days += len(days)
        if days and energy_wh > 0:
            available, whole = sum(one.available_s for one in days), sum(one.whole_s for one in days)
            nodes.append(NodeHours(name, energy_wh, available, whole))
    seen = {one.node for one in nodes}
    return Seen(
        device_days=device_days,
        availability=availability(nodes) if nodes else None,
        never=tuple(name for name in nameplates if name not in seen),
    )


def _seen_text(month: str, seen: Seen) -> str:
    never = f"; no whole day: {', '.join(seen.never)}" if seen.never else ""
    kpi = seen.availability
    if kpi is None or kpi.value is None:
        return f"telemetry of {month}: none yet, only whole days that are over count{never}"
    percent = _percent(Fraction(kpi.value))
    return f"telemetry of {month}: available {percent} % of {seen.device_days} whole device days{never}"


def _measured(one: ProvenDevice, step: StepName, value: int | None, unit: str) -> str:
    return "not measured" if step in one.not_measured else _or_none(value, unit)


def _without(found: Prequalification, step: StepName) -> str:
    """The devices that passed and of which that was not measured."""
    names = [one.device for one in found.devices if one.passed and step in one.not_measured]
    return f" (not measured of {', '.join(names)})" if names else ""


def _or_none(value: int | None, unit: str) -> str:
    return "none" if value is None else f"{value} {unit}"


def _percent(value: Fraction) -> str:
    hundredths = int(value * 100 + Fraction(1, 2))
    return f"{hundredths // 100}.{hundredths % 100:02}"
