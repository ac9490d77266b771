"""Prices as they were known when a day was planned: forecast from what had been published by then."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
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


class PriceHistory(NamedTuple):
    """A market's day-ahead prices in 10^-6 of money per kWh, by when they became known."""

    subject: Subject
    currency: str
    zone: str
    known: Known

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
        return cls(subject, currency, zone, msgspec.structs.replace(prices, known_at=since))


def forecast_prices(history: PriceHistory, site: SiteMonth, timing: Timing, bearing: Bearing) -> Prices:
    """For each day the forecast that the blend makes of what was known when the plan was made.

    The members learn from what was known by then, and are kept for a week (`Learned`). A day before which
    nothing was known has none.

    Raises, when it is asked:
        Refused: what `make` refuses but `forecast_history`.
    """
    zone, learned = zone_of(history.zone), Learned()

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
        try:
            found = make(request, learned)
        except Refused as refused:
            if refused.code != "forecast_history":
                raise
            return None
        return with_charges(np.array(found.expected, dtype=np.int64), found.interval_s, site, part, bearing)

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
