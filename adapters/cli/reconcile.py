"""Commands that compare what others say with what the ledger says: operators' statements and the bank."""

from __future__ import annotations

import secrets
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final

import msgspec
from cyclopts import App, Parameter

from adapters import reconciling
from adapters.cli import given_file
from adapters.cli.session import ACTOR, Session
from adapters.founded import book_of
from adapters.reconciling import Compared, File
from ledger.interval import Instant, Month, zone_of
from ledger.reconciliation.line_report import LineReport
from ledger.reconciliation.our_line import ItemFrom
from ledger.reconciliation.report_text import line_report_text, payment_report_text
from ledger.refusal import Refused

_PROFILE: Final = "a profile in TOML (examples/reconciliation has some)"


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
        items: Annotated[ItemFrom, Parameter(help="what of ours an item of theirs is")] = "stream",
        cut_off: Annotated[
            str | None,
            Parameter(help="up to when the operator knew things, such as 2026-09-06T18:00:00+08:00"),
        ] = None,
    ) -> None:
        """Compare an operator's monthly statement with the latest run of a contract, and record the result.

        Every difference is named: volume, price, rule, run, allocation, rounding or unexplained; a line that
        only one side has gets its cause, or what to ask the operator.
        """
        known_to = None if cut_off is None else _instant(cut_off)
        data = given_file.read(file, "the operator's statement")
        how = given_file.read(profile, _PROFILE)
        with session.open() as stack:
            done = reconciling.compare_statement(
                stack.door,
                stack.database,
                File(file.name, data),
                how,
                contract,
                Month.parse(month),
                items,
                id=_name(),
                actor=ACTOR,
                cut_off=known_to,
            )
            zone = book_of(stack.door).zone
        _print(done, zone)

    @group.command
    def bank(
        file: Path,
        account: str,
        *,
        profile: Annotated[
            Path | None, Parameter(help="TOML file that names the columns; none: camt.053")
        ] = None,
        number: Annotated[str, Parameter(help="the account's IBAN or number, which a camt.053 names")] = "",
        party: Annotated[
            tuple[str, ...],
            Parameter(
                help="PAYER=PARTY: whose an account number or name at the bank is; PAYER=market:spot of the"
                " market of a stream, PAYER=market:* of a market operator or grid company that pays several"
            ),
        ] = (),
    ) -> None:
        """Compare a bank statement with what is open and what is recorded, and record the result.

        Nothing is paid by it. What is recorded as moved in the statement's days and is not at the bank is
        listed too. The same file with the same result is recorded once.
        """
        data = given_file.read(file, "the bank's statement")
        how = None if profile is None else given_file.read(profile, _PROFILE)
        parties = dict(_pair(text) for text in party)
        with session.open() as stack:
            compared = reconciling.compare_bank(
                stack.door,
                stack.database,
                File(file.name, data),
                how,
                account,
                number,
                parties,
                id=_name(),
                actor=ACTOR,
            )
        for one in compared:
            _print(one, "UTC")


def _print(one: Compared, zone: str) -> None:
    report = one.report
    if isinstance(report, LineReport):
        print(line_report_text(report, zone_of(zone)))
    else:
        print(payment_report_text(report))
    for notice in one.notices:
        print(notice, file=sys.stderr)
    if one.repeated:
        print(f"the same file and result: recorded before as reconciliation {one.id}, event {one.sequence}")
    else:
        print(f"recorded as reconciliation {one.id}, event {one.sequence}")


def _pair(text: str) -> tuple[str, str]:
    payer, sign, party = text.rpartition("=")
    if not sign or not payer or not party:
        raise Refused("party", f"{text!r} is not PAYER=PARTY", place="--party")
    return payer, party


def _instant(text: str) -> datetime:
    try:
        return msgspec.convert(text, Instant).astimezone(UTC)
    except (msgspec.ValidationError, OverflowError):
        raise Refused(
            "instant",
            f"{text!r} is not an instant with its offset, such as 2026-09-06T18:00:00+08:00",
            place="--cut-off",
        ) from None


def _name() -> str:
    return f"r{secrets.token_hex(8)}"
