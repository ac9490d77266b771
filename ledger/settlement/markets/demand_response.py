"""Demand response in a month: payment and penalty of each event, and the availability payment."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Final, NamedTuple

import numpy as np

from ledger.calendars import calendar
from ledger.clauses.flow import exact_text
from ledger.exclusivity.claim import Claim, Quantity
from ledger.exclusivity.grant import Granted
from ledger.interval import Interval
from ledger.quantity import Money
from ledger.refusal import Refused
from ledger.settlement.line import Basis
from ledger.settlement.markets.case import Case, Whole
from ledger.streams.baseline import Profile, TypicalSchedule, ZeroBaseline
from ledger.streams.demand_response import (
    DemandResponseAnnualCut,
    DemandResponseCapacity,
    DemandResponseInstruction,
    DemandResponseInvitation,
    DemandResponseOutage,
    DemandResponseRule,
    DemandResponseTopUpInvitation,
    DemandResponseTopUpRule,
    Event,
    EventResult,
    annual_cut,
    called_windows,
    check_top_ups,
    matched,
    settle_availability,
    settle_event,
    settle_top_up,
)
from ledger.streams.earned import Earned

_CHINA: Final = "Asia/Shanghai"


class _Settled(NamedTuple):
    rule: DemandResponseRule
    invitation: DemandResponseInvitation
    result: EventResult
    quantity: Quantity
    by_storage: Whole
    """The paid Wh that came from the storage: only they can be sold twice."""


class DemandResponse:
    """A claim an event that was paid for energy of the storage."""

    def claims(self, case: Case) -> list[Claim]:
        return [_claim(case, one) for one in _events(case) if int(one.by_storage.sum())]

    def earn(self, case: Case, granted: Granted) -> list[Earned]:
        earned: list[Earned] = []
        for one in _events(case):
            refused = _refused_part(one, granted)
            paid = _less(one, one.result.payment, refused)
            earned += paid
            if one.result.penalty is not None:
                earned.append(one.result.penalty)
            earned += _capped(case, one.rule, one.result.window, f"event {one.result.invitation}", paid)
            for payer, topped_up in _top_ups(case, one):
                more = _less(one, topped_up, refused)
                earned += more
                label = f"the top-up of event {one.result.invitation}"
                earned += _capped(case, payer, one.result.window, label, more)
        for rule in case.rules(DemandResponseRule):
            for capacity in _contracted(case, rule):
                available = [settle_availability(rule, capacity, _matched(case, rule))]
                label = f"availability {capacity.id}"
                earned += [*available, *_capped(case, rule, capacity.interval, label, available)]
        return earned


def _contracted(case: Case, rule: DemandResponseRule) -> list[DemandResponseCapacity]:
    found = case.told(DemandResponseCapacity, rule.id)
    if len(found) > 1:
        raise Refused(
            "capacity_duplicate",
            f"{found[0].id} and {found[1].id} both contract {case.month}; correct one under its own id",
            place=found[1].id,
        )
    return found


def _claim(case: Case, one: _Settled) -> Claim:
    reduces = one.quantity == "discharge_wh"
    return Claim(
        id=one.result.invitation,
        stream="demand_response",
        site=case.site.id,
        purpose="market",
        interval=one.result.window,
        discharge_wh=one.by_storage if reduces else None,
        charge_wh=None if reduces else one.by_storage,
    )


def _events(case: Case) -> list[_Settled]:
    return case.once(("demand_response", case.site.id), lambda: _settled(case))


def _settled(case: Case) -> list[_Settled]:
    everything = [(rule, _matched(case, rule)) for rule in case.rules(DemandResponseRule)]
    awards = {event.invitation.id: event.invitation for _, events in everything for event in events}
    for top_up_rule in case.rules(DemandResponseTopUpRule):
        check_top_ups(case.told(DemandResponseTopUpInvitation, top_up_rule.id), awards)
    outages = [one for rule, _ in everything for one in case.known(DemandResponseOutage, rule.id)]
    found: list[_Settled] = []
    for rule, events in everything:
        for event in events:
            if case.market.interval.contains(event.invitation.interval.start):
                result = settle_event(
                    rule,
                    event,
                    _profile(case, rule),
                    day_kind=calendar("CN" if case.site.zone == _CHINA else "none", case.site.zone).day_kind,
                    excluded=[
                        window
                        for other, theirs in everything
                        for window in called_windows(other, theirs)
                        if window.interval != event.window
                    ],
                    outages=outages,
                )
                found.append(_by_storage(case, rule, event.invitation, result))
    return found


def _matched(case: Case, rule: DemandResponseRule) -> list[Event]:
    return matched(
        case.known(DemandResponseInvitation, rule.id), case.known(DemandResponseInstruction, rule.id)
    )


def _profile(case: Case, rule: DemandResponseRule) -> Profile:
    own_account = isinstance(rule.baseline, ZeroBaseline | TypicalSchedule)
    profile = case.market.storage if own_account else case.market.grid
    if profile is None:
        measured = "storage" if own_account else "grid connection"
        raise Refused(
            "meter_layout", f"{rule.id} measures the {measured}, which has no meter", place=case.place
        )
    return profile


def _by_storage(
    case: Case, rule: DemandResponseRule, invitation: DemandResponseInvitation, result: EventResult
) -> _Settled:
    if result.interval_s != case.interval_s:
        raise Refused(
            "interval",
            f"readings of {case.interval_s} s, {rule.id} settles {result.interval_s} s",
            place=case.place,
        )
    quantity: Quantity = "discharge_wh" if rule.direction == "reduce" else "charge_wh"
    metered = case.discharge_wh if rule.direction == "reduce" else case.charge_wh
    stored = np.minimum(result.claimed_wh, metered[case.rows(result.window)])
    return _Settled(rule, invitation, result, quantity, stored)


def _refused_part(one: _Settled, granted: Granted) -> Fraction:
    """The part of the paid energy that another stream was paid for."""
    asked = int(one.by_storage.sum())
    if not asked:
        return Fraction(0)
    got = granted.of(one.result.invitation).granted(one.quantity)
    assert got is not None
    return Fraction(asked - int(got.sum()), int(one.result.claimed_wh.sum()))


def _less(one: _Settled, payment: Earned, refused: Fraction) -> list[Earned]:
    """A payment, and what it loses for kWh that another stream was paid for, in proportion to the paid."""
    if not refused:
        return [payment]
    exact = -refused * payment.exact
    wh = exact_text(refused * int(one.result.claimed_wh.sum()))
    label = f"{wh} Wh of {one.result.invitation} belong to another stream"
    term = Basis(label, exact_text(refused), "of the payment", exact_text(-payment.exact), exact_text(exact))
    cut = Earned("demand_response", exact, Money.round(exact, one.rule.currency), (term,), label)
    return [payment, cut]


def _capped(
    case: Case,
    rule: DemandResponseRule | DemandResponseTopUpRule,
    window: Interval,
    label: str,
    paid: Sequence[Earned],
) -> list[Earned]:
    """What a payment loses to its programme's annual cap, where the market told of a cut (DOMAIN.md 3.4)."""
    total = Money(sum(one.amount.minor for one in paid), rule.currency)
    cuts = case.known(DemandResponseAnnualCut, rule.id)
    cut = annual_cut(rule, cuts, window.start, label, total) if cuts else None
    return [] if cut is None else [cut]


def _top_ups(case: Case, one: _Settled) -> list[tuple[DemandResponseTopUpRule, Earned]]:
    """The second payers' parts for an event."""
    found: list[tuple[DemandResponseTopUpRule, Earned]] = []
    for rule in case.rules(DemandResponseTopUpRule):
        for fact in case.told(DemandResponseTopUpInvitation, rule.id):
            if fact.invitation == one.result.invitation:
                invitation = one.invitation
                found.append((rule, settle_top_up(rule, fact, one.rule, invitation, one.result)))
    return found
