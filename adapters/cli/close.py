"""Commands that close a month: approve, issue statements, make runs final, close."""

from __future__ import annotations

import secrets
import sys
from collections.abc import Callable, Sequence
from typing import Annotated

import msgspec
from cyclopts import App, Parameter

from adapters import approving, closing, lives
from adapters.cli.accounting import Currency
from adapters.cli.as_of import AsOf, PostedUntil, moment
from adapters.cli.counted import counted
from adapters.cli.session import Session
from adapters.closing import Checklist
from adapters.founded import book_at
from adapters.journal_text import JournalFormat, rendered, trial_balance_text
from adapters.posted_days import posted_days
from adapters.queries import proposals
from adapters.queries.journal import journal
from adapters.queries.proposals import ShownProposal
from adapters.stack import Stack
from ledger.accounting.currencies import journal_currencies
from ledger.accounting.journal import Journal
from ledger.accounting.trial_balance import trial_balance
from ledger.command import Command
from ledger.interval import Month
from ledger.refusal import Refused
from ledger.settlement.run import Runs
from ledger.statement.issue import (
    AcceptBySilence,
    ApproveStatement,
    ConfirmStatement,
    IssueStatement,
    ReviewStatement,
)
from ledger.statement.life import Life, StatementKey

As = Annotated[str, Parameter(name="--as", help="who does it: an opaque id, never a person's name")]


_INVOICE = "record what is missing with `wattledger record invoice`, before or after the close"
_ISSUE = "`wattledger statements issue` of their months asks for them"
_SETTLE = "`wattledger settle` of the earliest first, and of what follows it"
_KEPT = "their runs stay as they are"
_MATCH = "`wattledger record` what it belongs to, before or after the close"
"""What is done about what is shown and does not stop a close."""


def add_to(app: App, session: Session) -> None:
    """Add the commands."""
    statements = App(
        name="statements", help="Review, approve and issue the statements of a month's latest runs."
    )
    app.command(statements)

    @app.command(name="proposals")
    def show_proposals(proposal: str | None = None, *, as_of: AsOf = None) -> None:
        """List what waits for a second person's approval; or show, as JSON, all of PROPOSAL."""
        with session.open() as stack:
            position = moment(stack, as_of, fresh=False).position
            with stack.database.reading(stack.settings.book) as connection:
                if proposal is not None:
                    _print_proposal(proposals.one(connection, position, proposal), proposal)
                    return
                found = proposals.page(connection, position, status="open", after="", limit=1000)
        for one in found:
            print(
                f"{one.id}  {one.what:<22} {one.about}; prepared by {one.prepared_by}, event {one.sequence}"
            )
        print(f"{counted(len(found), 'proposal')} open")

    @app.command
    def approve(proposal: str, *, by: As) -> None:
        """Approve what another person prepared; it takes effect at once."""
        with session.open() as stack:
            receipt = approving.approve(stack.door, proposal, command_id=_once(), actor=by)
            stack.people.after_approval(proposal)
        print(f"approved: {receipt.aggregate}, event {receipt.sequence}")

    @app.command
    def reject(proposal: str, reason: str, *, by: As) -> None:
        """Turn a proposal down, with the reason."""
        with session.open() as stack:
            approving.reject(stack.door, proposal, reason, command_id=_once(), actor=by)
        print(f"rejected: {proposal}")

    @statements.command
    def review(month: str, *, by: As) -> None:
        """Say that the month's statements were looked at and can be approved."""
        _each(session, month, None, by, lambda key: ReviewStatement(key, by))

    @statements.command(name="approve")
    def approve_statements(month: str, *, by: As) -> None:
        """Approve the statements that another person reviewed."""
        _each(session, month, "reviewed", by, lambda key: ApproveStatement(key, by))

    @statements.command
    def issue(month: str, *, by: As) -> None:
        """Issue the approved statements; the days to query and to pay count from today."""
        with session.open() as stack:
            day = lives.today(stack.door, stack.clock)
            keys = _statements(stack, month, "approved")
            for key in keys:
                _execute(stack, IssueStatement(key, day, lives.terms(stack.door, key)), by)
        print(f"{counted(len(keys), 'statement')} issued on {day}")

    @statements.command
    def confirm(contract: str, month: str, party: str, *, by: As, run: int | None = None) -> None:
        """Record that a party accepted its statement, of the latest run if not stated."""
        with session.open() as stack:
            name = str(Month.parse(month))
            runs = stack.door.state(f"settlement.{contract}_{name}")
            latest = runs.latest.number if isinstance(runs, Runs) and runs.latest is not None else 0
            key = StatementKey(contract, name, party, latest if run is None else run)
            day = lives.today(stack.door, stack.clock)
            receipt = stack.door.execute(ConfirmStatement(key, by, day), command_id=_once(), actor=by)
        print(f"confirmed: {key.aggregate}, event {receipt.sequence}")

    @statements.command(name="accept-by-silence")
    def accept_by_silence(month: str, *, by: As) -> None:
        """Accept the issued statements of the month that nobody queried in time."""
        with session.open() as stack:
            day = lives.today(stack.door, stack.clock)
            keys = [
                key
                for key in _statements(stack, month, "issued")
                if isinstance(life := stack.door.state(key.aggregate), Life)
                and life.query_until is not None
                and life.query_until < day
                and not any(one.freezes for one in life.disputes)
            ]
            for key in keys:
                _execute(stack, AcceptBySilence(key, day), by)
        print(f"{counted(len(keys), 'statement')} accepted by silence on {day}")

    @app.command
    def finalise(month: str, *contracts: str, by: As) -> int:
        """Make the latest runs of a month final; what is recorded later corrects them.

        A contract that is refused, such as for a dispute that was upheld and not corrected, is named. The
        runs of the others are made final, and the exit code is 2.
        """
        refused = 0
        with session.open() as stack:
            for name in contracts or _contracts(stack, month):
                try:
                    print(_finalised(stack, name, str(Month.parse(month)), by))
                except Refused as refusal:
                    refused += 1
                    print(f"{name}: refused ({refusal.code}): {refusal.reason}")
        return 2 if refused else 0

    @app.command(name="month")
    def show_month(month: str, *, as_of: AsOf = None) -> None:
        """Show what is still missing before a month can be closed."""
        with session.open() as stack:
            position = moment(stack, as_of).position
            with stack.database.reading(stack.settings.book) as connection:
                found = closing.checklist(connection, Month.parse(month), position)
        print(f"{month} is {'closed' if found.closed else f'open, to be closed from {found.closes_from} on'}")
        for one in found.contracts:
            run = (
                "not settled"
                if one.run is None
                else f"run {one.run}{' final' if one.final else ', not final'}"
            )
            print(f"  {one.contract:<24} {run}")
        print(f"  journal: {'in balance' if found.journal_balanced else 'NOT in balance'}")
        print("".join(f"  {line}\n" for line in (*_missing(found), *_notes(found))), end="")

    @app.command(name="journal")
    def show_journal(
        month: str | None = None,
        *,
        format: Annotated[JournalFormat, Parameter(help="for people, or for another program")] = "text",
        as_of: AsOf = None,
        effective: PostedUntil = None,
    ) -> None:
        """Print the double entry of a month, or of all months, from the book owner's side."""
        wanted = None if month is None else Month.parse(month)
        first, end = posted_days(wanted, effective)
        entries = [
            entry
            for entry in _journal(session, as_of)[0]
            if (first is None or first <= entry.posted_on) and (end is None or entry.posted_on < end)
        ]
        print(rendered(entries, format, session.settings.book))

    @app.command(name="trial-balance")
    def show_trial_balance(
        month: str, *, currency: Currency = None, as_of: AsOf = None, effective: PostedUntil = None
    ) -> None:
        """Print every account's opening, movement and closing in a month; debits are credits."""
        first, end = posted_days(Month.parse(month), effective)
        found, own = _journal(session, as_of)
        for one in journal_currencies(found, own) if currency is None else (currency,):
            print(trial_balance_text(trial_balance(found, one, first, end)))

    @app.command
    def close(
        month: str,
        *,
        by: As,
        carry: Annotated[
            tuple[str, ...], Parameter(help="an open dispute that waits for the next month")
        ] = (),
    ) -> None:
        """Close a month: corrections of it are posted in the next one from then on.

        What it closed without is told after that; what is missing before it can be closed, by `month`.
        """
        with session.open() as stack:
            position = stack.caught_up()
            with stack.database.reading(stack.settings.book) as connection:
                check = closing.checklist(connection, Month.parse(month), position)
                command = closing.close_command(connection, check, position, carry, by)
            done = approving.submit(stack.door, command, command_id=_once(), actor=by)
        print(
            f"{month} is closed"
            if done.proposal is None
            else f"{month} waits for approval as {done.proposal}"
        )
        print("".join(f"  {line}\n" for line in _notes(check)), end="")


def _print_proposal(found: ShownProposal | None, name: str) -> None:
    if found is None:
        raise Refused("unknown_proposal", f"no proposal {name!r} is registered", place="PROPOSAL")
    print(msgspec.json.format(msgspec.json.encode(found), indent=2).decode())


def _finalised(stack: Stack, contract: str, month: str, by: str) -> str:
    """Make the contract's latest run final, and say so.

    Raises:
        Refused: what `FinaliseRun` is refused for.
    """
    runs = stack.door.state(f"settlement.{contract}_{month}")
    latest = runs.latest if isinstance(runs, Runs) else None
    number = 0 if latest is None else latest.number
    if isinstance(runs, Runs) and number and runs.final == number:
        return f"{contract}: run {number} of {month} is final already"
    command = closing.final_run(runs, contract, month, number, by)
    done = approving.submit(stack.door, command, command_id=_once(), actor=by)
    if done.proposal is None:
        return f"{contract}: run {number} of {month} final"
    return f"{contract}: run {number} of {month}; waits for approval as {done.proposal}"


def _missing(check: Checklist) -> list[str]:
    """Without what the month is not closed."""
    lists = [
        *(
            (one.contract, (f"{one.stale}; settle {check.month} again",))
            for one in check.contracts
            if one.stale
        ),
        *((f"{one.contract}, not issued", one.not_issued) for one in check.contracts),
        ("open disputes", check.open_disputes),
        ("open imports", check.open_imports),
        ("journal and statements differ", check.journal_differences),
    ]
    return [f"{title}: {', '.join(names)}" for title, names in lists if names]


def _notes(check: Checklist) -> list[str]:
    """Without what it is closed all the same: a line for each kind, with the contracts named."""
    kept = [f"{one.contract} ({one.not_settleable})" for one in check.contracts if one.not_settleable]
    invoices = [
        f"{one.contract} ({', '.join(one.not_invoiced)})" for one in check.contracts if one.not_invoiced
    ]
    lists: list[tuple[str, Sequence[str], str]] = [
        ("not settled again", kept, _KEPT),
        ("invoices do not add up", invoices, _INVOICE),
        ("corrections of earlier months, not issued", check.late_corrections, _ISSUE),
        ("earlier months to be settled again", check.uncorrected, _SETTLE),
        ("unmatched", check.unmatched, _MATCH),
    ]
    return [
        f"note, it closes all the same: {title}: {', '.join(names)}; {todo}"
        for title, names, todo in lists
        if names
    ]


def _journal(session: Session, as_of: str | None) -> tuple[Journal, str]:
    """The journal, and the book's currency."""
    with session.open() as stack:
        position = moment(stack, as_of).position
        with stack.database.reading(stack.settings.book) as connection:
            found = journal(connection, position)
            own = book_at(connection, position).currency
    for name in sorted(found.without_owner):
        print(f"contract {name}: the book's owner has no part in it, nothing is posted", file=sys.stderr)
    return found.journal, own


def _once() -> str:
    """A command id of its own: a person at a terminal repeats a command by giving it again."""
    return f"cli:{secrets.token_hex(12)}"


def _execute(stack: Stack, command: Command, by: str) -> None:
    stack.door.execute(command, command_id=_once(), actor=by)


def _each(
    session: Session, month: str, status: str | None, by: str, command: Callable[[StatementKey], Command]
) -> None:
    with session.open() as stack:
        keys = _statements(stack, month, status)
        for key in keys:
            _execute(stack, command(key), by)
    done = "reviewed" if status is None else "approved"
    print(f"{counted(len(keys), 'statement')} {done}")


def _contracts(stack: Stack, month: str) -> list[str]:
    position = stack.caught_up()
    with stack.database.reading(stack.settings.book) as connection:
        found = closing.checklist(connection, Month.parse(month), position)
    return [one.contract for one in found.contracts]


def _statements(stack: Stack, month: str, status: str | None) -> list[StatementKey]:
    """Those of the month's runs whose life stands at `status`; None: nobody reviewed them."""
    found: list[StatementKey] = []
    for name in _contracts(stack, month):
        runs = stack.door.state(f"settlement.{name}_{Month.parse(month)}")
        for number, party in runs.statements if isinstance(runs, Runs) else ():
            key = StatementKey(name, str(Month.parse(month)), party, number)
            life = stack.door.state(key.aggregate)
            if (life.status if isinstance(life, Life) else None) == status:
                found.append(key)
    if not found:
        wanted = "to review" if status is None else f"that are {status}"
        raise Refused("no_statement", f"no statements of {month} {wanted}", place="month")
    return found
