"""What customers pay in a month for a service of the storage; it claims nothing that a market could sell.

The same kW or kWh is not sold to two customers: orders of a time are together at most what is installed, and
only one of them is paid for what the meter shows.
"""

from __future__ import annotations

from ledger.exclusivity.claim import Claim
from ledger.exclusivity.grant import Granted
from ledger.refusal import Refused
from ledger.settlement.markets.capacity import measured_once
from ledger.settlement.markets.case import Case
from ledger.settlement.markets.days_held import days_held, held_part
from ledger.streams.capacity_compensation import AvailabilityMeasured
from ledger.streams.earned import Earned
from ledger.streams.service_income import (
    Metered,
    ServiceOrdered,
    ServiceRule,
    ThroughputPayment,
    ordered_days,
    service_earned,
)


class Service:
    """One line a payment of each order."""

    def claims(self, case: Case) -> list[Claim]:
        del case
        return []

    def earn(self, case: Case, granted: Granted) -> list[Earned]:
        del granted
        metered = Metered(case.market.interval, case.interval_s, case.charge_wh, case.discharge_wh)
        orders = [
            (rule, order) for rule in case.rules(ServiceRule) for order in case.told(ServiceOrdered, rule.id)
        ]
        _check_sold_once(case, orders)
        _check_measured(case)
        earned: list[Earned] = []
        for rule, order in orders:
            availability = measured_once(case, rule.id, order.interval)
            lines = service_earned(rule, case.month, order, metered, availability)
            held = days_held(case, *ordered_days(rule, case.month, order))
            earned += [
                line if isinstance(payment, ThroughputPayment) else held_part(line, held)
                for payment, line in zip(rule.payments, lines, strict=True)
            ]
        return earned


def _check_measured(case: Case) -> None:
    for rule in case.rules(ServiceRule):
        orders = case.known(ServiceOrdered, rule.id)
        for measured in case.told(AvailabilityMeasured, rule.id):
            if not any(order.interval.overlaps(measured.interval) for order in orders):
                raise Refused(
                    "order_missing",
                    f"{measured.id} measured a service under {rule.id} that nobody ordered for that time",
                    place=measured.id,
                )


def _check_sold_once(case: Case, orders: list[tuple[ServiceRule, ServiceOrdered]]) -> None:
    for rule, order in orders:
        # Power is largest where an order begins.
        begin = max(order.interval.start, case.market.interval.start)
        together = [(other, one) for other, one in orders if one.interval.contains(begin)]
        watts = sum(one.ordered_w for _, one in together)
        if len(together) > 1 and watts > case.site.storage_power_w:
            names = ", ".join(one.id for _, one in together)
            raise Refused(
                "ordered_twice",
                f"{names} order {watts} W at once, and {case.site.storage_power_w} W are installed",
                place=order.id,
            )
        mine = _registers(rule)
        for other, one in together:
            if one.id != order.id and mine & _registers(other):
                raise Refused(
                    "ordered_twice",
                    f"{one.id} and {order.id} both pay for the same metered kWh from {begin}",
                    place=order.id,
                )


def _registers(rule: ServiceRule) -> set[str]:
    """The registers whose kWh the rule is paid for."""
    both = {"charge", "discharge"}
    found: set[str] = set()
    for payment in rule.payments:
        if isinstance(payment, ThroughputPayment):
            found |= both if payment.basis == "both" else {payment.basis}
    return found
