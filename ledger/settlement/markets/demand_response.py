"""Demand response in a month: payment and penalty of each event, and the availability payment.

An event claims the storage's paid Wh, and the kW that delivering them takes; contracted power claims its kW.
Of a response that the site's load gave, two programmes that called at once are not both paid either.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import timedelta
from fractions import Fraction
from typing import NamedTuple

import numpy as np

from ledger.calendars import calendar_in
from ledger.clauses.flow import exact_text
from ledger.exclusivity.claim import Claim, Quantity
from ledger.exclusivity.grant import Granted
from ledger.interval import Interval
from ledger.quantity import Money
from ledger.refusal import Refused
from ledger.settlement.line import Basis
from ledger.settlement.markets.case import Case, Whole
from ledger.settlement.markets.commitment import at_most_installed, kept_wh, mean_w
from ledger.settlement.markets.days_held import held_part, month_held
from ledger.settlement.markets.response_energy import Responded
from ledger.settlement.markets.standing_power import (
    contracted,
    energy_of,
    events_told,
    measures_storage,
    not_standing,
    standing_claims,
)
from ledger.streams.baseline import Profile
from ledger.streams.demand_response import (
    DemandResponseAnnualCut,
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
    settle_availability,
    settle_event,
    settle_top_up,
)
from ledger.streams.earned import Earned


class _Settled(NamedTuple):
    rule: DemandResponseRule
    invitation: DemandResponseInvitation
    result: EventResult
    quantity: Quantity
    by_storage: Whole
    """The paid Wh that came from the storage."""
    power_w: Whole
    """What of the storage's power delivering them takes, and no less than was awarded to it alone."""


def responded(case: Case) -> list[Responded]:
    """The settled events as far as the storage goes."""
    return [Responded(one.result, one.quantity, one.by_storage) for one in _events(case)]


class DemandResponse:
    """A claim an event that was paid for energy of the storage, and one for power that stood contracted."""

    def claims(self, case: Case) -> list[Claim]:
        paid = [one for one in _events(case) if one.by_storage.any()]
        called = [(one.rule.id, one.result.window, one.power_w) for one in paid]
        return [*(_claim(case, one) for one in paid), *standing_claims(case, called)]

    def earn(self, case: Case, granted: Granted) -> list[Earned]:
        earned: list[Earned] = []
        refused_parts = _refused_parts(case, granted)
        for one in _events(case):
            refused = refused_parts[one.result.invitation]
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
            for capacity in contracted(case, rule):
                available = [settle_availability(rule, capacity, events_told(case, rule))]
                label = f"availability {capacity.id}"
                whole = [*available, *_capped(case, rule, capacity.interval, label, available)]
                parts = [held_part(one, month_held(case, case.month)) for one in whole]
                earned += [*parts, *not_standing(rule, capacity, parts, granted)]
        return earned


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
        up_w=one.power_w if reduces else None,
        down_w=None if reduces else one.power_w,
    )


def _events(case: Case) -> list[_Settled]:
    """The events that begin in the settled days, which another contract's of the month are not."""
    return case.once(("demand_response", case.site.id, case.market.interval), lambda: _settled(case))


def _settled(case: Case) -> list[_Settled]:
    """In the order in which they were announced, which is the order in which they claim."""
    everything = [(rule, events_told(case, rule)) for rule in case.rules(DemandResponseRule)]
    awards = {event.invitation.id: event.invitation for _, events in everything for event in events}
    for top_up_rule in case.rules(DemandResponseTopUpRule):
        check_top_ups(case.told(DemandResponseTopUpInvitation, top_up_rule.id), awards)
    outages = [one for rule, _ in everything for one in case.known(DemandResponseOutage, rule.id)]
    found: list[_Settled] = []
    called = [(rule, event) for rule, events in everything for event in events]
    called.sort(key=lambda one: (one[1].invitation.announced, one[1].invitation.id))
    for rule, event in called:
        if case.market.interval.contains(event.window.start):
            _check_ends_within(case, event)
            result = settle_event(
                rule,
                event,
                _profile(case, rule),
                day_kind=calendar_in(case.site.zone).day_kind,
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


def _check_ends_within(case: Case, event: Event) -> None:
    end = case.market.interval.end
    if event.window.end > end:
        raise Refused(
            "interval",
            f"{event.invitation.id} lasts from {event.window.start} beyond the settled days, which end at"
            f" {end}: tell it as two events that meet there",
            place=event.invitation.id,
        )


def _profile(case: Case, rule: DemandResponseRule) -> Profile:
    own = measures_storage(rule)
    profile = case.market.storage if own else case.market.grid
    if profile is None:
        measured = "storage" if own else "grid connection"
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
    quantity = energy_of(rule)
    metered = case.discharge_wh if quantity == "discharge_wh" else case.charge_wh
    stored: Whole = np.minimum(result.claimed_wh, metered[case.rows(result.window)])
    power_w = mean_w(case, stored)
    if measures_storage(rule):
        first = (result.window.start - invitation.interval.start) // timedelta(seconds=rule.interval_s)
        awarded = np.array(invitation.awarded_w[first : first + len(stored)], dtype=np.int64)
        power_w = np.maximum(power_w, at_most_installed(case, awarded))
    return _Settled(rule, invitation, result, quantity, stored, power_w)


def _refused_parts(case: Case, granted: Granted) -> dict[str, Fraction]:
    """By event, the part of its paid energy that was paid for already, or whose power another stream had.

    Of the storage's Wh the matrix decided. All Wh of an interval, the site's load included, are paid once:
    events that were called together have the response that the largest of their baselines shows.
    """
    events = _events(case)
    room: dict[Quantity, Whole] = defaultdict(lambda: np.zeros(len(case.discharge_wh), dtype=np.int64))
    for one in events:
        rows = case.rows(one.result.window)
        measured = np.array([int(wh) for wh in one.result.response_wh] or [0], dtype=np.int64)
        response = np.maximum(one.result.claimed_wh, measured)
        room[one.quantity][rows] = np.maximum(room[one.quantity][rows], response)
    found: dict[str, Fraction] = {}
    for one in events:
        rows, paid_wh = case.rows(one.result.window), int(one.result.claimed_wh.sum())
        kept = one.result.claimed_wh
        if one.by_storage.any():
            of_storage = kept_wh(case, granted.of(one.result.invitation), one.quantity)
            kept = kept - one.by_storage + of_storage
        kept = np.minimum(kept, room[one.quantity][rows])
        room[one.quantity][rows] -= kept
        found[one.result.invitation] = Fraction(paid_wh - int(kept.sum()), paid_wh or 1)
    return found


def _less(one: _Settled, payment: Earned, refused: Fraction) -> list[Earned]:
    """A payment, and what it loses for kWh or kW that were another's already, in proportion to the paid."""
    if not refused:
        return [payment]
    exact = -refused * payment.exact
    wh = exact_text(refused * int(one.result.claimed_wh.sum()))
    label = f"{wh} Wh of {one.result.invitation} belong to another stream or event"
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
