"""What markets told about sites, with the rules, prices and metered history that settling it needs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from functools import cached_property
from typing import Final, NamedTuple

import msgspec

from adapters.postgres.database import Connection
from adapters.queries import registered, unified_prices
from adapters.queries.kept import kept
from adapters.queries.price_series import series
from adapters.queries.registered import Recorded
from adapters.queries.site_profiles import HISTORY, Profiles
from adapters.queries.unit_shares import Shares, shares
from ledger.allocation.unit_allocation import SiteAllocation, UnderAgc
from ledger.interval import Interval
from ledger.market_price import PriceSeries, Product
from ledger.refusal import Refused
from ledger.settlement.line import Source
from ledger.settlement.markets.month import MarketMonth, SpotPricesOf
from ledger.site import MarketPoint, Site
from ledger.streams import Fact, Rule
from ledger.streams.capacity_compensation import CapacityLeased
from ledger.streams.demand_response import (
    DemandResponseAnnualCut,
    DemandResponseInstruction,
    DemandResponseInvitation,
    DemandResponseOutage,
    DemandResponseRule,
)
from ledger.streams.regulation import AgcInstructions, RegulationPerformance, RegulationRule
from ledger.streams.service_income import ServiceOrdered
from ledger.streams.spot import SpotGeneration, SpotRule

_decode_fact: Final = msgspec.json.Decoder(Fact).decode
_TICK: Final = timedelta(microseconds=1)
_LOOKED_BACK: Final = (
    DemandResponseInvitation,
    DemandResponseInstruction,
    DemandResponseOutage,
    DemandResponseAnnualCut,
    CapacityLeased,
    ServiceOrdered,
)
"""Facts of earlier days that a month's settling looks at; what is told of other ones pays their own month."""


class Told(NamedTuple):
    """The facts about a site and market-wide ones of its rules, and the rules; before what they need. Of
    earlier days only those that settling the month looks back at.

    `allocated`: its shares of what was told about the trading units that it stood in.
    """

    facts: tuple[Fact, ...]
    rules: dict[str, Rule]
    sources: tuple[Source, ...]
    allocated: tuple[SiteAllocation, ...] = ()

    @property
    def needs_history(self) -> bool:
        return any(isinstance(rule, DemandResponseRule) for rule in self.rules.values())

    def needs_prices(self, interval: Interval) -> bool:
        """Whether something was told of a spot market of two settlements in `interval`, and not only in the
        history."""
        return any(rule.settlements == "two" for rule in self._spot_rules(interval))

    def _spot_rules(self, interval: Interval) -> Iterator[SpotRule]:
        for fact in self.facts:
            rule = self.rules[fact.rule]
            if isinstance(rule, SpotRule) and fact.interval.overlaps(interval):
                yield rule

    def weighted_rule(self, interval: Interval) -> SpotRule | None:
        """The spot rule of `interval` whose price is computed of nodes' prices and generation, if any."""
        for fact in self.facts:
            rule = self.rules[fact.rule]
            if isinstance(rule, SpotRule) and fact.interval.overlaps(interval):
                return rule if rule.price_point == "generation_weighted" else None
        return None

    def needs_real_time(self, interval: Interval) -> bool:
        """Whether energy of `interval` settles at the real-time price alone: of a spot market of one
        settlement, or where AGC may have instructed."""
        if any(rule.settlements == "one" for rule in self._spot_rules(interval)):
            return True
        return any(
            isinstance(fact, RegulationPerformance | AgcInstructions)
            and _settles_energy(self.rules[fact.rule])
            and fact.interval.overlaps(interval)
            for fact in self.facts
        ) or any(
            _settles_energy(self.rules[agc.rule]) and agc.interval.overlaps(interval)
            for agc in self.under_agc
        )

    @property
    def under_agc(self) -> tuple[UnderAgc, ...]:
        """When AGC moved the site as a member of trading units."""
        return tuple(agc for one in self.allocated if (agc := one.share.under_agc) is not None)


def _settles_energy(rule: Rule) -> bool:
    return isinstance(rule, RegulationRule) and rule.energy == "real_time"


class SitesTold:
    """What is known of sites at `position`, each for its own month on its own clocks, and the history before.

    What was told stays as it is written until a site is asked for: all of a portfolio decoded at once is some
    hundred megabytes.
    """

    def __init__(
        self, connection: Connection, book: str, months: Mapping[str, Interval], position: int
    ) -> None:
        """Raises:
        Refused: what `shares` refuses."""
        self._connection, self._position, self._months = connection, position, months
        self._written: dict[str, list[_Written]] = {}
        self._of_rule: dict[str, list[_Recorded]] = defaultdict(list)
        self._shares: dict[str, Shares] = {}
        if not months:
            return
        whole = Interval(min(one.start for one in months.values()), max(one.end for one in months.values()))
        self._written, wide = _told_of_sites(connection, months, whole, position)
        for one in map(_read, wide):
            self._of_rule[one[2].rule].append(one)
        self._shares = shares(connection, book, months, whole, position)

    @cached_property
    def _rules(self) -> registered.Register[Rule]:
        return registered.load(self._connection, "market_rule", Rule, self._position)  # type: ignore[arg-type]

    def of(self, site: str) -> Told | None:
        """None where nothing was told.

        Raises:
            Refused: `unknown_market_rule` for a rule that does not hold when its facts need it,
                `market_rule_change` for one that changes between them.
        """
        month = self._months[site]
        own = [_read(one) for one in self._written.get(site, ())]
        found: Told | None = None
        if any(fact.interval.overlaps(month) for _, _, fact in own):
            found = _told(own, self._of_rule, self._rules, month)
        if (share := self._shares.get(site)) is not None:
            found = _with_shares(found or Told((), {}, ()), share)
        if found is not None and found.under_agc:
            found = _with_rules(found, self._rules, month)
        return found


class _Written(NamedTuple):
    """A fact as it is written."""

    name: str
    sequence: int
    text: str


_Recorded = tuple[str, int, Fact]


def _read(one: _Written) -> _Recorded:
    return one.name, one.sequence, kept(_decode_fact, one.text, f"table registered, market_fact {one.name}")


def _with_shares(known: Told, own: Shares) -> Told:
    return known._replace(allocated=own.allocated, sources=(*known.sources, *own.sources))


def _with_rules(known: Told, register: registered.Register[Rule], month: Interval) -> Told:
    """With the rules under which AGC moved the site as a member of trading units."""
    rules, sources = dict(known.rules), list(known.sources)
    for name in sorted({one.rule for one in known.under_agc}):
        times = [fact.interval for fact in known.facts if fact.rule == name]
        times += [one.interval for one in known.under_agc if one.rule == name]
        held = _held(name, times, register, month)
        if name not in rules:
            sources.append(Source(f"market_rule.{name}", ((held.sequence, held.sequence),)))
        rules[name] = held.document
    return known._replace(rules=rules, sources=tuple(sources))


def _told_of_sites(
    connection: Connection, months: Mapping[str, Interval], whole: Interval, position: int
) -> tuple[dict[str, list[_Written]], list[_Written]]:
    """By site what was told of it; and what was told of a market as a whole.

    OFFSET 0: a fact's site is looked for once in its document, not for each use.
    """
    rows = connection.execute(
        "SELECT site, id, from_seq, document::text FROM ("
        "SELECT document->>'site' AS site, id, from_seq, document FROM ledger.registered"
        " WHERE kind = 'market_fact' AND from_seq <= %(position)s"
        " AND (to_seq IS NULL OR to_seq > %(position)s)"
        " AND effective_from < %(end)s AND effective_to > %(start)s OFFSET 0) told"
        " WHERE site = ANY(%(sites)s) OR NOT document ?| '{site,unit}' ORDER BY id",
        {
            "position": position,
            "start": whole.start - HISTORY,
            "end": whole.end,
            "sites": sorted(months),
        },
    )
    of_site: dict[str, list[_Written]] = defaultdict(list)
    wide: list[_Written] = []
    for site, name, sequence, text in rows:
        one = _Written(name, sequence, text)
        if site is None:
            wide.append(one)
        else:
            of_site[site].append(one)
    return of_site, wide


def _told(
    own: list[_Recorded],
    of_rule: Mapping[str, list[_Recorded]],
    rules: registered.Register[Rule],
    interval: Interval,
) -> Told:
    own = [one for one in own if isinstance(one[2], _LOOKED_BACK) or one[2].interval.overlaps(interval)]
    names = sorted({fact.rule for _, _, fact in own})
    found: dict[str, Rule] = {}
    sources: list[Source] = []
    for name in names:
        held = _held(name, [fact.interval for _, _, fact in own if fact.rule == name], rules, interval)
        found[name] = held.document
        sources.append(Source(f"market_rule.{name}", ((held.sequence, held.sequence),)))
    wide = (fact for name in names for fact in of_rule.get(name, ()))
    facts = [*own, *(fact for fact in wide if fact[2].interval.overlaps(interval))]
    sources += [Source(f"market_fact.{name}", ((at, at),)) for name, at, _ in facts]
    return Told(tuple(fact for _, _, fact in facts), found, tuple(sources))


def _held(
    name: str, times: Sequence[Interval], rules: registered.Register[Rule], interval: Interval
) -> Recorded[Rule]:
    """The one version of a rule under which its facts of `interval` are settled.

    Where all of them are of the history before, a rule that ended with them is still known by the last.
    """
    inside = [
        Interval(max(time.start, interval.start), min(time.end, interval.end))
        for time in times
        if time.overlaps(interval)
    ]
    instants = [instant for time in inside for instant in (time.start, time.end - _TICK)]
    if not instants:
        last = max(times, key=lambda time: time.start)
        instants = [interval.end - _TICK, interval.start, last.start, last.end - _TICK]
        found = [held for instant in instants if (held := rules.at(name, instant)) is not None][:1]
    else:
        found = [held for instant in instants if (held := rules.at(name, instant)) is not None]
    if not found:
        raise Refused(
            "unknown_market_rule",
            f"no rule {name!r} holds from {interval.start} to {interval.end}: publish it, by"
            " wattledger register market-rule (examples/market_rules has some)",
            place="rule",
        )
    for other in found:
        if other.document != found[0].document:
            raise Refused(
                "market_rule_change",
                f"rule {name} changes between what it settles from {interval.start} to {interval.end}:"
                " publish what changes as a rule of another id",
                place="rule",
            )
    return found[0]


def market_month(
    connection: Connection,
    position: int,
    known: Told,
    site: Recorded[Site],
    interval: Interval,
    profiles: Profiles,
    prices: dict[tuple[object, ...], tuple[SpotPricesOf | None, tuple[Source, ...]]],
) -> MarketMonth:
    """One site's market month; `prices` keeps what sites of one price point share.

    Raises:
        Refused: `price_missing`, `price_interval`.
    """
    spot: SpotPricesOf | None = None
    sources = known.sources
    point = site.document.market_point
    whole = known.needs_prices(interval)
    if point is not None and (whole or known.needs_real_time(interval)):
        weighted = known.weighted_rule(interval)
        key = (point, interval, whole, "" if weighted is None else weighted.id)
        if key not in prices and weighted is not None:
            told_of = [fact for fact in known.facts if isinstance(fact, SpotGeneration)]
            own = [fact for fact in told_of if fact.rule == weighted.id]
            prices[key] = unified_prices.load(connection, position, point, own, interval)
        elif key not in prices:
            asked = _prices if whole else _real_time
            prices[key] = asked(connection, position, point, interval)
        spot, price_sources = prices[key]
        sources = (*sources, *price_sources)
    allocated = tuple(one for one in known.allocated if one.share.interval.overlaps(interval))
    return MarketMonth(interval, known.rules, known.facts, spot, *profiles, sources, allocated)


def _prices(
    connection: Connection, position: int, point: MarketPoint, interval: Interval
) -> tuple[SpotPricesOf | None, tuple[Source, ...]]:
    sources: list[Source] = []

    def of(node: str, product: Product) -> PriceSeries:
        found, sequences = series(
            connection, position, market=point.market, node=node, product=product, interval=interval
        )
        sources.append(Source(f"prices.{point.market}_{node}_{product}", sequences))
        return found

    spot = SpotPricesOf(
        of(point.node, "day_ahead"),
        of(point.node, "real_time"),
        None if point.reference_node is None else of(point.reference_node, "day_ahead"),
    )
    return spot, tuple(sources)


def _real_time(
    connection: Connection, position: int, point: MarketPoint, interval: Interval
) -> tuple[SpotPricesOf | None, tuple[Source, ...]]:
    """The real-time prices alone; None where none is known, for which settling what needs them is refused."""
    try:
        found, sequences = series(
            connection, position, market=point.market, node=point.node, product="real_time", interval=interval
        )
    except Refused as refused:
        if refused.code != "price_missing":
            raise
        return None, ()
    source = Source(f"prices.{point.market}_{point.node}_real_time", sequences)
    return SpotPricesOf(None, found, None), (source,)
