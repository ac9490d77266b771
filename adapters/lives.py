"""What a statement's next step needs beside the statement itself: today, its currency, its terms."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta

from adapters.front_door import FrontDoor
from ledger import book
from ledger.book import Book
from ledger.contract import Contract
from ledger.effective import History
from ledger.interval import Month, zone_of
from ledger.refusal import Refused
from ledger.statement.life import Life, StatementKey
from ledger.statement.terms import Terms


def today(door: FrontDoor, clock: Callable[[], datetime]) -> date:
    """The date where the book is kept.

    Raises:
        Refused: `unknown_book` before it is founded.
    """
    return clock().astimezone(zone_of(_book(door).zone)).date()


def owner(door: FrontDoor) -> str:
    """The party that the book belongs to.

    Raises:
        Refused: `unknown_book` before it is founded.
    """
    return _book(door).owner


def currency(door: FrontDoor, key: StatementKey) -> str:
    """The currency that the statement is in.

    Raises:
        Refused: `unknown_statement` before it was reviewed.
    """
    life = door.state(key.aggregate)
    if not isinstance(life, Life):
        raise Refused("unknown_statement", f"{key.aggregate} was not reviewed yet", place="statement")
    return life.amount.currency


def terms(door: FrontDoor, key: StatementKey) -> Terms:
    """What the contract of the statement's month agrees on about statements.

    Raises:
        Refused: `unknown_contract`, or `statement_terms` where the contract says nothing.
    """
    history = door.state(f"contract.{key.contract}")
    if not isinstance(history, History):
        raise Refused("unknown_contract", f"no contract {key.contract!r} is registered", place="contract")
    contract = history.latest.document
    assert isinstance(contract, Contract)
    month = Month.parse(key.month).interval(zone_of(contract.zone))
    held = history.at(month.end - timedelta(microseconds=1)) or history.at(month.start)
    stated: Terms | None = held.document.statement_terms if held is not None else None
    if stated is None:
        raise Refused(
            "statement_terms",
            f"contract {key.contract} has no [statement_terms]: days to query, to answer and to pay",
            place="contract",
        )
    return stated


def _book(door: FrontDoor) -> Book:
    found = door.state(book.AGGREGATE)
    if not isinstance(found, Book):
        raise Refused("unknown_book", "this book is not founded yet", place="book")
    return found
