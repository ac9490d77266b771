"""A bank's statement: what reached our account and what left it, with the bank's own reference."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from datetime import date
from itertools import pairwise
from typing import Literal, NamedTuple

import msgspec

from ledger.quantity import Money
from ledger.reconciliation.operator_line import sum_of
from ledger.refusal import Refused

ReferenceScope = Literal["unique", "shared"]
"""Whether the bank gives each booking a number of its own, or a payment and its charge one number."""


class BankPayment(msgspec.Struct, frozen=True, kw_only=True):
    """One booking; above zero the account received it. `balance` is the account's after it, where printed."""

    account: str
    reference: str
    booked_on: date
    amount: Money
    balance: Money | None = None
    counterparty_name: str = ""
    counterparty_account: str = ""
    remittance: str = ""
    """The payer's and the bank's texts: summary, purpose, remittance information."""
    place: str = ""

    def __post_init__(self) -> None:
        if not self.amount.minor:
            raise Refused("payment", "a booking is not zero", place=self.place)
        if not self.reference and self.balance is None:
            raise Refused(
                "reference_missing",
                "without a reference and a balance two equal bookings could not be told apart",
                place=self.place,
            )

    @property
    def digest(self) -> str:
        """SHA-256 of everything but the place: what makes a booking the same one in another file."""
        plain = msgspec.structs.replace(self, place="")
        return hashlib.sha256(msgspec.json.Encoder(order="deterministic").encode(plain)).hexdigest()

    @property
    def identity(self) -> Identity:
        return Identity(self.account, self.reference, self.digest)


class Identity(NamedTuple):
    """What is kept of an imported booking so that it is not imported again."""

    account: str
    reference: str
    digest: str


class Days(msgspec.Struct, frozen=True):
    """From the first to the last, both of them too."""

    first: date
    last: date

    def __contains__(self, day: date) -> bool:
        return self.first <= day <= self.last


class BankStatement(msgspec.Struct, frozen=True, kw_only=True):
    """A whole statement, oldest booking first. `file_digest` is the SHA-256 of its file, `stated` the days
    that it says it is of."""

    account: str
    currency: str
    file_digest: str
    payments: tuple[BankPayment, ...]
    opening: Money | None = None
    closing: Money | None = None
    stated: Days | None = None
    reference_scope: ReferenceScope = "unique"
    notices: tuple[str, ...] = ()
    """What was left out on purpose, such as bookings that are only announced."""

    def __post_init__(self) -> None:
        self._check_references()
        self._check_days()
        self._check_balances()

    def _check_references(self) -> None:
        seen: dict[tuple[str, str], str] = {}
        for one in self.payments:
            if one.account != self.account:
                raise Refused("account", f"{one.account} is not {self.account}", place=one.place)
            if one.amount.currency != self.currency:
                raise Refused("currency", f"{one.amount.currency} is not {self.currency}", place=one.place)
            shared = self.reference_scope == "shared" or not one.reference
            key = (one.reference, one.digest if shared else "")
            if key in seen:
                name = one.reference or "the same booking"
                raise Refused("duplicate_reference", f"{name} stands at {seen[key]} already", place=one.place)
            seen[key] = one.place

    def _check_days(self) -> None:
        for before, one in pairwise(self.payments):
            if one.booked_on < before.booked_on:
                raise Refused(
                    "row_order",
                    f"{one.booked_on} follows {before.booked_on}: bookings stand oldest first, or the profile"
                    " says newest first",
                    place=one.place,
                )

    def _check_balances(self) -> None:
        running = self.opening
        for one in self.payments:
            if running is not None:
                running += one.amount
                if one.balance is not None and one.balance != running:
                    raise Refused(
                        "balance",
                        f"the balance is {one.balance:,}, the one before and this booking give {running:,}",
                        place=one.place,
                    )
            elif one.balance is not None:
                running = one.balance
        if self.closing is not None and running is not None and self.closing != running:
            raise Refused(
                "balance", f"the statement closes with {self.closing:,}, its bookings give {running:,}"
            )

    @property
    def total(self) -> Money:
        return sum_of((one.amount for one in self.payments), self.currency)

    @property
    def days(self) -> Days | None:
        """The days that it covers: those stated, and from its first to its last booking; None for neither."""
        found = [one.booked_on for one in self.payments]
        if self.stated is not None:
            found += [self.stated.first, self.stated.last]
        return Days(min(found), max(found)) if found else None


class Imported(NamedTuple):
    """A statement's bookings that are new, and how many were imported before."""

    new: tuple[BankPayment, ...]
    repeated: int


def not_yet_imported(statement: BankStatement, known: Collection[Identity]) -> Imported:
    """The bookings of a statement that no earlier file had; `known` are those of earlier files.

    Raises:
        Refused: `reference_reused` when a known reference comes back with other contents.
    """
    identities = set(known)
    digests = {(one.account, one.reference): one.digest for one in identities if one.reference}
    new: list[BankPayment] = []
    for one in statement.payments:
        if one.identity in identities:
            continue
        if statement.reference_scope == "unique" and (one.account, one.reference) in digests:
            raise Refused(
                "reference_reused",
                f"reference {one.reference} was imported before with other contents",
                place=one.place,
            )
        new.append(one)
    return Imported(tuple(new), len(statement.payments) - len(new))
