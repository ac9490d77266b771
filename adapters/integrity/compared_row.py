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


@contextmanager
def changing(connection: Connection, book: str, *, anew: bool = False) -> Iterator[None]:
    """The program changes the row inside: what was whole before is sealed after; `anew` whatever it was."""
    before = connection.execute(
        f"SELECT seal = {_SEAL} FROM ledger.compared_stream WHERE book = %s FOR UPDATE",  # noqa: S608
        [book],
    ).fetchone()
    yield
    if anew or before is None or before[0]:
        connection.execute(
            f"UPDATE ledger.compared_stream SET seal = {_SEAL} WHERE book = %s",  # noqa: S608
            [book],
        )


def fault(connection: Connection) -> Fault | None:
    """What is wrong with the row of the book that `connection` reads, if anything is."""
    found = connection.execute(
        f"SELECT 1 FROM ledger.compared_stream WHERE seal IS DISTINCT FROM {_SEAL}"  # noqa: S608
    ).fetchone()
    text = "it was changed by something else than the program: what it knew of damage may be gone"
    return None if found is None else Fault("row_altered", "table compared_stream", text)
