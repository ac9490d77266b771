"""Commands that compare what others say with what the ledger says: operators' statements and the bank."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, Parameter

from adapters.cli import given_file
from adapters.cli.session import ACTOR, Session
from adapters.queries import lives
from adapters.reconciliation.bank_file import read_bank_statement
from adapters.reconciliation.bank_profile import bank_profile
from adapters.reconciliation.camt053 import read_camt053
from adapters.reconciliation.operator_file import read_operator_statement
from adapters.reconciliation.operator_profile import operator_profile
from adapters.stack import Stack
from ledger import book
from ledger.book import Book
from ledger.interval import Month, zone_of
from ledger.reconciliation.bank_payment import BankStatement
from ledger.reconciliation.line_report import LineReport
from ledger.reconciliation.our_line import our_lines
from ledger.reconciliation.payment_report import PaymentReport, reconcile_payments
from ledger.reconciliation.receivable import receivables
from ledger.reconciliation.reconcile import reconcile
from ledger.reconciliation.record import RecordReconciliation
from ledger.reconciliation.report_text import line_report_text, payment_report_text
from ledger.refusal import Refused
from ledger.settlement.run import Runs

_PROFILE = "a profile in TOML (examples/reconciliation has some)"


def add_to(app: App, session: Session) -> None:
    """Add the commands."""
    group = App(
        name="reconcile", help="Compare a market operator's statement, or the bank's, with the ledger."
    )
    app.command(group)

    @group.command
    def statement(
        file: Path,
        contract: str,
        month: str,
        *,
        profile: Annotated[Path, Parameter(help="TOML file that names the columns")],
        items: Annotated[
            Literal["stream", "note", "term"], Parameter(help="what of ours an item of theirs is")
        ] = "stream",
    ) -> None:
        """Compare an operator's monthly statement with the latest run of a contract, and record the result.

        Every difference is named: volume, price, rule, run, allocation, rounding or unexplained.
        """
        found = read_operator_statement(
            given_file.read(file, "the operator's statement"),
            operator_profile(given_file.read(profile, _PROFILE)),
        )
        with session.open() as stack:
            runs = stack.door.state(f"settlement.{contract}_{Month.parse(month)}")
            if not isinstance(runs, Runs) or runs.latest is None:
                raise Refused("unknown_settlement", f"{contract} has no run of {month}", place="contract")
            zone = zone_of(_book(stack).zone)
            latest = runs.latest
            report = reconcile(
                found,
                our_lines(latest, zone, items=items),
                run=f"run {latest.number}",
                other_runs={
                    f"run {run.number}": our_lines(run, zone, items=items)
                    for run in reversed(runs.runs)
                    if run is not latest
                },
            )
            _record(stack, file, found.digest, report)
        print(line_report_text(report, zone))

    @group.command
    def bank(
        file: Path,
        account: str,
        *,
        profile: Annotated[
            Path | None, Parameter(help="TOML file that names the columns; none: camt.053")
        ] = None,
        party: Annotated[
            tuple[str, ...], Parameter(help="PAYER=PARTY: whose an account number or name at the bank is")
        ] = (),
    ) -> None:
        """Compare a bank statement with what is open, and record the result; nothing is paid by it."""
        data = given_file.read(file, "the bank's statement")
        parties = dict(_pair(text) for text in party)
        statements: tuple[BankStatement, ...] = (
            read_camt053(data, account, "")
            if profile is None
            else (read_bank_statement(data, bank_profile(given_file.read(profile, _PROFILE)), account),)
        )
        with session.open() as stack:
            position = stack.caught_up()
            with stack.database.reading(stack.settings.book) as connection:
                known = lives.page(connection, position, month=None, party=None, after="", limit=1_000_000)
            for one in statements:
                report = reconcile_payments(one, one.payments, receivables(known), parties)
                _record(stack, file, one.file_digest, report)
                print(payment_report_text(report))


def _pair(text: str) -> tuple[str, str]:
    payer, sign, party = text.rpartition("=")
    if not sign or not payer or not party:
        raise Refused("party", f"{text!r} is not PAYER=PARTY", place="--party")
    return payer, party


def _book(stack: Stack) -> Book:
    found = stack.door.state(book.AGGREGATE)
    if not isinstance(found, Book):
        raise Refused("unknown_book", "this book is not founded yet", place="book")
    return found


def _record(stack: Stack, file: Path, digest: str, report: LineReport | PaymentReport) -> None:
    name = f"r{secrets.token_hex(8)}"
    command = RecordReconciliation(name, file.name, digest, report)
    stack.door.execute(command, command_id=f"cli:{name}", actor=ACTOR)
