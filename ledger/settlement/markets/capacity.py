"""Capacity compensation in a month, which the same kW cannot have when it is leased."""

from __future__ import annotations

import numpy as np

from ledger.exclusivity.claim import Claim
from ledger.exclusivity.grant import Granted
from ledger.exclusivity.policy import MatrixStream
from ledger.exclusivity.refused_part import refused_parts
from ledger.interval import Interval
from ledger.refusal import Refused
from ledger.settlement.markets.case import Case
from ledger.settlement.markets.days_held import held_part, month_held
from ledger.settlement.site_notice import SiteNotice
from ledger.streams.capacity_compensation import (
    AvailabilityMeasured,
    CapacityCertified,
    CapacityLeased,
    CapacityRule,
    capacity_earned,
    eligible,
)
from ledger.streams.earned import Earned


class Capacity:
    """A claim of power a certification and a lease."""

    def claims(self, case: Case) -> list[Claim]:
        rules = case.rules(CapacityRule)
        certified = (
            one for rule in rules for one in case.told(CapacityCertified, rule.id) if eligible(rule, one)
        )
        leased = (one for rule in rules for one in case.told(CapacityLeased, rule.id))
        return [
            *(_claim(case, one, "capacity", one.certified_w) for one in certified),
            *(_claim(case, one, "capacity_lease", one.leased_w) for one in leased),
        ]

    def earn(self, case: Case, granted: Granted) -> list[Earned]:
        _check_certified(case)
        leases = [one for one in case.market.facts if isinstance(one, CapacityLeased)]
        earned: list[Earned] = []
        for rule in case.rules(CapacityRule):
            availability = measured_once(case, rule.id, case.market.interval)
            for certified in case.told(CapacityCertified, rule.id):
                if availability is None and eligible(rule, certified):
                    raise Refused(
                        "availability_missing",
                        f"{certified.id} has no availability for {case.month}",
                        place=case.place,
                    )
                whole = capacity_earned(rule, case.month, certified, availability, leases)
                earned.append(held_part(whole, month_held(case, case.month)))
        _check_granted(case, granted)
        return earned


def ineligible_notices(case: Case) -> tuple[SiteNotice, ...]:
    """A notice for each certification that its rule does not pay, being behind the meter (DOMAIN.md 3.7)."""
    return tuple(
        SiteNotice("behind_the_meter", f"behind the meter {rule.id} pays no capacity: {one.id} earns 0.00")
        for rule in case.rules(CapacityRule)
        for one in case.told(CapacityCertified, rule.id)
        if not eligible(rule, one)
    )


def _check_granted(case: Case, granted: Granted) -> None:
    """A certification is not settled in part: all its power is the storage's, and no other's."""
    for part in refused_parts(granted, of=("capacity", "capacity_lease")):
        raise Refused("capacity_conflict", part.words, place=case.place)


def measured_once(case: Case, rule: str, within: Interval) -> AvailabilityMeasured | None:
    """The month's availability under a rule that touches `within`, if it is known.

    Raises:
        Refused: `availability_duplicate` for two of them.
    """
    found = [one for one in case.told(AvailabilityMeasured, rule) if one.interval.overlaps(within)]
    if len(found) > 1:
        raise Refused(
            "availability_duplicate",
            f"{found[0].id} and {found[1].id} both measured {case.month}; correct one under its own id",
            place=found[1].id,
        )
    return found[0] if found else None


def _check_certified(case: Case) -> None:
    """One certificate a rule, one where an availability was measured, and together what is installed."""
    certified: list[CapacityCertified] = []
    for rule in case.rules(CapacityRule):
        own = case.told(CapacityCertified, rule.id)
        for measured in case.told(AvailabilityMeasured, rule.id):
            if not own:
                raise Refused(
                    "certification_missing",
                    f"{measured.id} measured capacity that {rule.id} never certified",
                    place=measured.id,
                )
        if len(own) > 1:
            raise Refused(
                "certification_duplicate",
                f"{own[0].id} and {own[1].id} both certify {case.month}; correct one under its own id",
                place=own[1].id,
            )
        certified += [one for one in own if eligible(rule, one)]
    power_w = sum(one.certified_w for one in certified)
    if certified and power_w > min(one.nameplate_w for one in certified):
        raise Refused(
            "certification_duplicate",
            f"{power_w} W are certified under several rules, more than is installed: no kW is paid twice",
            place=certified[-1].id,
        )


def _claim(case: Case, fact: CapacityCertified | CapacityLeased, stream: MatrixStream, watts: int) -> Claim:
    """The fact's power in its part of the settled days."""
    settled = case.market.interval
    held = Interval(max(fact.interval.start, settled.start), min(fact.interval.end, settled.end))
    rows = case.rows(held)
    return Claim(
        id=fact.id,
        stream=stream,
        site=case.site.id,
        purpose="market",
        interval=held,
        up_w=np.full(rows.stop - rows.start, watts, dtype=np.int64),
    )
