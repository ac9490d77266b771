"""Trading units, what markets told about them, and how it was shared out: as of a sequence number."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

import msgspec

from adapters.postgres.database import Connection
from adapters.queries import registered
from adapters.queries.kept import kept
from ledger.allocation.unit_allocation import UnitAllocation
from ledger.allocation.unit_fact import UnitFact
from ledger.effective import History
from ledger.interval import Interval
from ledger.trading_unit import TradingUnit, history_of

_decode_fact: Final = msgspec.json.Decoder(UnitFact).decode
_decode_allocation: Final = msgspec.json.Decoder(UnitAllocation).decode


class Statement(NamedTuple):
    """A statement of the market about a unit, in the version in force, and its event's sequence."""

    fact: UnitFact
    sequence: int


class UnitHistory(NamedTuple):
    history: History[TradingUnit]
    sequences: tuple[int, ...]


class SharedOut(NamedTuple):
    """The allocation in force of a statement, and its event's sequence."""

    version: int
    sequence: int
    allocation: UnitAllocation


def statements(connection: Connection, interval: Interval, position: int) -> list[Statement]:
    """What markets told about units for any time of `interval`, by id."""
    rows = connection.execute(
        "SELECT from_seq, document::text FROM ledger.registered"
        " WHERE kind = 'market_fact' AND from_seq <= %(position)s"
        " AND (to_seq IS NULL OR to_seq > %(position)s)"
        " AND effective_from < %(end)s AND effective_to > %(start)s AND document ? 'unit' ORDER BY id",
        {"position": position, "start": interval.start, "end": interval.end},
    )
    return [
        Statement(kept(_decode_fact, text, f"table registered, sequence {sequence}"), sequence)
        for sequence, text in rows
    ]


def units(connection: Connection, position: int) -> dict[str, UnitHistory]:
    """Every trading unit with all its versions."""
    register = registered.load(connection, "trading_unit", TradingUnit, position)
    return {
        name: UnitHistory(
            history_of([(one.period, one.document) for one in versions if one.period is not None]),
            tuple(one.sequence for one in versions),
        )
        for name, versions in register.versions.items()
    }


def allocations(connection: Connection, names: Iterable[str], position: int) -> dict[str, SharedOut]:
    """How each named statement was shared out last; those that nobody shared out are left out."""
    rows = connection.execute(
        "SELECT id, version, from_seq, document::text FROM ledger.registered"
        " WHERE kind = 'allocation' AND from_seq <= %(position)s"
        " AND (to_seq IS NULL OR to_seq > %(position)s) AND id = ANY(%(names)s) ORDER BY id",
        {"position": position, "names": sorted(names)},
    )
    return {
        name: SharedOut(version, at, kept(_decode_allocation, text, f"table registered, allocation {name}"))
        for name, version, at, text in rows
    }
