"""Closing a month: what is still missing, and the command once nothing is."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from adapters.postgres.database import Connection
from adapters.queries import lives, registered
from adapters.queries.contracts_in_force import holding
from adapters.queries.folded import states
from adapters.queries.journal import journal
from ledger.accounting.party_account import control_differences
from ledger.contract import Contract
from ledger.interval import Interval, Month, zone_of
from ledger.month_close import AGGREGATE, CloseMonth, Closing
from ledger.refusal import Refused
from ledger.settlement.run import Runs
from ledger.statement.life import Life, StatementKey


class ContractCheck(msgspec.Struct, frozen=True):
    """How far a contract's month has come; `run` is its latest paying run, None before it is settled."""

    contract: str
    run: int | None
    final: bool
    not_issued: tuple[str, ...]
    """The parties whose statement of that run has not been issued."""
    not_invoiced: tuple[str, ...]
    """The parties whose invoices do not add up to the statement: shown, and closed all the same."""


class Checklist(msgspec.Struct, frozen=True):
    """What stands between a month and its close."""

    month: str
    closed: bool
    contracts: tuple[ContractCheck, ...]
    open_disputes: tuple[str, ...]
    """Of the month, and those that the close before it carried."""
    open_imports: tuple[str, ...]
    journal_balanced: bool
    """Whether debits are credits in every currency."""
    journal_differences: tuple[str, ...]
    """The parties whose accounts in the journal are not what their statements say is open."""

    @property
    def ready(self) -> bool:
        """Whether it can be closed, once the open disputes are named."""
        agrees = self.journal_balanced and not self.journal_differences
        finished = all(one.final and not one.not_issued for one in self.contracts)
        return agrees and finished and not self.open_imports


def checklist(connection: Connection, month: Month, position: int) -> Checklist:
    """The month's checklist as of `position`.

    Raises:
        Refused: `no_contract` when none holds in the month.
    """
    spans = _in_force(connection, month, position)
    found = lives.of_month(connection, position, str(month))
    settled = states(connection, [AGGREGATE, *(_run_of(name, month) for name in spans)], position)
    closing = settled.get(AGGREGATE)
    last = closing.last if isinstance(closing, Closing) else None
    waiting = _waiting(connection, position, month, closing)
    booked = journal(connection, position)
    everything = lives.page(connection, position)
    off = control_differences(booked.journal, everything, booked.owner, booked.without_owner)
    imports = connection.execute(
        "SELECT id FROM ledger.meter_import WHERE status = 'open' AND from_seq <= %(p)s"
        " AND (to_seq IS NULL OR to_seq > %(p)s) AND covers_from < %(end)s AND covers_to > %(start)s"
        " ORDER BY id",
        {
            "p": position,
            "start": min(span.start for span in spans.values()),
            "end": max(span.end for span in spans.values()),
        },
    )
    return Checklist(
        str(month),
        last is not None and month <= last,
        tuple(_check(settled.get(_run_of(name, month)), name, found) for name in spans),
        tuple(sorted({one.id for life in (*found, *waiting) for one in life.disputes if one.freezes})),
        tuple(name for (name,) in imports),
        booked.journal.balanced,
        tuple(sorted({one.party for one in off})),
    )


def close_command(
    connection: Connection, month: Month, position: int, carried: Iterable[str], by: str
) -> CloseMonth:
    """The command that closes the month; it is decided on the aggregates themselves.

    Raises:
        Refused: `no_contract`, `open_import`, `journal_difference`.
    """
    check = checklist(connection, month, position)
    if check.open_imports:
        raise Refused(
            "open_import", f"imports {', '.join(check.open_imports)} are not finished", place="month"
        )
    if not check.journal_balanced or check.journal_differences:
        whose = ", ".join(check.journal_differences) or "every account"
        raise Refused(
            "journal_difference",
            f"the journal is not what the statements say of {whose}: see wattledger account",
            place="month",
        )
    aggregates = [AGGREGATE, *(_run_of(one.contract, month) for one in check.contracts)]
    settled = states(connection, aggregates, position)
    statements = [
        StatementKey(one.contract, str(month), party, one.run)
        for one in check.contracts
        if one.run is not None
        for party in _parties(settled.get(_run_of(one.contract, month)))
    ]
    names = tuple(one.contract for one in check.contracts)
    waiting = tuple(life.key for life in _waiting(connection, position, month, settled.get(AGGREGATE)))
    return CloseMonth(month, names, tuple(statements), tuple(carried), by, waiting)


def _waiting(connection: Connection, position: int, month: Month, closing: object) -> list[Life]:
    """The lives of earlier months on which stand the disputes that the last close carried."""
    carried = closing.closed[-1].carried_disputes if isinstance(closing, Closing) and closing.closed else ()
    if not carried:
        return []
    return [
        life
        for life in lives.page(connection, position)
        if life.key.month < str(month) and any(one.id in carried for one in life.disputes)
    ]


def _run_of(contract: str, month: Month) -> str:
    return f"settlement.{contract}_{month}"


def _check(state: object, name: str, found: Iterable[Life]) -> ContractCheck:
    latest = state.latest if isinstance(state, Runs) else None
    if not isinstance(state, Runs) or latest is None:
        return ContractCheck(name, None, final=False, not_issued=(), not_invoiced=())
    own = {(life.key.run, life.key.party): life for life in found if life.key.contract == name}
    waiting = [key for key in state.statements if key not in own or own[key].issued_on is None]
    not_issued = tuple(dict.fromkeys(party for _, party in waiting))
    not_invoiced = tuple(
        party for (run, party), life in sorted(own.items()) if run == latest.number and not life.invoiced
    )
    return ContractCheck(name, latest.number, state.final == latest.number, not_issued, not_invoiced)


def _parties(state: object) -> list[str]:
    latest = state.latest if isinstance(state, Runs) else None
    return sorted(latest.delta) if latest is not None else []


def _in_force(connection: Connection, month: Month, position: int) -> dict[str, Interval]:
    """The contracts that hold on a day of the month, and the month in each one's zone."""
    contracts = registered.load(connection, "contract", Contract, position)
    found: dict[str, Interval] = {}
    for name, versions in sorted(contracts.versions.items()):
        held = holding(versions, month)
        if held is not None:
            found[name] = month.interval(zone_of(held.document.zone))
    if not found:
        raise Refused("no_contract", f"no contract holds in {month}", place="month")
    return found
