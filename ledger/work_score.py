"""A party's score of a month from its work orders, as the fact that a contract's service clause divides by.

What the same orders say is the same score with the same evidence: recording it again changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Final, NamedTuple

from ledger.clauses.facts import ServiceScore
from ledger.interval import Interval
from ledger.quantity import decimal_text, round_half_away
from ledger.refusal import Refused
from ledger.work_figures import Measure, Planned, satisfaction, service_score, unavailable_s
from ledger.work_order import WorkOrder

SCALE: Final = 6
"""A mean or a share of hours is rounded to so many decimals, half away from zero."""


class Served(NamedTuple):
    """The contract's sites and every device, each with its Wh."""

    sites: Mapping[str, int]
    devices: Mapping[str, int]


def work_score(
    orders: Sequence[WorkOrder],
    party: str,
    interval: Interval,
    measure: Measure,
    *,
    served: Served,
    planned: Planned | None = None,
) -> ServiceScore:
    """The score, and as evidence the orders and how they were counted.

    `satisfaction`: the mean rating of 1 to 5 of the party's orders that were done in the interval.
    `availability`: the hours of the interval less those that its orders kept storage from work, weighted by
    energy over the contract's sites (DOMAIN.md 2.1 Q12); `planned` says whether planned work does.

    Raises:
        Refused: `not_rated` for a satisfaction without a rating: it is not zero; `planned_work` where planned
            work is not said to count or not with `availability`, or is with another measure; `usable_energy`.
    """
    if (planned is not None) != (measure == "availability"):
        wrong = "say of availability, and of nothing else, whether planned work counts"
        raise Refused("planned_work", wrong, place="planned")
    own = [order for order in orders if order.party == party]
    if measure == "availability":
        assert planned is not None, "it was checked"
        return _available(own, party, interval, planned, served)
    done = sorted(
        order.id
        for order in own
        if order.done_at is not None and interval.start <= order.done_at < interval.end
    )
    evidence = f"{measure} of {party}'s work orders that were done: {', '.join(done) or 'none'}"
    if measure != "satisfaction":
        score = str(service_score(own, party, interval, measure))
        return ServiceScore(party=party, score=score, evidence=evidence)
    found = satisfaction(own, interval)
    if found.mean is None:
        wrong = f"none of {party}'s work orders of the month was rated: a score is not zero for that"
        raise Refused("not_rated", wrong, place="measure")
    return ServiceScore(party=party, score=_text(found.mean), evidence=f"{evidence}; {found.count} rated")


def _available(
    own: Sequence[WorkOrder], party: str, interval: Interval, planned: Planned, served: Served
) -> ServiceScore:
    whole_wh = sum(served.sites.values())
    if whole_wh <= 0:
        raise Refused(
            "usable_energy", "the contract's sites have no stored energy to weight by", place="site"
        )
    stored = {name: wh for name, wh in served.sites.items() if wh > 0}
    lost = sum(
        wh * unavailable_s(own, name, wh, served.devices, interval, planned) for name, wh in stored.items()
    )
    hours = Fraction(interval.seconds, 3600) - Fraction(lost, 3600 * whole_wh)
    named = sorted(
        order.id
        for order in own
        if order.site in stored
        and not (order.planned and planned == "excluded")
        and any(one.start < interval.end and interval.start < one.end for one in order.outages)
    )
    evidence = (
        f"available hours of {', '.join(sorted(stored))} less {party}'s work orders"
        f" {', '.join(named) or 'none'}; planned work {planned}"
    )
    return ServiceScore(party=party, score=_text(hours), evidence=evidence)


def _text(value: Fraction) -> str:
    return decimal_text(round_half_away(value * 10**SCALE), SCALE)
