"""Chapter 7: markets' rules and what markets told, so that every stream earns."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date
from typing import Final

from adapters import price_file
from adapters.demo import market_facts
from adapters.demo.four_sites import shanghai_tariffs
from adapters.demo.market_facts import CAPACITY, OWN_ACCOUNT, PROVINCE, REGULATION, SERVICE, SPOT
from adapters.demo.portfolio_book import EXAMPLES, PREPARES, PortfolioBook, by_two
from adapters.demo.roster import SPOT_POINT, ZONE
from adapters.demo.site_month import site_months
from adapters.demo.spot_prices import prices_csv
from ledger import market_rule_file
from ledger.effective import Period
from ledger.exclusivity import policy_file
from ledger.exclusivity.published import PublishExclusivity
from ledger.interval import midnight, zone_of
from ledger.market_fact import PublishMarketRule, RecordMarketFact
from ledger.recorded_price import RecordPrices, blocks_of

_DAY: Final = 1
_RULES_FROM: Final = date(2026, 1, 1)

_RULE_FILES: Final = {
    PROVINCE: "dr_zhejiang_2020_day_ahead_peak",
    OWN_ACCOUNT: "dr_zhejiang_2025_own_account",
    SPOT: "spot_shandong_hourly",
    REGULATION: "regulation_guangdong",
    CAPACITY: "capacity_qinghai",
    SERVICE: "service_throughput",
}


def tell(book: PortfolioBook) -> None:
    """Raises:
    Refused: what a rule or a fact is refused for."""
    book.console.rule("7. what markets told")
    door = book.door(_DAY)
    by_two(
        door, PublishExclusivity(policy_file.parse((EXAMPLES / "exclusivity/rule_based.toml").read_bytes()))
    )
    start = midnight(_RULES_FROM, zone_of(ZONE)).astimezone(UTC)
    for name, file in _RULE_FILES.items():
        rule = market_rule_file.parse((EXAMPLES / f"market_rules/{file}.toml").read_bytes())
        assert rule.id == name, file
        by_two(door, PublishMarketRule(Period(start), rule))
        book.console.print(f"  {rule.id:<34} {rule.title}")
    book.console.print(
        "  real       the rules, each of its own province with its sources in examples/market_rules: no\n"
        "             province has them all; three weeks of Shandong's spot prices of early 2026, laid out\n"
        "             over August by weekday\n"
        "  simulated  who takes part; every award, call, clearing, performance and order. A storage that is\n"
        "             called holds its morning's energy back, one on regulation keeps 40 % of its power free"
    )
    _record_prices(book)
    _record_facts(book)


def _record_prices(book: PortfolioBook) -> None:
    door, name = book.door(_DAY), "shandong-moved-2026-08.csv"
    both = price_file.parse(
        prices_csv(), market=SPOT_POINT.market, node=SPOT_POINT.node, currency="CNY", interval_s=3600
    )
    receipts = [
        door.record(RecordPrices(block), actor=PREPARES)
        for series in both
        for block in blocks_of(series, name)
    ]
    known = sum(receipt.repeated for receipt in receipts)
    book.console.print(f"  {name}: {len(receipts)} blocks of prices, {known} known already")


def _record_facts(book: PortfolioBook) -> None:
    door = book.door(_DAY)
    facts = [*market_facts.market_wide()]
    for site, month in site_months(book.sites, shanghai_tariffs()):
        facts += market_facts.facts_of(site, month)
    receipts = [door.record(RecordMarketFact(fact), actor=PREPARES) for fact in facts]
    kinds = Counter(fact.rule for fact in facts)
    known = sum(receipt.repeated for receipt in receipts)
    book.console.print(f"  {len(facts)} facts told, {known} known already:")
    for rule, count in sorted(kinds.items()):
        sites = sorted({getattr(fact, "site", "") for fact in facts if fact.rule == rule} - {""})
        book.console.print(f"    {rule:<34} {count:>3} facts of {len(sites)} sites: {', '.join(sites)}")
