"""What is still to be paid on an issued statement, or by a market, as a bank booking would settle it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Final

import msgspec

from ledger.accounting.market_receipt import PAID_STREAMS
from ledger.identity import checked_id
from ledger.quantity import Money
from ledger.refusal import Refused
from ledger.statement.life import Life, StatementKey


class MarketKey(msgspec.Struct, frozen=True):
    """What a market owes for a stream and an origin month, all its runs and units together."""

    stream: str
    month: str


class Receivable(msgspec.Struct, frozen=True):
    """`amount` is what our account is to receive: above zero the payer pays us, below zero we pay it.

    `invoices` are the numbers that a remittance may name: a statement's invoices, or a market's statements.
    """

    key: StatementKey | MarketKey
    amount: Money
    issued_on: date
    due_on: date
    invoices: tuple[str, ...]

    @property
    def name(self) -> str:
        if isinstance(self.key, StatementKey):
            return self.key.aggregate
        return f"{market_payer(self.key.stream)} {self.key.month}"

    @property
    def payer(self) -> str:
        """A party, or a market by its stream."""
        return self.key.party if isinstance(self.key, StatementKey) else market_payer(self.key.stream)


ANY_MARKET: Final = "market:*"
"""A payer of any stream: a grid company or market operator that pays several."""


def market_payer(stream: str) -> str:
    """How the payer of a stream is called; a party's id has no colon."""
    return f"market:{stream}"


def checked_payer(payer: str) -> str:
    """The payer, when it is a party's id, or a market that pays a stream or any.

    Raises:
        Refused: `id` for a party; `market_stream`.
    """
    start, colon, stream = payer.partition(":")
    if not colon:
        return checked_id(payer, "party")
    if payer != ANY_MARKET and (start != "market" or stream not in PAID_STREAMS):
        text = (
            f"{payer!r} is no market; these are: {ANY_MARKET}, {', '.join(map(market_payer, PAID_STREAMS))}"
        )
        raise Refused("market_stream", text, place="party")
    return payer


def receivables(lives: Iterable[Life]) -> tuple[Receivable, ...]:
    """What is open of every issued statement, by name; one's own statements say what the party receives,
    so the sign turns."""
    found = [
        Receivable(
            life.key,
            -life.open_amount,
            life.issued_on,
            life.due_on,
            tuple(invoice.number for invoice in life.invoices),
        )
        for life in lives
        if life.issued_on is not None and life.due_on is not None and life.open_amount.minor
    ]
    return tuple(sorted(found, key=lambda one: one.name))
