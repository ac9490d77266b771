"""Market rules and what markets told, as facts: clearings, awards, instructions, availability, orders.

A clearing is immutable; a correction is a newer version under the same id, and settlement reads the
version in force at its position (DOMAIN.md 3.0).
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from ledger.command import known
from ledger.effective import History, Period, extended
from ledger.identity import checked_id
from ledger.refusal import Refused
from ledger.streams import Fact, MarketWide, Rule, UnitFact
from ledger.streams.told_under import check_rule


class MarketRulePublished(msgspec.Struct, frozen=True, tag_field="kind", tag="market.rule_published.v1"):
    period: Period
    rule: Rule

    def apply(self, state: History[Rule] | None) -> History[Rule]:
        return extended(state, self.period, self.rule)


class PublishMarketRule(msgspec.Struct, frozen=True, tag_field="command", tag="market_rule.publish"):
    """Record a market's rule, or the version that replaces it where their times overlap."""

    period: Period
    rule: Rule

    @property
    def aggregate(self) -> str:
        return f"market_rule.{self.rule.id}"

    @property
    def reads(self) -> tuple[str, ...]:
        return ()

    def decide(self, state: History[Rule] | None, _: Mapping[str, object]) -> tuple[MarketRulePublished]:
        """Raises:
        Refused: `market_rule_type` when the id already names a rule of another kind."""
        checked_id(self.rule.id, "id")
        if state is not None and type(state.latest.document) is not type(self.rule):
            raise Refused(
                "market_rule_type", f"{self.rule.id} is a rule of another kind; choose another id", place="id"
            )
        return (MarketRulePublished(self.period, self.rule),)


class MarketFactRecorded(msgspec.Struct, frozen=True, tag_field="kind", tag="market.fact_recorded.v1"):
    fact: Fact

    def apply(self, _: object) -> Fact:
        return self.fact


class RecordMarketFact(msgspec.Struct, frozen=True):
    """Record what a market told, or its correction under the same id."""

    fact: Fact

    @property
    def aggregate(self) -> str:
        return f"market_fact.{self.fact.id}"

    @property
    def reads(self) -> tuple[str, ...]:
        rule = (f"market_rule.{self.fact.rule}",)
        if isinstance(self.fact, MarketWide):
            return rule
        if isinstance(self.fact, UnitFact):
            return (*rule, f"trading_unit.{self.fact.unit}")
        return (*rule, f"site.{self.fact.site}")

    def decide(self, state: Fact | None, others: Mapping[str, object]) -> tuple[MarketFactRecorded]:
        """Raises:
        Refused: `unknown_market_rule`, `unknown_site`, `unknown_trading_unit`, `fact_kind`;
            `correction` for another
            kind, site, unit or rule under the same id, or one that names the same run of the market."""
        for name in self.reads:
            known(others, name, History)
        if not isinstance(self.fact, UnitFact):
            rule: Rule = known(others, f"market_rule.{self.fact.rule}", History).latest.document
            check_rule(self.fact, rule)
        if state is not None:
            _check_correction(state, self.fact)
        return (MarketFactRecorded(self.fact),)


def _check_correction(before: Fact, fact: Fact) -> None:
    same = (
        type(before) is type(fact)
        and before.rule == fact.rule
        and getattr(before, "site", None) == getattr(fact, "site", None)
        and getattr(before, "unit", None) == getattr(fact, "unit", None)
    )
    if not same:
        raise Refused("correction", f"{fact.id} was told about something else; choose another id", place="id")
    if before.run == fact.run and before != fact:
        raise Refused(
            "correction",
            f"run {fact.run} of {fact.id} was told with other figures; a correction names its own run",
            place="run",
        )
