"""What the ledger knows of the sites of a month, read for a comparison with an operator's statement."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final

from adapters.postgres.database import Connection
from adapters.queries import registered, unit_facts
from adapters.queries.documents import recorded_at
from adapters.queries.statements import runs
from ledger.contract import Contract
from ledger.interval import Interval, midnight, zone_of
from ledger.quantity import Money
from ledger.reconciliation.background import Background, Held, Newest
from ledger.reconciliation.unit_shares import UnitShares
from ledger.settlement.result import Result
from ledger.settlement.run import Run
from ledger.signed_contract import held_days
from ledger.site import Site
from ledger.stream import Stream
from ledger.streams import Rule
from ledger.streams.capacity_compensation import CapacityRule
from ledger.streams.demand_response import DemandResponseRule, DemandResponseTopUpRule
from ledger.streams.regulation import RegulationRule
from ledger.streams.service_income import ServiceRule
from ledger.streams.spot import SpotRule
from ledger.trading_unit import UnitStream

_UNIT_STREAM: Final[dict[UnitStream, Stream]] = {
    "demand_response": "demand_response",
    "spot": "spot",
    "regulation": "ancillary",
    "capacity": "capacity",
}


def load(connection: Connection, position: int, run: Run, zone: str, cut_off: datetime | None) -> Background:
    """What may explain lines that only one side of a comparison with `run` has, as of `position`."""
    result = run.result
    period = result.month.interval(zone_of(zone))
    rules: registered.Register[Rule] = registered.load(connection, "market_rule", Rule, position)  # type: ignore[arg-type]
    units = _units(connection, period, position)
    told = _told(connection, period, position, rules)
    told |= {(site, stream) for (_, stream), shares in units.items() for site in shares.sites}
    recorded = runs(connection, position, month=str(result.month), contract=result.contract)
    times = recorded_at(connection, [one.sequence for one in recorded])
    return Background(
        contract=result.contract,
        period=period,
        zone=zone_of(zone),
        cut_off=cut_off,
        recorded_at={f"run {one.run}": times[one.sequence] for one in recorded},
        corrected=", ".join(cause.replace("_", " ") for cause in run.causes),
        sites=_held(connection, position),
        refused=result.refused,
        told=frozenset(told),
        newest=_newest(connection, result),
        unit_sites=_unit_sites(connection, position),
        units=units,
    )


def _held(connection: Connection, position: int) -> dict[str, list[Held]]:
    """Every site with the times of its contracts, each version up to where a newer one replaces it."""
    held: dict[str, list[Held]] = {
        name: [] for name in registered.load(connection, "site", Site, position).versions
    }
    contracts = registered.load(connection, "contract", Contract, position).versions
    for name, versions in contracts.items():
        documents = [one.document for one in versions]
        for document, days in zip(documents, held_days(documents), strict=True):
            if days is None:
                continue
            clock = zone_of(document.zone)
            interval = Interval(midnight(days.first, clock), midnight(days.end, clock))
            for site in document.sites:
                held[site].append(Held(name, interval))
    return held


def _told(
    connection: Connection, period: Interval, position: int, rules: registered.Register[Rule]
) -> set[tuple[str, str]]:
    rows = connection.execute(
        "SELECT DISTINCT document->>'site', document->>'rule' FROM ledger.registered"
        " WHERE kind = 'market_fact' AND from_seq <= %(position)s"
        " AND (to_seq IS NULL OR to_seq > %(position)s)"
        " AND effective_from < %(end)s AND effective_to > %(start)s AND document ? 'site'",
        {"position": position, "start": period.start, "end": period.end},
    )
    return {(site, stream_of_rule(rules.versions[rule][-1].document)) for site, rule in rows}


def stream_of_rule(rule: Rule) -> Stream:
    """What is earned under it."""
    match rule:
        case DemandResponseRule() | DemandResponseTopUpRule():
            return "demand_response"
        case SpotRule():
            return "spot"
        case RegulationRule():
            return "ancillary"
        case CapacityRule():
            return "capacity"
        case ServiceRule():
            return "service"


def _newest(connection: Connection, result: Result) -> dict[str, Newest]:
    """The last event that each site's stream lines rest on."""
    last: dict[str, tuple[int, str]] = {}
    for line in result.lines:
        if line.kind != "stream" or line.site is None:
            continue
        for source in (result.sources[number] for number in line.sources):
            sequence = max((end for _, end in source.sequences), default=0)
            last[line.site] = max(last.get(line.site, (0, "")), (sequence, source.aggregate))
    times = recorded_at(connection, [sequence for sequence, _ in last.values()])
    return {
        site: Newest(aggregate, times[sequence])
        for site, (sequence, aggregate) in last.items()
        if sequence in times
    }


def _unit_sites(connection: Connection, position: int) -> dict[str, frozenset[str]]:
    """The sites that ever stood in each unit, by its id and by the operator's code of it."""
    found: dict[str, frozenset[str]] = {}
    for name, unit in unit_facts.units(connection, position).items():
        documents = [version.document for version in unit.history.versions]
        sites = frozenset(member.site for document in documents for member in document.members)
        found |= dict.fromkeys((name, *(document.unit_code for document in documents)), sites)
    return found


def _units(connection: Connection, period: Interval, position: int) -> dict[tuple[str, str], UnitShares]:
    """What was shared out of statements whose time begins in the period."""
    facts = [
        one.fact
        for one in unit_facts.statements(connection, period, position)
        if period.contains(one.fact.interval.start)
    ]
    shared = unit_facts.allocations(connection, [fact.id for fact in facts], position)
    found: dict[tuple[str, str], UnitShares] = {}
    for _, _, one in shared.values():
        sites = {site: share.amount for site, share in one.sites.items()}
        shares = UnitShares(one.unit, sites, one.kept, one.operators_rounding)
        for name in dict.fromkeys((one.unit, one.unit_code)):
            key = (name, _UNIT_STREAM[one.stream])
            found[key] = _joined(found[key], shares) if key in found else shares
    return found


def _joined(one: UnitShares, other: UnitShares) -> UnitShares:
    return UnitShares(
        one.unit,
        _summed((one.sites, other.sites)),
        one.kept + other.kept,
        one.rounding + other.rounding,
    )


def _summed(each: Iterable[Mapping[str, Money]]) -> dict[str, Money]:
    sums: dict[str, list[Money]] = defaultdict(list)
    for one in each:
        for site, money in one.items():
            sums[site].append(money)
    return {site: sum(own[1:], own[0]) for site, own in sums.items()}
