"""A statement from review to payment: who may do what when, and what a dispute holds back."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.book import Book
from ledger.effective import History, Period
from ledger.interval import Month
from ledger.quantity import Money
from ledger.refusal import Refused
from ledger.settlement.line import Line
from ledger.settlement.result import Result
from ledger.settlement.run import RecordSettlement, Runs
from ledger.statement.dispute import CorrectDispute, DecideDispute, RaiseDispute
from ledger.statement.invoice import Direction, Invoice
from ledger.statement.issue import (
    AcceptBySilence,
    ApproveStatement,
    ConfirmStatement,
    IssueStatement,
    ReviewStatement,
)
from ledger.statement.life import Life, Payment, StatementKey
from ledger.statement.money import RecordInvoice, RecordPayment, WriteOff
from ledger.statement.terms import Terms
from ledger.waterfall import PriorMonth
from tests.ledger.contract_samples import plain_split

AUGUST = Month(2026, 8)
KEY = StatementKey("c1", "2026-08", "host", 1)
ISSUED = date(2026, 9, 7)
TERMS = Terms(
    calendar="CN",
    query_working_days=15,
    answer_working_days=5,
    due_working_days=10,
    late_interest_per_day="0.0005",
)


CONTRACT = msgspec.structs.replace(plain_split(), id="c1")
"""The operator is principal: the host invoices it for its share."""


def cny(fen: int) -> Money:
    return Money(fen, "CNY")


def line(number: int, fen: int) -> Line:
    money = cny(fen)
    return Line(
        number,
        "clause",
        "remainder_split",
        "clause 1",
        None,
        "host",
        "",
        "",
        "",
        str(money),
        money,
        "0",
        (),
        (),
    )


def result(*fen: int) -> Result:
    total = sum(fen)
    payable = {"host": cny(total), "operator": cny(-total)}
    return Result(
        contract="c1",
        title="A contract",
        model="co_investment",
        month=AUGUST,
        currency="CNY",
        rules_version="1",
        position=9,
        inputs_digest=str(fen),
        pool=cny(total),
        lines=tuple(line(number, one) for number, one in enumerate(fen, 1)),
        sources=(),
        bills=(),
        entitlement={"host": cny(total), "operator": cny(0)},
        held={"host": cny(0), "operator": cny(total)},
        payable=payable,
        warnings=(),
        carry=PriorMonth(AUGUST, date(2026, 9, 1), {}),
        sees_pool=(),
    )


def runs(*results: Result) -> Runs:
    state: Runs | None = None
    for one in results:
        (event,) = RecordSettlement(one).decide(state, {})
        state = event.apply(state)
    assert state is not None
    return state


def does(state: Life | None, *commands: Any, settled: Runs | None = None) -> Life:
    others = {
        "settlement.c1_2026-08": settled or runs(result(6000, 3000, 1000)),
        "contract.c1": History().with_version(Period(CONTRACT.effective.start), CONTRACT),
        "book.book": Book("a book", "operator", "CNY", "Asia/Shanghai", "two_persons"),
    }
    for command in commands:
        for event in command.decide(state, others):
            state = event.apply(state)
    assert state is not None
    return state


REVIEW = ReviewStatement(KEY, "ada")
APPROVE = ApproveStatement(KEY, "bob")
ISSUE = IssueStatement(KEY, ISSUED, TERMS)


def issued() -> Life:
    return does(None, REVIEW, APPROVE, ISSUE)


def refused(code: str, state: Life | None, command: Any) -> None:
    with pytest.raises(Refused) as caught:
        does(state, command)
    assert caught.value.code == code


def dispute(*lines: int, on: date = ISSUED, name: str = "d1") -> RaiseDispute:
    return RaiseDispute(KEY, name, lines, "the meter stood still", "host-clerk", on)


def paid(fen: int, name: str = "b1", on: date = ISSUED) -> RecordPayment:
    return RecordPayment(KEY, Payment(id=name, on=on, amount=cny(fen), kind="payment"))


def invoice(
    fen: int,
    number: str = "F1",
    reverses: str | None = None,
    *,
    direction: Direction = "received",
    in_next: bool = False,
    run: int = 1,
) -> RecordInvoice:
    tax = fen * 13 // 113
    return RecordInvoice(
        msgspec.structs.replace(KEY, run=run),
        Invoice(
            number=number,
            direction=direction,
            in_next_invoice=in_next,
            on=ISSUED,
            net=cny(fen - tax),
            tax=cny(tax),
            gross=cny(fen),
            reverses=reverses,
        ),
    )


def test_the_way_from_review_to_issue() -> None:
    life = issued()
    assert (life.status, life.amount, life.lines) == (
        "issued",
        cny(10000),
        {1: cny(6000), 2: cny(3000), 3: cny(1000)},
    )
    # 15 and 10 working days after Monday 7 September 2026: Sunday the 20th is worked for the National Day.
    assert (life.query_until, life.due_on) == (date(2026, 9, 28), date(2026, 9, 20))


def test_no_step_is_left_out_or_done_twice() -> None:
    refused("unknown_statement", None, APPROVE)
    reviewed = does(None, REVIEW)
    refused("exists", reviewed, REVIEW)
    refused("statement_status", reviewed, ISSUE)
    refused("statement_status", reviewed, dispute(1))
    refused("four_eyes", reviewed, ApproveStatement(KEY, "ada"))
    refused("statement_status", issued(), APPROVE)
    refused("unknown_run", None, ReviewStatement(msgspec.structs.replace(KEY, run=2), "ada"))
    refused("unknown_party", None, ReviewStatement(msgspec.structs.replace(KEY, party="nobody"), "ada"))


def test_silence_accepts_after_the_last_day_to_query_and_not_before() -> None:
    life = issued()
    assert life.query_until is not None
    refused("too_early", life, AcceptBySilence(KEY, life.query_until))
    accepted = does(life, AcceptBySilence(KEY, life.query_until + timedelta(days=1)))
    assert accepted.status == "deemed_accepted"
    refused("statement_status", accepted, dispute(1))
    refused("too_late", life, dispute(1, on=life.query_until + timedelta(days=1)))


def test_a_dispute_freezes_its_lines_only() -> None:
    life = does(issued(), dispute(2))
    assert (life.frozen, life.open_amount) == (cny(3000), cny(7000))
    assert does(life, paid(7000)).standing(ISSUED) == "disputed"
    refused("line_disputed", life, dispute(2, 3, name="d2"))
    refused("unknown_line", life, dispute(9, name="d2"))
    refused("unknown_line", life, dispute(name="d2"))
    refused("dispute_open", life, ConfirmStatement(KEY, "host-clerk", ISSUED))
    refused("dispute_open", life, AcceptBySilence(KEY, date(2026, 12, 1)))


def test_a_dispute_of_a_correction_freezes_its_lines_delta() -> None:
    """Run 3 asks for 5.00: line 1 for -4.00, line 2 for 2.00, line 3, which run 2 lacked, for 7.00."""
    before = result(6000, 4000)
    provisional = msgspec.structs.replace(
        result(9999), through=date(2026, 8, 9), payable={}, inputs_digest="p"
    )
    settled = runs(provisional, before, result(5600, 4200, 700))
    key = msgspec.structs.replace(KEY, run=3)
    steps = (ReviewStatement(key, "ada"), ApproveStatement(key, "bob"), IssueStatement(key, ISSUED, TERMS))
    life = does(None, *steps, settled=settled)
    assert (life.amount, life.lines) == (cny(500), {1: cny(-400), 2: cny(200), 3: cny(700)})
    for lines, frozen in (((2,), 200), ((1,), 0), ((3,), 500), ((1, 2), 0), ((1, 3), 300)):
        raised = does(life, msgspec.structs.replace(dispute(*lines), key=key))
        assert (raised.frozen, raised.frozen_by("d1")) == (cny(frozen), cny(frozen)), lines
        assert raised.open_amount == cny(500 - frozen)
    both = does(life, *(msgspec.structs.replace(dispute(n, name=f"d{n}"), key=key) for n in (2, 3)))
    assert (both.frozen, both.frozen_by("d2"), both.frozen_by("d3")) == (cny(500), cny(0), cny(300))


def test_lines_that_changed_places_are_known_again() -> None:
    """A correction has a line of another site before the one of run 1."""
    first = msgspec.structs.replace(line(1, 6000), site="S1")
    moved = [
        msgspec.structs.replace(line(1, 700), site="S2"),
        msgspec.structs.replace(first, number=2, amount=cny(6100)),
    ]
    settled = runs(
        msgspec.structs.replace(result(6000), lines=(first,)),
        msgspec.structs.replace(result(700, 6100), lines=tuple(moved)),
    )
    life = does(None, ReviewStatement(msgspec.structs.replace(KEY, run=2), "ada"), settled=settled)
    assert (life.amount, life.lines) == (cny(800), {1: cny(700), 2: cny(100)})


def test_nobody_decides_a_dispute_of_their_own() -> None:
    life = does(issued(), dispute(2))
    for who in ("host-clerk", "host"):
        for decision in ("upheld", "rejected"):
            with pytest.raises(Refused, match="another must decide it") as caught:
                does(life, DecideDispute(KEY, "d1", decision, "so it is", who))  # type: ignore[arg-type]
            assert (caught.value.code, caught.value.place) == ("four_eyes", "actor")
    assert does(life, DecideDispute(KEY, "d1", "upheld", "so it is", "bob")).disputes[0].status == "upheld"


def test_what_of_a_payment_is_in_advance() -> None:
    """Of 100.00 the statement asks for 60.00 after 40.00: of another 61.00 one yuan is in advance."""
    life = does(issued(), paid(4000), paid(6100, "b2"), paid(5, "b3"), paid(-100, "b4"))
    assert [life.beyond(f"b{number}").minor for number in range(1, 6)] == [0, 100, 5, 0, 0]
    frozen = does(issued(), dispute(1), dispute(2, 3, name="d2"), paid(300))
    assert (frozen.beyond("b1"), frozen.paid_disputed) == (cny(0), cny(300)), "it pays what is disputed"
    charge = RecordPayment(KEY, Payment(id="x", on=ISSUED, amount=cny(50), kind="bank_charge"))
    assert does(life, charge).beyond("x") == cny(0)


def test_a_dispute_ends_in_a_reasoned_refusal() -> None:
    life = does(issued(), dispute(2))
    refused("reason", life, DecideDispute(KEY, "d1", "rejected", " ", "bob"))
    life = does(life, DecideDispute(KEY, "d1", "rejected", "the meter was tested on 3 September", "bob"))
    assert (life.frozen, life.disputes[0].status) == (cny(0), "rejected")
    refused("dispute_status", life, DecideDispute(KEY, "d1", "upheld", "after all", "bob"))
    assert does(life, ConfirmStatement(KEY, "host-clerk", ISSUED)).status == "confirmed"


def test_a_dispute_ends_in_a_delta() -> None:
    life = does(issued(), dispute(2), DecideDispute(KEY, "d1", "upheld", "the meter did stand still", "bob"))
    assert life.frozen == cny(3000), "frozen until the correction is there"
    refused("unknown_run", life, CorrectDispute(KEY, "d1", 1))
    refused("unknown_run", life, CorrectDispute(KEY, "d1", 2))
    corrected = runs(result(6000, 3000, 1000), result(6000, 3500, 1000))
    key = msgspec.structs.replace(KEY, run=2)
    second = does(None, ReviewStatement(key, "ada"), settled=corrected)
    assert second.amount == cny(500)
    second = does(second, ApproveStatement(key, "bob"))
    correct = CorrectDispute(KEY, "d1", 2)
    others: dict[str, object] = {"settlement.c1_2026-08": corrected}
    assert set(correct.reads) == {*others, key.aggregate}
    for told in (None, second):
        with pytest.raises(Refused) as caught:
            correct.decide(life, {**others, key.aggregate: told})
        assert (caught.value.code, caught.value.place) == ("not_issued", "run")
    second = does(second, IssueStatement(key, ISSUED, TERMS))
    (event,) = correct.decide(life, {**others, key.aggregate: second})
    life = event.apply(life)
    assert (life.frozen, life.open_amount) == (cny(0), cny(10000)), "the delta is another statement"


def test_payment_in_part_in_full_too_much_and_late() -> None:
    life = issued()
    due = life.due_on
    assert due is not None
    assert life.standing(due) == "not_due"
    assert life.standing(due + timedelta(days=1)) == "overdue"
    assert life.interest(due + timedelta(days=3)) == cny(15), "100.00 x 0.0005 x 3"
    part = does(life, paid(4000))
    assert (part.standing(due), part.open_amount) == ("part_paid", cny(6000))
    assert part.interest(due + timedelta(days=3)) == cny(9)
    full = does(part, paid(6000, "b2"))
    assert (full.standing(due + timedelta(days=9)), full.open_amount) == ("paid", cny(0))
    assert full.interest(due + timedelta(days=9)) == cny(0)
    assert does(full, paid(1, "b3")).standing(due) == "overpaid"
    refused("exists", part, paid(6000))
    charge = RecordPayment(KEY, Payment(id="x", on=ISSUED, amount=cny(-50), kind="bank_charge"))
    assert does(part, charge).open_amount == cny(6000), "a bank charge pays nothing of it"


def test_what_a_party_owes_is_paid_with_the_other_sign() -> None:
    key = msgspec.structs.replace(KEY, party="operator")
    life = does(
        None, ReviewStatement(key, "ada"), ApproveStatement(key, "bob"), IssueStatement(key, ISSUED, TERMS)
    )
    assert life.amount == cny(-10000)
    part = does(life, RecordPayment(key, Payment(id="b1", on=ISSUED, amount=cny(-4000), kind="payment")))
    assert (part.open_amount, part.standing(ISSUED)) == (cny(-6000), "part_paid")
    wrong_way = RecordPayment(key, Payment(id="b1", on=ISSUED, amount=cny(5), kind="payment"))
    refused("payment_side", life, wrong_way)


def test_a_payment_the_wrong_way_is_refused_unless_it_pays_back() -> None:
    refused("payment_side", issued(), paid(-4000))
    part = does(issued(), paid(4000))
    assert does(part, paid(-4000, "b2")).open_amount == cny(10000), "paid back"
    refused("payment_side", part, paid(-4001, "b2"))


def test_a_disputed_saving_line_holds_back_what_its_party_would_pay() -> None:
    """The party keeps 300.00 and owes 100.00: objecting to the 300.00 freezes the 100.00, not more."""
    saving = msgspec.structs.replace(line(1, 30000), kind="stream", code="arbitrage", site="S1")
    shown = msgspec.structs.replace(saving, number=3, amount=cny(5000), pooled=False)
    settled = runs(msgspec.structs.replace(
        result(6000, 3000, 1000),
        lines=(saving, line(2, 20000), shown),
        payable={"host": cny(-10000), "operator": cny(10000)},
        entitlement={"host": cny(20000), "operator": cny(10000)},
        held={"host": cny(30000), "operator": cny(0)},
        pool=cny(30000),
    ))  # fmt: skip
    life = does(
        None, ReviewStatement(KEY, "ada"), ApproveStatement(KEY, "bob"), IssueStatement(KEY, ISSUED, TERMS),
        settled=settled,
    )  # fmt: skip
    assert (life.amount, life.lines) == (cny(-10000), {1: cny(-30000), 2: cny(20000), 3: cny(0)})
    assert [does(life, dispute(number)).open_amount for number in (1, 2, 3)] == [
        cny(0), cny(-10000), cny(-10000)
    ]  # fmt: skip


def test_a_write_off_takes_no_more_than_is_open() -> None:
    life = does(issued(), paid(4000))
    refused("write_off", life, WriteOff(KEY, "w1", ISSUED, cny(6001), "insolvent"))
    refused("write_off", life, WriteOff(KEY, "w1", ISSUED, cny(-1), "insolvent"))
    refused("reason", life, WriteOff(KEY, "w1", ISSUED, cny(1), ""))
    by_payment = Payment(id="w1", on=ISSUED, amount=cny(1), kind="write_off")
    refused("write_off", life, RecordPayment(KEY, by_payment))
    assert does(life, WriteOff(KEY, "w1", ISSUED, cny(6000), "insolvent")).standing(ISSUED) == "paid"


def test_an_invoice_is_not_older_than_its_statement() -> None:
    for one in (invoice(4000), invoice(-4000, "R1", reverses="F1"), invoice(-4000, in_next=True)):
        early = msgspec.structs.replace(one.invoice, on=ISSUED - timedelta(days=1))
        with pytest.raises(Refused, match=f"from {ISSUED} to the day of recording") as caught:
            does(issued(), RecordInvoice(KEY, early))
        assert (caught.value.code, caught.value.place) == ("invoice_date", "on")
    assert does(issued(), invoice(4000)).invoices[0].on == ISSUED


def test_invoices_add_up_to_the_statement_and_never_beyond() -> None:
    life = does(issued(), invoice(4000))
    refused("invoice_total", life, invoice(6001, "F2"))
    refused("exists", life, invoice(6000))
    refused("invoice_total", life, invoice(1, "F2", direction="issued"))
    life = does(life, invoice(6000, "F2"))
    assert (life.to_invoice("received"), life.invoiced) == (cny(0), True)
    refused("red_letter", life, invoice(-5, "R1", reverses="F9"))
    refused("red_letter", life, invoice(-6001, "R1", reverses="F2"))
    reversed_one = does(life, invoice(-6000, "R1", reverses="F2"))
    assert (reversed_one.to_invoice("received"), reversed_one.invoiced) == (cny(6000), False)
    assert does(reversed_one, invoice(6000, "F3")).invoiced
    disputed = does(issued(), dispute(1))
    refused("invoice_total", disputed, invoice(4001))
    assert does(disputed, invoice(4000)).invoiced


@pytest.mark.parametrize(
    ("fen", "changes", "place"),
    [
        (5, {"reverses": "F1"}, "gross"),
        (-5, {}, "reverses"),
        (-5, {"reverses": "F1", "in_next": True}, "in_next_invoice"),
        (-5, {"reverses": "F1", "number": "F1"}, "reverses"),
    ],
)
def test_below_zero_an_invoice_says_what_it_takes_back(fen: int, changes: dict[str, Any], place: str) -> None:
    with pytest.raises(Refused) as caught:
        invoice(fen, **changes)
    assert (caught.value.code, caught.value.place) == ("red_letter", place)


def test_a_correction_takes_back_by_red_letter_or_in_the_next_invoice() -> None:
    """The month falls from 100.00 to 91.00: of F1, 9.00 are taken back, and no more than that."""
    first = does(issued(), invoice(10000))
    corrected = runs(result(6000, 3000, 1000), result(6000, 2100, 1000))
    key = msgspec.structs.replace(KEY, run=2)
    steps = (ReviewStatement(key, "ada"), ApproveStatement(key, "bob"), IssueStatement(key, ISSUED, TERMS))
    second = does(None, *steps, settled=corrected)
    assert second.to_invoice("received") == cny(-900)
    refused("invoice_total", second, invoice(900, "F2", run=2))
    red = invoice(-900, "R1", reverses="F1", run=2)
    refused("red_letter", second, red)
    assert red.reads[2:] == (KEY.aggregate,)
    (event,) = red.decide(second, {KEY.aggregate: first})
    assert event.apply(second).invoiced
    too_much = invoice(-901, "R1", reverses="F1", run=2)
    with pytest.raises(Refused) as caught:
        too_much.decide(second, {KEY.aggregate: first})
    assert caught.value.code == "invoice_total"
    assert does(second, invoice(-900, "F7", in_next=True, run=2)).invoiced


def test_tax_on_top_is_paid_with_the_statement() -> None:
    """On a tax-exclusive basis the net is what is billed, and its tax is due beside it."""
    exclusive = msgspec.structs.replace(issued().billing, basis="tax_exclusive")
    life = msgspec.structs.replace(issued(), billing=exclusive)
    refused("invoice_total", life, invoice(11301))
    life = does(life, invoice(11300))
    assert (life.invoiced, life.due, life.open_amount) == (True, cny(11300), cny(11300))
    assert does(life, paid(11300)).standing(ISSUED) == "paid"


@settings(max_examples=200)
@given(
    st.lists(
        st.one_of(
            st.integers(-9000, 9000).filter(bool).map(lambda fen: ("pay", fen)),
            st.sampled_from([1, 2, 3]).map(lambda number: ("dispute", number)),
            st.sampled_from(["upheld", "rejected"]).map(lambda how: ("decide", how)),
        ),
        max_size=12,
    )
)
def test_amount_is_always_what_is_open_frozen_and_settled(steps: list[tuple[str, Any]]) -> None:
    """A plain list of what was accepted says the same as the folded statement."""
    life = issued()
    settled, frozen = 0, {}
    for number, (kind, value) in enumerate(steps):
        waiting = next((one.id for one in life.disputes if one.status == "open"), None)
        try:
            if kind == "pay":
                life = does(life, paid(value, f"b{number}"))
                settled += value
            elif kind == "dispute":
                life = does(life, dispute(value, name=f"d{number}"))
                frozen[f"d{number}"] = life.lines[value].minor
            elif waiting is not None:
                life = does(life, DecideDispute(KEY, waiting, value, "because", "bob"))
                if value == "rejected":
                    del frozen[waiting]
        except Refused as error:
            assert error.code in (
                {"payment_side", "payment_disputed"} if kind == "pay" else {"line_disputed"}
            )
            back = settled + value < (max(settled, 10000) if error.code == "payment_disputed" else 0)
            assert kind != "pay" or back, "nothing but what was paid, and is not disputed, is paid back"
    held = min(max(settled - 10000 + sum(frozen.values()), 0), sum(frozen.values()))
    assert life.paid_disputed == cny(held)
    assert life.open_amount == cny(10000 - settled - sum(frozen.values()) + held)
    assert life.open_amount + life.frozen - life.paid_disputed + life.settled == life.amount
