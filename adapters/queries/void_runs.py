"""Runs that were declared void, as of a sequence number."""

from __future__ import annotations

from collections.abc import Iterable

from adapters.postgres.database import Connection, own_rights
from adapters.queries import registered
from ledger.settlement.statement import Statement
from ledger.settlement.voided import Void, void_name


def void_runs(connection: Connection, position: int) -> dict[tuple[str, str, int], Void]:
    """Every one, by contract, month and run.

    Raises:
        Discontinuity: `row_altered`.
    """
    found = registered.load(connection, "voided_run", Void, position).versions.values()
    return {(one.contract, one.month, one.run): one for (*_, last) in found for one in (last.document,)}


def void_reasons(connection: Connection, position: int, found: Iterable[Statement]) -> dict[int, str]:
    """Why runs of statements were declared void, by the run's sequence; a partner is told of its own.

    Raises:
        Discontinuity: `row_altered`.
    """
    with own_rights(connection):
        void = void_runs(connection, position)
    keys = {one.sequence: (one.contract, one.month, one.run) for one in found}
    return {sequence: void[key].reason for sequence, key in keys.items() if key in void}


def void_run(connection: Connection, position: int, contract: str, month: str, run: int) -> Void | None:
    """That a run is void; asked with the ledger's own rights for whoever may see its statement.

    Raises:
        Discontinuity: `row_altered`.
    """
    name = void_name(contract, month, run).partition(".")[2]
    with own_rights(connection):
        found = registered.load(connection, "voided_run", Void, position, name).versions.get(name)
    return None if found is None else found[-1].document
