"""A top-up: a second payer's part for the kWh that another rule's event paid (DOMAIN.md 3.4, Quzhou 2022)."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from ledger.clauses.flow import exact_text
from ledger.clauses.share import amount
from ledger.identity import checked_id
from ledger.quantity import Money
from ledger.refusal import Refused
from ledger.settlement.line import Basis
from ledger.streams.demand_response.event import EventResult, event_price
from ledger.streams.demand_response.facts import DemandResponseInvitation, Fact
from ledger.streams.demand_response.rule import DemandResponseRule, DemandResponseTopUpRule, Id, PerKwh
from ledger.streams.earned import Earned


class DemandResponseTopUpInvitation(Fact, frozen=True, kw_only=True, tag="demand_response_top_up_invitation"):
    """The second payer's invitation to an event that another rule's invitation called.

    It has no award, baseline or clearing of its own: the kWh are those of `invitation`, over its interval.
    """

    invitation: Id

    def __post_init__(self) -> None:
        super().__post_init__()
        checked_id(self.invitation, "invitation")


def check_top_ups(
    facts: Sequence[DemandResponseTopUpInvitation], invitations: dict[str, DemandResponseInvitation]
) -> None:
    """Refuse top-ups of what was not awarded, and a second one under the same rule.

    Raises:
        Refused: `top_up_without_award`, `top_up_duplicate`.
    """
    seen: dict[tuple[str, str], str] = {}
    for fact in facts:
        award = invitations.get(fact.invitation)
        if award is None or award.interval != fact.interval:
            message = (
                f"no award {fact.invitation} of {fact.site} from {fact.interval.start} to {fact.interval.end}"
            )
            raise Refused("top_up_without_award", message, place=fact.id)
        other = seen.setdefault((fact.rule, fact.invitation), fact.id)
        if other != fact.id:
            message = f"{fact.invitation} is topped up by {other} already"
            raise Refused("top_up_duplicate", message, place=fact.id)


def settle_top_up(
    rule: DemandResponseTopUpRule,
    fact: DemandResponseTopUpInvitation,
    topped: DemandResponseRule,
    invitation: DemandResponseInvitation,
    result: EventResult,
) -> Earned:
    """What lifts the event's price to the rule's: paid kWh x (to - price), nothing where the price is above.

    Raises:
        Refused: `top_up_rule` for an event of a rule that this one does not top up, or that does not pay per
            kWh; `currency`.
    """
    if topped.id not in rule.tops_up or not isinstance(topped.energy_payment, PerKwh):
        message = f"{rule.id} tops up {', '.join(rule.tops_up)} per kWh; {invitation.id} is of {topped.id}"
        raise Refused("top_up_rule", message, place=fact.id)
    if topped.currency != rule.currency:
        raise Refused("currency", f"{topped.id} pays {topped.currency}, not {rule.currency}", place=rule.id)
    if result.baseline is None:
        note = f"top-up of {invitation.id}, run {fact.run}: {result.payment.note}"
        return Earned("demand_response", Fraction(0), Money.zero(rule.currency), (), note)
    price = event_price(topped, invitation, result.window)
    more = max(amount(rule.to, "to") - price, Fraction(0))
    kwh = sum((Fraction(term.quantity) for term in result.payment.basis), Fraction(0))
    exact = kwh * more
    label = f"top-up of {invitation.id} from {exact_text(price)} to {rule.to}"
    basis = Basis(label, exact_text(kwh), "kWh", exact_text(more), exact_text(exact))
    note = f"run {fact.run}; the kWh are those that {topped.id} paid"
    return Earned("demand_response", exact, Money.round(exact, rule.currency), (basis,), note)
