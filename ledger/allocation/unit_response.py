"""An event that the market called for a unit as one: each member's part of payment and penalty."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from fractions import Fraction

from ledger.allocation.delivered import Delivery, delivered
from ledger.allocation.response import ResponseMember, ResponseTerms, response_payment, response_penalty
from ledger.allocation.unit_allocation import Sold, Taken
from ledger.allocation.unit_case import Case, Shared, SharedOut, check_members
from ledger.allocation.unit_fact import UnitResponse
from ledger.refusal import Refused
from ledger.split import largest_remainder
from ledger.streams import Rule
from ledger.streams.baseline import TypicalSchedule, ZeroBaseline
from ledger.streams.demand_response import DemandResponseRule


def shared_response(case: Case, fact: UnitResponse, rule: Rule) -> SharedOut:
    """By what each member's meters say it delivered of its part of the award (DOMAIN.md 3.9).

    Raises:
        Refused: `rule_type`, `unit_terms`, `meter_layout`, `member_unknown`, `member_missing`, and what
            `delivered` and the pure allocation refuse.
    """
    if not isinstance(rule, DemandResponseRule):
        raise Refused("rule_type", f"{rule.id} is no demand response rule", place="rule")
    terms = case.unit.terms_of(ResponseTerms)
    own_account = isinstance(rule.baseline, ZeroBaseline | TypicalSchedule)
    deliveries: dict[str, Delivery] = {}
    for site, times in case.standing.items():
        profile = case.profile(site, own_account=own_account)
        known = case.metered[site]
        deliveries[site] = delivered(
            rule,
            fact.interval,
            times,
            profile,
            announced=fact.announced,
            day_kind=known.day_kind,
            excluded=known.excluded,
        )
    committed = _committed(case, fact)
    members = [
        ResponseMember(site=site, committed_wh=committed[site], delivered_wh=one.delivered_wh)
        for site, one in deliveries.items()
    ]
    shared = [Shared("payment", response_payment(terms, fact.money("payment"), members), "Wh delivered")]
    penalty = fact.money("penalty")
    if penalty.minor:
        shared.append(Shared("penalty", response_penalty(terms, penalty, members), "Wh short"))
    sold: Sold = "discharge_wh" if rule.direction == "reduce" else "charge_wh"
    taken: dict[str, tuple[Taken, ...]] = {}
    for member in members:
        counted = terms.weight(member)
        values = _by_interval(counted.numerator // counted.denominator, deliveries[member.site].by_interval)
        taken[member.site] = (Taken(interval=fact.interval, sold=sold, values=values),)
    notes = {
        member.site: f"delivered {member.delivered_wh} of {member.committed_wh} Wh committed;"
        f" {deliveries[member.site].explanation}"
        for member in members
    }
    measured: dict[str, list[object]] = {
        site: [list(one.baseline), list(one.actual_wh), one.explanation] for site, one in deliveries.items()
    }
    return SharedOut(shared, taken, notes, measured)


def _committed(case: Case, fact: UnitResponse) -> dict[str, int]:
    """Each member's part of the award in Wh: stated, or by capability x seconds in the unit."""
    if fact.committed_wh is not None:
        check_members(case, list(fact.committed_wh), "committed_wh")
        return fact.committed_wh
    weights: dict[str, Fraction] = defaultdict(Fraction)
    for piece in case.cut:
        for member in piece.members:
            weights[member.site] += member.capability_w * piece.interval.seconds
    return largest_remainder(fact.awarded_wh, weights)


def _by_interval(total: int, response: Sequence[Fraction]) -> tuple[int, ...]:
    """The counted Wh over the intervals in which there was a response."""
    if not total:
        return (0,) * len(response)
    parts = largest_remainder(total, {f"{number:06d}": value for number, value in enumerate(response)})
    return tuple(parts[name] for name in sorted(parts))
