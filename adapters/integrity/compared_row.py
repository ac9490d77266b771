"""The row beside a book that is no projection: what was compared, seen and found. A digest seals it.

It is no signature: it shows that the row was changed by something else than the program.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from adapters.integrity.fault import Fault
from adapters.postgres.database import Connection

_SEAL: Final = (
    "sha256(convert_to(jsonb_build_array(book, created, checkpoint_size, encode(checkpoint, 'hex'),"
    " damage_code, damage_place, damage_message)::text, 'UTF8'))"
)


_ARCHIVED: Final = "SELECT 1 FROM ledger.envelope WHERE book = %s LIMIT 1"


def make(connection: Connection, book: str) -> None:
    """What whoever archives a book's first envelope writes, unless it is there: from then on it is missed."""
    connection.execute(
        "INSERT INTO ledger.compared_stream (book, created, seal)"
        " VALUES (%(book)s, '', sha256(convert_to("
        "jsonb_build_array(%(book)s::text, '', 0, '', '', '', '')::text, 'UTF8'))) ON CONFLICT DO NOTHING",
        {"book": book},
    )


@contextmanager
def changing(connection: Connection, book: str, *, anew: bool = False) -> Iterator[None]:
    """The program changes the row inside: what was whole before is sealed after; `anew` whatever it was."""
    before = connection.execute(
        f"SELECT seal = {_SEAL} FROM ledger.compared_stream WHERE book = %s FOR UPDATE",  # noqa: S608
        [book],
    ).fetchone()
    # Where events are archived the row was there: what stands in its place now knows of no damage.
    fresh = before is None and connection.execute(_ARCHIVED, [book]).fetchone() is None
    whole = fresh if before is None else bool(before[0])
    yield
    if anew or whole:
        connection.execute(
            f"UPDATE ledger.compared_stream SET seal = {_SEAL} WHERE book = %s",  # noqa: S608
            [book],
        )


def fault(connection: Connection) -> Fault | None:
    """What is wrong with the row of the book that `connection` reads, if anything is: it was changed, or
    there are events and no row."""
    found = connection.execute(
        "SELECT CASE"  # noqa: S608
        f" WHEN EXISTS (SELECT 1 FROM ledger.compared_stream WHERE seal IS DISTINCT FROM {_SEAL})"
        " THEN 'changed'"
        " WHEN NOT EXISTS (SELECT 1 FROM ledger.compared_stream) AND EXISTS (SELECT 1 FROM ledger.envelope)"
        " THEN 'taken away' END"
    ).fetchone()
    assert found is not None
    (how,) = found
    text = f"it was {how} by something else than the program: what it knew of damage may be gone"
    return None if how is None else Fault("row_altered", "table compared_stream", text)
