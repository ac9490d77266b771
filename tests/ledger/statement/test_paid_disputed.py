"""Pay first, dispute after (DOMAIN.md 3.10): what was paid of disputed lines waits with them."""

from __future__ import annotations

import msgspec

from ledger.accounting.ageing import ageing
from ledger.accounting.invoice_register import differences
from ledger.netting import positions
from ledger.statement.asking import gives_credit
from ledger.statement.credit import Credit, GiveCredit
from ledger.statement.dispute import DecideDispute
from ledger.statement.held_back import held_back
from ledger.statement.life import Life
from tests.ledger.statement.test_life import ISSUED, KEY, cny, dispute, does, issued, paid, refused

TO = msgspec.structs.replace(KEY, month="2026-09")
"""Of lines of 60.00, 30.00 and 10.00 that of 30.00 is disputed, after all 100.00 were paid."""


def disputed(fen: int = 10000) -> Life:
    return does(issued(), paid(fen), dispute(2))


def credit(fen: int) -> GiveCredit:
    return GiveCredit(Credit(id="k1", of=KEY, to=TO, on=ISSUED, amount=cny(fen)))


def test_it_is_no_credit_and_no_advance() -> None:
    life = disputed()
    assert (life.paid_disputed, life.open_amount, life.item.role) == (cny(3000), cny(0), None)
    assert (life.standing(ISSUED), gives_credit(life), life.beyond("b1")) == ("disputed", False, cny(0))
    refused("credit", life, credit(3000))
    assert positions("operator", [life], {KEY.contract}) == (), "nothing is there to be set off"


def test_it_is_not_paid_back_before_the_dispute_ends() -> None:
    refused("payment_disputed", disputed(), paid(-3000, "b2"))
    more = disputed(10500)
    refused("payment_disputed", more, paid(-501, "b2"))
    assert does(more, paid(-500, "b2")).settled == cny(10000), "what is beyond the statement is free"
    refused("credit", more, credit(501))
    assert does(more, credit(500)).item.role is None
    ended = does(disputed(), DecideDispute(KEY, "d1", "rejected", "it did not", "bob"))
    assert (ended.paid_disputed, ended.standing(ISSUED)) == (cny(0), "paid")
    assert does(ended, paid(-3000, "b2")).open_amount == cny(3000)


def test_a_part_that_was_paid_pays_what_is_not_disputed_first() -> None:
    assert [disputed(fen).paid_disputed.minor for fen in (1, 7000, 7001, 10000, 10001)] == [
        0,
        0,
        1,
        3000,
        3000,
    ]
    assert [disputed(fen).open_amount.minor for fen in (1, 7000, 7001, 10000, 10001)] == [6999, 0, 0, 0, -1]


def test_accounts_and_checks_say_so() -> None:
    life = disputed()
    aged = ageing([life], "CNY", ISSUED, "operator", {KEY.contract})
    assert (aged.paid_disputed, aged.disputed, aged.on_account, aged.overpaid_by_us, aged.total) == (
        cny(3000), cny(0), cny(0), cny(0), cny(0),
    )  # fmt: skip
    (found,) = [one for one in differences([life], "operator", {KEY.contract}) if one.code == "payment"]
    assert "30.00 is paid and disputed" in found.text
    assert (found.expected, found.found) == (cny(7000), cny(10000))
    assert held_back(life, life.disputes[0]).endswith(
        "30.00 of it is paid, and stays with the dispute until it ends"
    )
