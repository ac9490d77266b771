"""The tree of an amount in plain text: each branch with its ratio, each leaf with its exact part."""

from __future__ import annotations

from collections.abc import Iterator

from adapters.documents.readable import readable_sum
from ledger.clauses.flow import grouped
from ledger.settlement.explanation import AmountExplained, Branch, Leaf


def leaves_text(found: AmountExplained, rows_max: int) -> str:
    """The first `rows_max` rows of the tree, and how many more there are."""
    rows = list(_rows(found.tree, 1))
    head = f"  leaves    {found.leaves_in_all}, which sum exactly to {readable_sum(found.amount)}"
    more = [f"    ... and {len(rows) - rows_max} more rows"] if len(rows) > rows_max else []
    return "\n".join([head, *rows[:rows_max], *more])


def _rows(branch: Branch, depth: int) -> Iterator[str]:
    space = "  " * (depth + 1)
    for part in branch.parts:
        if isinstance(part, Leaf):
            made = f"{part.quantity} {part.unit} x {part.price} = " if part.price else ""
            yield f"{space}{part.kind} [{part.reference}] {part.label}: {made}{grouped(part.exact)}"
        else:
            ratio = "" if part.ratio == "1" else f"{part.ratio} x "
            yield f"{space}{ratio}{grouped(part.exact)} {part.label} [{part.reference}]"
            yield from _rows(part, depth + 1)
