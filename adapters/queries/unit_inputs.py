"""What a market's statements about trading units are shared out from, as of one sequence number."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from functools import cached_property, partial
from typing import Final, NamedTuple

import msgspec

from adapters.postgres.database import Connection
from adapters.queries import registered, site_profiles
from adapters.queries.kept import kept
from adapters.queries.read_ahead import ReadAhead
from adapters.queries.registered import Register
from adapters.queries.site_layout import Registers, SiteLayout, meters_of_sites, site_layout
from adapters.queries.site_profiles import HISTORY, SITES_AT_ONCE, Profiles
from adapters.queries.unit_facts import UnitHistory, statements, units
from ledger.allocation.unit_case import Metered
from ledger.allocation.unit_fact import UnitFact, UnitResponse, UnitSpot
from ledger.allocation.unit_rule import rule_of
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
from ledger.trading_unit import TradingUnit, check_one_unit, members_during, stands

_DAY: Final = timedelta(days=1)
_decode_fact: Final = msgspec.json.Decoder(Fact).decode


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
        if (unit is None or one.fact.unit == unit) and _month(one.fact, known) == month
    ]
    for name in sorted({fact.unit for fact in found}):
        check_one_unit(name, {other: one.history for other, one in known.items()})
    reader = UnitReader(connection, book, found, known, position)
    return [reader.inputs(fact) for fact in found]


class UnitReader:
    """Reads what statements are shared out from; what those of one unit and month have in common, once."""

    def __init__(
        self,
        connection: Connection,
        book: str,
        facts: Sequence[UnitFact],
        known: Mapping[str, UnitHistory],
        position: int,
    ) -> None:
        self._known = known
        self._rules: Register[Rule] = registered.load(connection, "market_rule", Rule, position)  # type: ignore[arg-type]
        grouped: dict[tuple[str, Month], list[UnitFact]] = defaultdict(list)
        for fact in facts:
            grouped[fact.unit, _month(fact, known)].append(fact)
        self._members = {
            key: _Members(connection, book, position, key[1], told, known, self._rules)
            for key, told in grouped.items()
        }

    def rule(self, fact: UnitFact) -> Rule:
        """Raises:
        Refused: `unknown_market_rule`."""
        return rule_of(fact, partial(self._rules.at, fact.rule))

    def inputs(self, fact: UnitFact) -> UnitInputs:
        """What one of the statements is shared out from.

        Raises:
            Refused: `unknown_market_rule`, and what a site's meters are refused for.
        """
        metered = self._members[fact.unit, _month(fact, self._known)].metered(fact)
        return UnitInputs(fact, self._known[fact.unit].history, self.rule(fact), metered)


def _month(fact: UnitFact, known: Mapping[str, UnitHistory]) -> Month:
    zone = zone_of(known[fact.unit].history.latest.document.zone)
    return Month.of(fact.interval.start.astimezone(zone).date())


class _Members:
    """The members' meters in a unit's statements of one month, and what else was told about the sites."""

    def __init__(
        self,
        connection: Connection,
        book: str,
        position: int,
        month: Month,
        facts: Sequence[UnitFact],
        known: Mapping[str, UnitHistory],
        rules: Register[Rule],
    ) -> None:
        self._connection, self._book, self._position, self._month = connection, book, position, month
        self._known, self._rules = known, rules
        # Of other statements the weights are stated with them.
        self._facts = [fact for fact in facts if isinstance(fact, UnitResponse | UnitSpot)]
        self._sites = {
            fact.id: members_during(known[fact.unit].history, fact.interval) for fact in self._facts
        }

    def metered(self, fact: UnitFact) -> dict[str, Metered]:
        """By member; empty for a statement whose weights are stated with it."""
        found: dict[str, Metered] = {}
        for site in self._sites.get(fact.id, ()):
            profiles, layout = self._profiles[site], self._layouts[site]
            days = calendar_in(layout.site.document.zone)
            found[site] = Metered(
                profiles.grid, profiles.storage, days.day_kind, self._excluded(site, fact, layout)
            )
        return found

    @cached_property
    def _responses(self) -> list[UnitResponse]:
        """The events of all units in the time that baselines look back to."""
        own = [fact for fact in self._facts if isinstance(fact, UnitResponse)]
        if not own:
            return []
        first = min(fact.interval.start for fact in own)
        looked_at = Interval(first - HISTORY, max(fact.interval.end for fact in own))
        told = statements(self._connection, looked_at, self._position)
        return [one.fact for one in told if isinstance(one.fact, UnitResponse)]

    @cached_property
    def _layouts(self) -> dict[str, SiteLayout]:
        meters = registered.load(self._connection, "meter", Meter, self._position)
        register = Registers(
            registered.load(self._connection, "contract", Contract, self._position),
            registered.load(self._connection, "site", Site, self._position),
            meters,
            registered.load(self._connection, "tariff", Tariff, self._position),
            meters_of_sites(meters),
        )
        sites = sorted({site for members in self._sites.values() for site in members})
        return {site: site_layout(register, site, self._month) for site in sites}

    @cached_property
    def _profiles(self) -> dict[str, Profiles]:
        groups: dict[tuple[Interval, int], list[SiteLayout]] = defaultdict(list)
        for layout in self._layouts.values():
            groups[self._span(layout), layout.interval_s].append(layout)
        readings = ReadAhead(self._connection, self._book, self._position)
        found: dict[str, Profiles] = {}
        for (span, _), layouts in groups.items():
            for first in range(0, len(layouts), SITES_AT_ONCE):
                some = layouts[first : first + SITES_AT_ONCE]
                found |= site_profiles.load(readings, some, span)
        return found

    def _span(self, layout: SiteLayout) -> Interval:
        begin = min(layout.interval.start, layout.month.start)
        if self._responses:
            begin -= HISTORY
        return Interval(begin, max(layout.interval.end, layout.month.end))

    def _excluded(self, site: str, fact: UnitFact, layout: SiteLayout) -> tuple[Exclusion, ...]:
        """Events and outages in which the site was not normal, but for the event itself."""
        if not isinstance(fact, UnitResponse):
            return ()
        own = [
            Exclusion(one.interval, f"event {one.id}")
            for one in self._responses
            if one.id != fact.id and stands(self._known[one.unit].history, site, one.interval)
        ]
        span = self._span(layout)
        facts = [one for one in self._told.get(site, ()) if one.interval.overlaps(span)]
        own += [
            Exclusion(one.interval, f"outage ({one.reason})")
            for one in facts
            if isinstance(one, DemandResponseOutage)
        ]
        return (*own, *self._called(facts))

    @cached_property
    def _told(self) -> dict[str, list[Fact]]:
        """What markets told about the member sites themselves in the time of the profiles, by id."""
        spans = [self._span(layout) for layout in self._layouts.values()]
        rows = self._connection.execute(
            "SELECT document->>'site', document::text FROM ledger.registered"
            " WHERE kind = 'market_fact' AND from_seq <= %(position)s"
            " AND (to_seq IS NULL OR to_seq > %(position)s)"
            " AND effective_from < %(end)s AND effective_to > %(start)s"
            " AND document->>'site' = ANY(%(sites)s) ORDER BY id",
            {
                "position": self._position,
                "start": min(span.start for span in spans),
                "end": max(span.end for span in spans),
                "sites": list(self._layouts),
            },
        )
        found: dict[str, list[Fact]] = defaultdict(list)
        for site, text in rows:
            found[site].append(kept(_decode_fact, text, "table registered, market_fact"))
        return found

    def _called(self, known: Iterable[Fact]) -> list[Exclusion]:
        """The windows of the events to which the site was called by itself."""
        facts = list(known)
        awards = [one for one in facts if isinstance(one, DemandResponseInvitation)]
        calls = [one for one in facts if isinstance(one, DemandResponseInstruction)]
        found: list[Exclusion] = []
        for name in sorted({one.rule for one in awards}):
            of_rule = [one for one in awards if one.rule == name]
            events = matched(of_rule, [one for one in calls if one.rule == name])
            rule = self._rules.versions[name][-1].document
            if isinstance(rule, DemandResponseRule):
                found += called_windows(rule, events)
        return found
