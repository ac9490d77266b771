"""Sites' shares of what markets told about trading units, as they were allocated, for settling."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple

from adapters.postgres.database import Connection
from adapters.queries.unit_changes import Stored, outdated
from adapters.queries.unit_facts import allocations, statements, units
from ledger.allocation.unit_allocation import SiteAllocation
from ledger.interval import Interval
from ledger.refusal import Refused
from ledger.settlement.line import Source
from ledger.trading_unit import members_during


class Shares(NamedTuple):
    """A site's, in order of the statements' ids, and the events that they rest on."""

    allocated: tuple[SiteAllocation, ...]
    sources: tuple[Source, ...]


def shares(
    connection: Connection, book: str, sites: Iterable[str], interval: Interval, position: int
) -> dict[str, Shares]:
    """What each site that stood in a unit was allocated of the unit's statements.

    Raises:
        Refused: `allocation_missing` for a statement that nobody has allocated, `allocation_stale` for one
            that was corrected, or whose unit, rule or members' readings changed, since it was.
    """
    told = statements(connection, interval, position)
    if not told:
        return {}
    wanted = set(sites)
    known = units(connection, position)
    recorded = allocations(connection, [one.fact.id for one in told], position)
    members: dict[str, set[str]] = {}
    for fact, _ in told:
        concerned = {*members_during(known[fact.unit].history, fact.interval)}
        if fact.id in recorded:
            concerned |= recorded[fact.id].allocation.sites.keys()
        members[fact.id] = wanted & concerned
    stored = [
        Stored(one.fact, recorded[one.fact.id].allocation)
        for one in told
        if one.fact.id in recorded and members[one.fact.id]
    ]
    stale = outdated(connection, book, stored, known, position)
    found: dict[str, list[SiteAllocation]] = defaultdict(list)
    sources: dict[str, list[Source]] = defaultdict(list)
    for fact, sequence in told:
        for site in sorted(members[fact.id]):
            if fact.id not in recorded:
                raise Refused(
                    "allocation_missing",
                    f"statement {fact.id} of unit {fact.unit} is not allocated to its sites yet: allocate",
                    place=f"site {site}",
                )
            if fact.id in stale:
                raise Refused("allocation_stale", f"{stale[fact.id]}: allocate again", place=f"site {site}")
            _, recorded_at, allocation = recorded[fact.id]
            found[site].append(allocation.of(site))
            sources[site] += [
                Source(f"market_fact.{fact.id}", ((sequence, sequence),)),
                Source(f"trading_unit.{fact.unit}", tuple((at, at) for at in known[fact.unit].sequences)),
                Source(f"allocation.{fact.id}", ((recorded_at, recorded_at),)),
            ]
    return {site: Shares(tuple(own), tuple(sources[site])) for site, own in found.items()}
