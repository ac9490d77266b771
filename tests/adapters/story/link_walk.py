"""A walk along the links of a book: there, and back by the other name; which book has which kinds."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from adapters.postgres.database import Connection
from adapters.queries.story.links_of import back_of, links_of

WALKED: Final = {
    "lived": frozenset({
        "of_import", "stands_on", "approved_by", "rests_on", "makes_final", "states_run",
        "corrected_in", "number_of", "pays", "closes", "follows", "of_meter", "commits_to",
    }),
    "unit": frozenset({"told_under", "shares_out", "stands_on", "rests_on"}),
    "bid": frozenset({
        "binds_for", "calls_bid", "cleared_in", "shares_award", "hands_over", "rests_on", "planned_for",
        "follows_plan", "seen_in",
    }),
    "papers": frozenset({"of_contract", "uses_credit"}),
    "driven": frozenset({"follows_plan", "obeys", "seen_in", "stands_on"}),
    "driven_settled": frozenset({"settled_in", "seen_in", "rests_on"}),
}  # fmt: skip
"""By book of a test that walks it: kinds of links that it must have."""


def walked(connection: Connection, position: int, events: Collection[int]) -> set[str]:
    """The names of all links of the events, each of which leads back from its other end."""
    names: set[str] = set()
    for sequence in events:
        for link in links_of(connection, position, [sequence], shown=None).links(sequence):
            names.add(link.link)
            other = links_of(connection, position, [link.sequence], shown=None).links(link.sequence)
            back = {(one.link, one.sequence) for one in other}
            assert (back_of(link.link), sequence) in back, (sequence, link)
    return names
