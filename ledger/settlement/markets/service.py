"""What customers pay in a month for a service of the storage; it claims nothing that a market could sell."""

from __future__ import annotations

from ledger.exclusivity.claim import Claim
from ledger.exclusivity.grant import Granted
from ledger.settlement.markets.capacity import measured_once
from ledger.settlement.markets.case import Case
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
            for order in case.told(ServiceOrdered, rule.id):
                availability = measured_once(case, rule.id, order.interval)
                earned += service_earned(rule, case.month, order, metered, availability)
        return earned
