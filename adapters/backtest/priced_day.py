"""Prices as they were known when a day was planned: forecast from what had been published by then."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Final, NamedTuple, Self

import msgspec
import numpy as np

from dispatch.forecasts.day_table import local_slots
from dispatch.forecasts.forecast import Subject
from dispatch.forecasts.known import Known
from dispatch.forecasts.learned import Learned
from dispatch.forecasts.make import make
from dispatch.forecasts.request import ForecastRequest
from dispatch.plan_check import Whole
from dispatch.value.simulated import Expected, Prices
from dispatch.value.site_month import SiteMonth
from ledger.calendars import calendar_in
from ledger.interval import zone_of
from ledger.refusal import Refused

_DAY: Final = timedelta(days=1)


class Timing(msgspec.Struct, frozen=True):
    """By local clocks on the day before: when a plan is made, and when that day's prices are published."""

    issued: time = time(9, 0)
    published: time = time(17, 30)

    @classmethod
    def parse(cls, issued: str, published: str) -> Self:
        """Both as `HH:MM`.

        Raises:
            Refused: `backtest_clock`."""
        return cls(_clock(issued, "issued"), _clock(published, "published"))


class Bearing(NamedTuple):
    """10^-6 of money per kWh paid beside the price: of energy drawn, and given back of energy sent."""

    drawn_micro: int = 0
    sent_micro: int = 0


class MadeForecast(NamedTuple):
    """What was expected of some days, in 10^-6 of money per kWh and interval."""

    expected_micro: Whole
    interval_s: int


class MadeForecasts:
    """What was learned and forecast of a market's prices: sites at one node ask for the same days."""

    def __init__(self) -> None:
        self._learned = Learned()
        self._made: dict[tuple[datetime, date, int], MadeForecast | None] = {}

    def of(self, request: ForecastRequest) -> MadeForecast | None:
        """The forecast of a request for this market, made once; None where nothing was known before.

        Raises:
            Refused: what `make` refuses but `forecast_history`."""
        asked = request.issued_at, request.first_day, request.days
        if asked not in self._made:
            self._made[asked] = self._make(request)
        return self._made[asked]

    def _make(self, request: ForecastRequest) -> MadeForecast | None:
        try:
            found = make(request, self._learned)
        except Refused as refused:
            if refused.code != "forecast_history":
                raise
            return None
        return MadeForecast(np.array(found.expected, dtype=np.int64), found.interval_s)


class PriceHistory(NamedTuple):
    """A market's day-ahead prices in 10^-6 of money per kWh, by when they became known; and what was
    forecast of them."""

    subject: Subject
    currency: str
    zone: str
    known: Known
    made: MadeForecasts

    @classmethod
    def published(
        cls, subject: Subject, currency: str, zone: str, prices: Known, timing: Timing
    ) -> PriceHistory:
        """Every price is known since its publication on the day before, whenever it was recorded."""
        days, _ = local_slots(prices.start, prices.interval_s, zone)
        at = zone_of(zone)
        seconds = {
            day: int(
                datetime.combine(datetime.fromordinal(day) - _DAY, timing.published, tzinfo=at).timestamp()
            )
            for day in np.unique(days).tolist()
        }
        since = np.array([seconds[day] for day in days.tolist()], dtype=np.int64)
        told = msgspec.structs.replace(prices, known_at=since)
        return cls(subject, currency, zone, told, MadeForecasts())


def forecast_prices(history: PriceHistory, site: SiteMonth, timing: Timing, bearing: Bearing) -> Prices:
    """For each day the forecast that the blend makes of what was known when the plan was made.

    The members learn from what was known by then, and are kept for a week (`Learned`). A day before which
    nothing was known has none.

    Raises, when it is asked:
        Refused: what `make` refuses but `forecast_history`.
    """
    zone = zone_of(history.zone)

    def known(number: int, part: slice) -> Expected | None:
        day = site.first_day + number * _DAY
        issued = datetime.combine(day - _DAY, timing.issued, tzinfo=zone).astimezone(UTC)
        days = int(site.day[part.stop - 1]) - number + 1
        request = ForecastRequest(
            subject=history.subject,
            history=history.known,
            calendar=calendar_in(history.zone),
            issued_at=issued,
            first_day=day,
            days=days,
            trained_through=0,
            currency=history.currency,
        )
        found = history.made.of(request)
        return None if found is None else with_charges(*found, site, part, bearing)

    return known


def with_charges(
    price_micro: Whole, interval_s: int, site: SiteMonth, part: slice, bearing: Bearing
) -> Expected:
    """A market's prices of some of the site's intervals, as the storage buys and sells.

    Raises:
        Refused: `price_interval` for prices that are not of the site's time.
    """
    price = at_interval(price_micro, interval_s, site.interval_s)
    if len(price) != part.stop - part.start:
        wrong = f"{len(price)} prices for {part.stop - part.start} intervals"
        raise Refused("price_interval", wrong, place=site.id)
    return Expected(price + bearing.drawn_micro, price + bearing.sent_micro)


def _clock(text: str, place: str) -> time:
    try:
        found = datetime.strptime(text, "%H:%M")  # noqa: DTZ007 - a clock's time has no zone
    except ValueError:
        raise Refused("backtest_clock", f"{text!r} is not HH:MM, such as 09:00", place=place) from None
    return found.time()


def at_interval(values: Whole, interval_s: int, wanted_s: int) -> Whole:
    """Values of one interval length at another: repeated, or the mean of those that make one up.

    Raises:
        Refused: `price_interval` for lengths of which neither is a multiple of the other.
    """
    if interval_s % wanted_s == 0:
        return np.repeat(values, interval_s // wanted_s)
    if wanted_s % interval_s or len(values) % (wanted_s // interval_s):
        raise Refused("price_interval", f"prices of {interval_s} s, readings of {wanted_s} s", place="prices")
    mean: Whole = np.rint(values.reshape(-1, wanted_s // interval_s).mean(axis=1)).astype(np.int64)
    return mean
