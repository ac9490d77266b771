"""Chapter 12: what the trading week was worth, and what a plan from forecasts would have made of it.

The week is planned again day by day, from the prices that had been published by then and nothing later; that
is settled in memory. Then what was traded is led back, step by step, to what knowing all would have earned.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Final

from adapters.backtest.backtest import COMPARED, Run, backtest
from adapters.backtest.book import FromBook, Question, load
from adapters.backtest.priced_day import Timing
from adapters.backtest.value import value_of
from adapters.backtest.value_text import text
from adapters.demo import week_money
from adapters.demo.portfolio_book import PREPARES, once
from adapters.demo.trading_book import (
    CONTRACT,
    DAYS,
    FIRST,
    ZONE,
    TradingBook,
    envelope,
    trading_unit,
)
from adapters.documents.readable import readable_money
from dispatch.planning.storage_terms import StateStorage, StorageTerms
from dispatch.value.report import ValueReport
from ledger.effective import Period
from ledger.interval import Month, midnight, zone_of
from ledger.quantity import Money, decimal_text, round_half_away
from ledger.refusal import Refused

_FROM: Final = date(2026, 1, 1)
_SAID: Final[dict[Run, str]] = {
    "perfect": "had all prices been known",
    "plan": "planned from forecasts as of then",
    "rule": "at fixed hours, the rule",
    "idle": "doing nothing",
}


def tell(book: TradingBook) -> None:
    """Raises:
    Refused: what stating, loading and settling are refused for; `demo_agreement` when the report's money is
        not the ledger's."""
    book.console.rule("12. what the week was worth")
    _state_terms(book)
    found = list(_read(book))
    _again(book, found)
    report = _report(book, found)
    _check(book, report)
    for line in text(report).splitlines():
        book.console.print(f"  {line}")


def _months() -> tuple[tuple[Month, date | None], ...]:
    """January's days of the week, and what is over of February."""
    return ((Month.of(FIRST), None), (Month.of(DAYS[-1]), DAYS[-1]))


def _state_terms(book: TradingBook) -> None:
    """What each storage may be used for: its part of what the unit can do."""
    unit = envelope()
    period = Period(midnight(_FROM, zone_of(ZONE)))
    for member in trading_unit().members:
        power, whole = member.capability_w, unit.discharge_w
        terms = StorageTerms(
            charge_w=power,
            discharge_w=power,
            floor_wh=unit.floor_wh * power // whole,
            ceiling_wh=unit.ceiling_wh * power // whole,
            end_wh=unit.stored_wh * power // whole,
            charge_ppm=unit.charge_ppm,
            discharge_ppm=unit.discharge_ppm,
            import_w=power,
            export_w=power,
        )
        once(book.door, StateStorage(member.site, period, terms), PREPARES)


def _read(book: TradingBook) -> Iterator[dict[str, FromBook]]:
    """Of each month every site."""
    with book.reading() as (connection, position):
        name = book.stack.settings.book
        for month, through in _months():
            yield {
                member.site: load(connection, name, Question(member.site, month, position, through))
                for member in trading_unit().members
            }


def _again(book: TradingBook, found: list[dict[str, FromBook]]) -> None:
    """The week by each way, settled in memory."""
    pools: dict[Run, list[Money]] = {run: [] for run in COMPARED}
    for sites in found:
        inputs = next(iter(sites.values())).inputs
        known = {site: one.known for site, one in sites.items()}
        results = backtest(inputs, known, Timing()).results
        for run in COMPARED:
            pools[run].append(results[run].pool)
    best = sum(one.minor for one in pools["perfect"])
    book.console.print(
        "  planned again, day by day, from what had been published at 09:00 of the day before; settled by the"
        " ledger's code, nothing recorded"
    )
    for run, each in pools.items():
        whole = Money(sum(one.minor for one in each), each[0].currency)
        part = decimal_text(round_half_away(whole.exact * 100_000 / best), 1)
        book.console.print(f"  {_SAID[run]:<36}{readable_money(whole):>12} {whole.currency}{part:>8} %")


def _report(book: TradingBook, found: list[dict[str, FromBook]]) -> ValueReport:
    """The week as it was traded, all sites of both months as one."""
    with book.reading() as (connection, position):
        name = book.stack.settings.book
        reports = [
            value_of(connection, name, Question(site, month, position, through), one)
            for (month, through), sites in zip(_months(), found, strict=True)
            for site, one in sites.items()
        ]
    notes = dict.fromkeys(note for one in reports for note in one.notes if ": planned by" in note)
    return ValueReport(
        contract=CONTRACT,
        month=f"{FIRST} to {DAYS[-1]}",
        through="",
        currency=reports[0].currency,
        rows=tuple(row for one in reports for row in one.rows),
        energy=tuple(row for one in reports for row in one.energy),
        notes=tuple(notes),
    )


def _check(book: TradingBook, report: ValueReport) -> None:
    """That the report's money is what the ledger settled, and its losses lead there."""
    total = report.total
    pools = sum(result.pool.minor for result in week_money.read_week(book, DAYS).results)
    if total.worth["settled"] != pools:
        raise Refused("demo_agreement", "the report's money is not what was settled", place=CONTRACT)
    if sum(one.minor for one in total.lost) != total.worth["perfect"] - total.worth["settled"]:
        raise Refused("demo_agreement", "the losses do not add up", place=CONTRACT)
