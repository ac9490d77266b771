"""Which run's statement is meant when none is named: the one due first that asks for it."""

from __future__ import annotations

from datetime import date, timedelta

import msgspec
import pytest

from ledger.accounting.account import Account
from ledger.quantity import Money
from ledger.refusal import Refused
from ledger.statement.asking import (
    asks_for_invoice,
    asks_to_pay,
    first_asking,
    first_disputable,
    gives_credit,
    takes_credit,
)
from ledger.statement.invoice import Billed, BilledAccount, Billing, nothing_billed
from ledger.statement.life import Life, Payment, StatementKey

DAY = date(2026, 9, 3)


def cny(fen: int) -> Money:
    return Money(fen, "CNY")


def billed(fen: int) -> Billed:
    account = Account("clause_income", ("base_fee",))
    return Billed(cny(fen), (BilledAccount(account, cny(fen), None, ()),) if fen else ())


def life(run: int, fen: int, *paid: int, issued: bool = True) -> Life:
    """A statement of `fen`, above zero to the party, that we or it invoice in full."""
    nothing = nothing_billed("CNY", "tax_inclusive")
    billing = Billing(nothing.basis, billed(max(-fen, 0)), billed(max(fen, 0)))
    return Life(
        key=StatementKey("c", "2026-08", "host", run),
        status="issued" if issued else "approved",
        amount=cny(fen),
        lines={},
        billing=billing,
        reviewed_by="ada",
        issued_on=DAY if issued else None,
        due_on=DAY,
        payments=tuple(
            Payment(id=f"p{number}", on=DAY, amount=cny(one), kind="payment")
            for number, one in enumerate(paid)
        ),
    )


def test_a_correction_that_changes_nothing_is_passed_over() -> None:
    """Run 1 has 70.00 open, run 2 is a correction of nothing: an invoice, payment, write-off go to run 1."""
    lives = [life(2, 0), life(1, -10000, -3000), life(3, -500, issued=False)]
    for kind in ("payment", "write_off", "bank_charge", "late_interest"):
        asks = asks_to_pay(kind, lambda _: cny(-100))  # type: ignore[arg-type]
        assert first_asking(lives, asks).key.run == 1
    assert first_asking(lives, asks_for_invoice("issued", lambda _: cny(100))).key.run == 1
    asks = asks_to_pay("write_off", lambda _: cny(-1))
    assert first_asking([life(4, -900), *lives], asks).key.run == 1, "due on one day: in the order of runs"
    earlier = msgspec.structs.replace(life(4, -900), due_on=DAY - timedelta(days=1))
    assert first_asking([*lives, earlier], asks).key.run == 4, "due first"


def test_money_goes_to_the_run_that_asks_for_its_direction() -> None:
    lives = [life(1, -10000), life(2, 2000)]
    assert first_asking(lives, asks_to_pay("payment", lambda _: cny(-1))).key.run == 1
    assert first_asking(lives, asks_to_pay("payment", lambda _: cny(1))).key.run == 2
    assert first_asking(lives, asks_to_pay("bank_charge", lambda _: cny(-1))).key.run == 1
    assert first_asking(lives, asks_for_invoice("issued", lambda _: cny(1))).key.run == 1
    assert first_asking(lives, asks_for_invoice("received", lambda _: cny(1))).key.run == 2


def test_a_credit_leaves_what_was_paid_too_much_and_goes_where_something_is_open() -> None:
    lives = [life(1, -10000, -10050), life(2, -500), life(3, 0)]
    assert first_asking(lives, gives_credit).key.run == 1
    assert first_asking(lives, takes_credit).key.run == 2


def test_where_none_asks_the_runs_are_named_and_a_lone_one_is_meant_anyway() -> None:
    lives = [life(1, -10000, -10000), life(2, 0)]
    asks = asks_to_pay("payment", lambda _: cny(-1))
    with pytest.raises(Refused, match=r"run 1 has 0\.00 open; run 2 has 0\.00 open") as refused:
        first_asking(lives, asks)
    assert (refused.value.code, refused.value.place) == ("run_needed", "run")
    assert first_asking(lives[:1], asks).key.run == 1
    with pytest.raises(Refused) as refused:
        first_asking([msgspec.structs.replace(lives[0], issued_on=None)], asks)
    assert refused.value.code == "unknown_statement"


def stated(run: int, fen: int, *paid: int, **lines: int) -> Life:
    numbered = {int(name[1:]): cny(each) for name, each in lines.items()}
    return msgspec.structs.replace(life(run, fen, *paid), lines=numbered, query_until=DAY)


def test_lines_are_disputed_on_the_run_on_which_they_are_open() -> None:
    """Run 1 asks for line 5, run 2 corrects nothing, run 3 only line 2."""
    lives = [stated(2, 0, n2=0, n5=0), stated(1, 9000, n2=1000, n5=8000), stated(3, 189, n2=189, n5=0)]
    assert first_disputable(lives, (5,), DAY).key.run == 1
    assert first_disputable(lives, (2,), DAY).key.run == 1
    paid = [stated(1, 9000, 9000, n2=1000, n5=8000), *lives[::2]]
    assert first_disputable(paid, (2,), DAY).key.run == 3, "where the line is still open"
    assert first_disputable(paid, (5,), DAY).key.run == 1, "paid, and disputed all the same"
    accepted = [msgspec.structs.replace(lives[1], status="deemed_accepted"), *lives[::2]]
    assert first_disputable(accepted, (2,), DAY).key.run == 3, "where it may be queried"
    assert first_disputable(accepted, (5,), DAY).key.run == 1, "which says that it is accepted"
    late = DAY + timedelta(days=1)
    assert first_disputable(lives, (5,), late).key.run == 1
    assert first_disputable(lives, (9,), DAY).key.run == 3, "none has such a line"
    kept = [stated(1, -1000, n1=-3000, n2=2000), stated(2, 0, n1=0, n2=0)]
    assert first_disputable(kept, (2,), DAY).key.run == 1, "a line the other way is a line too"
    with pytest.raises(Refused) as refused:
        first_disputable([stated(1, 0, n1=0), stated(2, 0, n1=0)], (1,), DAY)
    assert refused.value.code == "run_needed"
