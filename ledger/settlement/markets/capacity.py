"""Capacity compensation in a month, which the same kW cannot have when it is leased."""

from __future__ import annotations

import numpy as np

from ledger.exclusivity.claim import Claim
from ledger.exclusivity.grant import Granted
from ledger.exclusivity.policy import MatrixStream
from ledger.refusal import Refused
from ledger.settlement.markets.case import Case
from ledger.streams.capacity_compensation import (
    AvailabilityMeasured,
    CapacityCertified,
    CapacityLeased,
    CapacityRule,
    capacity_earned,
)
from ledger.streams.earned import Earned


class Capacity:
    """A claim of power a certification and a lease."""

    def claims(self, case: Case) -> list[Claim]:
        rules = case.rules(CapacityRule)
        certified = (one for rule in rules for one in case.told(CapacityCertified, rule.id))
        leased = (one for rule in rules for one in case.told(CapacityLeased, rule.id))
        return [
            *(_claim(case, one.id, "capacity", one.certified_w) for one in certified),
            *(_claim(case, one.id, "capacity_lease", one.leased_w) for one in leased),
        ]

    def earn(self, case: Case, granted: Granted) -> list[Earned]:
        del granted  # `capacity_earned` refuses power that is certified and leased
        leases = [one for one in case.market.facts if isinstance(one, CapacityLeased)]
        earned: list[Earned] = []
        for rule in case.rules(CapacityRule):
            availability = case.told(AvailabilityMeasured, rule.id)
            for certified in case.told(CapacityCertified, rule.id):
                if not availability:
                    raise Refused(
                        "availability_missing",
                        f"{certified.id} has no availability for {case.month}",
                        place=case.place,
                    )
                earned.append(capacity_earned(rule, case.month, certified, availability[0], leases))
        return earned


def _claim(case: Case, name: str, stream: MatrixStream, watts: int) -> Claim:
    return Claim(
        id=name,
        stream=stream,
        site=case.site.id,
        purpose="market",
        interval=case.market.interval,
        up_w=np.full(len(case.discharge_wh), watts, dtype=np.int64),
    )
