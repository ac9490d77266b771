"""What customers pay in a month for a service of the storage; it claims nothing that a market could sell."""

from __future__ import annotations

from ledger.exclusivity.claim import Claim
from ledger.exclusivity.grant import Granted
from ledger.settlement.markets.case import Case
from ledger.streams.capacity_compensation import AvailabilityMeasured
from ledger.streams.earned import Earned
from ledger.streams.service_income import MeteredMonth, ServiceOrdered, ServiceRule, service_earned


class Service:
    """One line a payment of each order."""

    def claims(self, case: Case) -> list[Claim]:
        del case
        return []

    def earn(self, case: Case, granted: Granted) -> list[Earned]:
        del granted
        metered = MeteredMonth(case.interval_s, case.charge_wh, case.discharge_wh)
        earned: list[Earned] = []
        for rule in case.rules(ServiceRule):
            availability = case.told(AvailabilityMeasured, rule.id)
            for order in case.told(ServiceOrdered, rule.id):
                known = availability[0] if availability else None
                earned += service_earned(rule, case.month, order, metered, known)
        return earned
