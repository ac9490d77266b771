"""Commands that record what was invoiced, paid and given up on issued statements, by whichever run asks."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Annotated

from cyclopts import App, Parameter

from adapters import approving, crediting, lives
from adapters.booking import book
from adapters.cli import market_cash
from adapters.cli.counted import counted
from adapters.cli.posted import print_late
from adapters.cli.session import Session
from adapters.cli.submitting import money_of, once
from adapters.documents.readable import readable_money, readable_sum
from adapters.founded import book_of
from adapters.queries import lives as rows
from adapters.spreading import Paying, Recorded, after, pay, pay_statement, recorded
from adapters.stack import Stack
from ledger.accounting.document import checked_day
from ledger.command import Command
from ledger.interval import Month
from ledger.quantity import Money
from ledger.refusal import Refused
from ledger.statement.asking import (
    Asks,
    asks_for_invoice,
    asks_to_pay,
    first_asking,
    gives_credit,
    takes_credit,
)
from ledger.statement.credit import Credit
from ledger.statement.invoice import Direction, Invoice
from ledger.statement.invoice_check import differing
from ledger.statement.life import Life, Payment, PaymentKind, StatementKey
from ledger.statement.money import RecordInvoice, WriteOff
from ledger.statement.named_payment import NamedPayment, PaidPart

As = Annotated[str, Parameter(name="--as", help="who does it: an opaque id, never a person's name")]
Day = Annotated[date | None, Parameter(help="the day; today where the book is kept, if not stated")]
Run = Annotated[
    int | None, Parameter(help="the settlement run; the one first due that asks for it, if not stated")
]


def add_to(app: App, session: Session) -> None:
    """Add the commands."""
    record = App(name="record", help="Record invoices, payments, receipts and write-offs.")
    app.command(record)
    market_cash.add_to(record, session)

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
        """Record a tax invoice of an issued statement; each direction has its own total to be invoiced.

        Given again, the same invoice is answered and another one of its number is refused. One whose net or
        tax is not what the statement had still to be invoiced is recorded, and both are said.
        """
        with session.open() as stack:
            asks = asks_for_invoice(direction, lambda life: _money(net, life, "--net"))

            def invoice_of(life: Life, day: date) -> Invoice:
                amounts = [_money(text, life, place) for text, place in ((net, "--net"), (tax, "--tax"))]
                return Invoice(
                    number=number,
                    direction=direction,
                    on=day,
                    net=amounts[0],
                    tax=amounts[1],
                    gross=amounts[0] + amounts[1],
                    reverses=reverses,
                    in_next_invoice=in_next_invoice,
                )

            known = _invoiced(stack, contract, month, party, run, on, invoice_of)
            life = known[0] if known else _life(stack, contract, month, party, run, asks, reverses)
            one = known[1] if known else invoice_of(life, _day(stack, on))
            commands = RecordInvoice(life.key, one).commands
            receipt = book(stack.door, commands, command_id=once(), actor=by)
            print(f"invoice {number}: recorded, event {receipt.sequence}")
            if told := differing(life, one):
                print(f"note: {told}")
            print_late(stack, one.on)

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
        currency: Annotated[
            str | None, Parameter(help="of a payment; the contract's, or CNY, if not stated")
        ] = None,
        on: Day = None,
        run: Run = None,
        reference: str = "",
    ) -> None:
        """Record a payment, a bank charge or late interest of an issued statement.

        Without --run a payment pays what asks for it: first the statements of the month, then the party's
        others, each by its due day; what is more than all of them ask for is paid in advance. Its id names it
        once in the book: given again, the same payment is answered and another one is refused.
        """
        wanted = ("PARTY", "AMOUNT") if spread else ("CONTRACT", "MONTH", "PARTY", "AMOUNT")
        if len(what) != len(wanted):
            raise Refused("arguments", f"give {' '.join(wanted)}", place="record payment")
        if spread and (kind != "payment" or run is not None):
            raise Refused("arguments", "only a payment is spread, over any runs", place="--spread")
        *of, party, amount = what
        with session.open() as stack:
            if kind == "payment" and run is None:
                first = (of[0], str(Month.parse(of[1]))) if of else None
                done = _pay(stack, id, party, amount, currency, on, reference, by, first)
            else:
                contract, month = of
                asks = asks_to_pay(kind, lambda life: _money(amount, life, "amount"))
                known = recorded(stack.door, id)
                own = None if known is None or run is not None else known.parts[0].key.run
                life = _life(stack, contract, month, party, run or own, asks)
                day = known.on if known is not None and on is None else _day(stack, on)
                one = Payment(
                    id=id, on=day, amount=_money(amount, life, "amount"), kind=kind, reference=reference
                )
                done = pay_statement(stack.door, life.key, one, actor=by)
            print(_told(stack, done))
            print_late(stack, done.payment.on)
            position = stack.caught_up()
            with stack.database.reading(stack.settings.book) as connection:
                left = after(stack.door, connection, position, done)
            if left:
                print("note: " + "\n".join(left))

    @record.command(name="write-off")
    def record_write_off(
        contract: str,
        month: str,
        party: str,
        amount: Annotated[str, Parameter(help="below zero the party owed it", allow_leading_hyphen=True)],
        *,
        id: Annotated[str, Parameter(help="its own, under which it stands in the statement's life")],
        reason: Annotated[str, Parameter(help="why it is given up, such as the debtor's insolvency")],
        by: As,
        run: Run = None,
    ) -> None:
        """Give up what is open of a statement, or a part of it.

        In a book of one person it is done at once. In a book of two persons it waits as a proposal until
        another one approves it: wattledger approve PROPOSAL --as WHO.
        """
        with session.open() as stack:
            asks = asks_to_pay("write_off", lambda life: _money(amount, life, "amount"))
            life = _life(stack, contract, month, party, run, asks)
            day = lives.today(stack.door, stack.clock)
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
        """Settle another statement of the party with what was paid beyond this one.

        Its id names it once: given again, the same credit is answered and another one is refused.
        """
        with session.open() as stack:
            moved = _recorded_credit(stack, party, id)
            if moved is None:
                life = _life(stack, contract, month, party, run, gives_credit)
                other = _life(stack, *to, party, to_run, takes_credit)
                moved = Credit(
                    id=id,
                    of=life.key,
                    to=other.key,
                    on=lives.today(stack.door, stack.clock),
                    amount=_money(amount, life, "amount"),
                )
            else:
                of_it = _named(moved.of, contract, month, run) and _named(moved.to, *to, to_run)
                money = _parsed(amount, moved.amount.currency, "amount")
                crediting.check_same(moved, same=of_it and money == moved.amount)
            receipt = crediting.move(stack.door, moved, actor=by)
        print(f"credit {id}: recorded, event {receipt.sequence}")


def _invoiced(
    stack: Stack,
    contract: str,
    month: str,
    party: str,
    run: int | None,
    on: date | None,
    invoice_of: Callable[[Life, date], Invoice],
) -> tuple[Life, Invoice] | None:
    """The same invoice where it is recorded already, and its statement; a day that is not stated is its."""
    name = str(Month.parse(month))
    position = stack.caught_up()
    with stack.database.reading(stack.settings.book) as connection:
        found = rows.page(connection, position, month=name, party=party)
    for life in found:
        if life.key.contract == contract and run in (None, life.key.run):
            for one in life.invoices:
                if invoice_of(life, on or one.on) == one:
                    return life, one
    return None


def _recorded_credit(stack: Stack, party: str, name: str) -> Credit | None:
    position = stack.caught_up()
    with stack.database.reading(stack.settings.book) as connection:
        return crediting.recorded(rows.page(connection, position, party=party), name)


def _named(key: StatementKey, contract: str, month: str, run: int | None) -> bool:
    """Whether it is a statement of that contract and month, and of the run if one is stated."""
    same = (key.contract, key.month) == (contract, str(Month.parse(month)))
    return same and run in (None, key.run)


def _pay(
    stack: Stack,
    name: str,
    party: str,
    amount: str,
    currency: str | None,
    on: date | None,
    reference: str,
    by: str,
    first: tuple[str, str] | None,
) -> Recorded:
    """Pay what asks for it; the currency is that of the month's contract where none is stated."""
    if currency is None and first is not None:
        money = money_of(stack, first[0], amount, "amount")
    else:
        money = _parsed(amount, currency or book_of(stack.door).currency, "amount")
    asked = Paying(
        id=name,
        party=party,
        amount=money,
        on=None if on is None else _day(stack, on),
        today=lives.today(stack.door, stack.clock),
        reference=reference,
        first=first,
    )
    position = stack.caught_up()
    with stack.database.reading(stack.settings.book) as connection:
        return pay(stack.door, connection, position, asked, actor=by)


def _told(stack: Stack, done: Recorded) -> str:
    """The payment, and what each statement got of it."""
    one = done.payment
    count = counted(len(one.parts), "statement")
    lines = [f"payment {one.id}: {readable_sum(one.amount)} over {count}, event {done.sequence}"]
    for part in one.parts:
        key = part.key
        beyond = _beyond(stack, one, part)
        more = (
            f", {readable_money(Money(beyond, one.amount.currency))} of it in advance" if beyond > 0 else ""
        )
        lines.append(f"    {key.contract} {key.month} run {key.run}: {readable_money(part.amount)}{more}")
    return "\n".join(lines)


def _beyond(stack: Stack, one: NamedPayment, part: PaidPart) -> int:
    """What of a part is paid in advance, without its sign."""
    life = stack.door.state(part.key.aggregate)
    return abs(life.beyond(one.id).minor) if isinstance(life, Life) else 0


def _life(
    stack: Stack,
    contract: str,
    month: str,
    party: str,
    run: int | None,
    asks: Asks,
    reverses: str | None = None,
) -> Life:
    """The statement of the run named, else of the one that asks; for a red letter, else the one on which the
    invoice stands that it reverses."""
    name = str(Month.parse(month))
    if run is not None:
        named = stack.door.state(StatementKey(contract, name, party, run).aggregate)
        if not isinstance(named, Life):
            text = f"run {run} of {name} under {contract} has no statement to {party} that was reviewed"
            raise Refused("unknown_statement", text, place="run")
        return named
    position = stack.caught_up()
    with stack.database.reading(stack.settings.book) as connection:
        found = rows.page(connection, position, month=name, party=party)
    own = [one for one in found if one.key.contract == contract]
    if reverses is not None and not any(asks(one) for one in own):
        return first_asking(own, lambda life: any(one.number == reverses for one in life.invoices))
    return first_asking(own, asks)


def _day(stack: Stack, on: date | None) -> date:
    """The day stated, which has come; today where none is."""
    today = lives.today(stack.door, stack.clock)
    return today if on is None else checked_day(on, today, "--on")


def _money(text: str, life: Life, place: str) -> Money:
    return _parsed(text, life.amount.currency, place)


def _parsed(text: str, currency: str, place: str) -> Money:
    try:
        return Money.parse(text, currency)
    except Refused as refused:
        raise Refused(refused.code, refused.reason, place=place) from None


def _submit(stack: Stack, command: Command, by: str) -> str:
    done = approving.submit(stack.door, command, command_id=once(), actor=by)
    if done.proposal is not None:
        return f"waits for approval as {done.proposal}"
    return f"recorded, event {done.receipt.sequence}"
