"""The story of one yuan: a line's leaves, the readings and facts below it, its statement's life above."""

from __future__ import annotations

from collections.abc import Iterator

from adapters.postgres.database import Connection
from adapters.queries import statements
from adapters.queries.explain import explain
from adapters.queries.story.after_run import after_runs, before_events, result_of
from adapters.queries.story.entry import Story
from adapters.queries.story.links_of import followed
from adapters.queries.story.posted import posted
from adapters.queries.story.telling import WHOLE, Part, Subject, aggregates, tell
from ledger.refusal import Refused
from ledger.settlement.explanation import Branch, Leaf


def line(
    connection: Connection,
    position: int,
    contract: str,
    month: str,
    run: int,
    number: int,
    *,
    part: Part = WHOLE,
) -> Story:
    """One line of a run, down to the readings and on to the bank, with the later runs of its month.

    Raises:
        Refused: `unknown_contract`, `unknown_settlement`, `unknown_line`.
    """
    runs = statements.runs(connection, position, month=month, contract=contract)
    recorded = next((one for one in runs if one.run == run), None)
    if recorded is None:
        text = f"contract {contract} has no run {run} of {month} up to {position}"
        raise Refused("unknown_settlement", text, place="run")
    explained = explain(connection, contract, month, number, run=run)
    one, result = explained.line, result_of(connection, recorded)
    signed = [source for source in result.sources if source.aggregate == f"contract.{contract}"]
    below = {
        sequence
        for source in (*signed, *(result.sources[index] for index in one.sources))
        for first, last in source.sequences
        for sequence in range(first, last + 1)
    }
    own = {recorded.sequence}
    later = aggregates(connection, position, [f"settlement.{contract}_{month}"])
    life = f"statement.{contract}_{month}_{one.party}_{run}"
    above = after_runs(connection, position, own) & _about(connection, position, own, life)
    events = frozenset(below | before_events(connection, position, below) | own | later | above)
    facts = (
        f"line {number}: {one.code} of {one.party}, {one.amount:,} {one.amount.currency}, by {one.clause}",
        *_told(explained.leaves.tree, 0),
    )
    return tell(
        connection,
        position,
        Subject(
            name=f"line {contract} {month} {run} {number}",
            events=events,
            facts=facts,
            postings=posted(connection, position, own | above),
        ),
        part,
    )


def _about(connection: Connection, position: int, run: set[int], life: str) -> set[int]:
    """What concerns the whole run, and the one statement that holds the line."""
    events = aggregates(connection, position, [life])
    found = run | events
    found |= followed(connection, position, run, "made_final_by", "committed_by", "closed_by")
    found |= followed(connection, position, events, "paid_by", "has_number", "uses_credit", "credit_used_by")
    return found | before_events(connection, position, found)


def _told(branch: Branch, depth: int) -> Iterator[str]:
    """The tree of an amount, a line a leaf."""
    indent = "  " * depth
    ratio = "" if branch.ratio == "1" else f"{branch.ratio} of "
    yield f"{indent}{ratio}{branch.label}: {branch.exact}"
    for one in branch.parts:
        if isinstance(one, Leaf):
            product = f" = {one.quantity} {one.unit} x {one.price}" if one.price else ""
            yield f"{indent}  {one.label}: {one.exact}{product}"
        else:
            yield from _told(one, depth + 1)
