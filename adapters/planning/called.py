"""Which quarter-hours of a response award are called: there power is delivered, elsewhere it is kept ready.

Whether a product takes energy is its market's question to a bid. A call asks for the power all the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from types import MappingProxyType
from typing import Final, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from adapters.desk.calling import is_called
from adapters.integrity.registered_rows import Read, check_read
from adapters.postgres.database import Connection
from adapters.queries import bids
from adapters.queries.kept import kept
from ledger.interval import Interval, midnight, zone_of
from ledger.streams.demand_response import DemandResponseInstruction
from trading.envelope import SLOT_S
from trading.feasibility import Commitment
from trading.handover import WINDOWS_MAX, fact_id

Mask = npt.NDArray[np.bool_]

_decode: Final = msgspec.json.Decoder(DemandResponseInstruction).decode


class Called(NamedTuple):
    """`whole`: a programme's call made the award. Else `windows` has each site's instructions."""

    start: datetime
    slots: int
    whole: bool
    windows: Mapping[str, tuple[Interval, ...]] = MappingProxyType({})

    def slots_of(self, site: str) -> Mask:
        """The quarter-hours of the day in which the site is called."""
        called = np.full(self.slots, self.whole, dtype=np.bool_)
        for window in self.windows.get(site, ()):
            first = (window.start - self.start) // timedelta(seconds=SLOT_S)
            end = -((self.start - window.end) // timedelta(seconds=SLOT_S))
            called[max(first, 0) : max(end, 0)] = True
        return called


def called_of(connection: Connection, position: int, one: Commitment, day: date, zone: str) -> Called:
    """The calls of an award of `day` that is held ready otherwise; of every other commitment there are none.

    Raises:
        Refused: `unknown_bid`.
        Discontinuity: a clearing or an instruction that is read is not what was recorded.
    """
    none = Called(midnight(day, zone_of(zone)), len(one.up_w), whole=False)
    if not (one.awarded and one.reserves and one.path_w is not None and one.stream == "demand_response"):
        return none
    standing = bids.bid(connection, position, one.bid).state.standing
    if standing is None or not standing.clearing:
        return none
    held = {"at": position, "id": standing.clearing}
    row = connection.execute(
        "SELECT document->>'run' FROM ledger.registered WHERE kind = 'clearing' AND id = %(id)s"
        " AND from_seq <= %(at)s AND (to_seq IS NULL OR to_seq > %(at)s)",
        held,
    ).fetchone()
    check_read(connection, Read(frozenset({f"clearing.{standing.clearing}"}), frozenset()), position)
    if row is not None and is_called(row[0]):
        return none._replace(whole=True)
    return none._replace(windows=_instructed(connection, position, one, none))


def _instructed(
    connection: Connection, position: int, one: Commitment, day: Called
) -> dict[str, tuple[Interval, ...]]:
    """The time of each site's instructions that call an invitation of the bid."""
    rows = connection.execute(
        "SELECT id, document::text FROM ledger.registered WHERE kind = 'market_fact'"
        " AND document->>'type' = 'demand_response_instruction' AND from_seq <= %(at)s"
        " AND (to_seq IS NULL OR to_seq > %(at)s) AND effective_from < %(end)s AND effective_to > %(start)s",
        {"at": position, "start": day.start, "end": day.start + timedelta(seconds=SLOT_S * day.slots)},
    ).fetchall()
    found: dict[str, tuple[Interval, ...]] = {}
    read: set[str] = set()
    for name, text in rows:
        fact = kept(_decode, text, f"table registered, market_fact.{name}")
        if fact.invitation in {fact_id(one.bid, fact.site, str(n)) for n in range(1, WINDOWS_MAX + 1)}:
            found[fact.site] = (*found.get(fact.site, ()), fact.interval)
            read.add(f"market_fact.{name}")
    if read:
        check_read(connection, Read(frozenset(read), frozenset()), position)
    return found
