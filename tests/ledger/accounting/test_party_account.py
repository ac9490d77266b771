"""A counterparty's account: partial, late, too much, charged, given up; and how old what is open is."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from ledger.accounting.account import Account
from ledger.accounting.ageing import BUCKETS, Ageing, ageing
from ledger.accounting.party_account import control_differences, party_account
from ledger.quantity import Money
from ledger.refusal import Refused
from ledger.statement.credit import Credit
from tests.ledger.accounting.books import ISSUED, PaperBook
from tests.ledger.accounting.runs import OWNER, with_streams
from tests.ledger.contract_samples import eaas

DUE = date(2026, 5, 19)


@pytest.fixture
def book() -> PaperBook:
    """The host owes 11 294.09: fees of 43 269.33 less its share of 31 975.24."""
    made = PaperBook(with_streams(eaas(), {"demand_response": OWNER}))
    made.settle({"demand_response": "45678.91"})
    made.issue()
    return made


def rows(book: PaperBook, first: date | None = None, end: date | None = None) -> list[tuple[str, str, str]]:
    found = party_account(book.journal.journal, "host", "CNY", first, end)
    return [(row.kind, str(row.amount), str(row.balance)) for row in found.rows]


def aged(book: PaperBook, on: date) -> Ageing:
    return ageing(book.lives, "CNY", on, OWNER, {book.terms.id})


def agrees(book: PaperBook) -> bool:
    return not control_differences(book.journal.journal, book.lives, OWNER, ())


def test_a_part_then_too_much_then_given_back(book: PaperBook) -> None:
    book.pay("b1", "-5000.00")
    book.pay("b2", "-7000.00", on=ISSUED + timedelta(days=3))
    book.pay("b3", "705.91", on=ISSUED + timedelta(days=9))
    assert rows(book) == [
        ("statement", "11294.09", "11294.09"),
        ("receipt", "-5000.00", "6294.09"),
        ("receipt", "-7000.00", "-705.91"),
        ("payment", "705.91", "0.00"),
    ]
    assert agrees(book)
    later = party_account(book.journal.journal, "host", "CNY", ISSUED + timedelta(days=1), DUE)
    assert (str(later.opening), len(later.rows), str(later.closing)) == ("6294.09", 2, "0.00")


def test_what_is_paid_beyond_is_a_credit_on_account(book: PaperBook) -> None:
    book.pay("b1", "-12000.00")
    found = aged(book, DUE + timedelta(days=100))
    assert (str(found.on_account), str(found.total)) == ("705.91", "-705.91")
    assert not any(money.minor for money in found.owed_to_us.values())
    assert book.life().standing(DUE) == "overpaid"


def test_a_credit_on_account_pays_a_later_statement(book: PaperBook) -> None:
    """705.91 too much on the first run; the correction asks for 3 975.24 more, and gets it from there."""
    book.pay("b1", "-12000.00")
    book.settle({"demand_response": "40000.00"})
    book.issue(run=2)
    with pytest.raises(Refused) as caught:
        book.credit("k1", 1, 2, "705.92")
    assert (caught.value.code, caught.value.place) == ("credit", "of")
    with pytest.raises(Refused) as caught:
        book.credit("k1", 2, 1, "1.00")
    assert (caught.value.code, caught.value.place) == ("credit", "of"), "nothing is paid beyond the second"
    book.credit("k1", 1, 2, "705.91")
    assert (str(book.life().open_amount), str(book.life(run=2).open_amount)) == ("0.00", "-3269.33")
    assert book.journal.journal.balance(Account("advance_received", ("host",)), "CNY").minor == 0
    found = aged(book, ISSUED)
    assert (str(found.on_account), str(found.owed_to_us["not_due"])) == ("0.00", "3269.33")
    assert agrees(book)


def test_a_credit_goes_to_the_same_side_of_the_same_party(book: PaperBook) -> None:
    book.pay("b1", "-12000.00")
    book.settle({"demand_response": "60000.00"})
    book.issue(run=2)
    with pytest.raises(Refused, match="net the two sides"):
        book.credit("k1", 1, 2, "1.00")
    for to in (book.key("a-investor"), book.key()):
        with pytest.raises(Refused) as caught:
            Credit(id="k1", of=book.key(), to=to, on=ISSUED, amount=Money(1, "CNY"))
        assert (caught.value.code, caught.value.place) == ("credit", "to")


def test_bank_charges_are_ours_and_late_interest_is_the_partys(book: PaperBook) -> None:
    """Ten days late: 11 294.09 x 0.0005 x 10 = 56.47."""
    late = DUE + timedelta(days=10)
    interest = book.life().interest(late)
    assert str(interest) == "-56.47"
    book.pay("b1", "-11294.09", on=late)
    book.pay("i1", str(interest), "late_interest", on=late)
    book.pay("c1", "-3.00", "bank_charge", on=late)
    balances = {
        str(name): str(book.journal.journal.balance(Account(name), "CNY"))
        for name in ("bank", "late_interest_income", "bank_charges")
    }
    assert balances == {"bank": "11347.56", "late_interest_income": "-56.47", "bank_charges": "3.00"}
    assert agrees(book)
    assert rows(book)[-1][2] == "0.00"


def test_a_write_off_posts_bad_debt_and_clears_the_account(book: PaperBook) -> None:
    book.pay("b1", "-11000.00")
    book.pay("w1", "-294.09", "write_off", on=DUE)
    assert str(book.journal.journal.balance(Account("bad_debt"), "CNY")) == "294.09"
    assert rows(book)[-1] == ("write_off", "-294.09", "0.00")
    assert agrees(book)


@pytest.mark.parametrize(
    ("days", "bucket"),
    [(0, "not_due"), (1, "1_30"), (30, "1_30"), (31, "31_60"), (90, "61_90"), (91, "over_90")],
)
def test_what_is_open_stands_in_the_bucket_of_its_age(book: PaperBook, days: int, bucket: str) -> None:
    book.pay("b1", "-1294.09")
    found = aged(book, DUE + timedelta(days=days))
    assert {name: str(money) for name, money in found.owed_to_us.items()} == {
        name: "10000.00" if name == bucket else "0.00" for name in BUCKETS
    }
    assert str(found.interest) == str(Money(500 * days, "CNY")), "10 000.00 x 0.0005 a day"
    assert str(found.total) == "10000.00"


def test_what_the_owner_has_no_part_in_is_not_aged(book: PaperBook) -> None:
    """Neither another's contract nor the owner's own statement is owed to us or by us."""
    late = DUE + timedelta(days=10)
    book.issue(OWNER)
    assert str(aged(book, late).total) == "11294.09"
    for owner, contracts in ((OWNER, {"another"}), ("host", {book.terms.id})):
        found = ageing([book.life()], "CNY", late, owner, contracts)
        assert not any(money.minor for money in found.owed_to_us.values())
        assert (found.total.minor, found.interest.minor) == (0, 0)


def test_a_journal_that_misses_a_payment_is_noticed(book: PaperBook) -> None:
    life = book.life()
    book.pay("b1", "-100.00")
    (found,) = control_differences(book.journal.journal, [life], OWNER, ())
    assert (found.party, str(found.journal), str(found.statements)) == ("host", "11194.09", "11294.09")
    assert control_differences((), [life], OWNER, (life.key.contract,)) == ()
