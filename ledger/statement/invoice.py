"""Tax invoices (发票) of a statement, in both directions, and what each side may invoice the other."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import date
from fractions import Fraction
from typing import Literal, get_args

import msgspec

from ledger.accounting.account import Account
from ledger.quantity import Money, round_half_away
from ledger.refusal import Refused
from ledger.vat_terms import SplitBasis

Direction = Literal["issued", "received"]
"""By the book's owner to the party, or by the party to the owner."""


class Invoice(msgspec.Struct, frozen=True, kw_only=True):
    """net + tax = gross, above zero in either direction; what is below zero takes back.

    A red-letter invoice (红字) names what it `reverses`. `in_next_invoice` is the part of a later invoice
    that is this statement's: the number is that invoice's, and stands on another statement too. Such a part,
    of a correction by a few fen, may be tax alone.
    """

    number: str
    direction: Direction
    on: date
    net: Money
    tax: Money
    gross: Money
    reverses: str | None = None
    in_next_invoice: bool = False

    def __post_init__(self) -> None:
        if self.direction not in get_args(Direction):
            raise Refused("not_allowed", f"{self.direction!r} is not issued or received", place="direction")
        if not self.number.strip():
            raise Refused("empty", "an invoice has a number", place="number")
        if self.number != self.number.strip():
            raise Refused("invoice_number", "no blanks around an invoice's number", place="number")
        if self.net + self.tax != self.gross:
            raise Refused(
                "invoice_total",
                f"net {self.net:,} + tax {self.tax:,} is not gross {self.gross:,}",
                place="gross",
            )
        if not self.net.minor and (not self.tax.minor or self.in_next_invoice is False):
            raise Refused("invoice_total", "an invoice is not about nothing", place="net")
        if self.net.minor * self.tax.minor < 0 and not self.in_next_invoice:
            raise Refused("invoice_total", "net and tax have the same sign", place="tax")
        if self.reverses is not None and self.gross.minor >= 0:
            raise Refused("red_letter", "a red-letter invoice is below zero", place="gross")
        if self.reverses is not None and self.in_next_invoice:
            raise Refused("red_letter", "a red-letter invoice stands for itself", place="in_next_invoice")
        if self.reverses == self.number:
            raise Refused("red_letter", "a red-letter invoice has a number of its own", place="reverses")
        if self.reverses is None and self.gross.minor < 0 and not self.in_next_invoice:
            raise Refused(
                "red_letter",
                "below zero it is a red-letter invoice that names what it reverses, or part of the next"
                " invoice",
                place="reverses",
            )

    def on_basis(self, basis: SplitBasis) -> Money:
        """What it covers of a contract's amounts: its gross where they hold the tax already, else its net."""
        return self.gross if basis == "tax_inclusive" else self.net


class BilledAccount(msgspec.Struct, frozen=True):
    """`amount` as the side that invoices states it; `tax` None where the contract states no rate of it."""

    account: Account
    amount: Money
    tax: Money | None
    lines: tuple[int, ...]


class Billed(msgspec.Struct, frozen=True):
    """What one side invoices for a statement, on the contract's split basis, account by account.

    Below zero, for a correction, something invoiced before is taken back.
    """

    amount: Money
    accounts: tuple[BilledAccount, ...] = ()

    def __post_init__(self) -> None:
        total = sum(one.amount.minor for one in self.accounts)
        assert total == self.amount.minor, "the accounts are what is billed"

    @property
    def tax(self) -> Money | None:
        """The tax in it, or on it; None where the contract states no rate of a part of it."""
        taxes = [one.tax.minor for one in self.accounts if one.tax is not None]
        return Money(sum(taxes), self.amount.currency) if len(taxes) == len(self.accounts) else None

    def tax_of(self, part: Money, lines: Collection[int]) -> Money | None:
        """The tax in a part of what is billed, or on it: from zero to `amount`. None as for `tax`.

        It is of the accounts that rest on these lines as far as the part reaches, then of the others, and of
        each kind in proportion; all of them where the lines are billed on no account of this side.
        """
        if self.tax is None:
            return None
        touched = [one for one in self.accounts if not set(lines).isdisjoint(one.lines)]
        first = sum(one.amount.minor for one in touched)
        taxed = sum(one.tax.minor for one in touched if one.tax is not None)
        sign = -1 if self.amount.minor < 0 else 1
        if not 0 < sign * first <= sign * self.amount.minor:
            first = taxed = 0
        of_first = min(sign * part.minor, sign * first)
        tax = Fraction(taxed * of_first, sign * first) if first else Fraction(0)
        left, rest = sign * part.minor - of_first, sign * (self.amount.minor - first)
        if left:
            tax += Fraction((self.tax.minor - taxed) * left, rest)
        return Money(round_half_away(tax), self.amount.currency)


class Billing(msgspec.Struct, frozen=True):
    """What the owner and a party invoice each other for one statement.

    On a tax-exclusive basis the tax is due on top of the statement's amount: with the statement where it is
    `tax_asked`, else, as of statements reviewed before that was recorded, with each invoice.
    """

    basis: SplitBasis
    issued: Billed
    received: Billed
    tax_asked: bool = False

    def side(self, direction: Direction) -> Billed:
        return self.issued if direction == "issued" else self.received

    def invoiced(self, direction: Direction, invoices: Iterable[Invoice]) -> Money:
        """What the invoices of a direction cover of it, what was taken back deducted."""
        zero = Money.zero(self.issued.amount.currency)
        return sum((one.on_basis(self.basis) for one in invoices if one.direction == direction), zero)

    @property
    def asks_tax(self) -> bool:
        """Whether its tax is due with the statement: by the contract's rates, until all is invoiced."""
        known = self.issued.tax is not None and self.received.tax is not None
        return self.tax_asked and known and self.basis == "tax_exclusive"

    def tax_due(self, direction: Direction, invoices: Iterable[Invoice]) -> Money:
        """The tax that is due of a side, as that side states it: the invoices' own once they are the whole
        side, and without rates; until then that of the lines."""
        own = [one for one in invoices if one.direction == direction]
        tax, side = (
            sum((one.tax for one in own), Money.zero(self.issued.amount.currency)),
            self.side(direction),
        )
        whole = bool(own) and self.invoiced(direction, own) == side.amount
        return tax if whole or not self.asks_tax or side.tax is None else side.tax

    def tax_on_top(self, invoices: Collection[Invoice]) -> Money:
        """The tax that is paid beside the statement's amount: above zero to the party."""
        if self.basis == "tax_inclusive":
            return Money.zero(self.issued.amount.currency)
        return self.tax_due("received", invoices) - self.tax_due("issued", invoices)


def nothing_billed(currency: str, basis: SplitBasis) -> Billing:
    """Of the owner's own statement, or under a contract that the owner has no part in."""
    return Billing(basis, Billed(Money.zero(currency)), Billed(Money.zero(currency)))
