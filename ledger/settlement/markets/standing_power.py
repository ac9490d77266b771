"""Power that a demand response programme pays each month for standing ready, and who else had it.

Where the programme measures the storage alone, the contracted kW are the storage's: what a regulation
award, a lease or another programme had of them in an interval is not paid for (DOMAIN.md 4, one commitment
set per kW). A call under the same programme is the power's own use.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from ledger.clauses.flow import exact_text
from ledger.exclusivity.claim import Claim, Quantity
from ledger.exclusivity.grant import Granted
from ledger.interval import Interval, zone_of
from ledger.quantity import Money
from ledger.refusal import Refused
from ledger.settlement.line import Basis
from ledger.settlement.markets.case import Case, Whole
from ledger.settlement.markets.commitment import POWER_OF, at_most_installed
from ledger.streams.baseline import TypicalSchedule, ZeroBaseline
from ledger.streams.demand_response import (
    DemandResponseCapacity,
    DemandResponseInstruction,
    DemandResponseInvitation,
    DemandResponseRule,
    Event,
    matched,
    settle_availability,
)
from ledger.streams.earned import Earned


def measures_storage(rule: DemandResponseRule) -> bool:
    """Whether award and contracted power are of the storage alone: the site's load has no part in them."""
    return isinstance(rule.baseline, ZeroBaseline | TypicalSchedule)


def energy_of(rule: DemandResponseRule) -> Quantity:
    """The storage's register that a response is."""
    return "discharge_wh" if rule.direction == "reduce" else "charge_wh"


def events_told(case: Case, rule: DemandResponseRule) -> list[Event]:
    """The site's events under a rule, of whatever time.

    Raises:
        Refused: what `matched` refuses.
    """
    return matched(
        case.known(DemandResponseInvitation, rule.id), case.known(DemandResponseInstruction, rule.id)
    )


def contracted(case: Case, rule: DemandResponseRule) -> list[DemandResponseCapacity]:
    """The power contracted under a rule for the month; none or one.

    Raises:
        Refused: `capacity_duplicate`; `month` for power that is contracted for another time.
    """
    found = case.told(DemandResponseCapacity, rule.id)
    if len(found) > 1:
        raise Refused(
            "capacity_duplicate",
            f"{found[0].id} and {found[1].id} both contract {case.month}; correct one under its own id",
            place=found[1].id,
        )
    for capacity in found:
        if capacity.interval != case.month.interval(zone_of(case.site.zone)):
            told = f"{capacity.interval.start} to {capacity.interval.end}"
            message = f"{capacity.id} is about {told}, not {case.month} in {case.site.zone}"
            raise Refused("month", message, place=capacity.id)
    return found


def standing_claims(case: Case, called: Sequence[tuple[str, Interval, Whole]]) -> list[Claim]:
    """A claim for each payment; `called` are the events: rule, window and W in each interval of it."""
    claims: list[Claim] = []
    for rule in case.rules(DemandResponseRule):
        if not measures_storage(rule):
            continue
        for capacity in contracted(case, rule):
            if not settle_availability(rule, capacity, events_told(case, rule)).exact:
                continue
            everywhere = np.full(len(case.discharge_wh), capacity.contracted_w, dtype=np.int64)
            watts = at_most_installed(case, everywhere)
            for name, window, power_w in called:
                if name == rule.id:
                    rows = case.rows(window)
                    watts[rows] = np.maximum(watts[rows] - power_w, 0)
            reduces = rule.direction == "reduce"
            claims.append(
                Claim(
                    id=capacity.id,
                    stream="demand_response",
                    site=case.site.id,
                    purpose="market",
                    interval=case.market.interval,
                    up_w=watts if reduces else None,
                    down_w=None if reduces else watts,
                )
            )
    return claims


def not_standing(
    rule: DemandResponseRule, capacity: DemandResponseCapacity, paid: Sequence[Earned], granted: Granted
) -> list[Earned]:
    """What a monthly payment loses for the intervals in which another stream had some of the power."""
    grant = next((grant for grant in granted.grants if grant.claim.id == capacity.id), None)
    if grant is None or grant.whole:
        return []
    power = POWER_OF[energy_of(rule)]
    asked, got = grant.claim.asked(power), grant.granted(power)
    assert asked is not None
    assert got is not None
    part = Fraction(int((asked - got).sum()), len(asked) * capacity.contracted_w)
    amount = Money(sum(one.amount.minor for one in paid), rule.currency)
    exact = -part * amount.exact
    intervals = int(np.count_nonzero(asked > got))
    label = f"power of {capacity.id} that another stream had in {intervals} of {len(asked)} intervals"
    term = Basis(label, exact_text(part), "of the payment", exact_text(-amount.exact), exact_text(exact))
    return [Earned("demand_response", exact, Money.round(exact, rule.currency), (term,), label)]
