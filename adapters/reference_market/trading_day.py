"""A day of trade on the market's clocks: its intervals, its gate and when its result is due."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta

import msgspec

from adapters.reference_market.parameters import Parameters, Product
from ledger.interval import Instant, Interval, checked_year, interval_starts, midnight, utc_of_local, zone_of


class Gate(msgspec.Struct, frozen=True):
    """Offers are taken in [opens, closes); `published` is when the result is due."""

    opens: Instant
    closes: Instant
    published: Instant


def gate(parameters: Parameters, product: Product, day: date) -> Gate:
    """The product's gate of a day of delivery.

    Raises:
        Refused: `skipped_time` where the clocks skip one of its times, `year`.
    """
    timing = parameters.timing(product)
    zone = zone_of(parameters.zone)
    checked_year(day, "day")

    def at(days_before: int, text: str) -> datetime:
        wall = datetime.combine(day - timedelta(days=days_before), time.fromisoformat(text))
        return utc_of_local(wall, zone, second_pass=False)

    return Gate(
        at(timing.opens_days_before, timing.opens),
        at(timing.closes_days_before, timing.closes),
        at(timing.published_days_before, timing.published),
    )


def delivery(parameters: Parameters, day: date) -> Interval:
    """The local day: 23, 24 or 25 hours.

    Raises:
        Refused: `year`.
    """
    checked_year(day, "day")
    zone = zone_of(parameters.zone)
    return Interval(midnight(day, zone), midnight(day + timedelta(days=1), zone))


def starts(parameters: Parameters, day: date) -> tuple[datetime, ...]:
    """The starts of the day's intervals, in UTC."""
    return tuple(interval_starts(delivery(parameters, day), parameters.interval_s))
