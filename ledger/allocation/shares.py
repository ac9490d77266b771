"""A statement of the market about a trading unit, shared out among the sites that stood in it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from fractions import Fraction
from typing import Final, assert_never

import msgspec

from ledger.allocation.unit_allocation import Item, ShareTerm, SiteShare, UnitAllocation
from ledger.allocation.unit_case import Case, Metered, Shared, SharedOut, standing
from ledger.allocation.unit_fact import (
    UnitCapacity,
    UnitFact,
    UnitRegulation,
    UnitResponse,
    UnitSpot,
    digest_of,
)
from ledger.allocation.unit_power import shared_capacity, shared_regulation
from ledger.allocation.unit_response import shared_response
from ledger.allocation.unit_rule import rule_digest
from ledger.allocation.unit_spot import shared_spot
from ledger.effective import History
from ledger.interval import Interval, Month, zone_of
from ledger.quantity import Money
from ledger.refusal import Refused
from ledger.streams import Rule
from ledger.trading_unit import TradingUnit, UnitStream, pieces, unit_digest

_encode: Final = msgspec.json.Encoder(order="deterministic").encode

_STREAMS: Final[dict[type[UnitFact], UnitStream]] = {
    UnitResponse: "demand_response",
    UnitSpot: "spot",
    UnitRegulation: "regulation",
    UnitCapacity: "capacity",
}


def allocate(
    fact: UnitFact, history: History[TradingUnit], rule: Rule, metered: Mapping[str, Metered]
) -> UnitAllocation:
    """The sites' shares and the operator's line (DOMAIN.md 3.9); the same inputs always give the same.

    A site counts for the time that it stood in the unit: its part of an award is by capability x time, its
    energy is what was metered meanwhile. The award itself is the unit's and does not shrink when a member
    leaves. Metered energy is looked at for a response and for spot, by site.

    Raises:
        Refused: `unit_gap`, `unit_terms`, `month` for a statement across months, `no_members`;
            `rule_type` for a response under another stream's rule, `member_unknown` and
            `member_missing` where the statement's own members are not those of the unit, `meter_layout`,
            `reading_missing`, `statement_difference` for a total that its items do not explain, and
            what the pure allocations refuse.
    """
    cut = pieces(history, fact.interval)
    unit = cut[0].unit
    zone = zone_of(unit.zone)
    month = Month.of(fact.interval.start.astimezone(zone).date()).interval(zone)
    if fact.interval.end > month.end:
        raise Refused("month", f"{fact.id} reaches beyond its month in {unit.zone}", place="interval")
    case = Case(fact, unit, cut, standing(cut), metered)
    if not case.standing:
        raise Refused("no_members", "the aggregate has no sites", place=f"unit {unit.id}")
    match fact:
        case UnitResponse():
            found = shared_response(case, fact, rule)
        case UnitSpot():
            found = shared_spot(case, fact)
        case UnitRegulation():
            found = shared_regulation(case, fact, rule)
        case UnitCapacity():
            found = shared_capacity(case, fact)
        case never:
            assert_never(never)
    of_unit = unit_digest(history, fact.interval, _STREAMS[type(fact)])
    return _allocation(case, of_unit, rule, found)


def _allocation(case: Case, of_unit: str, rule: Rule, found: SharedOut) -> UnitAllocation:
    fact, unit, shared = case.fact, case.unit, found.items
    statement = fact.money("amount")
    rounding = statement - sum((one.allocation.total for one in shared), Money.zero(fact.currency))
    most = Money.parse(unit.rounding_max, fact.currency)
    if abs(rounding.minor) > most.minor:
        wrong = (
            f"the statement says {statement:,}, its items sum to {statement - rounding:,}:"
            f" more than {most:,} apart"
        )
        raise Refused("statement_difference", wrong, place="amount")
    sites = {
        site: SiteShare(
            interval=Interval(times[0].start, times[-1].end),
            terms=tuple(_term(one, site) for one in shared),
            taken=found.taken[site],
            note=found.notes[site],
            under_agc=found.under_agc.get(site),
        )
        for site, times in case.standing.items()
    }
    items = tuple(
        Item(
            name=one.name,
            total=one.allocation.total,
            kept=one.allocation.kept,
            rounding=one.allocation.rounding,
            note=one.allocation.note,
        )
        for one in shared
    )
    parts = [digest_of(fact), of_unit, rule_digest(fact, rule), _digest(found.measured)]
    return UnitAllocation(
        fact=fact.id,
        unit=unit.id,
        unit_code=unit.unit_code,
        operated_by=unit.operator,
        stream=_STREAMS[type(fact)],
        rule=rule.id,
        run=fact.run,
        document=fact.document,
        interval=fact.interval,
        statement=statement,
        items=items,
        rounding=rounding,
        sites=sites,
        fact_digest=parts[0],
        unit_digest=parts[1],
        rule_digest=parts[2],
        metered_digest=parts[3],
        inputs_digest=_digest([*parts, items, sites]),
    )


def _digest(value: object) -> str:
    return hashlib.sha256(_encode(value)).hexdigest()


def _term(one: Shared, site: str) -> ShareTerm:
    weights = {name: Fraction(text) for name, text in one.allocation.weights.items()}
    return ShareTerm(
        item=one.name,
        weight=str(weights[site]) if weights else "",
        weights=str(sum(weights.values(), Fraction(0))) if weights else "",
        unit=one.unit,
        exact=str(one.allocation.exact[site]),
        amount=one.allocation.sites[site],
    )
