"""Sites' shares of what markets told about trading units, as they were allocated, for settling."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Final, NamedTuple

import msgspec

from adapters.postgres.database import Connection
from adapters.queries import registered
from ledger.allocation.unit_allocation import SiteAllocation, UnitAllocation
from ledger.allocation.unit_fact import UnitFact
from ledger.effective import History
from ledger.interval import Interval
from ledger.refusal import Refused
from ledger.settlement.line import Source
from ledger.trading_unit import TradingUnit, history_of, stands

_decode_fact: Final = msgspec.json.Decoder(UnitFact).decode


class Shares(NamedTuple):
    """A site's, in order of the statements' ids, and the events that they rest on."""

    allocated: tuple[SiteAllocation, ...]
    sources: tuple[Source, ...]


class Statement(NamedTuple):
    """A statement of the market about a unit, in the version in force, and its event's sequence."""

    fact: UnitFact
    sequence: int


class UnitHistory(NamedTuple):
    history: History[TradingUnit]
    sequences: tuple[int, ...]


def statements(connection: Connection, interval: Interval, position: int) -> list[Statement]:
    """What markets told about units for any time of `interval`, by id."""
    rows = connection.execute(
        "SELECT from_seq, document::text FROM ledger.registered"
        " WHERE kind = 'market_fact' AND from_seq <= %(position)s"
        " AND (to_seq IS NULL OR to_seq > %(position)s)"
        " AND effective_from < %(end)s AND effective_to > %(start)s AND document ? 'unit' ORDER BY id",
        {"position": position, "start": interval.start, "end": interval.end},
    )
    return [Statement(_decode_fact(text), sequence) for sequence, text in rows]


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


def allocations(
    connection: Connection, names: Iterable[str], position: int
) -> dict[str, tuple[int, int, UnitAllocation]]:
    """The allocation in force of each named statement: its version, its event's sequence, and itself."""
    rows = connection.execute(
        "SELECT id, version, from_seq, document::text FROM ledger.registered"
        " WHERE kind = 'allocation' AND from_seq <= %(position)s"
        " AND (to_seq IS NULL OR to_seq > %(position)s) AND id = ANY(%(names)s) ORDER BY id",
        {"position": position, "names": sorted(names)},
    )
    decode = msgspec.json.Decoder(UnitAllocation).decode
    return {name: (version, sequence, decode(text)) for name, version, sequence, text in rows}


def shares(
    connection: Connection, sites: Iterable[str], interval: Interval, position: int
) -> dict[str, Shares]:
    """What each site that stood in a unit was allocated of the unit's statements.

    Raises:
        Refused: `allocation_missing` for a statement that nobody has allocated, `allocation_stale` for one
            that was corrected, or whose unit (members, capabilities, terms) changed, since it was.
    """
    told = statements(connection, interval, position)
    if not told:
        return {}
    wanted = set(sites)
    known = units(connection, position)
    recorded = allocations(connection, [one.fact.id for one in told], position)
    found: dict[str, list[SiteAllocation]] = defaultdict(list)
    sources: dict[str, list[Source]] = defaultdict(list)
    for fact, sequence in told:
        unit = known[fact.unit]
        allocation = recorded.get(fact.id)
        members = {site for site in wanted if stands(unit.history, site, fact.interval)}
        changed = None
        if allocation is not None:
            members |= wanted & allocation[2].sites.keys()
            changed = allocation[2].outdated_by(fact, unit.history)
        for site in sorted(members):
            if allocation is None:
                raise Refused(
                    "allocation_missing",
                    f"statement {fact.id} of unit {fact.unit} is not allocated to its sites yet: allocate",
                    place=f"site {site}",
                )
            _, recorded_at, shared = allocation
            if changed is not None:
                what = {"statement": f"statement {fact.id}", "unit": f"unit {fact.unit}"}[changed]
                raise Refused(
                    "allocation_stale",
                    f"{what} changed after statement {fact.id} was allocated: allocate again",
                    place=f"site {site}",
                )
            found[site].append(shared.of(site))
            sources[site] += [
                Source(f"market_fact.{fact.id}", ((sequence, sequence),)),
                Source(f"trading_unit.{fact.unit}", tuple((at, at) for at in unit.sequences)),
                Source(f"allocation.{fact.id}", ((recorded_at, recorded_at),)),
            ]
    return {site: Shares(tuple(own), tuple(sources[site])) for site, own in found.items()}
