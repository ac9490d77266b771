"""Netting, purely: positions, what is set off of which statement, and what is refused."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger import book
from ledger.book import Book
from ledger.effective import History, Period
from ledger.netting import (
    AgreeNetting,
    CounterpartyPosition,
    NettedStatement,
    Netting,
    NettingAgreement,
    Nettings,
    OpenStatement,
    PayByNetting,
    RecordNetting,
    positions,
)
from ledger.quantity import Money
from ledger.refusal import Refused
from ledger.statement.invoice import nothing_billed
from ledger.statement.life import Dispute, Life, Payment, StatementKey
from tests.ledger.contract_samples import eaas, yuan

DAY = date(2026, 9, 10)
AGREED = NettingAgreement(effective_from=date(2026, 1, 1), evidence="framework agreement 7")
LATER = msgspec.structs.replace(AGREED, effective_from=DAY + timedelta(days=1))
OWNED = {"c-1", "c-2", "c-3"}


def key(contract: str, party: str = "host") -> StatementKey:
    return StatementKey(contract, "2026-08", party, 1)


def life(contract: str, amount: str | Money, due: int = 15, **changes: Any) -> Life:
    """An issued statement; what is invoiced does not matter here."""
    money = amount if isinstance(amount, Money) else yuan(amount)
    fields: dict[str, Any] = {
        "key": key(contract),
        "status": "issued",
        "amount": money,
        "lines": {1: money},
        "billing": nothing_billed(money.currency, "tax_inclusive"),
        "reviewed_by": "ada",
        "due_on": date(2026, 9, due),
    }
    return Life(**fields | changes)


def only(lives: list[Life]) -> CounterpartyPosition:
    (found,) = positions("operator", lives, OWNED)
    return found


def test_the_smaller_side_is_set_off_whole_against_what_is_due_first() -> None:
    """The host owes 100.00 (due on the 15th) and 50.00 (the 12th), and is owed 70.00: 50.00 and 20.00."""
    found = only([life("c-1", "-100.00"), life("c-2", "-50.00", 12), life("c-3", "70.00")])
    assert (str(found.receivable), str(found.payable), str(found.net)) == ("150.00", "70.00", "80.00")
    assert {one.key.contract: str(one.amount) for one in found.set_off()} == {
        "c-2": "-50.00",
        "c-3": "70.00",
        "c-1": "-20.00",
    }
    assert only([life("c-1", "-100.00")]).set_off() == ()


def test_what_was_paid_beyond_a_statement_is_set_off_before_what_is_due() -> None:
    """The host paid 30.00 too much on one statement, owes 100.00 (due on the 15th) and 50.00 (the 12th) and
    is owed 45.00: its 30.00 and our 45.00 pay all of the 50.00 and 25.00 of the 100.00."""
    too_much = Payment(id="b", on=DAY, amount=yuan("-40.00"), kind="payment")
    found = only(
        [
            life("c-1", "-10.00", 20, payments=(too_much,)),
            life("c-2", "-100.00"),
            life("c-2", "-50.00", 12, key=StatementKey("c-2", "2026-07", "host", 1)),
            life("c-3", "45.00", 11),
        ]
    )
    assert (str(found.receivable), str(found.payable), str(found.net)) == ("150.00", "75.00", "75.00")
    assert [(one.key.contract, one.key.month, str(one.amount)) for one in found.set_off()] == [
        ("c-1", "2026-08", "30.00"),
        ("c-3", "2026-08", "45.00"),
        ("c-2", "2026-07", "-50.00"),
        ("c-2", "2026-08", "-25.00"),
    ]
    assert [one.advance for one in found.statements] == [True, False, False, False]


def test_only_what_is_open_between_owner_and_party_counts() -> None:
    """Not: what is disputed, paid, not issued, the owner's own, another's contract."""
    dispute = Dispute("d", (1,), yuan("-30.00"), "why", "h", DAY, DAY)
    paid = Payment(id="b", on=DAY, amount=yuan("-20.00"), kind="payment")
    too_much = Payment(id="b", on=DAY, amount=yuan("11.00"), kind="payment")
    found = only(
        [
            life("c-1", "-100.00", disputes=(dispute,), payments=(paid,)),
            life("c-2", "10.00", payments=(too_much,)),
            life("c-3", "5.00", status="approved"),
            life("c-3", "7.00", key=key("c-3", "operator")),
            life("others", "9.00"),
        ]
    )
    assert (str(found.receivable), str(found.payable)) == ("51.00", "0.00"), "1.00 was paid too much to it"


def test_currencies_are_netted_apart() -> None:
    found = positions(
        "operator",
        [
            life("c-1", "-10.00"),
            life("c-2", Money(500, "USD")),
        ],
        OWNED,
    )
    assert [(one.currency, str(one.net), one.set_off()) for one in found] == [
        ("CNY", "10.00", ()),
        ("USD", "-5.00", ()),
    ]


amounts = st.lists(st.integers(-1000, 1000).filter(bool), min_size=1, max_size=8)


@settings(max_examples=100)
@given(amounts)
def test_each_side_is_reduced_by_the_same_and_none_below_zero(minors: list[int]) -> None:
    """Afterwards a party either owes or is owed (DOMAIN.md 2.3, step 6)."""
    lives = [life(f"c-{number}", Money(minor, "CNY"), 1 + number) for number, minor in enumerate(minors)]
    (found,) = positions("operator", lives, {one.key.contract for one in lives})
    parts = {part.key: part.amount.minor for part in found.set_off()}
    assert sum(parts.values()) == 0
    left = [one.open.minor - parts.get(one.key, 0) for one in found.statements]
    for one, after in zip(found.statements, left, strict=True):
        assert after * one.open.minor >= 0
        assert abs(after) <= abs(one.open.minor)
    assert not (any(after > 0 for after in left) and any(after < 0 for after in left))
    assert sum(left) == -found.net.minor


CONTRACT = eaas()
HISTORY = History[Any]().with_version(Period(CONTRACT.effective.start), CONTRACT)
BOOK = Book("A test", "operator", "CNY", "Asia/Shanghai", "one_person")


def netting(**changes: Any) -> Netting:
    fields: dict[str, Any] = {
        "id": "n-1",
        "party": "host",
        "on": DAY,
        "amount": yuan("70.00"),
        "parts": (NettedStatement(key("c-1"), yuan("-70.00")), NettedStatement(key("c-2"), yuan("70.00"))),
    }
    return Netting(**fields | changes)


def others(owes: str = "-100.00", owed: str = "70.00", owner: str = "operator") -> dict[str, object]:
    found = {life_.key.aggregate: life_ for life_ in (life("c-1", owes), life("c-2", owed))}
    book_of = msgspec.structs.replace(BOOK, owner=owner)
    return {**found, "contract.c-1": HISTORY, "contract.c-2": HISTORY, book.AGGREGATE: book_of}


def test_a_netting_pays_both_statements() -> None:
    command = RecordNetting(netting())
    (event,) = command.decide(Nettings((AGREED,)), others())
    assert event.apply(Nettings((AGREED,))).nettings == (netting(),)
    left = {}
    for one in command.payments:
        before = others()[one.aggregate]
        assert isinstance(before, Life)
        (paid,) = one.decide(before, {})
        after = paid.apply(before)
        left[one.part.key.contract] = (str(after.open_amount), after.standing(DAY))
        with pytest.raises(Refused) as refused:
            one.decide(after, {})
        assert refused.value.code in {"exists", "netting_part"}
    assert left == {"c-1": ("-30.00", "part_paid"), "c-2": ("0.00", "paid")}


@pytest.mark.parametrize(
    ("state", "given_others", "code"),
    [
        (None, others(), "netting_not_agreed"),
        (Nettings((msgspec.structs.replace(AGREED, effective_to=DAY),)), others(), "netting_not_agreed"),
        (Nettings((AGREED, LATER)), others(), "netting_not_agreed"),
        (Nettings((AGREED,), (netting(),)), others(), "exists"),
        (Nettings((AGREED,)), others(owes="-69.99"), "netting_part"),
        (Nettings((AGREED,)), others(owed="-70.00"), "netting_part"),
        (Nettings((AGREED,)), others(owner="stranger"), "owner_not_party"),
        (Nettings((AGREED,)), others() | {key("c-2").aggregate: None}, "unknown_statement"),
    ],
)
def test_what_may_not_be_netted(state: Nettings | None, given_others: dict[str, object], code: str) -> None:
    with pytest.raises(Refused) as refused:
        RecordNetting(netting()).decide(state, given_others)
    assert refused.value.code == code


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"amount": yuan("60.00")}, "netting_total"),
        ({"parts": (), "amount": yuan("0.00")}, "netting_total"),
        ({"parts": (NettedStatement(key("c-1"), yuan("70.00")),)}, "netting_total"),
        ({"parts": (NettedStatement(key("c-1", "other"), yuan("70.00")),)}, "netting_part"),
        ({"parts": (NettedStatement(key("c-1"), yuan("70.00")),) * 2}, "duplicate"),
    ],
)
def test_a_netting_whose_parts_do_not_fit_does_not_exist(changes: dict[str, Any], code: str) -> None:
    with pytest.raises(Refused) as refused:
        netting(**changes)
    assert refused.value.code == code


def test_a_party_agrees_and_the_owner_not_with_itself() -> None:
    known: dict[str, object] = {"party.host": HISTORY, "party.operator": HISTORY, book.AGGREGATE: BOOK}
    (event,) = AgreeNetting("host", AGREED).decide(None, known)
    assert event.apply(None) == Nettings((AGREED,))
    with pytest.raises(Refused) as refused:
        AgreeNetting("operator", AGREED).decide(None, known)
    assert refused.value.code == "netting_part"
    with pytest.raises(Refused) as refused:
        AgreeNetting("host", AGREED).decide(None, {"party.host": None, book.AGGREGATE: BOOK})
    assert refused.value.code == "unknown_party"


def test_an_open_statement_keeps_its_key() -> None:
    found = only([life("c-1", "-100.00")])
    assert found.statements == (OpenStatement(key("c-1"), date(2026, 9, 15), yuan("-100.00")),)
    assert (
        PayByNetting(NettedStatement(key("c-1"), yuan("-1.00")), "n", DAY).aggregate == key("c-1").aggregate
    )
