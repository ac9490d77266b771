"""Commands for the finance department: vouchers, the invoice register, a party's account."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from adapters import account_text
from adapters.cli import given_file
from adapters.cli.as_of import AsOf, EffectiveDay, moment
from adapters.cli.counted import counted
from adapters.cli.session import Session
from adapters.documents.language import Language, Wording
from adapters.documents.readable import readable_money
from adapters.founded import book_at
from adapters.posted_days import posted_days
from adapters.queries import lives
from adapters.queries.journal import journal
from adapters.queries.netting import contracts_of
from adapters.stack import Stack
from ledger.accounting.ageing import ageing
from ledger.accounting.currencies import account_currencies
from ledger.accounting.invoice_register import differences, invoice_register
from ledger.accounting.party_account import party_account
from ledger.accounting.unmatched import unmatched
from ledger.accounting.voucher import parse_mapping, parse_profile, voucher_file, voucher_rows
from ledger.accounting.voucher_currency import in_currency
from ledger.interval import Month
from ledger.refusal import Refused
from ledger.statement.as_posted import as_posted
from ledger.statement.life import Life

Currency = Annotated[str | None, Parameter(help="only in this one; none: in each that there is")]
_PROFILE = "a voucher profile in TOML (examples/accounts has one for 用友 and one for 金蝶)"
_MAPPING = "an account mapping in TOML (examples/accounts/voucher_mapping.toml)"


def add_to(app: App, session: Session) -> None:
    """Add the commands."""

    @app.command
    def vouchers(
        month: str,
        *,
        profile: Annotated[Path, Parameter(help="TOML file with the columns of your accounting system")],
        mapping: Annotated[Path, Parameter(help="TOML file with our accounts in that system's codes")],
        out: Annotated[Path, Parameter(help="the CSV file to write")],
        preparer: Annotated[str, Parameter(help="whom the vouchers name")] = "",
        first_number: Annotated[int, Parameter(help="the month's first free voucher number")] = 1,
        language: Annotated[Language | None, Parameter(help="of the summaries, not the profile's")] = None,
        as_of: AsOf = None,
    ) -> None:
        """Write a month's double entry as vouchers for another accounting system, such as 用友 or 金蝶.

        Every account, stream and party of the month must be mapped; what is not is named, and nothing is
        written. Savings that others hold are memo entries and no vouchers. Entries in another currency than
        the book's are left out, and their number and sum is said: the ledger has no exchange rates.
        """
        layout = parse_profile(given_file.read(profile, _PROFILE))
        codes = parse_mapping(given_file.read(mapping, _MAPPING))
        given_file.check_new(out, (".csv",))
        wanted = Month.parse(month)
        with session.open() as stack:
            position = moment(stack, as_of).position
            with stack.database.reading(stack.settings.book) as connection:
                found = journal(connection, position).journal
                currency = book_at(connection, position).currency
        entries, left_out = in_currency(
            (entry for entry in found if Month.of(entry.posted_on) == wanted), currency
        )
        words = Wording(language or layout.language)
        rows = voucher_rows(
            entries, codes, layout, preparer=preparer, first_number=first_number, summary=words.phrase
        )
        given_file.write(out, voucher_file(rows, layout))
        number, of_rows = counted(len(entries), "voucher"), counted(len(rows) - 1, "row")
        print(f"{number} in {currency} with {of_rows} in {out}, {layout.encoding}")
        for one in left_out:
            noun = "entry" if one.number == 1 else "entries"
            sum_of = readable_money(one.debits)
            print(f"left out: {one.number:,} {noun} in {one.debits.currency}, {sum_of} on the debit side")
        if left_out:
            print(f"enter these in your system at its exchange rate: wattledger journal {wanted} lists them")
        if found.closed_to is None or wanted.first_day >= found.closed_to:
            print(f"note: {wanted} is not closed; vouchers may be added to it", file=sys.stderr)

    @app.command
    def invoices(
        month: str | None = None,
        *,
        party: Annotated[str | None, Parameter(help="only this party's")] = None,
        check: Annotated[
            bool, Parameter(help="only list what differs or matches nothing; 1 if anything does")
        ] = False,
        as_of: AsOf = None,
    ) -> int:
        """Print the invoice register: what was invoiced, what is still to be, and what differs.

        Money of markets and to suppliers that matches nothing by the month's end is listed too.
        """
        wanted = None if month is None else str(Month.parse(month))
        with session.open() as stack:
            position = moment(stack, as_of).position
            found = _lives(stack, position, party)
            owner, ours = _ours(stack, position)
            with stack.database.reading(stack.settings.book) as connection:
                entries = journal(connection, position).journal
        end = None if month is None else Month.parse(month).next().first_day
        open_cash = [one for one in unmatched(entries, end) if one.concerns(party)]
        off = [one for one in differences(found, owner, ours) if wanted in (None, one.key.month)]
        if not check:
            rows = [row for row in invoice_register(found) if wanted in (None, row.key.month)]
            print(account_text.register_text(rows))
        print(account_text.differences_text(off, open_cash))
        return int(check and bool(off or open_cash))

    @app.command
    def account(
        party: str,
        month: Annotated[str | None, Parameter(help="only the entries of this month")] = None,
        *,
        currency: Currency = None,
        as_of: AsOf = None,
        effective: EffectiveDay = None,
    ) -> None:
        """Print a counterparty's statement of account, and how old what is open is.

        With --effective both are as of the end of that day.
        """
        span = None if month is None else Month.parse(month)
        first, end = posted_days(span, effective)
        with session.open() as stack:
            at = moment(stack, as_of)
            position, today = at.position, at.day(stack, effective)
            found = _lives(stack, position, party)
            owner, ours = _ours(stack, position)
            with stack.database.reading(stack.settings.book) as connection:
                booked = journal(connection, position)
                own = book_at(connection, position).currency
        kept_in = account_currencies(booked.journal, found, party, own) if currency is None else (currency,)
        shown = [party_account(booked.journal, party, one, first, end) for one in kept_in]
        if not found and not any(one.rows or one.opening.minor for one in shown):
            raise Refused("unknown_account", f"nothing was stated to {party} or paid", place="party")
        if effective is not None:
            found = list(as_posted(found, effective, booked.posting_days))
        for one in shown:
            print(account_text.account_text(one))
            print(account_text.ageing_text(ageing(found, one.currency, today, owner, ours)))
            print(account_text.disputes_text(found, one.currency), end="")


def _lives(stack: Stack, position: int, party: str | None) -> list[Life]:
    with stack.database.reading(stack.settings.book) as connection:
        return lives.page(connection, position, party=party)


def _ours(stack: Stack, position: int) -> tuple[str, set[str]]:
    """The book's owner, and the contracts in which it is a party."""
    with stack.database.reading(stack.settings.book) as connection:
        owner = book_at(connection, position).owner
        return owner, contracts_of(connection, position, owner)
