"""The book as it was founded, once for who decides and once for who reads."""

from __future__ import annotations

from adapters.front_door import FrontDoor
from adapters.postgres.database import Connection
from adapters.queries import registered
from ledger import book
from ledger.book import Book
from ledger.refusal import Refused


def book_of(door: FrontDoor) -> Book:
    """As the stream has it now.

    Raises:
        Refused: `unknown_book` before it is founded.
    """
    return _founded(door.state(book.AGGREGATE))


def book_at(connection: Connection, position: int) -> Book:
    """As of a sequence number.

    Raises:
        Refused: `unknown_book` before it is founded.
    """
    versions = registered.load(connection, "book", Book, position).versions.get("book")
    return _founded(versions[-1].document if versions else None)


def _founded(found: object) -> Book:
    if not isinstance(found, Book):
        raise Refused("unknown_book", "this book is not founded yet", place="book")
    return found
