"""Demand response in a month: payment and penalty of each event, and the availability payment."""

from __future__ import annotations

from fractions import Fraction
from typing import Final, NamedTuple

import numpy as np

from ledger.calendars import calendar
from ledger.clauses.flow import exact_text
from ledger.exclusivity.claim import Claim, Quantity
from ledger.exclusivity.grant import Granted
from ledger.quantity import Money
from ledger.refusal import Refused
from ledger.settlement.line import Basis
from ledger.settlement.markets.case import Case, Whole
from ledger.streams.baseline import Profile, TypicalSchedule, ZeroBaseline
from ledger.streams.demand_response import (
    DemandResponseCapacity,
    DemandResponseInstruction,
    DemandResponseInvitation,
    DemandResponseOutage,
    DemandResponseRule,
    Event,
    EventResult,
    called_windows,
    matched,
    settle_availability,
    settle_event,
)
from ledger.streams.earned import Earned

_CHINA: Final = "Asia/Shanghai"


class _Settled(NamedTuple):
    rule: DemandResponseRule
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
            earned += one.result.earned
            if int(one.by_storage.sum()):
                got = granted.of(one.result.invitation).granted(one.quantity)
                assert got is not None
                earned += _cut(one, int(one.by_storage.sum() - got.sum()))
        for rule in case.rules(DemandResponseRule):
            if rule.availability is not None:
                earned += [
                    settle_availability(rule, capacity, _matched(case, rule))
                    for capacity in case.told(DemandResponseCapacity, rule.id)
                ]
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
    )


def _events(case: Case) -> list[_Settled]:
    return case.once(("demand_response", case.site.id), lambda: _settled(case))


def _settled(case: Case) -> list[_Settled]:
    everything = [(rule, _matched(case, rule)) for rule in case.rules(DemandResponseRule)]
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
                found.append(_by_storage(case, rule, result))
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


def _by_storage(case: Case, rule: DemandResponseRule, result: EventResult) -> _Settled:
    if result.interval_s != case.interval_s:
        raise Refused(
            "interval",
            f"readings of {case.interval_s} s, {rule.id} settles {result.interval_s} s",
            place=case.place,
        )
    quantity: Quantity = "discharge_wh" if rule.direction == "reduce" else "charge_wh"
    metered = case.discharge_wh if rule.direction == "reduce" else case.charge_wh
    stored = np.minimum(result.claimed_wh, metered[case.rows(result.window)])
    return _Settled(rule, result, quantity, stored)


def _cut(one: _Settled, refused_wh: int) -> list[Earned]:
    """What the payment loses for kWh that another stream was paid for: in proportion to the paid kWh."""
    if not refused_wh:
        return []
    paid = one.result.payment.exact
    part = Fraction(refused_wh, int(one.result.claimed_wh.sum()))
    exact = -part * paid
    label = f"{refused_wh} Wh of {one.result.invitation} belong to another stream"
    term = Basis(label, exact_text(part), "of the payment", exact_text(-paid), exact_text(exact))
    return [Earned("demand_response", exact, Money.round(exact, one.rule.currency), (term,), label)]
