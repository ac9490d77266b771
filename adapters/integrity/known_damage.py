"""The damage that somebody looked for and found: until it is repaired nothing is appended or answered.

What a check finds by itself stops what it stands before. `verify` and `replay` read more than any of those
checks can, so what they find is kept beside the book, for every process to see.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, get_args

from adapters.continuity import Discontinuity
from adapters.integrity import compared_row
from adapters.integrity.fault import Fault, FaultCode
from adapters.postgres.database import Connection, Database

_NO_DAMAGE: Final[frozenset[FaultCode]] = frozenset(
    {"run_altered", "access_altered", "access_gap", "checkpoint_key"}
)
"""Nothing of the book is damaged: where no row differs either, the program settles otherwise than it did; the
access log lies beside the book, and so does the key, without which checkpoints are compared all the same."""


_HALTING: Final[FaultCode] = "stream_alien"


def note(database: Database, book: str, faults: Sequence[Fault]) -> None:
    """Keep the first of what was found, before all what halts a projector; none of them, and what was known
    before is known no more."""
    found = sorted(faults, key=lambda one: one.code != _HALTING)
    damage = next((one for one in found if one.code not in _NO_DAMAGE), None)
    kept = ["", "", ""] if damage is None else [damage.code, damage.place, damage.message]
    with database.owning() as connection, compared_row.changing(connection, book, anew=True):
        connection.execute(
            "INSERT INTO ledger.compared_stream (book, created, damage_code, damage_place, damage_message)"
            " VALUES (%s, '', %s, %s, %s) ON CONFLICT (book) DO UPDATE"
            " SET damage_code = excluded.damage_code, damage_place = excluded.damage_place,"
            " damage_message = excluded.damage_message",
            [book, *kept],
        )


def note_found(database: Database, book: str, fault: Fault) -> None:
    """Keep what halts a projector; the first of such stays."""
    assert fault.code == _HALTING
    with database.owning() as connection, compared_row.changing(connection, book):
        connection.execute(
            "INSERT INTO ledger.compared_stream (book, created, damage_code, damage_place, damage_message)"
            " VALUES (%s, '', %s, %s, %s) ON CONFLICT (book) DO UPDATE"
            " SET damage_code = excluded.damage_code, damage_place = excluded.damage_place,"
            " damage_message = excluded.damage_message"
            " WHERE ledger.compared_stream.damage_code <> excluded.damage_code",
            [book, fault.code, fault.place, fault.message],
        )


def halting(connection: Connection) -> Fault | None:
    """The message of the stream that no projector gets past, where one was found."""
    found = connection.execute(
        "SELECT damage_place, damage_message FROM ledger.compared_stream WHERE damage_code = %s", [_HALTING]
    ).fetchone()
    return None if found is None else Fault(_HALTING, *found)


def check(connection: Connection) -> None:
    """Accept a book of which no damage is known; `connection` reads that book.

    Raises:
        Discontinuity: with the code and place that were found; `row_altered` where that was changed.
    """
    if (changed := compared_row.fault(connection)) is not None:
        raise Discontinuity(changed.message, code=changed.code, place=changed.place)
    found = connection.execute(
        "SELECT damage_code, damage_place, damage_message FROM ledger.compared_stream WHERE damage_code <> ''"
    ).fetchone()
    if found is None:
        return
    code, place, message = found
    assert code in get_args(FaultCode), code
    raise Discontinuity(
        f"{message}; it was found by looking, and stands until `wattledger repair` mends it or `wattledger"
        " verify` finds all whole",
        code=code,
        place=place,
    )
