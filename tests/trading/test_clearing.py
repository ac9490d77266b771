"""A market's results: each run once, in order, under a name that no other product has."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import msgspec
import pytest

from ledger.effective import Period, extended
from ledger.refusal import Refused
from tests.adapters.desk.desk_book import CLOSES, DAY, DAY_AHEAD, MARKET, market
from trading.clearing import Award, Clearing, ClearingState, RecordClearing, clearing_id

AT = datetime(2026, 9, 2, 10, tzinfo=UTC)
FACTS: dict[str, object] = {
    f"market.{MARKET}": extended(None, Period(datetime(2026, 1, 1, tzinfo=UTC)), market())
}


def clearing(**changes: Any) -> Clearing:
    terms: dict[str, Any] = {
        "market": MARKET,
        "product": "day_ahead",
        "day": DAY,
        "run": "1",
        "published": AT,
        "price_u": (1,) * 96,
        "awards": (),
        "source": "file",
        "source_sha256": "0" * 64,
    }
    return Clearing(**(terms | changes))


def recorded(one: Clearing, state: ClearingState | None = None) -> ClearingState:
    (event,) = RecordClearing(one).decide_at(AT, state, FACTS)
    return event.apply(state)


def code_of(one: Clearing, state: ClearingState | None = None) -> str:
    with pytest.raises(Refused) as refused:
        recorded(one, state)
    return refused.value.code


def by_hand(one: Clearing, now: datetime = AT) -> str:
    """The code and place of what is refused; empty where it is recorded."""
    try:
        RecordClearing(one, by_hand=True).decide_at(now, None, FACTS)
    except Refused as refused:
        return f"{refused.code} {refused.place}"
    return ""


def test_a_run_by_hand_was_not_published_later_than_now_and_the_margin() -> None:
    assert by_hand(clearing(published=AT + timedelta(seconds=2))) == ""
    assert by_hand(clearing(published=AT + timedelta(seconds=3))) == "clearing_future published"


def test_a_run_by_hand_waits_for_the_gate() -> None:
    early = clearing(published=CLOSES)
    assert by_hand(early, CLOSES - timedelta(seconds=1)) == "clearing_gate day"
    assert by_hand(early, CLOSES) == ""


def test_a_run_by_hand_was_published_after_the_gate_and_names_what_was_read() -> None:
    assert by_hand(clearing(published=CLOSES - timedelta(seconds=1))) == "clearing_gate published"
    assert by_hand(clearing(published=CLOSES)) == ""
    for digest in ("a" * 63, "A" * 64, "g" * 64, "0" * 65):
        assert by_hand(clearing(source_sha256=digest)) == "digest source_sha256"


def test_energy_by_whichever_way_is_priced_within_the_floor_and_the_cap() -> None:
    assert code_of(clearing(price_u=(1_500_001,) * 96)) == "price_limit"
    assert recorded(clearing(price_u=(1_500_000,) * 96))


def test_energy_by_hand_is_priced_within_the_floor_and_the_cap() -> None:
    """-100 to 1500 a MWh are -100,000 to 1,500,000 millionths a kWh."""
    edges = [-100_000, 1_500_000] * 48
    assert by_hand(clearing(price_u=tuple(edges))) == ""
    assert by_hand(clearing(price_u=(*edges[:95], 1_500_001))) == "price_limit price_u[95]"
    assert by_hand(clearing(price_u=(-100_001, *edges[1:]))) == "price_limit price_u[0]"
    wider = msgspec.structs.replace(DAY_AHEAD, cleared_floor="-120")
    facts = {f"market.{MARKET}": extended(None, Period(datetime(2026, 1, 1, tzinfo=UTC)), market(wider))}
    run = RecordClearing(clearing(price_u=(-120_000,) * 96), by_hand=True)
    assert run.decide_at(AT, None, facts), "a market may clear at what cannot be bid"
    assert by_hand(clearing(product="response", price_u=(9_000_000,) * 96)) == ""


def test_a_later_run_takes_the_place_of_the_one_before_and_both_stay_known() -> None:
    state = recorded(clearing(run="2", published=AT + timedelta(hours=1)), recorded(clearing()))
    assert (state.latest.run, sorted(state.runs)) == ("2", ["1", "2"])


def test_a_run_is_told_once() -> None:
    state = recorded(clearing())
    assert code_of(clearing(), state) == "clearing_run"
    assert code_of(clearing(price_u=(2,) * 96), state) == "clearing_run"
    assert (
        code_of(clearing(source="another file", published=AT + timedelta(hours=1)), state) == "clearing_run"
    )


def test_an_older_run_does_not_come_after_a_newer_one() -> None:
    state = recorded(clearing(run="2"))
    assert code_of(clearing(run="1", published=AT - timedelta(seconds=1)), state) == "clearing_run"


@pytest.mark.parametrize("count", [0, 95, 97, 100])
def test_a_day_has_its_intervals(count: int) -> None:
    assert code_of(clearing(price_u=(1,) * count)) == "clearing_intervals"
    award = Award(bid="b1", power_w=(0,) * count)
    assert code_of(clearing(awards=(award,))) == "clearing_intervals"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"run": " "}, "empty"),
        ({"published": AT.replace(tzinfo=None)}, "naive_time"),
        ({"awards": (Award(bid="b", power_w=()),) * 2}, "award_duplicate"),
        ({"awards": tuple(Award(bid=f"b{n}", power_w=()) for n in range(301))}, "award"),
        ({"market": "a.b"}, "id"),
    ],
)
def test_what_cannot_be_a_clearing(changes: dict[str, Any], code: str) -> None:
    with pytest.raises(Refused) as refused:
        clearing(**changes)
    assert refused.value.code == code


@pytest.mark.parametrize("power", [2**40 + 1, -(2**40) - 1, 10**30])
def test_an_award_is_of_this_world(power: int) -> None:
    with pytest.raises(Refused) as refused:
        Award(bid="b", power_w=(0, power))
    assert (refused.value.code, refused.value.place) == ("award", "power_w[1]")


def test_the_names_of_examples() -> None:
    day = date(2026, 9, 3)
    assert clearing_id("shandong", "day_ahead", day) == "shandong_day_ahead_2026-09-03"
    assert clearing_id("shandong_day", "ahead", day) == "shandong__day_ahead_2026-09-03"
    assert clearing_id("m" * 64, "p" * 64, day).endswith("_2026-09-03")
