"""A book: one legal portfolio, with one currency and one order of facts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, get_args

import msgspec

from ledger.interval import zone_of
from ledger.quantity import Money
from ledger.refusal import Refused

AGGREGATE = "book.book"


Approvals = Literal["one_person", "two_persons"]


class Book(msgspec.Struct, frozen=True):
    """Its legal owner's party id, its currency and the zone of its billing months.

    With `two_persons`, what moves money or its rules is prepared by one person and approved by another.
    """

    name: str
    owner: str
    currency: str
    zone: str
    approvals: Approvals

    def __post_init__(self) -> None:
        if self.approvals not in get_args(Approvals):
            allowed = ", ".join(get_args(Approvals))
            raise Refused("not_allowed", f"{self.approvals!r} is not one of {allowed}", place="approvals")
        if not self.name.strip():
            raise Refused("empty", "a book needs a name", place="name")
        zone_of(self.zone)
        Money.zero(self.currency)


class BookFounded(msgspec.Struct, frozen=True, tag_field="kind", tag="book.founded.v1"):
    book: Book

    def apply(self, _: object) -> Book:
        return self.book


class FoundBook(msgspec.Struct, frozen=True):
    """The first command of every book."""

    book: Book

    @property
    def aggregate(self) -> str:
        return AGGREGATE

    @property
    def reads(self) -> tuple[str, ...]:
        return ()

    def decide(self, state: object, _: Mapping[str, object]) -> tuple[BookFounded]:
        if state is not None:
            raise Refused("exists", "this book is founded already", place="book")
        return (BookFounded(self.book),)
