"""What a second payer adds to an event, and what a programme over its annual cap takes back."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from fractions import Fraction

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger import market_rule_file
from ledger.interval import Interval
from ledger.quantity import Money, round_half_away
from ledger.refusal import Refused
from ledger.streams.demand_response import (
    DemandResponseAnnualCut,
    DemandResponseRule,
    DemandResponseTopUpInvitation,
    DemandResponseTopUpRule,
    Event,
    annual_cut,
    check_top_ups,
    settle_top_up,
)
from tests.ledger.streams.test_demand_response import (
    RULES,
    WINDOW,
    cut,
    instruction,
    invitation,
    meter,
    rule,
    settle,
)

YEAR = Interval(datetime(2025, 12, 31, 16, tzinfo=UTC), datetime(2026, 12, 31, 16, tzinfo=UTC))
PROVINCIAL = "zhejiang_2020_day_ahead_peak"


def quzhou() -> DemandResponseTopUpRule:
    found = market_rule_file.parse((RULES / "dr_quzhou_2022_top_up.toml").read_bytes())
    assert isinstance(found, DemandResponseTopUpRule)
    return found


def yuan(text: str) -> Money:
    return Money.parse(text, "CNY")


def over(programme: str | None = "6000000", **changes: object) -> DemandResponseAnnualCut:
    fields = {
        "id": "C1",
        "rule": quzhou().id,
        "run": "2026 year-end",
        "interval": YEAR,
        "programme": programme,
    }
    return DemandResponseAnnualCut(**(fields | changes))  # type: ignore[arg-type]


def top_up(**changes: object) -> DemandResponseTopUpInvitation:
    fields = {
        "id": "T1",
        "site": "S1",
        "rule": quzhou().id,
        "run": "city",
        "interval": WINDOW,
        "invitation": "E1",
    }
    return DemandResponseTopUpInvitation(**(fields | changes))  # type: ignore[arg-type]


def refused(code: str, act: Callable[[], object]) -> Refused:
    with pytest.raises(Refused) as caught:
        act()
    assert caught.value.code == code
    return caught.value


def test_the_rule_file_is_read_and_encoded() -> None:
    text = (RULES / "dr_quzhou_2022_top_up.toml").read_text(encoding="utf-8")
    assert text.startswith("# Source: ")
    found = quzhou()
    assert (found.id, found.to, found.annual_cap) == ("dr_quzhou_2022_top_up", "4", "5000000")
    assert {f"dr_{PROVINCIAL}", "dr_zhejiang_2020_real_time"} == set(found.tops_up)
    assert msgspec.json.decode(msgspec.json.encode(found), type=DemandResponseTopUpRule) == found


@pytest.mark.parametrize(
    ("clearing", "kwh", "paid", "more"),
    [
        ("2.6", 800, "2080.00", "1120.00"),
        ("2.6", 1200, "2496.00", "1344.00"),
        ("2.6", 600, "0.00", "0.00"),
        ("4", 800, "3200.00", "0.00"),
    ],
)
def test_quzhou_2022_tops_up_to_four(clearing: str, kwh: int, paid: str, more: str) -> None:
    """The kWh that the province pays, at 4 less its price: 800 x 1.4; capped at 960; none below 80 %."""
    by = rule(PROVINCIAL)
    award = invitation(by, clearing_price=clearing)
    result = settle(by, meter(cut(kwh)), Event(award, None))
    assert str(result.payment.amount) == paid
    earned = settle_top_up(quzhou(), top_up(), by, award, result)
    assert str(earned.amount) == more
    assert sum(Fraction(term.exact) for term in earned.basis) == earned.exact
    assert "dr_zhejiang_2020_day_ahead_peak paid" in earned.note


def test_an_event_that_was_not_called_is_topped_up_with_nothing() -> None:
    by = rule("zhejiang_2020_real_time")
    award = invitation(by, clearing_price=None)
    earned = settle_top_up(quzhou(), top_up(), by, award, settle(by, meter(cut(800)), Event(award, None)))
    assert (earned.amount.minor, earned.basis) == (0, ())
    assert "was not called" in earned.note
    called = Event(award, instruction(award))
    paid = settle_top_up(quzhou(), top_up(), by, award, settle(by, meter(cut(800)), called))
    assert str(paid.amount) == "0.00", "4 yuan fixed is 4 already"


def test_a_top_up_needs_its_award_and_is_paid_once() -> None:
    by = rule(PROVINCIAL)
    awards = {"E1": invitation(by)}
    check_top_ups([top_up()], awards)
    check_top_ups([top_up(), top_up(id="T2", rule="another")], awards)
    later = Interval(WINDOW.start, WINDOW.end + timedelta(minutes=15))
    for fact in (top_up(invitation="E2"), top_up(interval=later)):
        assert refused("top_up_without_award", lambda fact=fact: check_top_ups([fact], awards)).place == "T1"  # type: ignore[misc]
    assert (
        refused("top_up_duplicate", lambda: check_top_ups([top_up(), top_up(id="T2")], awards)).place == "T2"
    )


def test_a_top_up_of_a_rule_that_it_does_not_name_is_refused() -> None:
    by = rule("generic_80_120")
    award = invitation(by)
    result = settle(by, meter(cut(800)))
    assert refused("top_up_rule", lambda: settle_top_up(quzhou(), top_up(), by, award, result)).place == "T1"
    by_kw: DemandResponseRule = rule("jiangsu_2018_real_time")
    named = msgspec.structs.replace(quzhou(), tops_up=(by_kw.id,))
    refused("top_up_rule", lambda: settle_top_up(named, top_up(), by_kw, invitation(by_kw), result))
    dollars = msgspec.structs.replace(quzhou(), tops_up=(by.id,), currency="USD")
    refused("currency", lambda: settle_top_up(dollars, top_up(), by, award, result))
    refused("tops_up", lambda: msgspec.structs.replace(quzhou(), tops_up=()).__post_init__())
    refused("tops_up", lambda: msgspec.structs.replace(quzhou(), tops_up=("a", "a")).__post_init__())


def test_a_programme_over_its_cap_cuts_every_payment_in_proportion() -> None:
    """6 million under a cap of 5: a sixth of 500 000.01 is 83 333.335, taken back as 83 333.34."""
    found = annual_cut(quzhou(), [over()], WINDOW.start, "event E1", yuan("500000.01"))
    assert found is not None
    assert (str(found.amount), found.exact) == ("-83333.34", -Fraction("500000.01") / 6)
    (term,) = found.basis
    assert (term.label, term.quantity, term.price) == ("cut of event E1", "1/6", "-500000.01")
    assert Fraction(term.exact) == found.exact
    assert (
        found.note
        == "annual cap of dr_quzhou_2022_top_up, run 2026 year-end: programme 6000000, cap 5000000 CNY"
    )
    told = over(None, kept="80%")
    by_factor = annual_cut(quzhou(), [told], WINDOW.start, "event E1", yuan("100.03"))
    assert by_factor is not None
    assert str(by_factor.amount) == "-20.01", "20.006"


def test_no_cut_at_the_cap_or_of_nothing_or_in_another_year() -> None:
    at = WINDOW.start
    assert annual_cut(quzhou(), [over("5000000")], at, "E1", yuan("5")) is None
    assert annual_cut(quzhou(), [over("0")], at, "E1", yuan("5")) is None
    assert annual_cut(quzhou(), [over()], at, "E1", yuan("0")) is None
    assert annual_cut(quzhou(), [over()], at, "E1", yuan("-5")) is None, "a penalty is not cut"
    assert annual_cut(quzhou(), [over()], YEAR.end, "E1", yuan("5")) is None, "the next year's first instant"
    assert annual_cut(quzhou(), [over()], YEAR.end - timedelta(minutes=15), "E1", yuan("5")) is not None


def test_cuts_that_cannot_be_are_refused() -> None:
    refused("annual_cut", lambda: over(None))
    refused("annual_cut", lambda: over(kept="1/2"))
    refused("amount", lambda: over("-1"))
    refused("empty", lambda: over(run=" "))
    half = Interval(YEAR.start, YEAR.start + timedelta(days=180))
    assert refused("year", lambda: over(interval=half)).place == "interval"
    twice = [over(), over(id="C2")]
    found = refused("annual_cut_duplicate", lambda: annual_cut(quzhou(), twice, WINDOW.start, "E", yuan("1")))
    assert found.place == "C2"
    uncapped = rule("generic_80_120")
    refused("annual_cap", lambda: annual_cut(uncapped, [over()], WINDOW.start, "E", yuan("1")))


@settings(max_examples=200)
@given(paid=st.integers(0, 10**12), programme=st.integers(0, 10**13))
def test_what_is_kept_is_the_share_of_the_cap(paid: int, programme: int) -> None:
    """Over-cap means a pro-rata cut of all payments: at most what was paid, within half a fen of it."""
    told = over(f"{programme // 100}.{programme % 100:02d}")
    found = annual_cut(quzhou(), [told], WINDOW.start, "E", Money(paid, "CNY"))
    share = Fraction(500_000_000, programme) if programme > 500_000_000 else Fraction(1)
    lost = 0 if found is None else -found.amount.minor
    assert lost == round_half_away(paid * (1 - share))
    assert 0 <= lost <= paid
