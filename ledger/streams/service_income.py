"""Fees that a customer pays the storage side for a service: by throughput, by availability, or fixed.

This is income of the pool (DOMAIN.md 2.1, Q03 and Q05). A fee that the contract's own parties owe each
other is a clause of the contract (`ledger.clauses.service_fee`); one fee is never both.
"""

from __future__ import annotations

from datetime import date
from fractions import Fraction
from typing import Final, Literal, NamedTuple, assert_never

import msgspec
import numpy as np
import numpy.typing as npt

from ledger.clauses.flow import Proration, exact_text, one_of
from ledger.clauses.service_fee import ThroughputBasis
from ledger.clauses.share import Amount, Portion, amount, portion
from ledger.contract import Id
from ledger.identity import checked_id
from ledger.interval import Interval, Month, midnight, zone_of
from ledger.quantity import MINOR_DIGITS, Money
from ledger.refusal import Refused
from ledger.settlement.line import Basis
from ledger.streams.capacity_compensation import AvailabilityMeasured
from ledger.streams.earned import Earned

FeePeriod = Literal["month", "year"]

_KILO: Final = 1000
_W_MAX: Final = 10**12
"""A terawatt: more is a unit error."""
_MONTHS: Final = {"month": 1, "year": 12}


class _Payment(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type"):
    title: str
    """What the customer's invoice calls it."""

    def __post_init__(self) -> None:
        if not self.title.strip():
            raise Refused("empty", "title must be stated", place="title")


class ThroughputPayment(_Payment, frozen=True, kw_only=True, tag="throughput"):
    """rate x metered kWh of the stated registers; `both` adds charge and discharge."""

    rate: Amount
    """Per kWh."""
    basis: ThroughputBasis

    def __post_init__(self) -> None:
        super().__post_init__()
        amount(self.rate, "rate")
        one_of(self.basis, ThroughputBasis, "basis")


class AvailabilityPayment(_Payment, frozen=True, kw_only=True, tag="availability"):
    """rate x ordered kW x months x availability; below `availability_min` the month earns nothing."""

    rate: Amount
    """Per kW.month."""
    availability_min: Portion
    proration: Proration

    def __post_init__(self) -> None:
        super().__post_init__()
        amount(self.rate, "rate")
        portion(self.availability_min, "availability_min")
        one_of(self.proration, Proration, "proration")


class FixedPayment(_Payment, frozen=True, kw_only=True, tag="fixed"):
    """The same amount each month or year, whatever was delivered; a year is paid in twelve parts."""

    rate: Amount
    per: FeePeriod
    proration: Proration

    def __post_init__(self) -> None:
        super().__post_init__()
        amount(self.rate, "rate")
        one_of(self.per, FeePeriod, "per")
        one_of(self.proration, Proration, "proration")


Payment = ThroughputPayment | AvailabilityPayment | FixedPayment


class ServiceRule(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="service"
):
    """The terms of a service that customers order."""

    id: Id
    title: str
    source: str
    currency: str
    zone: str
    payments: tuple[Payment, ...]

    def __post_init__(self) -> None:
        checked_id(self.id, "id")
        for text, field in ((self.title, "title"), (self.source, "source")):
            if not text.strip():
                raise Refused("empty", f"{field} must be stated", place=field)
        if self.currency not in MINOR_DIGITS:
            known = ", ".join(MINOR_DIGITS)
            raise Refused("currency", f"{self.currency!r} is not one of {known}", place="currency")
        zone_of(self.zone)
        titles = [payment.title for payment in self.payments]
        if not titles or len(set(titles)) != len(titles):
            raise Refused("payments", "state one or more payments, each title once", place="payments")


class ServiceOrdered(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    tag_field="type",
    tag="service_ordered",
):
    """A customer's order of the service at a site, whole local days; `run` is the order's own number."""

    id: Id
    site: Id
    rule: Id
    run: str
    interval: Interval
    customer: Id
    ordered_w: int

    def __post_init__(self) -> None:
        named = ((self.id, "id"), (self.site, "site"), (self.rule, "rule"), (self.customer, "customer"))
        for name, field in named:
            checked_id(name, field)
        if not self.run.strip():
            raise Refused("empty", "the order must be named", place="run")
        if not 0 < self.ordered_w <= _W_MAX:
            raise Refused("ordered", f"an order is of 1 to {_W_MAX} W", place="ordered_w")


class Metered(NamedTuple):
    """Both registers of the site over `interval`, the month or the days of it that are settled, in Wh per
    `interval_s`, never negative."""

    interval: Interval
    interval_s: int
    charge_wh: npt.NDArray[np.int64]
    discharge_wh: npt.NDArray[np.int64]


def service_earned(
    rule: ServiceRule,
    month: Month,
    order: ServiceOrdered,
    metered: Metered | None,
    availability: AvailabilityMeasured | None,
) -> tuple[Earned, ...]:
    """What one order earns in a month of the rule's zone: one line per payment, in the rule's order.

    Only days inside the order count, and of its energy what was metered in `metered.interval`; the other
    payments are of all its days in the month (`ordered_days`). `metered` and `availability` (of the order's
    part of the month) may be None where no payment needs them.

    Raises:
        Refused: `rule`, `site`, `order_month` when the order does not reach into the month or cuts a local
            day, `throughput_missing`, `availability_missing`, `profile`, `interval`, `month`.
    """
    if order.rule != rule.id:
        raise Refused("rule", f"{order.rule} is not {rule.id}", place=order.id)
    part = _part(rule, month, order)
    lines = []
    for payment in rule.payments:
        match payment:
            case ThroughputPayment():
                term, note = _throughput(payment, part, metered)
            case AvailabilityPayment():
                term, note = _availability(payment, part, availability)
            case FixedPayment():
                term, note = _fixed(payment, part)
            case never:
                assert_never(never)
        exact = Fraction(term.exact)
        whole_note = f"{payment.title}, order {order.run} of {order.customer}{note}"
        lines.append(Earned("service", exact, Money.round(exact, rule.currency), (term,), whole_note))
    return tuple(lines)


def ordered_days(rule: ServiceRule, month: Month, order: ServiceOrdered) -> tuple[date, date]:
    """The local days [first, end) of the month that an order is for.

    Raises:
        Refused: `order_month`.
    """
    covered = _part(rule, month, order).covered
    first, end = (instant.astimezone(zone_of(rule.zone)).date() for instant in (covered.start, covered.end))
    return first, end


class _OrderedPart(NamedTuple):
    """The part of the month that the order covers."""

    month: Month
    order: ServiceOrdered
    whole: Interval
    covered: Interval
    days: Fraction
    """Covered days over the month's days."""

    def months(self, proration: Proration) -> Fraction:
        return self.days if proration == "days" else Fraction(1)


def _part(rule: ServiceRule, month: Month, order: ServiceOrdered) -> _OrderedPart:
    zone = zone_of(rule.zone)
    whole = month.interval(zone)
    if not order.interval.overlaps(whole):
        raise Refused("order_month", f"the order does not reach into {month}", place=order.id)
    covered = Interval(max(order.interval.start, whole.start), min(order.interval.end, whole.end))
    first, last = (instant.astimezone(zone).date() for instant in (covered.start, covered.end))
    if covered != Interval(midnight(first, zone), midnight(last, zone)):
        raise Refused("order_month", "an order begins and ends with a local day", place=order.id)
    return _OrderedPart(month, order, whole, covered, Fraction((last - first).days, month.days))


def _throughput(payment: ThroughputPayment, part: _OrderedPart, metered: Metered | None) -> tuple[Basis, str]:
    if metered is None:
        raise Refused("throughput_missing", f"{payment.title} needs the month's Wh", place="metered")
    registers = {
        "charge": (metered.charge_wh,),
        "discharge": (metered.discharge_wh,),
        "both": (metered.charge_wh, metered.discharge_wh),
    }[payment.basis]
    energy_wh = sum(_energy_wh(values, part, metered) for values in registers)
    kwh = Fraction(energy_wh, _KILO)
    label = f"{payment.title}, {_REGISTERS[payment.basis]}"
    exact = kwh * amount(payment.rate, "rate")
    return Basis(label, exact_text(kwh), "kWh", payment.rate, exact_text(exact)), ""


def _energy_wh(values: npt.NDArray[np.int64], part: _OrderedPart, metered: Metered) -> int:
    interval_s, span = metered.interval_s, metered.interval
    if interval_s <= 0 or span.seconds % interval_s:
        raise Refused("interval", f"{interval_s} s does not divide the month", place="metered.interval_s")
    count = span.seconds // interval_s
    if values.dtype != np.int64 or values.shape != (count,):
        raise Refused("profile", f"a register has {count} whole Wh of the month (int64)", place="metered")
    if int(values.min()) < 0:
        raise Refused("profile", "a register is never negative", place="metered")
    start, end = max(part.covered.start, span.start), min(part.covered.end, span.end)
    if end <= start:
        return 0
    begin, off = divmod(int((start - span.start).total_seconds()), interval_s)
    length, over = divmod(int((end - start).total_seconds()), interval_s)
    if off or over:
        raise Refused("interval", "the order begins or ends inside a meter interval", place=part.order.id)
    taken = values[begin : begin + length]
    if int(taken.max()) * length < _INT64:
        return int(taken.sum())
    return sum(taken.tolist())


def _availability(
    payment: AvailabilityPayment, part: _OrderedPart, measured: AvailabilityMeasured | None
) -> tuple[Basis, str]:
    if measured is None:
        raise Refused("availability_missing", f"{payment.title} needs the availability", place="availability")
    if measured.site != part.order.site:
        raise Refused("site", f"{measured.site} is not {part.order.site}", place=measured.id)
    if measured.rule != part.order.rule:
        raise Refused("rule", f"{measured.rule} is not {part.order.rule}", place=measured.id)
    if measured.interval != part.covered:
        raise Refused("month", f"the availability is not of the order's {part.month}", place=measured.id)
    factor = measured.factor
    kw_months = Fraction(part.order.ordered_w, _KILO) * part.months(payment.proration)
    label = f"{payment.title}, {exact_text(kw_months)} kW.month x availability {exact_text(factor)}"
    if factor < portion(payment.availability_min, "availability_min"):
        reason = f"below {payment.availability_min}: not paid"
        return Basis(
            f"{label}, {reason}", exact_text(kw_months * factor), "kW.month", "0", "0"
        ), f"; {reason}"
    exact = kw_months * factor * amount(payment.rate, "rate")
    return Basis(label, exact_text(kw_months * factor), "kW.month", payment.rate, exact_text(exact)), ""


def _fixed(payment: FixedPayment, part: _OrderedPart) -> tuple[Basis, str]:
    months = part.months(payment.proration)
    price = amount(payment.rate, "rate") / _MONTHS[payment.per]
    exact = months * price
    label = f"{payment.title}, {payment.rate} a {payment.per}"
    return Basis(label, exact_text(months), "month", exact_text(price), exact_text(exact)), ""


_INT64: Final = 2**63
_REGISTERS: Final = {"discharge": "discharged", "charge": "charged", "both": "charged and discharged"}
