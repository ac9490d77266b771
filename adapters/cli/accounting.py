"""Commands for the finance department: vouchers, invoices, payments, a party's account."""

from __future__ import annotations

import secrets
import sys
from datetime import date
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from adapters import account_text, approving
from adapters import lives as statement_lives
from adapters.cli import given_file
from adapters.cli.counted import counted
from adapters.cli.session import Session
from adapters.front_door import Wish
from adapters.queries import lives
from adapters.queries.journal import journal
from adapters.queries.netting import contracts_of, owner_of
from adapters.spreading import pay
from adapters.stack import Stack
from ledger.accounting.ageing import ageing
from ledger.accounting.invoice_register import differences, invoice_register
from ledger.accounting.party_account import party_account
from ledger.accounting.voucher import parse_mapping, parse_profile, voucher_file, voucher_rows
from ledger.command import Command
from ledger.interval import Month
from ledger.quantity import Money
from ledger.refusal import Refused
from ledger.statement.credit import Credit
from ledger.statement.invoice import Direction, Invoice
from ledger.statement.life import Life, Payment, PaymentKind, StatementKey
from ledger.statement.money import RecordInvoice, RecordPayment, WriteOff

As = Annotated[str, Parameter(name="--as", help="who does it: an opaque id, never a person's name")]
Day = Annotated[date | None, Parameter(help="the day; today where the book is kept, if not stated")]
Run = Annotated[int | None, Parameter(help="the settlement run; the latest issued one, if not stated")]

_PROFILE = "a voucher profile in TOML (examples/accounts has one for 用友 and one for 金蝶)"
_MAPPING = "an account mapping in TOML (examples/accounts/voucher_mapping.toml)"


def add_to(app: App, session: Session) -> None:
    """Add the commands."""
    record = App(name="record", help="Record invoices, payments and write-offs of issued statements.")
    app.command(record)

    @app.command
    def vouchers(
        month: str,
        *,
        profile: Annotated[Path, Parameter(help="TOML file with the columns of your accounting system")],
        mapping: Annotated[Path, Parameter(help="TOML file with our accounts in that system's codes")],
        out: Annotated[Path, Parameter(help="the CSV file to write")],
        preparer: Annotated[str, Parameter(help="whom the vouchers name")] = "",
        first_number: Annotated[int, Parameter(help="the month's first free voucher number")] = 1,
    ) -> None:
        """Write a month's double entry as vouchers for another accounting system, such as 用友 or 金蝶.

        Every account, stream and party of the month must be mapped; what is not is named, and nothing is
        written. Savings that others hold are memo entries and no vouchers.
        """
        layout = parse_profile(given_file.read(profile, _PROFILE))
        codes = parse_mapping(given_file.read(mapping, _MAPPING))
        given_file.check_new(out)
        wanted = Month.parse(month)
        with session.open() as stack:
            position = stack.caught_up()
            with stack.database.reading(stack.settings.book) as connection:
                found = journal(connection, position).journal
        entries = [entry for entry in found if Month.of(entry.posted_on) == wanted]
        rows = voucher_rows(entries, codes, layout, preparer=preparer, first_number=first_number)
        given_file.write(out, voucher_file(rows, layout))
        count = sum(not entry.is_memo for entry in entries)
        print(f"{counted(count, 'voucher')} with {counted(len(rows) - 1, 'row')} in {out}, {layout.encoding}")
        if found.closed_to is None or wanted.first_day >= found.closed_to:
            print(f"note: {wanted} is not closed; vouchers may be added to it", file=sys.stderr)

    @app.command
    def invoices(
        month: str | None = None,
        *,
        party: Annotated[str | None, Parameter(help="only this party's")] = None,
        check: Annotated[
            bool, Parameter(help="only list where statement, invoice and payment differ; 1 if any do")
        ] = False,
    ) -> int:
        """Print the invoice register: what was invoiced, what is still to be, and what differs."""
        wanted = None if month is None else str(Month.parse(month))
        with session.open() as stack:
            found = _lives(stack, party)
            owner, ours = _ours(stack)
        off = [one for one in differences(found, owner, ours) if wanted in (None, one.key.month)]
        if not check:
            rows = [row for row in invoice_register(found) if wanted in (None, row.key.month)]
            print(account_text.register_text(rows))
        print(account_text.differences_text(off))
        return int(check and bool(off))

    @app.command
    def account(
        party: str,
        month: Annotated[str | None, Parameter(help="only the entries of this month")] = None,
        *,
        currency: str = "CNY",
    ) -> None:
        """Print a counterparty's statement of account, and how old what is open is."""
        span = None if month is None else Month.parse(month)
        first, end = (None, None) if span is None else (span.first_day, span.next().first_day)
        with session.open() as stack:
            today = statement_lives.today(stack.door, stack.clock)
            found = _lives(stack, party)
            owner, ours = _ours(stack)
            position = stack.caught_up()
            with stack.database.reading(stack.settings.book) as connection:
                entries = journal(connection, position).journal
        shown = party_account(entries, party, currency, first, end)
        if not shown.rows and not shown.opening.minor and not found:
            raise Refused("unknown_account", f"nothing was stated to {party} or paid", place="party")
        print(account_text.account_text(shown))
        print(account_text.ageing_text(ageing(found, currency, today, owner, ours)))

    @record.command(name="invoice")
    def record_invoice(
        contract: str,
        month: str,
        party: str,
        *,
        number: str,
        direction: Annotated[Direction, Parameter(help="issued by us, or received from the party")],
        net: Annotated[str, Parameter(help="such as 1000.00; below zero it takes back")],
        tax: str,
        by: As,
        on: Day = None,
        run: Run = None,
        reverses: Annotated[
            str | None, Parameter(help="the invoice that a red-letter one takes back")
        ] = None,
        in_next_invoice: Annotated[
            bool, Parameter(help="this is the statement's part of a later invoice, whose number it has")
        ] = False,
    ) -> None:
        """Record a tax invoice of an issued statement; each direction has its own total to be invoiced."""
        with session.open() as stack:
            life = _life(stack, contract, month, party, run)
            amounts = [_money(text, life, place) for text, place in ((net, "--net"), (tax, "--tax"))]
            one = Invoice(
                number=number,
                direction=direction,
                on=on or statement_lives.today(stack.door, stack.clock),
                net=amounts[0],
                tax=amounts[1],
                gross=amounts[0] + amounts[1],
                reverses=reverses,
                in_next_invoice=in_next_invoice,
            )
            command_id = _once()
            wishes = [Wish(command, command_id) for command in RecordInvoice(life.key, one).commands]
            receipts = stack.door.execute_all(wishes, actor=by)
            print(f"invoice {number}: recorded, event {receipts[0].sequence}")

    @record.command(name="payment")
    def record_payment(
        *what: Annotated[
            str,
            Parameter(
                help="CONTRACT MONTH PARTY AMOUNT, or with --spread PARTY AMOUNT;"
                " above zero the party received it",
                allow_leading_hyphen=True,
            ),
        ],
        id: Annotated[str, Parameter(help="its own, such as the bank's booking number")],
        by: As,
        spread: Annotated[
            bool, Parameter(help="over all statements that ask for it, those due first being paid first")
        ] = False,
        kind: PaymentKind = "payment",
        currency: Annotated[str, Parameter(help="of a payment that is spread")] = "CNY",
        on: Day = None,
        run: Run = None,
        reference: str = "",
    ) -> None:
        """Record a payment, a bank charge or late interest of an issued statement.

        What is paid in part leaves the rest open; what is paid too much stands on the party's account.
        """
        wanted = ("PARTY", "AMOUNT") if spread else ("CONTRACT", "MONTH", "PARTY", "AMOUNT")
        if len(what) != len(wanted):
            raise Refused("arguments", f"give {' '.join(wanted)}", place="record payment")
        if spread:
            if kind != "payment" or run is not None:
                raise Refused("arguments", "only a payment is spread, over any runs", place="--spread")
            _pay_all(session, *what, id=id, by=by, currency=currency, on=on, reference=reference)
            return
        contract, month, party, amount = what
        with session.open() as stack:
            life = _life(stack, contract, month, party, run)
            day = on or statement_lives.today(stack.door, stack.clock)
            one = Payment(
                id=id, on=day, amount=_money(amount, life, "amount"), kind=kind, reference=reference
            )
            print(f"payment {id}: {_submit(stack, RecordPayment(life.key, one), by)}")

    @record.command(name="write-off")
    def record_write_off(
        contract: str,
        month: str,
        party: str,
        amount: Annotated[str, Parameter(help="below zero the party owed it", allow_leading_hyphen=True)],
        *,
        id: str,
        reason: str,
        by: As,
        run: Run = None,
    ) -> None:
        """Give up what is open of a statement, or a part of it; a second person approves it."""
        with session.open() as stack:
            life = _life(stack, contract, month, party, run)
            day = statement_lives.today(stack.door, stack.clock)
            command = WriteOff(life.key, id, day, _money(amount, life, "amount"), reason)
            print(f"write-off {id}: {_submit(stack, command, by)}")

    @record.command(name="credit")
    def record_credit(
        contract: str,
        month: str,
        party: str,
        amount: str,
        *,
        to: Annotated[tuple[str, str], Parameter(help="contract and month of the statement that it settles")],
        id: str,
        by: As,
        run: Run = None,
        to_run: Run = None,
    ) -> None:
        """Settle another statement of the party with what was paid beyond this one."""
        with session.open() as stack:
            life = _life(stack, contract, month, party, run)
            other = _life(stack, *to, party, to_run)
            moved = Credit(
                id=id,
                of=life.key,
                to=other.key,
                on=statement_lives.today(stack.door, stack.clock),
                amount=_money(amount, life, "amount"),
            )
            command_id = _once()
            wishes = [Wish(command, command_id) for command in moved.commands]
            receipts = stack.door.execute_all(wishes, actor=by)
        print(f"credit {id}: recorded, event {receipts[0].sequence}")


def _pay_all(
    session: Session,
    party: str,
    amount: str,
    *,
    id: str,
    by: str,
    currency: str,
    on: date | None,
    reference: str,
) -> None:
    with session.open() as stack:
        position = stack.caught_up()
        with stack.database.reading(stack.settings.book) as connection:
            found, sequence = pay(
                stack.door,
                connection,
                position,
                name=id,
                party=party,
                amount=_parsed(amount, currency, "amount"),
                on=on or statement_lives.today(stack.door, stack.clock),
                reference=reference,
                actor=by,
            )
    print(f"payment {id}: {found.amount} {currency} over {counted(len(found.parts), 'statement')},", end=" ")
    print(f"event {sequence}")
    for part in found.parts:
        key, beyond = part.key, abs(part.amount.minor) - abs(part.open.minor)
        more = f", {Money(beyond, currency)} more than was open" if beyond > 0 else ""
        print(f"    {key.contract} {key.month} run {key.run}: {part.amount}{more}")


def _lives(stack: Stack, party: str | None) -> list[Life]:
    position = stack.caught_up()
    with stack.database.reading(stack.settings.book) as connection:
        return lives.page(connection, position, month=None, party=party, after="", limit=1_000_000)


def _ours(stack: Stack) -> tuple[str, set[str]]:
    """The book's owner, and the contracts in which it is a party."""
    position = stack.caught_up()
    with stack.database.reading(stack.settings.book) as connection:
        owner = owner_of(connection, position)
        return owner, contracts_of(connection, position, owner)


def _life(stack: Stack, contract: str, month: str, party: str, run: int | None) -> Life:
    """The statement of the run named, or of the latest one that was issued."""
    name = str(Month.parse(month))
    if run is not None:
        found = stack.door.state(StatementKey(contract, name, party, run).aggregate)
        issued = [found] if isinstance(found, Life) else []
    else:
        asked = [one for one in _lives(stack, party) if (one.key.contract, one.key.month) == (contract, name)]
        issued = sorted((one for one in asked if one.issued_on is not None), key=lambda one: one.key.run)
    if not issued:
        text = f"no statement of {name} to {party} under {contract} is issued"
        raise Refused("unknown_statement", text, place="party")
    return issued[-1]


def _money(text: str, life: Life, place: str) -> Money:
    return _parsed(text, life.amount.currency, place)


def _parsed(text: str, currency: str, place: str) -> Money:
    try:
        return Money.parse(text, currency)
    except Refused as refused:
        raise Refused(refused.code, refused.reason, place=place) from None


def _submit(stack: Stack, command: Command, by: str) -> str:
    done = approving.submit(stack.door, command, command_id=_once(), actor=by)
    if done.proposal is not None:
        return f"waits for approval as {done.proposal}"
    return f"recorded, event {done.receipt.sequence}"


def _once() -> str:
    """A command id of its own: a person at a terminal repeats a command by giving it again."""
    return f"cli:{secrets.token_hex(12)}"
