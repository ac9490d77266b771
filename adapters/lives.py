"""What a statement's next step needs beside the statement itself: today, its currency, its terms."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime

from adapters.founded import book_of
from adapters.front_door import FrontDoor
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
    return clock().astimezone(zone_of(book_of(door).zone)).date()


def owner(door: FrontDoor) -> str:
    """The party that the book belongs to.

    Raises:
        Refused: `unknown_book` before it is founded.
    """
    return book_of(door).owner


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
    versions: list[Contract] = [one.document for one in history.versions]
    month = Month.parse(key.month)
    # Not the one in force: a statement of a month that a later version left without any is still one.
    settled = next((one for one in reversed(versions) if one.has_days_in(month)), None)
    stated = settled.statement_terms if settled is not None else None
    if stated is None:
        raise Refused(
            "statement_terms",
            f"contract {key.contract} has no [statement_terms]: days to query, to answer and to pay",
            place="contract",
        )
    return stated
