"""Tax on top can turn a statement's side: who is to pay is read from what is due, not from the net amount."""

from __future__ import annotations

from datetime import date

import pytest

from ledger.accounting.account import Account
from ledger.accounting.ageing import ageing
from ledger.netting import positions
from ledger.quantity import Money
from ledger.refusal import Refused
from ledger.statement.credit import Credit, GiveCredit
from ledger.statement.invoice import Billed, BilledAccount, Billing, Invoice
from ledger.statement.life import Life, StatementKey

KEY = StatementKey("c", "2026-08", "p", 1)
LATER = date(2026, 12, 1)


def cny(text: str) -> Money:
    return Money.parse(text, "CNY")


def turned() -> Life:
    """We issue 500 with 65 tax and receive 505 with 5.05: net 5.00 is owed to the party, and with the tax
    the party owes 54.95."""
    fee = BilledAccount(Account("clause_income", ("base_fee",)), cny("500"), cny("65"), (1,))
    share = BilledAccount(Account("partner_share", ("p",)), cny("505"), cny("5.05"), (2,))
    on = date(2026, 9, 1)
    ours = Invoice(number="A1", direction="issued", on=on, net=cny("500"), tax=cny("65"), gross=cny("565"))
    theirs = Invoice(
        number="B1", direction="received", on=on, net=cny("505"), tax=cny("5.05"), gross=cny("510.05")
    )
    return Life(
        key=KEY, status="issued", amount=cny("5"), lines={},
        billing=Billing("tax_exclusive", Billed(cny("500"), (fee,)), Billed(cny("505"), (share,))),
        reviewed_by="ada", issued_on=on, query_until=date(2026, 9, 10), due_on=date(2026, 9, 15),
        invoices=(ours, theirs),
    )  # fmt: skip


def test_what_is_due_says_who_pays() -> None:
    life = turned()
    assert (life.due, life.open_amount) == (cny("-54.95"), cny("-54.95"))
    assert life.standing(LATER) == "overdue", "nothing was paid, so nothing was overpaid"


def test_ageing_and_netting_agree() -> None:
    life = turned()
    aged = ageing([life], "CNY", LATER, "owner", {"c"})
    (position,) = positions("owner", [life], {"c"})
    assert (aged.owed_to_us["61_90"], aged.overpaid_by_us) == (cny("54.95"), cny("0"))
    assert position.net == aged.total == cny("54.95")


def test_no_credit_comes_of_what_nobody_paid() -> None:
    credit = Credit(id="k", of=KEY, to=StatementKey("c", "2026-09", "p", 1), on=LATER, amount=cny("54.95"))
    with pytest.raises(Refused) as refused:
        GiveCredit(credit).decide(turned(), {})
    assert refused.value.code == "credit"
