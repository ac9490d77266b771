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
