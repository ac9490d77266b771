"""When a bid may come in: days before, working days, clock changes, and clocks that are wrong."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.refusal import Refused
from tests.trading.market_samples import DAY, PRODUCT, berlin, example, market, product
from trading import market_file
from trading.gate import Gate, first_of, gate_of
from trading.moment import DayMoment, IntervalMoment, Moment

ROOT = Path(__file__).parents[2]
WORKING_EVE = product(
    gate_opens=DayMoment(days_before=3, at="09:00", working_days=True),
    gate_closes=DayMoment(days_before=1, at="12:00", working_days=True),
    published=DayMoment(days_before=1, at="17:00", working_days=True),
)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def closes(moment: Moment, day: date, *, zone: str = "Asia/Shanghai", first: int = 0) -> datetime:
    one = product(gate_closes=moment, gate_opens=DayMoment(days_before=30, at="00:00"), published=moment)
    held = market(one) if zone == "Asia/Shanghai" else berlin(one)
    return gate_of(held, one, day, first).closes


def test_the_day_before_in_shanghai() -> None:
    """08:00 to 11:00 on 31 August in China is 00:00 to 03:00 UTC."""
    found = gate_of(market(), PRODUCT, DAY)
    assert found == Gate(utc("2026-08-31T00:00"), utc("2026-08-31T03:00"), 2)


@pytest.mark.parametrize(
    ("day", "opens", "closing"),
    [
        # 15 to 23 February 2026 are holidays; Saturday 14 and Saturday 28 February are worked.
        (date(2026, 2, 14), "2026-02-11T01:00", "2026-02-13T04:00"),
        (date(2026, 2, 20), "2026-02-12T01:00", "2026-02-14T04:00"),
        (date(2026, 2, 24), "2026-02-12T01:00", "2026-02-14T04:00"),
        (date(2026, 2, 25), "2026-02-13T01:00", "2026-02-24T04:00"),
        (date(2026, 3, 2), "2026-02-26T01:00", "2026-02-28T04:00"),
        # Sunday 20 September is worked for the National Day.
        (date(2026, 9, 21), "2026-09-17T01:00", "2026-09-20T04:00"),
    ],
)
def test_working_days_around_the_spring_festival_and_exchanged_days(
    day: date, opens: str, closing: str
) -> None:
    found = gate_of(market(WORKING_EVE), WORKING_EVE, day)
    assert (found.opens, found.closes) == (utc(opens), utc(closing))


def test_working_days_after_the_delivery_day() -> None:
    """Results on the second working day after 13 February: the worked Saturday, then the 24th."""
    told = DayMoment(days_before=-2, at="10:00", working_days=True)
    one = product(published=told)
    assert market(one).moment(told, one, date(2026, 2, 13)) == utc("2026-02-24T02:00")


def test_a_year_without_its_notice_is_not_guessed() -> None:
    with pytest.raises(Refused) as caught:
        gate_of(market(WORKING_EVE), WORKING_EVE, date(2035, 3, 1))
    assert caught.value.code == "calendar_year"


def test_midnight_at_the_end_of_a_day_is_the_next_days_start() -> None:
    """DOMAIN.md 3.0: 24:00 of D is 00:00 of D+1."""
    at_24 = closes(DayMoment(days_before=1, at="24:00"), DAY)
    assert at_24 == closes(DayMoment(days_before=0, at="00:00"), DAY) == utc("2026-08-31T16:00")


@pytest.mark.parametrize(
    ("day", "at_noon_before", "quarters", "hours"),
    [
        (date(2026, 3, 28), "2026-03-27T11:00", 96, 24),
        (date(2026, 3, 29), "2026-03-28T11:00", 92, 23),
        (date(2026, 3, 30), "2026-03-29T10:00", 96, 24),
        (date(2026, 10, 25), "2026-10-24T10:00", 100, 25),
        (date(2026, 10, 26), "2026-10-25T11:00", 96, 24),
    ],
)
def test_days_of_the_clock_change_in_berlin(
    day: date, at_noon_before: str, quarters: int, hours: int
) -> None:
    noon = DayMoment(days_before=1, at="12:00")
    assert closes(noon, day, zone="Europe/Berlin") == utc(at_noon_before)
    hourly = product(interval_s=3600)
    five = product(interval_s=300)
    held = berlin(hourly)
    assert held.intervals(PRODUCT, day) == quarters
    assert held.intervals(hourly, day) == hours
    assert held.intervals(five, day) == 12 * hours


def test_intervals_are_counted_in_elapsed_time_across_the_clock_change() -> None:
    """On 25 October the 13th quarter-hour begins 3 hours after midnight: at 02:00 of the second pass."""
    moment = IntervalMoment(minutes_before=60)
    assert closes(moment, date(2026, 10, 25), zone="Europe/Berlin", first=12) == utc("2026-10-25T00:00")
    assert closes(moment, date(2026, 3, 29), zone="Europe/Berlin", first=12) == utc("2026-03-29T01:00")


@pytest.mark.parametrize(
    ("day", "code"), [(date(2026, 3, 29), "skipped_time"), (date(2026, 10, 25), "ambiguous_time")]
)
def test_a_gate_at_a_clock_time_that_the_day_has_not_once_is_refused(day: date, code: str) -> None:
    with pytest.raises(Refused) as caught:
        closes(DayMoment(days_before=0, at="02:30"), day, zone="Europe/Berlin")
    assert caught.value.code == code


def test_a_gate_that_follows_the_interval_moves_with_it() -> None:
    one = product(gate_closes=IntervalMoment(minutes_before=240), published=IntervalMoment(minutes_before=0))
    gates = [gate_of(market(one), one, DAY, first).closes for first in range(96)]
    assert gates[0] == utc("2026-08-31T12:00")
    assert all(later - sooner == timedelta(minutes=15) for sooner, later in pairwise(gates))


def test_a_gate_that_would_close_before_it_opens_is_refused() -> None:
    """Zhejiang's intraday response opens at midnight and closes four hours ahead [M]."""
    zhejiang = example("zhejiang_demand_response")
    intraday = zhejiang.product("cut_intraday")
    with pytest.raises(Refused) as caught:
        gate_of(zhejiang, intraday, DAY, 16)
    assert (caught.value.code, caught.value.place) == ("gate", "day")
    assert gate_of(zhejiang, intraday, DAY, 17).closes == utc("2026-08-31T16:15")


@pytest.mark.parametrize("day", [date.min, date(1999, 12, 31), date(2200, 1, 1), date.max])
def test_days_that_no_calendar_holds_are_refused(day: date) -> None:
    far = product(
        gate_opens=DayMoment(days_before=-400, at="24:00"), gate_closes=IntervalMoment(minutes_before=0)
    )
    for asked in (
        lambda: gate_of(market(far), far, day),
        lambda: market().intervals(PRODUCT, day),
        lambda: market().start_of(day),
        lambda: market().delivers(PRODUCT, day),
    ):
        with pytest.raises(Refused) as caught:
            asked()
        assert (caught.value.code, caught.value.place) == ("delivery_day", "day")


def test_the_first_and_last_kept_day_have_gates() -> None:
    far = product(
        gate_opens=DayMoment(days_before=400, at="00:00"), published=DayMoment(days_before=-400, at="24:00")
    )
    for day in (date(2000, 1, 1), date(2199, 12, 31)):
        held = market(far)
        assert gate_of(held, far, day).opens < held.start_of(day) < held.moment(far.published, far, day)


MARGIN = timedelta(seconds=2)
OPEN = Gate(utc("2026-08-31T00:00"), utc("2026-08-31T03:00"), 2)


@pytest.mark.parametrize(
    ("now", "code"),
    [
        (OPEN.opens, "gate_not_open"),
        (OPEN.opens + MARGIN - timedelta(microseconds=1), "gate_not_open"),
        (OPEN.opens + MARGIN, None),
        (OPEN.closes - MARGIN - timedelta(microseconds=1), None),
        (OPEN.closes - MARGIN, "gate_closed"),
        (OPEN.closes, "gate_closed"),
    ],
)
def test_the_margin_is_kept_to_the_microsecond(now: datetime, code: str | None) -> None:
    assert OPEN.closed(now) == (code == "gate_closed")
    if code is None:
        OPEN.check(now)
        return
    with pytest.raises(Refused) as caught:
        OPEN.check(now)
    assert (caught.value.code, caught.value.place) == (code, "day")


@settings(derandomize=True, max_examples=300)
@given(
    margin_s=st.integers(0, 3600),
    micros=st.integers(-12 * 3600 * 10**6, 12 * 3600 * 10**6),
    wrong=st.fractions(-1, 1),
)
def test_no_bid_is_late_or_early_by_the_true_clock(margin_s: int, micros: int, wrong: float) -> None:
    """Whatever our clock is wrong by, within the margin: what we find in time, is in time."""
    gate = Gate(OPEN.opens, OPEN.closes, margin_s)
    ours = OPEN.opens + timedelta(microseconds=micros)
    true = ours + timedelta(microseconds=int(wrong * margin_s * 10**6))
    try:
        gate.check(ours)
    except Refused as refused:
        span = timedelta(seconds=margin_s)
        at_the_edge = (
            ours - span < gate.opens if refused.code == "gate_not_open" else ours + span >= gate.closes
        )
        assert at_the_edge, "nothing is refused that no clock within the margin makes late or early"
    else:
        assert gate.opens <= true < gate.closes


@pytest.mark.parametrize("name", ["jiangsu_demand_response", "zhejiang_demand_response"])
def test_each_shipped_product_tells_its_first_interval_with_a_gate(name: str) -> None:
    known = market_file.parse((ROOT / f"examples/markets/{name}.toml").read_bytes())
    firsts = {one.id: first_of(known, one, date(2026, 9, 3)) for one in known.products}
    assert 0 in firsts.values()
    later = {one: first for one, first in firsts.items() if first}
    assert later, "one product's gate at midnight would close before it opens"
    for one, first in later.items():
        product = known.product(one)
        gate_of(known, product, date(2026, 9, 3), first)
        with pytest.raises(Refused):
            gate_of(known, product, date(2026, 9, 3), first - 1)
        assert first_of(known, product, date(2026, 9, 3), first + 1) == first + 1
