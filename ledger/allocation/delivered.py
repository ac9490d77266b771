"""What a member of a unit delivered in an event that the market called for the unit as one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta
from fractions import Fraction
from typing import NamedTuple

from ledger.calendars import DayKind
from ledger.interval import Interval
from ledger.refusal import Refused
from ledger.streams.baseline import Exclusion, Profile, baseline
from ledger.streams.demand_response import DemandResponseRule


class Delivery(NamedTuple):
    """`delivered_wh`: d, cut off to whole Wh; `by_interval`: the event's intervals, exact, at least zero.

    `baseline` is of the event's intervals, exact, as text; `actual_wh` of those in which the site stood in
    the unit, in order.
    """

    delivered_wh: int
    by_interval: tuple[Fraction, ...]
    explanation: str
    baseline: tuple[str, ...]
    actual_wh: tuple[int, ...]


def delivered(
    rule: DemandResponseRule,
    event: Interval,
    standing: Sequence[Interval],
    profile: Profile,
    *,
    announced: datetime,
    day_kind: Callable[[date], DayKind],
    excluded: Sequence[Exclusion],
) -> Delivery:
    """Baseline less actual (or the reverse, to fill a valley) while the site stood in the unit.

    The baseline is of the whole event; outside `standing` the site delivers nothing and no reading of it
    is needed. Summed as the rule says: clipped per interval or netted, or the least response throughout.

    Raises:
        Refused: `interval` for readings of another length than the rule's, `reading_missing`, and what
            `baseline` refuses.
    """
    if profile.interval_s != rule.interval_s:
        wrong = f"readings of {profile.interval_s} s, {rule.id} settles {rule.interval_s} s"
        raise Refused("interval", wrong, place="interval_s")
    base = baseline(rule.baseline, profile, event, announced=announced, day_kind=day_kind, excluded=excluded)
    step = timedelta(seconds=rule.interval_s)
    response: dict[int, Fraction] = {}
    actual: list[int] = []
    sign = 1 if rule.direction == "reduce" else -1
    for interval in standing:
        first, off = divmod(interval.start - event.start, step)
        if off:
            raise Refused("interval", f"{interval.start} cuts an interval of the event", place="members")
        read: list[int] = profile.readings(interval, "response").tolist()
        actual += read
        for number, wh in enumerate(read, first):
            response[number] = sign * (Fraction(base.numerators[number], base.denominator) - wh)
    values = list(response.values())
    if rule.measure == "least_power":
        total = max(Fraction(0), min(values)) * len(values)
    elif rule.clip == "per_interval":
        total = sum((max(Fraction(0), value) for value in values), Fraction(0))
    else:
        total = max(Fraction(0), sum(values, Fraction(0)))
    count = event.seconds // rule.interval_s
    shown = tuple(max(Fraction(0), response.get(number, Fraction(0))) for number in range(count))
    return Delivery(
        total.numerator // total.denominator,
        shown,
        base.explanation,
        tuple(str(one) for one in base.wh),
        tuple(actual),
    )
