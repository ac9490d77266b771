"""Two partners dispute a line each: one is right and ends in a delta, one is refused with its reason."""

from __future__ import annotations

from datetime import date
from typing import Final

from adapters.demo.portfolio_book import PREPARES, PortfolioBook, by_two, once
from adapters.demo.site_month import MONTH
from ledger.statement.dispute import CorrectDispute, DecideDispute, RaiseDispute
from ledger.statement.life import StatementKey

EAAS: Final = "nantong-eaas"
CO_INVESTMENT: Final = "pudong-co-investment"

_OF_THE_HOST: Final = StatementKey(CO_INVESTMENT, str(MONTH), "host-pudong", 1)
_OF_THE_OWNER: Final = StatementKey(EAAS, str(MONTH), "equipment-owner", 1)


def raise_both(book: PortfolioBook, day: int) -> None:
    """Raises:
    Refused: what a dispute is refused for."""
    lines = book.run(CO_INVESTMENT, 1).result.lines
    line = next(one.number for one in lines if (one.site, one.code) == ("P07", "arbitrage"))
    _raise(book, day, _OF_THE_HOST, "q1", line, "19 to 21 August: our own meter at P07 read 2 % more")
    fee = next(one.number for one in book.run(EAAS, 1).result.lines if one.party == "equipment-owner")
    _raise(book, day, _OF_THE_OWNER, "q2", fee, "the base fee is meant by the month")


def decide_both(book: PortfolioBook, day: int) -> None:
    """Raises:
    Refused: what a decision is refused for."""
    door = book.door(day)
    answer = "the meter's ratio was read wrong; the next run corrects the line"
    by_two(door, DecideDispute(_OF_THE_HOST, "q1", "upheld", answer, PREPARES), "decide:q1")
    book.console.print(f"  q1 upheld: {answer}")
    answer = "the contract states kWh.year; run 1 computed a twelfth of it"
    by_two(door, DecideDispute(_OF_THE_OWNER, "q2", "rejected", answer, PREPARES), "decide:q2")
    book.console.print(f"  q2 rejected: {answer}")


def correct(book: PortfolioBook, day: int) -> None:
    """End the upheld one with the run whose statement has been issued.

    Raises:
        Refused: what naming a correction is refused for."""
    once(book.door(day), CorrectDispute(_OF_THE_HOST, "q1", 2), PREPARES, "correct:q1")
    book.console.print("  q1 ends in the delta of run 2, which is issued")


def _raise(book: PortfolioBook, day: int, key: StatementKey, name: str, line: int, reason: str) -> None:
    asked = RaiseDispute(key, name, (line,), reason, key.party, date(2026, 9, day))
    once(book.door(day), asked, key.party, f"dispute:{name}")
    book.console.print(f"  {name}: {key.party} disputes line {line}, which alone is frozen: {reason}")
