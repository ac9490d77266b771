"""Chapter 8: the month is settled, stated, disputed, corrected and closed, each step by its own person."""

from __future__ import annotations

from datetime import date
from typing import Final

from adapters import closing, lives
from adapters.demo import disputes
from adapters.demo.disputes import CO_INVESTMENT, EAAS
from adapters.demo.portfolio_book import APPROVES, PREPARES, PortfolioBook, by_two, once
from adapters.demo.revision import import_revision
from adapters.demo.site_month import MONTH
from adapters.documents.readable import readable_money, readable_sum
from adapters.settling import settle_month
from ledger.month_close import AGGREGATE, Closing
from ledger.quantity import Money
from ledger.settlement.result import Result
from ledger.statement.issue import ApproveStatement, IssueStatement, ReviewStatement

_FINAL: Final = ((EAAS, 1), (CO_INVESTMENT, 2))
"""The runs with which the month is closed."""


def tell(book: PortfolioBook) -> None:
    """Raises:
    Refused: what a step is refused for."""
    book.console.rule(f"8. closing {MONTH}")
    for result in _settle(book, 2):
        _show(book, result)
    _issue(book, EAAS, 1, date(2026, 9, 3))
    _issue(book, CO_INVESTMENT, 1, date(2026, 9, 3))
    disputes.raise_both(book, 7)
    import_revision(book, "P07", days=range(19, 22), percent=102, on=8)
    _settle(book, 9)
    disputes.decide_both(book, 9)
    _issue(book, CO_INVESTMENT, 2, date(2026, 9, 10))
    disputes.correct(book, 10)
    _close(book, 11)
    import_revision(book, "N03", days=range(27, 28), percent=99, on=15)
    _settle(book, 16)
    _issue(book, EAAS, 2, date(2026, 9, 17))


def _settle(book: PortfolioBook, day: int) -> list[Result]:
    settled = settle_month(book.door(day), book.stack.database, MONTH, actor=PREPARES).runs
    for one in settled:
        result, run = one.result, book.run(one.result.contract, one.run)
        because = f" for a change of {', '.join(run.causes)}" if run.causes else ""
        state = "recorded" if one.recorded else "unchanged"
        book.console.print(
            f"  {result.contract:<22} run {one.run}, {run.kind}{because}, {state}:"
            f" pool {readable_sum(result.pool)}, {len(result.lines)} lines, event {one.sequence}"
        )
    return [one.result for one in settled]


def _show(book: PortfolioBook, result: Result) -> None:
    """What each stream earned, what the exclusivity matrix refused, and who is paid."""
    book.console.print(f"    {result.contract}")
    earned: dict[str, int] = {}
    for line in result.lines:
        if line.kind == "stream":
            earned[line.code] = earned.get(line.code, 0) + line.amount.minor
    for stream, minor in earned.items():
        sites = {line.site for line in result.lines if line.code == stream}
        amount = readable_money(Money(minor, result.currency))
        book.console.print(f"      {stream:<16} {amount:>14} {result.currency} of {len(sites)} sites")
    for span in result.refused:
        book.console.print(
            f"      refused {span.asked - span.granted:,} of {span.asked:,} Wh of {span.claim}: {span.reason}"
        )
    for party, payable in sorted(result.payable.items()):
        held, entitled = result.held[party], result.entitlement[party]
        book.console.print(
            f"      {party:<16} entitled {readable_money(entitled):>14} held {readable_money(held):>14}"
            f" payable {readable_money(payable):>14}"
        )
    total = sum(payable.minor for payable in result.payable.values())
    book.console.print(f"      what is payable adds up to {readable_money(Money(total, result.currency))}")


def _issue(book: PortfolioBook, contract: str, number: int, on: date) -> None:
    """One person reviews and issues every party's statement, another approves."""
    door = book.door(on.day)
    keys = book.keys(contract, number)
    for key in keys:
        once(door, ReviewStatement(key, PREPARES), PREPARES, f"review:{key.aggregate}")
        once(door, ApproveStatement(key, APPROVES), APPROVES, f"approve:{key.aggregate}")
        once(door, IssueStatement(key, on, lives.terms(door, key)), PREPARES, f"issue:{key.aggregate}")
    book.console.print(
        f"  {contract:<22} run {number}: {len(keys)} statements reviewed by {PREPARES}, approved by"
        f" {APPROVES}, issued on {on}"
    )
    for party, delta in sorted(book.run(contract, number).delta.items()):
        book.console.print(
            f"      {party:<16} {'payable' if number == 1 else 'delta'} {readable_money(delta):>14}"
        )


def _close(book: PortfolioBook, day: int) -> None:
    door = book.door(day)
    for name, number in _FINAL:
        runs = door.state(f"settlement.{name}_{MONTH}")
        by_two(door, closing.final_run(runs, name, str(MONTH), number, PREPARES), f"final:{name}")
        book.console.print(f"  {name:<22} run {number} is final")
    state = door.state(AGGREGATE)
    if not isinstance(state, Closing):
        position = book.position()
        with book.stack.database.reading(book.stack.settings.book) as connection:
            check = closing.checklist(connection, MONTH, position)
            command = closing.close_command(connection, check, position, (), PREPARES)
        by_two(door, command, "close")
    book.console.print(f"  {MONTH} is closed: what is found later is posted in September")
