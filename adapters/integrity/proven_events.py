"""Aggregates' archived events, each with its leaf in the tree, from the first version on without a gap."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from typing import Final, NamedTuple

import msgspec

from adapters.continuity import Discontinuity
from adapters.integrity.fault import FaultCode
from adapters.nats import wire
from adapters.postgres.database import Connection
from ledger.transparency.entry_bundle import envelope_leaf
from ledger.transparency.tile import TILE_WIDTH

_HASH_BYTES: Final = 32
BOOK: Final = "current_setting('app.book')"


class Proven(NamedTuple):
    """An envelope that is the tree's."""

    sequence: int
    header: wire.Header
    state: bytes


def of_aggregates(connection: Connection, aggregates: Collection[str], position: int) -> Iterator[Proven]:
    """Every event of these aggregates up to `position`, aggregate by aggregate in the order of versions.

    `connection` sees the whole book.

    Raises:
        Discontinuity: `archive_altered` or `tree_altered` for one that is not the next, or not the tree's.
    """
    cursor = connection.cursor(binary=True)
    rows = cursor.execute(
        "SELECT sequence, aggregate, version, payload FROM ledger.envelope"  # noqa: S608
        f" WHERE book = {BOOK} AND aggregate = ANY(%s) AND sequence <= %s ORDER BY aggregate, version",
        [sorted(aggregates), position],
    ).fetchall()
    tiles = _tiles(connection, {(row[0] - 1) // TILE_WIDTH for row in rows})
    versions: dict[str, int] = defaultdict(int)
    for sequence, aggregate, version, payload in rows:
        _check_leaf(tiles, sequence, payload)
        header = wire.header_of(payload)
        versions[aggregate] += 1
        if (header.aggregate, header.version, version) != (aggregate, version, versions[aggregate]):
            text = f"it is not the next event of {aggregate}"
            raise doubt("archive_altered", f"sequence {sequence}", text)
        yield Proven(sequence, header, wire.state_of(payload))


def at(connection: Connection, sequences: Collection[int]) -> Iterator[Proven]:
    """The events of these sequence numbers, in order.

    Raises:
        Discontinuity: `archive_missing`; `archive_altered` or `tree_altered`.
    """
    cursor = connection.cursor(binary=True)
    rows = cursor.execute(
        f"SELECT sequence, payload FROM ledger.envelope WHERE book = {BOOK} AND sequence = ANY(%s)"  # noqa: S608
        " ORDER BY sequence",
        [sorted(sequences)],
    ).fetchall()
    if missing := set(sequences).difference(row[0] for row in rows):
        raise doubt("archive_missing", f"sequence {min(missing)}", "the archive has no such envelope")
    tiles = _tiles(connection, {(row[0] - 1) // TILE_WIDTH for row in rows})
    for sequence, payload in rows:
        _check_leaf(tiles, sequence, payload)
        yield Proven(sequence, wire.header_of(payload), wire.state_of(payload))


def _tiles(connection: Connection, numbers: Collection[int]) -> dict[int, bytes]:
    """The tree's hashes of envelopes, 256 at a time: each read once, however many are asked for."""
    cursor = connection.cursor(binary=True)
    rows = cursor.execute(
        "SELECT index, content FROM ledger.tree_tile"  # noqa: S608
        f" WHERE book = {BOOK} AND level = 0 AND index = ANY(%s)",
        [sorted(numbers)],
    )
    return {index: bytes(content) for index, content in rows}


def _check_leaf(tiles: Mapping[int, bytes], sequence: int, payload: bytes) -> None:
    tile, number = divmod(sequence - 1, TILE_WIDTH)
    leaf = tiles.get(tile, b"")[number * _HASH_BYTES : (number + 1) * _HASH_BYTES]
    if not payload.startswith(b"{") or leaf != envelope_leaf(payload):
        raise doubt("tree_altered", f"sequence {sequence}", "the archived envelope is not the tree's")


def doubt(code: FaultCode, place: str, message: str) -> Discontinuity:
    """What is raised of a row or an envelope."""
    return Discontinuity(message, code=code, place=place)


class _Kind(msgspec.Struct, frozen=True):
    kind: str


class _Kinds(msgspec.Struct, frozen=True):
    events: tuple[_Kind, ...]


_decode_kinds: Final = msgspec.json.Decoder(_Kinds).decode


def kinds_of(event: Proven) -> tuple[str, ...]:
    """The kinds of the events of an envelope, which is not decoded otherwise."""
    return tuple(one.kind for one in _decode_kinds(event.state).events)
