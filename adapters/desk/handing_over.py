"""Awards handed over to settlement: each site's part becomes the market's fact, caused by the clearing."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Final, NamedTuple

import msgspec

from adapters.desk.desk import Desk
from adapters.desk.handover_name import command_id
from adapters.front_door import Wish
from adapters.links.known_as import clearing_thing
from adapters.nats.log import BATCH_MESSAGES_MAX
from adapters.queries import bids
from adapters.queries.bids import BidFilter
from adapters.settling import wait_until
from ledger.effective import History
from ledger.interval import midnight, zone_of
from ledger.market_fact import RecordMarketFact
from ledger.refusal import Refused
from ledger.streams import Fact, Rule
from ledger.streams.capacity_compensation import CapacityRule
from ledger.streams.demand_response import DemandResponseRule
from trading.award import SharedAward, aggregate_of
from trading.clearing import Clearing, ClearingState, clearing_id
from trading.handover import VOID, WINDOWS_MAX, fact_id, facts_of, is_handed_over
from trading.product import Market, Product

_PROJECTED_S: Final = 60.0

_decode: Final = msgspec.json.Decoder(Fact).decode


class HandedOver(NamedTuple):
    """A bid's part handed over; `recorded` counts what this run of the clearing told anew."""

    bid: str
    part: int
    facts: int
    recorded: int


class HandingOver:
    """One desk's hand-over."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._door = desk.door

    def hand_over(self, market: str, product: str, day: date, *, actor: str) -> list[HandedOver]:
        """Record what the sites' parts of the clearing's run in force mean for settlement.

        Nothing where the product names no rule that settles it, or where this was done. The dispatch reads
        the shared awards themselves.

        Raises:
            Refused: `unknown_clearing`, `unknown_market_rule`, `not_shared_out` for an award that this run
                gave and nobody shared out yet, and what `facts_of` refuses.
        """
        its_market, its_product = self._desk.product_on(market, product, day)
        if not is_handed_over(its_product):
            return []
        state = self._door.state(f"clearing.{clearing_id(market, product, day)}")
        if not isinstance(state, ClearingState):
            raise Refused("unknown_clearing", f"{product} of {market} on {day} is not cleared", place="day")
        rule = self._rule(its_market, its_product, day)
        clearing = state.latest
        return [
            self._hand_over(its_market, its_product, rule, clearing, award, actor)
            for award in self._awards(clearing)
        ]

    def follow_up(self, market: str, product: str, day: date, *, actor: str) -> Iterator[str]:
        """A line for each part that this run handed over anew."""
        for one in self.hand_over(market, product, day, actor=actor):
            if one.recorded:
                yield f"bid {one.bid}: {one.recorded} facts handed over"

    def _hand_over(
        self,
        market: Market,
        product: Product,
        rule: Rule,
        clearing: Clearing,
        award: SharedAward,
        actor: str,
    ) -> HandedOver:
        told = self._told(award, rule)
        nameplates = self._nameplates(award) if isinstance(rule, CapacityRule) else {}
        facts = facts_of(market, product, rule, clearing, award, told, nameplates)
        name = aggregate_of(award.bid, award.part)
        wishes = [
            Wish(RecordMarketFact(fact), command_id(name, clearing.run))
            for fact in facts
            if fact.id not in told or told[fact.id].run != clearing.run
        ]
        recorded = 0
        for start in range(0, len(wishes), BATCH_MESSAGES_MAX):
            receipts = self._door.execute_all(
                wishes[start : start + BATCH_MESSAGES_MAX],
                actor=actor,
                causation=clearing_thing(clearing.id, clearing.run),
            )
            recorded += sum(not one.repeated for one in receipts)
        return HandedOver(award.bid, award.part, len(facts), recorded)

    def _told(self, award: SharedAward, rule: Rule) -> dict[str, Fact]:
        """The facts that were handed over for the same part before."""
        names = {fact_id(award.bid, site) for site in award.sites}
        if isinstance(rule, DemandResponseRule):
            names = {
                fact_id(award.bid, site, f"{number}{void}")
                for site in award.sites
                for number in range(1, WINDOWS_MAX + 1)
                for void in ("", VOID)
            }
        with self._desk.database.reading(self._door.book) as connection:
            rows = connection.execute(
                "SELECT id, document::text FROM ledger.registered WHERE kind = 'market_fact'"
                " AND to_seq IS NULL AND document->>'rule' = %s AND document->>'site' = ANY(%s)",
                [rule.id, list(award.sites)],
            ).fetchall()
        return {name: _decode(text) for name, text in rows if name in names}

    def _nameplates(self, award: SharedAward) -> dict[str, int]:
        """What of each site's storage is installed when its month begins, in W."""
        found: dict[str, int] = {}
        for site in award.sites:
            history = self._door.state(f"site.{site}")
            assert isinstance(history, History), "a member is a registered site"
            version = history.at(midnight(award.day, zone_of(history.latest.document.zone)))
            if version is None:
                raise Refused("unknown_site", f"site {site} is not registered on {award.day}", place="site")
            found[site] = version.document.storage_power_w
        return found

    def _rule(self, market: Market, product: Product, day: date) -> Rule:
        assert product.settles_as is not None, "what is handed over names its rule"
        name = product.settles_as.rule
        history = self._door.state(f"market_rule.{name}")
        held = history.at(market.start_of(day)) if isinstance(history, History) else None
        if held is None:
            wrong = f"no rule {name!r} holds on {day}: publish what {product.id} settles as"
            raise Refused("unknown_market_rule", wrong, place="settles_as")
        rule: Rule = held.document
        return rule

    def _awards(self, clearing: Clearing) -> list[SharedAward]:
        """The parts of what the run in force awarded.

        Raises:
            Refused: `not_shared_out`.
        """
        log = self._door.recorder.log
        last = log.client.run(log.last_sequence())
        wait_until(self._desk.database, self._door.book, last, _PROJECTED_S)
        wanted = BidFilter(
            market=clearing.market, product=clearing.product, first_day=clearing.day, last_day=clearing.day
        )
        with self._desk.database.reading(self._door.book) as connection:
            found = bids.bids(connection, last, wanted)
        parts: list[SharedAward] = []
        for one in found:
            standing = one.state.standing
            if standing is None or standing.clearing != clearing.id:
                continue
            first = self._part(one.id, 1)
            if first is None and not any(standing.awarded_w):
                continue
            if first is None or first.run != clearing.run:
                wrong = (
                    f"what run {clearing.run} awarded to bid {one.id} is not shared out among its sites yet"
                )
                raise Refused("not_shared_out", wrong, place=f"bid {one.id}")
            parts.append(first)
            for number in range(2, first.parts + 1):
                part = self._part(one.id, number)
                assert part is not None, "parts are recorded together"
                parts.append(part)
        return parts

    def _part(self, bid: str, number: int) -> SharedAward | None:
        state = self._door.state(aggregate_of(bid, number))
        return state if isinstance(state, SharedAward) else None
