"""What a market's statements about trading units are shared out from, as of one sequence number."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Final, NamedTuple

import msgspec

from adapters.postgres.database import Connection
from adapters.queries import meter_month, registered
from adapters.queries.market_inputs import HISTORY
from adapters.queries.registered import Register
from adapters.queries.site_layout import Registers, meters_of_sites, site_layout
from adapters.queries.site_markets import profiles_of
from adapters.queries.unit_shares import UnitHistory, statements, units
from ledger.allocation.unit_case import Metered
from ledger.allocation.unit_fact import UnitFact, UnitResponse, UnitSpot
from ledger.calendars import calendar_in
from ledger.contract import Contract
from ledger.effective import History
from ledger.interval import Interval, Month, zone_of
from ledger.meter import Meter
from ledger.refusal import Refused
from ledger.site import Site
from ledger.streams import Fact, Rule
from ledger.streams.baseline import Exclusion
from ledger.streams.demand_response import (
    DemandResponseInstruction,
    DemandResponseInvitation,
    DemandResponseOutage,
    DemandResponseRule,
    called_windows,
    matched,
)
from ledger.tariff import Tariff
from ledger.trading_unit import TradingUnit, check_one_unit, pieces, stands

_DAY: Final = timedelta(days=1)
_TICK: Final = timedelta(microseconds=1)


class UnitInputs(NamedTuple):
    """One statement with all that `ledger.allocation.shares.allocate` is given."""

    fact: UnitFact
    history: History[TradingUnit]
    rule: Rule
    metered: dict[str, Metered]


def load(
    connection: Connection, book: str, month: Month, position: int, *, unit: str | None = None
) -> list[UnitInputs]:
    """The statements whose time begins in `month`, in their unit's zone; of one unit, or of all.

    Raises:
        Refused: `unknown_trading_unit`, `unknown_market_rule`, `unit_overlap`, and what a site's meters are
            refused for.
    """
    known = units(connection, position)
    if unit is not None and unit not in known:
        raise Refused("unknown_trading_unit", f"no trading_unit {unit!r} is registered", place="unit")
    anywhere = month.interval(zone_of("UTC"))
    near = Interval(anywhere.start - _DAY, anywhere.end + _DAY)
    found = [
        one.fact
        for one in statements(connection, near, position)
        if (unit is None or one.fact.unit == unit) and _is_of(one.fact, known, month)
    ]
    for name in sorted({fact.unit for fact in found}):
        check_one_unit(name, {other: one.history for other, one in known.items()})
    rules: Register[Rule] = registered.load(connection, "market_rule", Rule, position)  # type: ignore[arg-type]
    sites = _Sites(connection, book, position, month, found, known)
    return [
        UnitInputs(fact, known[fact.unit].history, _rule(rules, fact), sites.metered(fact)) for fact in found
    ]


def _is_of(fact: UnitFact, known: dict[str, UnitHistory], month: Month) -> bool:
    zone = zone_of(known[fact.unit].history.latest.document.zone)
    return Month.of(fact.interval.start.astimezone(zone).date()) == month


def _rule(rules: Register[Rule], fact: UnitFact) -> Rule:
    held = rules.at(fact.rule, fact.interval.end - _TICK) or rules.at(fact.rule, fact.interval.start)
    if held is None:
        raise Refused(
            "unknown_market_rule",
            f"no rule {fact.rule!r} holds from {fact.interval.start} to {fact.interval.end}",
            place="rule",
        )
    return held.document


class _Sites:
    """The members' meters and what else was told about them; read where a statement needs it."""

    def __init__(
        self,
        connection: Connection,
        book: str,
        position: int,
        month: Month,
        facts: list[UnitFact],
        known: dict[str, UnitHistory],
    ) -> None:
        self._connection, self._book, self._position, self._month = connection, book, position, month
        self._known = known
        meters = registered.load(connection, "meter", Meter, position)
        self._registers = Registers(
            registered.load(connection, "contract", Contract, position),
            registered.load(connection, "site", Site, position),
            meters,
            registered.load(connection, "tariff", Tariff, position),
            meters_of_sites(meters),
        )
        self._responses: list[UnitResponse] = []
        if any(isinstance(fact, UnitResponse) for fact in facts):
            first = min(fact.interval.start for fact in facts)
            looked_at = Interval(first - HISTORY, max(fact.interval.end for fact in facts))
            told = statements(connection, looked_at, position)
            self._responses = [one.fact for one in told if isinstance(one.fact, UnitResponse)]

    def metered(self, fact: UnitFact) -> dict[str, Metered]:
        """By member; empty for a statement whose weights are stated with it."""
        if not isinstance(fact, UnitResponse | UnitSpot):
            return {}
        history = self._known[fact.unit].history
        members = {one.site for piece in pieces(history, fact.interval) for one in piece.members}
        return {site: self._of(site, fact) for site in sorted(members)}

    def _of(self, site: str, fact: UnitFact) -> Metered:
        layout = site_layout(self._registers, site, self._month)
        begin = min(layout.interval.start, layout.month.start)
        if isinstance(fact, UnitResponse):
            begin -= HISTORY
        span = Interval(begin, max(layout.interval.end, layout.month.end))
        found = meter_month.load(
            self._connection, self._book, layout.keys, span, layout.interval_s, self._position
        )
        profiles = profiles_of(layout, span, found, {key: row for row, key in enumerate(found.keys)})
        zone = layout.site.document.zone
        days = calendar_in(zone)
        return Metered(profiles.grid, profiles.storage, days.day_kind, self._excluded(site, fact, span))

    def _excluded(self, site: str, fact: UnitFact, span: Interval) -> tuple[Exclusion, ...]:
        """Events and outages in which the site was not normal, but for the event itself."""
        own = [
            Exclusion(one.interval, f"event {one.id}")
            for one in self._responses
            if one.id != fact.id and stands(self._known[one.unit].history, site, one.interval)
        ]
        rows = self._connection.execute(
            "SELECT document::text FROM ledger.registered"
            " WHERE kind = 'market_fact' AND from_seq <= %(position)s"
            " AND (to_seq IS NULL OR to_seq > %(position)s)"
            " AND effective_from < %(end)s AND effective_to > %(start)s"
            " AND document->>'site' = %(site)s ORDER BY id",
            {"position": self._position, "start": span.start, "end": span.end, "site": site},
        )
        decode = msgspec.json.Decoder(Fact).decode
        facts: list[Fact] = [decode(text) for (text,) in rows]
        own += [
            Exclusion(one.interval, f"outage ({one.reason})")
            for one in facts
            if isinstance(one, DemandResponseOutage)
        ]
        return (*own, *self._called(facts))

    def _called(self, facts: Iterable[Fact]) -> list[Exclusion]:
        """The windows of the events to which the site was called by itself."""
        rules: Register[Rule] = registered.load(self._connection, "market_rule", Rule, self._position)  # type: ignore[arg-type]
        known = list(facts)
        awards = [one for one in known if isinstance(one, DemandResponseInvitation)]
        calls = [one for one in known if isinstance(one, DemandResponseInstruction)]
        found: list[Exclusion] = []
        for name in sorted({one.rule for one in awards}):
            of_rule = [one for one in awards if one.rule == name]
            events = matched(of_rule, [one for one in calls if one.rule == name])
            rule = rules.versions[name][-1].document
            if isinstance(rule, DemandResponseRule):
                found += called_windows(rule, events)
        return found
