"""Markets as facts: a market's file, read, checked and recorded with the time for which it holds."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from ledger.effective import History, Period, extended
from ledger.interval import checked_year
from ledger.refusal import Refused
from ledger.streams import Rule
from trading.product import Market, Product
from trading.settles_as import SettlesAs


class MarketPublished(msgspec.Struct, frozen=True, tag_field="kind", tag="market.published.v1"):
    """A market with all its products; where two versions overlap, the later recorded one holds."""

    period: Period
    market: Market

    def apply(self, state: History[Market] | None) -> History[Market]:
        return extended(state, self.period, self.market)


class PublishMarket(msgspec.Struct, frozen=True, tag_field="command", tag="market.publish"):
    """Record a market, or the version that replaces it where their times overlap.

    Its operator is a registered party. A rule that a product settles under may be published later; one that
    is known must fit.
    """

    period: Period
    market: Market

    @property
    def aggregate(self) -> str:
        return f"market.{self.market.id}"

    @property
    def reads(self) -> tuple[str, ...]:
        named = (one.settles_as.rule for one in self.market.products if one.settles_as is not None)
        return (f"party.{self.market.operator}", *(f"market_rule.{rule}" for rule in dict.fromkeys(named)))

    def decide(self, state: History[Market] | None, others: Mapping[str, object]) -> tuple[MarketPublished]:
        """Raises:
        Refused: `year` for a period outside the years that are kept; `unknown_party` for an operator that is
            not registered; `zone` or `currency` for a next version in another one; what `SettlesAs.check`
            refuses of a known rule."""
        checked_year(self.period.start, "period")
        if not isinstance(others.get(f"party.{self.market.operator}"), History):
            wrong = f"no party {self.market.operator!r} is registered; register the market's operator first"
            raise Refused("unknown_party", wrong, place="operator")
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
        for number, product in enumerate(self.market.products):
            if product.settles_as is not None:
                rules = others.get(f"market_rule.{product.settles_as.rule}")
                self._check_rule(product, product.settles_as, rules, f"products[{number}]")
        return (MarketPublished(self.period, self.market),)

    def _check_rule(self, product: Product, settles_as: SettlesAs, rules: object, place: str) -> None:
        if not isinstance(rules, History):
            return
        rule: Rule = rules.latest.document
        try:
            settles_as.check(rule, self.market.currency, self.market.zone, product.id)
        except Refused as refused:
            raise Refused(refused.code, refused.reason, place=f"{place}.{refused.place}") from None
