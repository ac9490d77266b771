"""What stands beside statements when they are told: each line's delta, and what is to be paid until when."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from adapters.founded import book_at
from adapters.integrity.published import recorded_runs
from adapters.postgres.database import Connection
from adapters.queries import lives, registered
from ledger.accounting.billing import billing
from ledger.accounting.run_effect import Settled
from ledger.contract import Contract
from ledger.settlement.inputs import contract_digest
from ledger.settlement.line_delta import Key, LineDelta, key_of, line_deltas
from ledger.settlement.run import INITIAL, PROVISIONAL, Run
from ledger.settlement.statement import Statement, statements
from ledger.statement.invoice import Billing
from ledger.statement.life import Life, StatementKey
from ledger.statement.payment_due import PaymentDue, payment_due


class Beside(NamedTuple):
    """`deltas` of a correction; `due` None of a provisional statement, which asks for nothing."""

    deltas: tuple[LineDelta, ...] = ()
    due: PaymentDue | None = None


_Key = tuple[str, str, int]


def _deltas(
    connection: Connection, position: int, shown: Sequence[Statement]
) -> dict[Key, tuple[LineDelta, ...]]:
    """Each correction's deltas, by line; nothing is read where none of the statements is one.

    The connection sees the whole book.

    Raises:
        Discontinuity: a run is not what was recorded.
    """
    corrections = [one for one in shown if one.run_kind not in (INITIAL, PROVISIONAL)]
    before = _runs_before(connection, position, corrections)
    found: dict[Key, tuple[LineDelta, ...]] = {}
    for one in corrections:
        earlier = before.get((one.contract, one.month, one.run))
        old = None if earlier is None else _statement_of(earlier, one.party)
        found[key_of(one)] = line_deltas(one, old)
    return found


def beside(connection: Connection, position: int, shown: Sequence[Statement]) -> dict[Key, Beside]:
    """Of each statement, as of `position`; the connection sees the whole book.

    Raises:
        Discontinuity: a run or a statement's life is not what was recorded.
    """
    changes = _deltas(connection, position, shown)
    keys = [StatementKey(one.contract, one.month, one.party, one.run) for one in shown]
    found = lives.of_statements(connection, position, keys)
    living = {(key.contract, key.month, key.party, key.run): life for key, life in found.items()}
    paying = [one for one in shown if one.run_kind != PROVISIONAL]
    billed = _billed(connection, position, [one for one in paying if key_of(one) not in living])
    return {key_of(one): Beside(changes.get(key_of(one), ()), _due(one, billed, living)) for one in shown}


def _due(one: Statement, billed: dict[Key, Billing], living: dict[Key, Life]) -> PaymentDue | None:
    if one.run_kind == PROVISIONAL:
        return None
    return payment_due(one.delta, billed.get(key_of(one)), living.get(key_of(one)))


def _billed(connection: Connection, position: int, shown: Sequence[Statement]) -> dict[Key, Billing]:
    """What will be invoiced for statements that nobody reviewed yet; of those whose tax comes on top."""
    taxed = [one for one in shown if one.vat or one.agent_vat]
    if not taxed:
        return {}
    contracts = registered.load(connection, "contract", Contract, position).versions
    on_top = [
        one
        for one in taxed
        if any(version.document.split_basis == "tax_exclusive" for version in contracts[one.contract])
    ]
    if not on_top:
        return {}
    owner = book_at(connection, position).owner
    own = _recorded(connection, {one.sequence for one in on_top})
    before = _runs_before(connection, position, on_top)
    found: dict[Key, Billing] = {}
    for one in on_top:
        versions = [version.document for version in contracts[one.contract]]
        run = own[one.contract, one.month, one.run]
        earlier = before.get((one.contract, one.month, one.run))
        found[key_of(one)] = billing(
            owner,
            one.party,
            _settled(run, versions),
            None if earlier is None else _settled(earlier, versions),
        )
    return found


def _settled(run: Run, versions: Sequence[Contract]) -> Settled:
    """With the version of its contract that it was settled with."""
    digest = run.result.inputs.get("contract")
    held = [one for one in versions if contract_digest(one) == digest]
    return Settled(held[-1] if held else versions[-1], run)


def _statement_of(run: Run, party: str) -> Statement | None:
    return next((one for one in statements(run, 0) if one.party == party), None)


def _runs_before(connection: Connection, position: int, shown: Sequence[Statement]) -> dict[_Key, Run]:
    """By each statement's contract, month and run the paying run that it is a correction of."""
    if not shown:
        return {}
    rows = connection.execute(
        "SELECT s.contract, s.month, w.run, max(s.run) FROM ledger.settlement AS s"
        " JOIN unnest(%s::text[], %s::text[], %s::bigint[]) AS w (contract, month, run)"
        " ON s.contract = w.contract AND s.month = w.month AND s.run < w.run"
        " WHERE s.run_kind <> 'provisional' AND s.sequence <= %s GROUP BY s.contract, s.month, w.run",
        [
            [one.contract for one in shown],
            [one.month for one in shown],
            [one.run for one in shown],
            position,
        ],
    ).fetchall()
    wanted = {(contract, month, run): earlier for contract, month, run, earlier in rows}
    sequences = connection.execute(
        "SELECT DISTINCT s.sequence FROM ledger.settlement AS s"
        " JOIN unnest(%s::text[], %s::text[], %s::bigint[]) AS w (contract, month, run)"
        " ON s.contract = w.contract AND s.month = w.month AND s.run = w.run",
        [
            [contract for contract, _, _ in wanted],
            [month for _, month, _ in wanted],
            list(wanted.values()),
        ],
    ).fetchall()
    recorded = _recorded(connection, {sequence for (sequence,) in sequences})
    return {key: recorded[key[0], key[1], earlier] for key, earlier in wanted.items()}


def _recorded(connection: Connection, sequences: set[int]) -> dict[_Key, Run]:
    if not sequences:
        return {}
    row = connection.execute("SELECT current_setting('app.book')").fetchone()
    assert row is not None
    return recorded_runs(connection, row[0], sequences)
