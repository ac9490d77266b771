"""Markets as facts: a market's file, read, checked and recorded with the time for which it holds."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from ledger.effective import History, Period, extended
from ledger.interval import checked_year
from ledger.refusal import Refused
from trading.product import Market


class MarketPublished(msgspec.Struct, frozen=True, tag_field="kind", tag="market.published.v1"):
    """A market with all its products; where two versions overlap, the later recorded one holds."""

    period: Period
    market: Market

    def apply(self, state: History[Market] | None) -> History[Market]:
        return extended(state, self.period, self.market)


class PublishMarket(msgspec.Struct, frozen=True, tag_field="command", tag="market.publish"):
    """Record a market, or the version that replaces it where their times overlap."""

    period: Period
    market: Market

    @property
    def aggregate(self) -> str:
        return f"market.{self.market.id}"

    @property
    def reads(self) -> tuple[str, ...]:
        return ()

    def decide(self, state: History[Market] | None, _: Mapping[str, object]) -> tuple[MarketPublished]:
        """Raises:
        Refused: `year` for a period outside the years that are kept; `zone` or `currency` for a next
            version in another one."""
        checked_year(self.period.start, "period")
        if state is not None:
            held = state.latest.document
            for field, old, new in (
                ("zone", held.zone, self.market.zone),
                ("currency", held.currency, self.market.currency),
            ):
                if old != new:
                    raise Refused(
                        field, f"market {held.id} is of {old}; one of {new} needs another id", place=field
                    )
        return (MarketPublished(self.period, self.market),)
