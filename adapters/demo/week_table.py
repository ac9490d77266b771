"""The trading week as a table: a line a day, and what was lost against the best."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from adapters.demo.trading_book import TradingBook
from adapters.demo.week_money import Week, of_each, yuan
from ledger.quantity import decimal_text, round_half_away


def show(book: TradingBook, week: Week) -> None:
    """The week day by day: MWh sold and bought, and CNY."""
    book.console.print(
        "              offered MWh    awarded MWh    day-ahead  deviation     losses    settled       best"
        "  captured"
    )
    for one in week.days:
        run = "" if one.run == "1" else f"  run {one.run}"
        money = (one.day_ahead, one.deviation, one.charge, one.settled, Fraction(one.net.foresight or 0))
        energy = f"{_energy(one.planned_wh)} {_energy(one.awarded_wh)}"
        book.console.print(f"  {one.day}  {energy} {_money(*money)}{run}")
    parts = ((one.day_ahead, one.deviation, one.charge) for one in week.days)
    sums = (sum(column, Fraction(0)) for column in zip(*parts, strict=True))
    settled, best = Fraction(week.net.realised), Fraction(week.net.foresight)
    book.console.print(f"  {'the week':<12}{'':<30} {_money(*sums, settled, best)}")
    by_price, by_volume, by_deviation = (
        yuan(Fraction(lost))
        for lost in (week.net.lost_by_price, week.net.lost_by_volume, week.net.lost_by_deviation)
    )
    book.console.print(
        "  losses     transmission price and funds on what was not sent back, which the plan counts on\n"
        "  best       the optimiser's schedule had the day-ahead prices been known; doing nothing 0.00;\n"
        f"             {yuan(Fraction(week.profit.foresight))} before losses for whoever knew the real-time"
        " prices too\n"
        f"  lost to it {by_price} by prices that nobody knew, {by_volume} by other awards, {by_deviation} by"
        " deviation"
    )


def _energy(wh: Sequence[Fraction]) -> str:
    sold, bought = of_each(wh)
    return f"{_mwh(sold):>6} {_mwh(-bought):>7}"


def _money(*amounts: Fraction) -> str:
    *_, settled, best = amounts
    return " ".join(f"{yuan(one):>10}" for one in amounts) + f" {_percent(settled, best):>9}"


def _mwh(wh: Fraction) -> str:
    return decimal_text(round_half_away(wh / 1000), 3)


def _percent(part: Fraction, whole: Fraction) -> str:
    return f"{decimal_text(round_half_away(part * 1000 / whole), 1)} %" if whole > 0 else "-"
