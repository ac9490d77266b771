"""Rows in PostgreSQL's binary COPY format, built with numpy: 2 to 3 times as fast as row by row."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from datetime import UTC, date, datetime
from typing import Final

import numpy as np
import numpy.typing as npt
from psycopg import sql

from adapters.postgres.database import Connection

_SIGNATURE: Final = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_TRAILER: Final = b"\xff\xff"
_CHUNK: Final = 1 << 18
"""So many bytes at once: smaller ones cost a system call each, larger ones let PostgreSQL wait."""
_EPOCH: Final = datetime(2000, 1, 1, tzinfo=UTC)
_FIRST_DAY: Final = _EPOCH.date()
NULL: Final = b"\xff\xff\xff\xff"
_ARRAY_HEAD: Final = struct.Struct(">iiiii")
_INT4_OID: Final = 23

Bytes = npt.NDArray[np.uint8]


def load(
    connection: Connection, table: str, columns: tuple[str, ...], rows: Iterable[bytes | bytearray]
) -> None:
    """Add rows to a table of schema `ledger`; one of `rows` may be many of them."""
    statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT binary)").format(
        sql.Identifier("ledger", table), sql.SQL(", ").join(map(sql.Identifier, columns))
    )
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        waiting = bytearray(_SIGNATURE)
        for made in rows:
            waiting += made
            if len(waiting) > _CHUNK:
                copy.write(waiting)
                waiting = bytearray()
        copy.write(waiting + _TRAILER)


def text(value: str) -> bytes:
    """A text field."""
    data = value.encode()
    return struct.pack(">i", len(data)) + data


def boolean(value: bool) -> bytes:  # noqa: FBT001
    return b"\0\0\0\1\1" if value else b"\0\0\0\1\0"


def day(value: date) -> bytes:
    """A date field."""
    return struct.pack(">ii", 4, (value - _FIRST_DAY).days)


def int4(value: int) -> bytes:
    return struct.pack(">ii", 4, value)


def int8(value: int) -> bytes:
    return struct.pack(">iq", 8, value)


def timestamptz(value: datetime) -> bytes:
    """A timestamptz field; the value is aware."""
    elapsed = value - _EPOCH
    return struct.pack(">iq", 8, (elapsed.days * 86_400 + elapsed.seconds) * 1_000_000 + elapsed.microseconds)


def bytea(value: bytes) -> bytes:
    return struct.pack(">i", len(value)) + value


def fields(count: int) -> bytes:
    """What each row begins with."""
    return struct.pack(">h", count)


def size(length: int) -> bytes:
    """What each field begins with."""
    return struct.pack(">i", length)


def row(*values: bytes) -> bytes:
    return fields(len(values)) + b"".join(values)


def alike(count: int, *parts: bytes | Bytes) -> bytearray:
    """`count` rows of one length: a part is the same in all of them, or a row of a matrix in each."""
    made = bytearray(b"".join(map(_of_one_row, parts))) * count
    rows, at = np.frombuffer(made, dtype=np.uint8).reshape(count, -1), 0
    for part in parts:
        width = len(part) if isinstance(part, bytes) else part.shape[1]
        if not isinstance(part, bytes):
            rows[:, at : at + width] = part
        at += width
    return made


def _of_one_row(part: bytes | Bytes) -> bytes:
    return part if isinstance(part, bytes) else bytes(part.shape[1])


def int8_values(values: npt.NDArray[np.int64]) -> Bytes:
    """A row of 8 bytes for each value, without a field's size."""
    return values.astype(">i8").view(np.uint8).reshape(-1, 8)


def int4_elements(values: npt.NDArray[np.int64]) -> Bytes:
    """A row for each element of an int4 array, 8 bytes long."""
    pairs = np.empty((len(values), 2), dtype=">i4")
    pairs[:, 0] = 4
    pairs[:, 1] = values
    return pairs.view(np.uint8)


def int4_array_head(count: int) -> bytes:
    """What a one-dimensional int4[] field of so many elements begins with."""
    return size(_ARRAY_HEAD.size + 8 * count) + _ARRAY_HEAD.pack(1, 0, _INT4_OID, count, 1)
