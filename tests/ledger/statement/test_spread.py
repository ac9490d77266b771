"""One payment over several statements: oldest due first, to the fen, all of it or nothing."""

from __future__ import annotations

from datetime import date

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.netting import OpenStatement
from ledger.quantity import Money
from ledger.refusal import Refused
from ledger.statement.life import Life, Payment
from ledger.statement.money import RecordPayment
from ledger.statement.named_payment import NamedPayment, NamePayment, payment_aggregate
from ledger.statement.spread import PayPart, recording, spread
from tests.ledger.contract_samples import yuan
from tests.ledger.test_netting import key, life

DAY = date(2026, 9, 10)


def asks(contract: str, amount: str | Money, due: int | None, party: str = "host") -> OpenStatement:
    money = amount if isinstance(amount, Money) else yuan(amount)
    return OpenStatement(key(contract, party), None if due is None else date(2026, 9, due), money)


OPEN = [
    asks("c-1", "-100.00", 15),
    asks("c-2", "-50.00", 12),
    asks("c-3", "70.00", 1),
    asks("c-4", "-30.00", 15),
    asks("c-5", "-9.00", 1, "guest"),
    asks("c-6", Money(-500, "JPY"), 1),
]


def paid(amount: str, party: str = "host") -> NamedPayment:
    return spread(OPEN, id="b1", party=party, on=DAY, amount=yuan(amount))


def parts(found: NamedPayment) -> dict[str, str]:
    return {part.key.contract: str(part.amount) for part in found.parts}


def test_what_is_due_first_is_paid_first() -> None:
    """The host owes 50.00 on the 12th, then 100.00 and 30.00 on the 15th; it is owed 70.00."""
    assert parts(paid("-20.00")) == {"c-2": "-20.00"}
    assert list(parts(paid("-160.01")).items()) == [("c-2", "-50.00"), ("c-1", "-100.00"), ("c-4", "-10.01")]
    assert parts(paid("-200.00"))["c-4"] == "-50.00", "20.00 more than was open"
    assert parts(paid("69.99")) == {"c-3": "69.99"}
    assert parts(paid("-1.00", "guest")) == {"c-5": "-1.00"}


@pytest.mark.parametrize(
    ("amount", "party", "code"),
    [("0.00", "host", "payment"), ("1.00", "guest", "payment_spread"), ("-1.00", "who", "payment_spread")],
)
def test_a_payment_that_nobody_asks_for_is_refused(amount: str, party: str, code: str) -> None:
    with pytest.raises(Refused) as refused:
        paid(amount, party)
    assert refused.value.code == code


def test_the_month_that_is_named_comes_first_and_what_is_beyond_goes_to_the_next() -> None:
    """c-1 is due on the 15th and named, so it is paid before c-2 of the 12th; then the others."""
    found = spread(
        OPEN, id="b1", party="host", on=DAY, amount=yuan("-120.00"), first=("c-1", key("c-1").month)
    )
    assert list(parts(found).items()) == [("c-1", "-100.00"), ("c-2", "-20.00")]
    other = spread(OPEN, id="b1", party="host", on=DAY, amount=yuan("-120.00"), first=("c-1", "2026-01"))
    assert list(parts(other).items()) == [("c-2", "-50.00"), ("c-1", "-70.00")], "another month's"


def test_a_payment_keeps_the_month_it_was_given_with_where_it_was_moved_on() -> None:
    """What pays its own month is encoded as it always was, so that its command given again is the same."""
    own = spread(OPEN, id="b1", party="host", on=DAY, amount=yuan("-120.00"), first=("c-1", key("c-1").month))
    assert b"first" not in msgspec.json.encode(own)
    moved = spread(OPEN, id="b1", party="host", on=DAY, amount=yuan("-20.00"), first=("c-1", "2026-01"))
    assert msgspec.json.decode(msgspec.json.encode(moved), type=NamedPayment) == moved
    assert moved.begun_with == {("c-1", "2026-01"), ("c-2", key("c-2").month)}


def test_parts_are_the_payment_and_of_its_party() -> None:
    found = paid("-160.00")
    for changes, code in (
        ({"amount": yuan("-160.01")}, "payment_spread"),
        ({"parts": ()}, "empty"),
        ({"parts": (*found.parts, found.parts[0])}, "duplicate"),
        ({"party": "guest"}, "payment_spread"),
        ({"id": "b 1"}, "id"),
    ):
        with pytest.raises(Refused) as refused:
            msgspec.structs.replace(found, **changes)  # type: ignore[arg-type]
        assert refused.value.code == code, changes


def test_an_id_names_one_payment_whoever_gets_it() -> None:
    """The same number for another party, month or amount is the same aggregate, and refused."""
    one = RecordPayment(key("c-1"), Payment(id="b1", on=DAY, amount=yuan("-1.00"), kind="payment")).named
    other = paid("-160.00")
    taken, command = (NamePayment(payment) for payment in (one, other))
    assert taken.aggregate == command.aggregate == payment_aggregate("b1")
    assert taken.aggregate != payment_aggregate("b2")
    (event,) = taken.decide(None, {})
    with pytest.raises(Refused, match=r"payment of -1.00 CNY with host on 2026-09-10") as refused:
        command.decide(event.apply(None), {})
    assert (refused.value.code, refused.value.place) == ("exists", "id")
    assert [type(each) for each in recording(one)] == [NamePayment, RecordPayment]
    assert [type(each) for each in recording(other)] == [NamePayment, PayPart, PayPart, PayPart]


def test_each_statement_is_paid_only_while_it_asks_for_what_was_spread() -> None:
    _, first, second = recording(paid("-60.00"))
    before = {"c-2": life("c-2", "-50.00", 12), "c-1": life("c-1", "-100.00")}
    for pay, state, left in ((first, before["c-2"], "0.00"), (second, before["c-1"], "-90.00")):
        (event,) = pay.decide(state, {})
        after: Life = event.apply(state)
        assert (str(after.open_amount), after.payments[0].id) == (left, "b1")
        with pytest.raises(Refused) as refused:
            pay.decide(after, {})
        assert refused.value.code == "exists"
    other = Payment(id="b0", on=DAY, amount=yuan("-1.00"), kind="payment")
    with pytest.raises(Refused, match=r"-49.00 is open by now") as refused:
        first.decide(msgspec.structs.replace(before["c-2"], payments=(other,)), {})
    assert refused.value.code == "payment_spread"


amounts = st.integers(-(10**6), 10**6).filter(bool)


@settings(max_examples=200)
@given(st.lists(st.tuples(amounts, st.integers(1, 28)), min_size=1, max_size=6), amounts)
def test_all_of_it_is_spread_and_nothing_later_is_paid_before(
    statements: list[tuple[int, int]], minor: int
) -> None:
    asked = [asks(f"c-{n}", Money(m, "CNY"), day) for n, (m, day) in enumerate(statements)]
    same = [one for one in asked if one.open.minor * minor > 0]
    if not same:
        with pytest.raises(Refused):
            spread(asked, id="b", party="host", on=DAY, amount=Money(minor, "CNY"))
        return
    found = spread(asked, id="b", party="host", on=DAY, amount=Money(minor, "CNY"))
    got = {part.key: part.amount.minor for part in found.parts}
    assert sum(got.values()) == minor
    assert set(got) <= {one.key for one in same}
    latest = max(one.due_on or DAY for one in same if one.key in got)
    for one in same:
        if (one.due_on or DAY) < latest:
            assert got[one.key] == one.open.minor, "due before the last that was paid, and paid whole"
