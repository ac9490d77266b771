"""Runs that were declared void, as of a sequence number."""

from __future__ import annotations

from adapters.postgres.database import Connection, own_rights
from adapters.queries import registered
from ledger.settlement.voided import Void, void_name


def void_runs(connection: Connection, position: int) -> dict[tuple[str, str, int], Void]:
    """Every one, by contract, month and run.

    Raises:
        Discontinuity: `row_altered`.
    """
    found = registered.load(connection, "voided_run", Void, position).versions.values()
    return {(one.contract, one.month, one.run): one for (*_, last) in found for one in (last.document,)}


def void_run(connection: Connection, position: int, contract: str, month: str, run: int) -> Void | None:
    """That a run is void; asked with the ledger's own rights for whoever may see its statement.

    Raises:
        Discontinuity: `row_altered`.
    """
    name = void_name(contract, month, run).partition(".")[2]
    with own_rights(connection):
        found = registered.load(connection, "voided_run", Void, position, name).versions.get(name)
    return None if found is None else found[-1].document
