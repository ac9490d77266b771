"""The cut of a year's payments where a programme ran over its annual cap (DOMAIN.md 3.4)."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import NamedTuple

from ledger.clauses.flow import exact_text
from ledger.clauses.share import amount
from ledger.quantity import Money
from ledger.refusal import Refused
from ledger.settlement.line import Basis
from ledger.split import largest_remainder
from ledger.streams.demand_response.rule import DemandResponseRule
from ledger.streams.earned import Earned


class EventCut(NamedTuple):
    """An event's payment, and the line that takes its cut back (never above zero)."""

    event: str
    paid: Money
    earned: Earned


def annual_cut(rule: DemandResponseRule, paid: Mapping[str, Money], programme: Money) -> tuple[EventCut, ...]:
    """The cut of each event of a calendar year, in the order of `paid`: year-end resettlement.

    `paid` is what each event was paid (payments, not penalties), `programme` what the whole programme paid
    to everybody, ours included. Kept is round(ours x cap / programme); the rest is cut, divided over our
    events in proportion to what they were paid, by largest remainder on the minor unit.

    Raises:
        Refused: `annual_cap` for a rule without one, `programme` when the programme paid less than we got,
            `currency`, `payment` for a payment below zero.
    """
    if rule.annual_cap is None:
        raise Refused("annual_cap", f"rule {rule.id} has no annual cap", place="annual_cap")
    if wrong := {money.currency for money in (*paid.values(), programme)} - {rule.currency}:
        raise Refused("currency", f"{', '.join(sorted(wrong))} is not {rule.currency}", place="paid")
    for event, money in paid.items():
        if money.minor < 0:
            raise Refused("payment", f"{money} is below zero: a penalty is not cut", place=f"paid.{event}")
    ours = Money(sum(money.minor for money in paid.values()), rule.currency)
    if programme.minor < ours.minor:
        raise Refused("programme", f"{programme} in all is less than our {ours}", place="programme")
    cap = amount(rule.annual_cap, "annual_cap")
    if programme.exact <= cap or not ours.minor:
        cuts = dict.fromkeys(paid, 0)
    else:
        kept = Money.round(ours.exact * cap / programme.exact, rule.currency)
        cuts = largest_remainder(
            ours.minor - kept.minor, {event: Fraction(money.minor) for event, money in paid.items()}
        )
    shown = f"annual cap {rule.annual_cap}, programme {programme} {rule.currency}"
    return tuple(_cut(event, paid[event], Money(-cuts[event], rule.currency), shown) for event in paid)


def _cut(event: str, paid: Money, cut: Money, shown: str) -> EventCut:
    exact = exact_text(cut.exact)
    basis = (Basis(f"cut of event {event}, paid {paid}", "1", "event", exact, exact),) if cut.minor else ()
    return EventCut(event, paid, Earned("demand_response", cut.exact, cut, basis, shown))
