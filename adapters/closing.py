"""Closing a month: what is still missing, and the command once nothing is."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

import msgspec

from adapters.postgres.database import Connection
from adapters.queries import lives, registered
from adapters.queries.contracts_in_force import holding
from adapters.queries.folded import states
from adapters.queries.journal import journal
from adapters.settling_stale import Stale, earlier_stale, stale_runs
from ledger.accounting.party_account import control_differences
from ledger.accounting.unmatched import unmatched
from ledger.contract import Contract
from ledger.interval import Interval, Month, zone_of
from ledger.month_close import AGGREGATE, CloseMonth, Closing
from ledger.refusal import Refused
from ledger.settlement.run import FinaliseRun, Runs
from ledger.statement.life import Life, StatementKey


class ContractCheck(msgspec.Struct, frozen=True):
    """How far a contract's month has come; `run` is its latest paying run, None before it is settled."""

    contract: str
    run: int | None
    final: bool
    not_issued: tuple[str, ...]
    """The parties whose statement of that run has not been issued."""
    not_invoiced: tuple[str, ...]
    """The parties whose invoices do not add up to an issued statement, of any run: shown, and closed all the
    same."""
    stale: str = ""
    """What was recorded since the run, from which it would be settled otherwise: an open month is not closed,
    a closed one's correction is posted in an open one."""
    not_settleable: str = ""
    """Why what was recorded since cannot be settled and the run stays: shown, and closed all the same."""


class Checklist(msgspec.Struct, frozen=True):
    """What stands between a month and its close."""

    month: str
    closed: bool
    closes_from: date
    """The first day on which it can be closed, where the book is kept: the month has to be over."""
    contracts: tuple[ContractCheck, ...]
    open_disputes: tuple[str, ...]
    """Of the month, and those that the close before it carried."""
    open_imports: tuple[str, ...]
    journal_balanced: bool
    """Whether debits are credits in every currency."""
    late_corrections: tuple[str, ...]
    """Of closed months, whose money is posted in open ones: contract, month, run and party of each statement
    that is to be issued. Shown, and closed all the same."""
    journal_differences: tuple[str, ...]
    """The parties whose accounts in the journal are not what their statements say is open."""
    uncorrected: tuple[str, ...]
    """Contract, earlier month and what was recorded since its run: the first of each contract that would be
    settled otherwise. Shown, and closed all the same."""
    unmatched: tuple[str, ...]
    """Money of markets and to suppliers, posted by the month's end, that matches nothing: shown, and closed
    all the same."""

    @property
    def ready(self) -> bool:
        """Whether it can be closed, once the month is over and the open disputes are named."""
        agrees = self.journal_balanced and not self.journal_differences
        finished = all(one.final and not one.not_issued and not one.stale for one in self.contracts)
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
    booked = journal(connection, position)
    everything = lives.page(connection, position)
    waiting = _waiting(everything, month, closing)
    off = control_differences(booked.journal, everything, booked.owner, booked.without_owner)
    closed = last is not None and month <= last
    book, names = _book(connection), tuple(spans)
    stale = stale_runs(connection, book, month, names, position)
    earlier = {} if closed else earlier_stale(connection, book, month, names, position)
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
        closed,
        month.next().first_day,
        tuple(_check(settled.get(_run_of(name, month)), name, found, stale.get(name)) for name in spans),
        tuple(sorted({one.id for life in (*found, *waiting) for one in life.disputes if one.freezes})),
        tuple(name for (name,) in imports),
        booked.journal.balanced,
        _late(connection, month, position, everything),
        tuple(sorted({one.party for one in off})),
        tuple(f"{name} {first} ({one.words})" for name, (first, one) in sorted(earlier.items())),
        tuple(one.text for one in unmatched(booked.journal, month.next().first_day)),
    )


def close_command(
    connection: Connection, check: Checklist, position: int, carried: Iterable[str], by: str
) -> CloseMonth:
    """The command that closes the month of a checklist read at `position`; it is decided on the aggregates
    themselves.

    Raises:
        Refused: `open_import`, `stale_run`, `journal_difference`.
    """
    month = Month.parse(check.month)
    for one in check.contracts:
        if one.stale and not check.closed:
            raise Refused("stale_run", f"{one.stale}: settle {month} again", place=f"contract {one.contract}")
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
        key
        for one in check.contracts
        for key in _statements(settled.get(_run_of(one.contract, month)), one.contract, str(month), one.run)
    ]
    names = tuple(one.contract for one in check.contracts)
    every = lives.page(connection, position)
    waiting = tuple(life.key for life in _waiting(every, month, settled.get(AGGREGATE)))
    return CloseMonth(month, names, tuple(statements), tuple(carried), by, waiting)


def final_run(runs: object, contract: str, month: str, run: int, by: str) -> FinaliseRun:
    """The command that makes a run final, looking at every statement of the runs up to it."""
    return FinaliseRun(contract, month, run, by, _statements(runs, contract, month, run))


def _statements(runs: object, contract: str, month: str, run: int | None) -> tuple[StatementKey, ...]:
    given = runs.statements_up_to(run) if isinstance(runs, Runs) and run is not None else ()
    return tuple(StatementKey(contract, month, party, number) for number, party in given)


def _late(connection: Connection, month: Month, position: int, every: Iterable[Life]) -> tuple[str, ...]:
    issued = {life.key for life in every if life.issued_on is not None}
    rows = connection.execute(
        "SELECT contract, month, party, run FROM ledger.statement"
        " WHERE month < %s AND sequence <= %s AND document->>'run_kind' LIKE 'correction %%'"
        " AND (document->'delta'->>'minor')::bigint <> 0 ORDER BY contract, month, run, party",
        [str(month), position],
    )
    keys = (StatementKey(contract, of, party, run) for contract, of, party, run in rows)
    return tuple(f"{key.contract} {key.month} run {key.run} {key.party}" for key in keys if key not in issued)


def _waiting(every: Iterable[Life], month: Month, closing: object) -> list[Life]:
    """The lives of earlier months on which a dispute is open, or that the last close carried."""
    carried = closing.closed[-1].carried_disputes if isinstance(closing, Closing) and closing.closed else ()
    return [
        life
        for life in every
        if life.key.month < str(month) and any(one.freezes or one.id in carried for one in life.disputes)
    ]


def _book(connection: Connection) -> str:
    """The book that is read."""
    ((name,),) = connection.execute("SELECT current_setting('app.book')").fetchall()
    return str(name)


def _run_of(contract: str, month: Month) -> str:
    return f"settlement.{contract}_{month}"


def _check(state: object, name: str, found: Iterable[Life], stale: Stale | None) -> ContractCheck:
    latest = state.latest if isinstance(state, Runs) else None
    if not isinstance(state, Runs) or latest is None:
        return ContractCheck(name, None, final=False, not_issued=(), not_invoiced=())
    own = {(life.key.run, life.key.party): life for life in found if life.key.contract == name}
    waiting = [key for key in state.statements if key not in own or own[key].issued_on is None]
    not_issued = tuple(dict.fromkeys(party for _, party in waiting))
    stated = (life for _, life in sorted(own.items()) if life.issued_on is not None)
    not_invoiced = tuple(dict.fromkeys(life.key.party for life in stated if not life.invoiced))
    words = "" if stale is None else stale.words
    refused = stale is not None and bool(stale.refused)
    return ContractCheck(
        name,
        latest.number,
        state.final == latest.number,
        not_issued,
        not_invoiced,
        stale="" if refused else words,
        not_settleable=words if refused else "",
    )


def _in_force(connection: Connection, month: Month, position: int) -> dict[str, Interval]:
    """The contracts that hold on a day of the month or were settled for it, and the month in each one's
    zone."""
    contracts = registered.load(connection, "contract", Contract, position)
    rows = connection.execute(
        "SELECT DISTINCT contract FROM ledger.settlement"
        " WHERE month = %s AND sequence <= %s AND run_kind <> 'provisional'",
        [str(month), position],
    )
    settled = {name for (name,) in rows}
    found: dict[str, Interval] = {}
    for name, versions in sorted(contracts.versions.items()):
        if name in settled or holding(versions, month) is not None:
            found[name] = month.interval(zone_of(versions[-1].document.zone))
    if not found:
        raise Refused("no_contract", f"no contract holds in {month}", place="month")
    return found
