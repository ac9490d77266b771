"""The monthly payment for standing ready (DOMAIN.md 3.4, yuan/kW and month)."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction

from ledger.clauses.flow import exact_text
from ledger.clauses.share import amount
from ledger.quantity import Money
from ledger.refusal import Refused
from ledger.settlement.line import Basis
from ledger.streams.demand_response.facts import DemandResponseCapacity, Event
from ledger.streams.demand_response.rule import DemandResponseRule
from ledger.streams.earned import Earned


def settle_availability(
    rule: DemandResponseRule, capacity: DemandResponseCapacity, events: Iterable[Event]
) -> Earned:
    """The month's payment for contracted power; `events` are the site's known events, of any month.

    An event was called when an instruction says so, or when the rule needs none.

    Raises:
        Refused: `availability` for a rule that pays none, `rule` when the fact is of another rule.
    """
    payment = rule.availability
    if payment is None:
        raise Refused("availability", f"rule {rule.id} pays nothing per kW and month", place="payments")
    if capacity.rule != rule.id:
        raise Refused("rule", f"{capacity.id} is of rule {capacity.rule}, not {rule.id}", place="rule")
    called = [
        event.invitation.id
        for event in events
        if (event.invitation.site, event.invitation.rule) == (capacity.site, rule.id)
        and event.window.overlaps(capacity.interval)
        and event.is_called(rule)
    ]
    if payment.when == "not_called" and called:
        note = f"called in this month ({', '.join(called)}): paid by event instead"
        return Earned("demand_response", Fraction(0), Money.zero(rule.currency), (), note)
    kw = Fraction(capacity.contracted_w, 1000)
    exact = kw * amount(payment.price, "price")
    label = f"available, run {capacity.run}"
    basis = Basis(label, exact_text(kw), "kW.month", payment.price, exact_text(exact))
    return Earned("demand_response", exact, Money.round(exact, rule.currency), (basis,), "")
