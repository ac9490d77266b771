"""What the clause lines of statements are made of, for whoever prints them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from adapters.postgres.database import Connection
from adapters.queries.clause_background import background
from adapters.queries.statements import result
from ledger.settlement.clause_terms import TermRow, clause_terms
from ledger.settlement.line_delta import Key, key_of
from ledger.settlement.statement import Statement


def clause_rows(
    connection: Connection, statements: Iterable[Statement]
) -> dict[Key, dict[int, tuple[TermRow, ...]]]:
    """By statement and line, of those to whose party the pool is shown; each run is read once.

    Raises:
        Discontinuity: a run, a contract or a fact is not what was recorded.
    """
    of_run: dict[tuple[str, str, int], list[Statement]] = defaultdict(list)
    for one in statements:
        if one.pool is not None:
            of_run[one.contract, one.month, one.run].append(one)
    found: dict[Key, dict[int, tuple[TermRow, ...]]] = {}
    for (contract, month, run), shown in of_run.items():
        settled = result(connection, contract, month, run)
        behind = None if settled is None else background(connection, settled)
        if settled is not None and behind is not None:
            found |= {key_of(one): clause_terms(settled, behind, one.party) for one in shown}
    return found
