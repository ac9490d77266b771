"""A booking of a known party that fits nothing exactly gets a cause and a figure, and is for a person."""

from __future__ import annotations

import re
from datetime import date

import msgspec
import pytest

from ledger.reconciliation.bank_payment import BankPayment
from ledger.reconciliation.match_payments import PaymentMatching, match_payments
from ledger.reconciliation.payment_report import reconcile_payments
from ledger.reconciliation.payment_state import PaymentPolicy
from ledger.reconciliation.receivable import Receivable
from ledger.reconciliation.recorded_cash import RecordedCash
from ledger.reconciliation.report_text import payment_report_text
from tests.ledger.reconciliation.lines import cny
from tests.ledger.reconciliation.test_bank_payment import bank
from tests.ledger.reconciliation.test_match_payments import PARTIES, matched, moved, owed, ways

RETURNED = "退回 误付"


def proposals(found: PaymentMatching) -> list[tuple[list[str], list[str], str]]:
    return [
        (
            [one.reference for one in way.payments],
            [str(one.amount) for one in way.receivables],
            way.reason,
        )
        for way in found.doubtful
    ]


def test_less_than_is_open_is_a_part_payment_of_what_is_due_first() -> None:
    later = msgspec.structs.replace(owed("2026-06", "60.00"), due_on=date(2026, 10, 1))
    found = matched([moved("1", "70.00")], [later, owed("2026-07", "50.00"), owed("2026-08", "-3.00")])
    reason = (
        "part payment of host: 70.00 of the 110.00 that it has to pay, 40.00 is left"
        "; the other way 3.00 is open"
    )
    assert proposals(found) == [(["1"], ["50.00", "60.00"], reason)]
    assert [way.part for way in found.doubtful] == [True]
    assert not found.matched
    assert not found.payments_only
    assert [str(one.amount) for one in found.receivables_only] == ["-3.00"]


def test_people_are_told_money_with_separators() -> None:
    payments, asked = (moved("1", "50000.00"),), [owed("2026-07", "100337.98")]
    report = reconcile_payments(bank(*payments), payments, asked, PARTIES)
    text = payment_report_text(report)
    assert "part payment of host: 50,000.00 of the 100,337.98 that it has to pay, 50,337.98 is left" in text
    assert not re.search(r"\d{4,}\.\d", text)


def test_more_than_is_open_is_overpaid_by_the_rest() -> None:
    found = matched([moved("1", "-90.00")], [owed("2026-07", "-50.00"), owed("2026-08", "-30.00")])
    reason = "overpaid by 10.00: we have 80.00 to pay to host"
    assert proposals(found) == [(["1"], ["-50.00", "-30.00"], reason)]
    assert [way.part for way in found.doubtful] == [False]


def test_a_part_payment_to_a_party_says_whose_money_it_is() -> None:
    found = matched([moved("1", "-20.00")], [owed("2026-07", "-50.00")])
    assert proposals(found)[0][2] == (
        "part payment to host: 20.00 of the 50.00 that we have to pay, 30.00 is left"
    )


def test_two_parts_that_are_not_the_whole_are_both_listed() -> None:
    found = matched([moved("1", "30.00"), moved("2", "40.00")], [owed("2026-08", "100.00")])
    assert [way[0] for way in proposals(found)] == [["1"], ["2"]]
    assert not found.matched


def test_an_unknown_payers_exact_amount_stays_listed_beside_a_part_payment() -> None:
    found = matched([moved("1", "30.00"), moved("2", "100.00", "9999")], [owed("2026-08", "100.00")])
    assert sorted(way[0] for way in proposals(found)) == [["1"], ["2"]]


@pytest.mark.parametrize("extra", ["-0.01", "-60.00"])
def test_a_net_payment_of_both_signs(extra: str) -> None:
    net = str(cny("5220.87") + cny("42.17") + cny(extra))
    open_ = [owed("2026-01", "5220.87"), owed("2026-02", "42.17"), owed("2026-03", extra)]
    found = matched([moved("1", net)], [*open_, owed("2026-04", "-7.00", "owner")])
    assert ways(found) == [(["1"], ["2026-01", "2026-02", "2026-03"])]
    assert found.matched[0].reason == "the net of 3 open statements of both sides, all that is open"


def test_a_net_of_some_statements_is_a_match_where_it_is_the_only_one() -> None:
    open_ = [owed(f"2026-0{n}", amount) for n, amount in enumerate(("100.00", "-30.00", "11.00", "-2.50"), 1)]
    found = matched([moved("1", "70.00")], open_)
    assert ways(found) == [(["1"], ["2026-01", "2026-02"])]
    assert found.matched[0].reason == "the net of 2 open statements of both sides"
    two = matched([moved("1", "70.00")], [*open_, owed("2026-05", "-30.00")])
    assert not two.matched
    assert len(two.doubtful) == 2, "either of two of -30.00 may be meant"


def test_all_that_is_open_is_paid_however_many_statements_it_is() -> None:
    many = [owed(f"20{n:02d}-01", f"{n}.01") for n in range(10, 60)]
    total = str(sum((one.amount for one in many), cny("0.00")))
    found = matched([moved("1", total)], many)
    assert [len(way.receivables) for way in found.matched] == [50]
    assert found.matched[0].reason == "the sum of 50 open statements, all that is open"


def test_a_bank_charge_is_named_as_one() -> None:
    open_ = [owed("2026-08", "-5.50")]
    for text in ("手续费", "对公跨行转账手续费 x", "Bank Charges for 9/26"):
        found = matched([moved("1", "-5.50", "", text)], open_)
        assert proposals(found) == [(["1"], [], "bank charge, as its text says")], text
    ours = matched([moved("1", "-5.00", text="扣手续费")], open_)
    assert proposals(ours)[0][2].startswith("part payment to host: 5.00"), "to a party that is to receive it"
    theirs = matched([moved("1", "-5.50", text="手续费")], [])
    assert proposals(theirs) == [(["1"], [], "bank charge, as its text says")], (
        "a party that is to get nothing"
    )
    assert matched([moved("1", "5.50", "", "手续费")], []).payments_only, "money that arrives is no charge"


@pytest.mark.parametrize("text", [RETURNED, "退汇", "RETURN of payment", "returned"])
def test_what_came_back_pays_nothing(text: str) -> None:
    """The first booking would pay the statement, if it had stayed."""
    found = matched([moved("4", "40.00"), moved("6", "-40.00", text=text)], [owed("2026-08", "40.00")])
    assert proposals(found) == [(["4", "6"], [], "returned: 6 takes back 40.00 of 2026-09-10, 4")]
    assert not found.matched
    assert len(found.receivables_only) == 1


@pytest.mark.parametrize(
    "back",
    [
        moved("6", "-40.00", text="电费"),
        moved("6", "-39.99", text=RETURNED),
        moved("6", "-40.00", "6222-2", RETURNED),
        moved("6", "-40.00", text="returning customer"),
    ],
)
def test_other_money_is_not_what_came_back(back: BankPayment) -> None:
    found = matched([moved("4", "40.00"), back], [owed("2026-08", "40.00")])
    assert ways(found) == [(["4"], ["2026-08"])]
    assert found.payments_only == [back]


def test_the_return_stands_behind_what_it_returns_and_each_returns_one() -> None:
    first = [moved("6", "-40.00", text=RETURNED), moved("4", "40.00")]
    assert not matched(first, []).doubtful
    twice = [moved(name, "-40.00") for name in "12"] + [moved(name, "40.00", text="退汇") for name in "34"]
    assert [way[0] for way in proposals(matched(twice, []))] == [["2", "3"], ["1", "4"]]


def test_what_is_recorded_may_come_back() -> None:
    cash = RecordedCash("4", date(2026, 9, 10), cny("40.00"), "host")
    for before in ([], [moved("4", "40.00")]):
        bookings = [*before, moved("6", "-40.00", text=RETURNED, on=date(2026, 9, 12))]
        found = match_payments(bookings, [], PARTIES, PaymentPolicy(), [cash])
        assert proposals(found) == [
            (["6"], [], "returned: 6 takes back 40.00 of 2026-09-10, which is recorded as 4")
        ]
        assert len(found.matched) == len(before)


def test_the_report_names_the_cause_of_every_booking() -> None:
    payments = (
        moved("3", "-5.50", "", "手续费"),
        moved("4", "4000.00", on=date(2026, 9, 11)),
        moved("5", "777.00", "none", on=date(2026, 9, 11)),
    )
    open_: list[Receivable] = [owed("2026-08", "4111.78")]
    report = reconcile_payments(bank(*payments), payments, open_, PARTIES)
    lines = payment_report_text(report).splitlines()
    assert "  2026-09-10 -5.50 (3): bank charge, as its text says" in lines
    assert (
        "  2026-09-11 4,000.00 (4) -> statement.c1_2026-08_host_1 4,111.78: part payment of host: 4,000.00 of"
        " the 4,111.78 that it has to pay, 111.78 is left"
    ) in lines
    assert [one.reference for one in report.payments_only] == ["5"]
