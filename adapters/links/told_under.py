"""A market's fact is told under a rule, of a site or of a trading unit."""

from __future__ import annotations

from collections.abc import Iterator

from adapters.events import Event
from adapters.links.link import Found, LinkKind
from ledger.envelope import Envelope
from ledger.market_fact import MarketFactRecorded
from ledger.streams import MarketWide, UnitFact


def _found(_: str, envelope: Envelope[Event]) -> Iterator[Found]:
    for event in envelope.events:
        if not isinstance(event, MarketFactRecorded):
            continue
        yield Found(f"market_rule.{event.fact.rule}")
        if isinstance(event.fact, UnitFact):
            yield Found(f"trading_unit.{event.fact.unit}")
        elif not isinstance(event.fact, MarketWide):
            yield Found(f"site.{event.fact.site}")


KIND = LinkKind("told_under", "told", (MarketFactRecorded,), "the rule, the site or the trading unit", _found)
