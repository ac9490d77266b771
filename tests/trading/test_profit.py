"""Profit and loss of delivery days, by hand."""

from __future__ import annotations

from datetime import date
from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from trading.profit import DayProfit, Dealt, day_profit, summed, two_settlement

DAY = date(2026, 9, 3)


def fractions(*texts: str) -> list[Fraction]:
    return [Fraction(text) for text in texts]


def test_a_worked_day() -> None:
    """Two hours at 0.30 and 0.50 day-ahead, 0.20 and 0.60 in real time.

    Planned: buy 1000 kWh, sell 900: -300 + 450 = 150. Awarded half: -150 + 225 = 75. Metered: 500 bought, 400
    sold: 75 + (400 - 450) x 0.60 = 45. The best: buys nothing day-ahead and 1000 in real time at 0.20, sells
    nothing day-ahead and 900 at 0.60: 340. Lost 190 by price, 75 by volume, 30 by deviation: 295 = 340 - 45.
    """
    found = day_profit(
        Dealt(
            day=DAY,
            day_ahead_price=fractions("0.3", "0.5"),
            priced_by="clearing",
            schedule_wh=fractions("-1000000", "900000"),
            awarded_wh=fractions("-500000", "450000"),
            metered_wh=fractions("-500000", "400000"),
            real_time_price=fractions("0.2", "0.6"),
            best=(fractions("0", "0"), fractions("-1000000", "900000")),
        )
    )
    assert found == DayProfit(
        day=DAY,
        basis="metered",
        earned="45",
        schedule="150",
        foresight="340",
        idle="0",
        lost_by_price="190",
        lost_by_volume="75",
        lost_by_deviation="30",
    )


def test_what_is_not_delivered_is_open() -> None:
    price = fractions("0.3", "0.5")
    cleared = Dealt(day=DAY, day_ahead_price=price, priced_by="clearing", awarded_wh=fractions("0", "2000"))
    planned = Dealt(
        day=date(2026, 9, 4),
        day_ahead_price=price,
        priced_by="last_price",
        schedule_wh=fractions("-1000", "0"),
    )
    one, other = day_profit(cleared), day_profit(planned)
    assert (one.basis, one.earned, one.lost_by_volume) == ("cleared", "1", None)
    assert (other.basis, other.earned) == ("last_price", "-0.3")
    whole = summed("vpp", "CNY", (other, one))
    assert [day.day for day in whole.days] == [DAY, date(2026, 9, 4)]
    assert (whole.realised, whole.open, whole.days_explained) == ("0", "0.7", 0)


def test_what_the_ledger_settled_is_what_was_earned() -> None:
    """A recovery of 5 beside the two settlements is lost by deviation too."""
    base = Dealt(
        day=DAY,
        day_ahead_price=fractions("0.5"),
        priced_by="clearing",
        schedule_wh=fractions("100000"),
        awarded_wh=fractions("100000"),
        metered_wh=fractions("100000"),
        real_time_price=fractions("0.5"),
        best=(fractions("100000"), fractions("100000")),
        settled=Fraction(45),
    )
    found = day_profit(base)
    assert (found.basis, found.earned, found.lost_by_deviation) == ("settled", "45", "5")


NUMBER = st.fractions(-(10**6), 10**6, max_denominator=1000)


@settings(derandomize=True, max_examples=100, deadline=None)
@given(st.lists(st.tuples(*[NUMBER] * 4), min_size=1, max_size=8))
def test_the_two_settlements_are_one(rows: list[tuple[Fraction, ...]]) -> None:
    """DOMAIN.md 3.5: R = Q_rt P_rt + Q_da (P_da - P_rt)."""
    ahead, actual, price, after = ([row[at] for row in rows] for at in range(4))
    other = sum(q * p + d * (a - p) for d, q, a, p in rows)
    assert two_settlement(ahead, actual, price, after) * 1000 == other


@settings(derandomize=True, max_examples=100, deadline=None)
@given(st.lists(st.lists(st.tuples(*[NUMBER] * 7), min_size=2, max_size=2), min_size=1, max_size=3))
def test_the_parts_of_a_loss_add_up(days: list[list[tuple[Fraction, ...]]]) -> None:
    """foresight - realised = price + volume + deviation, per day and in sum, to the last digit."""
    found = []
    for number, rows in enumerate(days):
        columns = [[row[at] for row in rows] for at in range(7)]
        found.append(
            day_profit(
                Dealt(
                    day=date(2026, 9, 1 + number),
                    day_ahead_price=columns[0],
                    priced_by="clearing",
                    real_time_price=columns[1],
                    schedule_wh=columns[2],
                    awarded_wh=columns[3],
                    metered_wh=columns[4],
                    best=(columns[5], columns[6]),
                )
            )
        )
    whole = summed("vpp", "CNY", found)
    for one in (*found, whole):
        earned = one.realised if not isinstance(one, DayProfit) else one.earned
        parts = (one.lost_by_price, one.lost_by_volume, one.lost_by_deviation)
        assert sum(Fraction(part or "") for part in parts) == Fraction(one.foresight or "") - Fraction(earned)
    assert whole.days_explained == len(days)
