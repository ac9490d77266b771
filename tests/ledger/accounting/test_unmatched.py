"""A market's receipt or a supplier's payment that nothing stands against is open, to the fen, and named."""

from __future__ import annotations

from datetime import date

from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.accounting import cash
from ledger.accounting.account import Account
from ledger.accounting.journal import Journal, JournalEntry, Reference
from ledger.accounting.posting import Posting
from ledger.accounting.unmatched import unmatched
from ledger.quantity import Money
from tests.ledger.contract_samples import yuan

SPOT = Account("market_receivable", ("spot",))


def receivable(minor: int, on: date = date(2026, 4, 30), account: Account = SPOT) -> JournalEntry:
    """What a run makes receivable of the market, above zero."""
    money = Money(minor, "CNY")
    postings = (Posting(account, money), Posting(Account("rounding"), -money))
    return JournalEntry(on, "recognition", "a run", Reference(), postings)


def receipt(amount: str, document: str, day: int = 10) -> JournalEntry:
    return cash.market_receipt("spot", yuan(amount), date(2026, 5, day), document)


def told(*entries: JournalEntry, end: date | None = None) -> list[tuple[str, str, str]]:
    return [(one.document, str(one.amount), str(one.open)) for one in unmatched(entries, end)]


def test_a_receipt_for_what_nobody_owes_is_unmatched() -> None:
    assert told(receipt("5.00", "m1")) == [("m1", "5.00", "5.00")]
    assert told(receivable(500), receipt("5.00", "m1")) == []
    assert told(receivable(499), receipt("5.00", "m1")) == [("m1", "5.00", "0.01")]
    assert told(receivable(-300), receipt("5.00", "m1")) == [("m1", "5.00", "5.00")]
    (one,) = unmatched([receipt("5.00", "m1")])
    assert one.text == "market receipt m1 of 2026-05-10 for spot: 5.00 of 5.00 CNY match nothing"


def test_the_newest_receipts_are_the_ones_beyond() -> None:
    """10.00 are receivable; 6.00 come on the 10th, 7.00 on the 20th, 1.00 on the 15th, recorded last."""
    entries = (receivable(1000), receipt("6.00", "m1"), receipt("7.00", "m2", 20), receipt("1.00", "m3", 15))
    assert told(*entries) == [("m2", "7.00", "4.00")]
    assert told(*entries, end=date(2026, 5, 20)) == []


def test_what_a_market_takes_back_matches_what_a_correction_takes_back() -> None:
    assert told(receipt("-5.00", "m1")) == [("m1", "-5.00", "-5.00")]
    assert told(receivable(-500), receipt("-5.00", "m1")) == []
    assert told(receivable(800), receipt("8.00", "m1"), receivable(-500), receipt("-5.00", "m2", 20)) == []
    assert told(receipt("5.00", "m1"), receipt("-5.00", "m2")) == [], "a mistake that was corrected"


def test_payments_of_costs_and_handovers_are_matched_the_same_way() -> None:
    cost = Account("supplier_payable", ("insurance",))
    paid = cash.supplier_payment("insurance", yuan("7.00"), date(2026, 5, 2), "s1")
    assert told(paid) == [("s1", "-7.00", "-7.00")]
    assert told(receivable(-600, account=cost), paid) == [("s1", "-7.00", "-1.00")]
    over = cash.handed_over("host", yuan("3.00"), date(2026, 5, 3), "h1")
    (one,) = unmatched([over, receivable(-100, account=Account("collected_for", ("host",)))])
    assert (one.kind, one.item, str(one.open)) == ("handed_over", "host", "-2.00")


@settings(max_examples=200)
@given(
    st.lists(st.tuples(st.booleans(), st.integers(-900, 900).filter(bool)), max_size=8),
)
def test_what_is_unmatched_is_how_far_the_account_went_beyond(steps: list[tuple[bool, int]]) -> None:
    """Never more than was paid that way, and nothing while the account is on its side."""
    entries = [
        receipt(str(Money(minor, "CNY")), f"m{number}") if pays else receivable(minor)
        for number, (pays, minor) in enumerate(steps)
    ]
    balance = Journal().posted(entries).balance(SPOT, "CNY").minor
    received = sum(minor for pays, minor in steps if pays)
    found = sum(one.open.minor for one in unmatched(entries))
    expected = min(max(-balance, 0), received) if received > 0 else -min(max(balance, 0), -received)
    assert found == expected
