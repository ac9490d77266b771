"""Which stored allocations of units' statements no longer are what sharing out would give now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from adapters.postgres.database import Connection
from adapters.queries.unit_facts import UnitHistory
from adapters.queries.unit_inputs import UnitReader
from ledger.allocation.shares import allocate
from ledger.allocation.unit_allocation import UnitAllocation
from ledger.allocation.unit_fact import UnitFact
from ledger.refusal import Refused


class Stored(NamedTuple):
    """A statement as the market tells it now, and how it was shared out."""

    fact: UnitFact
    allocation: UnitAllocation


def outdated(
    connection: Connection,
    book: str,
    stored: Sequence[Stored],
    known: Mapping[str, UnitHistory],
    position: int,
) -> dict[str, str]:
    """By statement, in words, why it is to be shared out again; the others are left out.

    All that shares follow from is looked at: the statement, its unit and rule, and the readings of every
    member, with those of the days that baselines are made of. Why one can no longer be shared out is told
    too: allocating refuses it for the same reason.
    """
    if not stored:
        return {}
    reader = UnitReader(connection, book, [one.fact for one in stored], known, position)
    found: dict[str, str] = {}
    for fact, allocation in stored:
        try:
            changed = allocation.outdated_by(fact, known[fact.unit].history, reader.rule(fact))
            if changed is None:
                changed = allocation.differs_from(allocate(*reader.inputs(fact)))
        except Refused as refused:
            found[fact.id] = f"statement {fact.id} cannot be shared out any more: {refused}"
            continue
        if changed is not None:
            found[fact.id] = allocation.stale(changed)
    return found
