"""How satisfied those were whom storage was worked on for, as a key figure."""

from __future__ import annotations

from collections.abc import Iterable

from ledger.interval import Interval
from ledger.kpi.kpi import Kpi, quantity, quotient
from ledger.work_order import WorkOrder


def satisfaction_figure(orders: Iterable[tuple[WorkOrder, Interval]]) -> Kpi | None:
    """The mean rating from 1 (bad) to 5 of the orders that were done in the interval beside them, their
    site's month (DOMAIN.md 2.1 Q12); None where none of them was rated: a report then leaves it out."""
    ratings = [
        order.rating
        for order, interval in orders
        if order.rating is not None
        and order.done_at is not None
        and interval.start <= order.done_at < interval.end
    ]
    if not ratings:
        return None
    return quotient(
        "satisfaction",
        "of 5",
        quantity("ratings", sum(ratings), "points"),
        quantity("rated", len(ratings), "work orders"),
        otherwise="no work was rated",
    )
