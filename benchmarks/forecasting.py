"""What day-ahead price forecasts are worth: `python -m benchmarks.forecasting`, about four minutes.

Rolling, day after day, on public prices that nothing was tuned on: a storage of 1 MW and 2 MWh (95.5 % each
way, empty at midnight) is scheduled by the forecast and settled at the price that came, as a part of what
knowing all prices earns. Fits are renewed and weights chosen again every 28 days from the 84 before.
"""

from __future__ import annotations

import csv
import sys
import time
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from benchmarks.figure import Figure
from dispatch.forecasts.blend import values_of
from dispatch.forecasts.day_table import DayTable, Values
from dispatch.forecasts.members.listed import MEMBERS
from dispatch.forecasts.members.member import Member
from dispatch.forecasts.past import Past
from dispatch.forecasts.rolling_origin import REFIT_DAYS, Rolled, rolled
from dispatch.forecasts.trained import JUDGED_DAYS, trained, weighed
from dispatch.forecasts.worth import Arbitrage
from ledger.calendars import calendar

DATA: Final = Path(__file__).parents[2] / "shared/data/prices/value_study"
_HOUR: Final = Arbitrage(1.0)
_OVER_RULE: Final = 6.0


class Market(NamedTuple):
    """Prices and day-ahead inputs; members are judged from `warm_up` on, figures are of [first, last].

    The time-of-use rule learns its periods from the days before `first`.
    """

    name: str
    past: Past
    warm_up: date
    first: date
    last: date
    wanted: float
    published: dict[str, Values]


def new_york() -> Market:
    """Prices of 2020 and 2021 with the operator's load forecast; 2019 is there to learn from."""
    rows = _rows("nyc_da_rt_2019_on.csv")
    start = np.array([_second(row["utc_start"]) for row in rows], dtype=np.int64)
    price = np.array([float(row["da_usd_mwh"]) for row in rows])
    load = np.array([float(row["load_forecast_mw"] or "nan") for row in rows])
    known = ~np.isnan(load)
    zone = "America/New_York"
    inputs = {"load": DayTable.of(start[known], load[known], 3600, zone)}
    past = Past(days=DayTable.of(start, price, 3600, zone), calendar=calendar("none", zone), inputs=inputs)
    return Market("NYC 2020-21", past, date(2019, 7, 1), date(2020, 1, 1), date(2021, 12, 31), 93.0, {})


def new_york_real_time() -> DayTable:
    """What the real-time market paid, hour by hour of the same days."""
    rows = _rows("nyc_da_rt_2019_on.csv")
    start = np.array([_second(row["utc_start"]) for row in rows], dtype=np.int64)
    price = np.array([float(row["rt_usd_mwh"]) for row in rows])
    return DayTable.of(start, price, 3600, "America/New_York")


def germany() -> Market:
    """Prices of 2017, without any input; 2016 is there to learn from."""
    rows = _rows("de_da_2016_2017_with_published_forecasts.csv")

    def column(name: str) -> Values:
        return np.array([float(row[name]) for row in rows]).reshape(-1, 24)

    begin, first, last = date(2016, 1, 4), date(2017, 1, 1), date(2017, 12, 31)
    days = slice((first - begin).days, (last - begin).days + 1)
    published = {f"published {name}": column(f"{name}_ensemble")[days] for name in ("dnn", "lear")}
    past = Past(
        days=DayTable(first=begin, values=column("da_eur_mwh")), calendar=calendar("none", "Europe/Berlin")
    )
    return Market("DE 2017", past, date(2016, 7, 1), first, last, 79.0, published)


def measure(*, quick: bool) -> list[Figure]:
    """Both markets; quick: a fortnight of Germany by its two fastest members, to see that it runs."""
    if quick:
        market = germany()
        few = market._replace(
            name="DE, a fortnight", warm_up=market.first - timedelta(days=28),
            last=market.first + timedelta(days=13), published={},
        )  # fmt: skip
        return of_market(few, MEMBERS[:2])
    return [figure for market in (new_york(), germany()) for figure in of_market(market, MEMBERS)]


def of_market(market: Market, members: tuple[Member, ...]) -> list[Figure]:
    """The blend, its members, the time-of-use rule and published forecasts, in % of perfect foresight."""
    began = time.process_time()
    seen = rolled(market.past, members, 1, market.warm_up, market.last)
    values = values_of(seen, _HOUR)
    took = time.process_time() - began
    begin = (market.first - market.warm_up).days
    scored = seen.part(begin, seen.days)
    best = float(_HOUR.of(np.nan_to_num(scored.actual), scored.actual).sum())

    def part(expected: Values) -> float:
        return 100 * float(_HOUR.of(expected, scored.actual).sum()) / best

    blend = part(blended(seen, values, begin))
    rule = part(_time_of_use(market))
    name = f"{market.name}: value captured"
    unit = "% of perfect foresight"
    beside = {
        member.name: part(one.expected) for member, one in zip(members, scored.predictions, strict=True)
    } | {known: part(expected) for known, expected in market.published.items()}
    found = [
        Figure(f"{name}, blend", blend, market.wanted, "wanted", unit, blend / market.wanted, 1.0),
        Figure(
            f"{name}, blend over the rule",
            blend - rule,
            _OVER_RULE,
            "wanted",
            "points",
            (blend - rule) / 6,
            1.0,
        ),
        Figure(f"{name}, time-of-use rule", rule, None, "", unit, rule, None),
        *(
            Figure(f"{name}, {known} alone", value, None, "", unit, value, None)
            for known, value in beside.items()
        ),
        Figure(f"{market.name}: the whole rolling run", took, None, "", "CPU s", took, None),
    ]
    if members == MEMBERS:
        began = time.process_time()
        trained(market.past, _HOUR, 1)
        once = time.process_time() - began
        found.append(Figure(f"{market.name}: training for one issue", once, None, "", "CPU s", once, None))
    return found


def blended(seen: Rolled, values: Values, begin: int) -> Values:
    """Each 28 days weighed by the 84 before them, as forecasts are that are issued."""
    found = []
    for at in range(begin, seen.days, REFIT_DAYS):
        since = max(0, at - JUDGED_DAYS)
        blend, _ = weighed(seen.part(since, at), _HOUR, values[:, since:at])
        found.append(blend.of(seen.part(at, min(at + REFIT_DAYS, seen.days)).predictions).expected)
    return np.vstack(found)


def _time_of_use(market: Market) -> Values:
    """A fixed tariff for working days and days off: the mean price of each hour over the days before."""
    past, count = market.past, (market.last - market.first).days + 1
    known = past.days.until(market.first - timedelta(days=1))
    off = past.kinds(known.first, known.last)[:, 7]
    profile = np.array([np.nanmean(known.values[off == kind], axis=0) for kind in (0.0, 1.0)])
    kinds = past.kinds(market.first, market.first + timedelta(days=count - 1))[:, 7].astype(int)
    return np.asarray(profile[kinds])


def _rows(name: str) -> list[dict[str, str]]:
    with (DATA / name).open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _second(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp())


def main() -> None:
    """Measure both markets and print the rows."""
    if not DATA.is_dir():
        sys.exit(f"the price files are not there: {DATA}")
    for figure in measure(quick="--quick" in sys.argv):
        met = "" if figure.wanted is None else figure.met
        print(f"{figure.what}: {figure.ours:.1f} {figure.unit} {met}")


if __name__ == "__main__":
    main()
