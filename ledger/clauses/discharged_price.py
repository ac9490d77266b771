"""A discounted price for each discharged kWh, with the cost of charging and a minimum take."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from functools import cached_property
from typing import ClassVar, Literal

import msgspec

from ledger.clauses.carry import Carry, TakeToDate
from ledger.clauses.facts import Cause
from ledger.clauses.fee import check_fee_parties, fee_parties, fee_parts
from ledger.clauses.flow import (
    Flow,
    Outcome,
    Part,
    Phase,
    Proration,
    Terms,
    Throughput,
    Timing,
    check_carve_outs,
    check_reset_month,
    exact_text,
    grouped,
    one_of,
)
from ledger.clauses.share import Amount, Portion, amount, portion
from ledger.clauses.telling import Before, Product, Retold, Told, times
from ledger.interval import Month
from ledger.refusal import Refused

PriceBasis = Literal["fixed", "tariff"]
ChargeCost = Literal["not_passed", "added", "deducted"]
TakePeriod = Literal["month", "year"]


class MinimumTake(
    msgspec.Struct, frozen=True, kw_only=True, dict=True, forbid_unknown_fields=True, omit_defaults=True
):
    """Take or pay: what is discharged below `kwh` a `period` is paid for at `price`.

    A year is measured to date, month by month, as a guarantee is: what a weak month paid, a strong one of
    the same year takes back. With `make_up` what earlier periods paid for and did not take is credited, at
    `price`, against what later ones take above their minimum.
    """

    kwh: Amount
    period: TakePeriod
    reset_month: int | None = None
    """1 to 12, stated exactly for a year."""
    proration: Proration
    price: Amount
    """Currency per kWh not taken."""
    make_up: bool
    carve_outs: tuple[Cause, ...] = ()

    def __post_init__(self) -> None:
        amount(self.kwh, "kwh")
        amount(self.price, "price")
        one_of(self.period, TakePeriod, "period")
        one_of(self.proration, Proration, "proration")
        check_reset_month(self.reset_month, by_year=self.period == "year")
        check_carve_outs(self.carve_outs)

    @cached_property
    def monthly_wh(self) -> Fraction:
        return amount(self.kwh, "kwh") * (1000 if self.period == "month" else Fraction(1000, 12))

    def unpaid_wh(self, months: Fraction, taken_wh: int, make_up_wh: Fraction) -> Fraction:
        """What is paid for and not taken in the period so far, less what is made up; below zero is credit."""
        minimum = self.monthly_wh * months
        short = max(minimum - taken_wh, Fraction(0))
        return short - min(max(taken_wh - minimum, Fraction(0)), make_up_wh)

    @cached_property
    def price_per_wh(self) -> Fraction:
        return amount(self.price, "price") / 1000

    def left_wh(self, carry: TakeToDate) -> Fraction:
        """`unpaid_wh` of the period up to a month."""
        return self.unpaid_wh(Fraction(carry.months), carry.taken_wh, Fraction(carry.make_up_wh))

    def opens_wh(self, carry: Carry) -> Fraction:
        """What the month after `carry`'s may make up."""
        to_date = _to_date(carry)
        make_up = Fraction(to_date.make_up_wh)
        if not self.begins(to_date.month.next()):
            return make_up
        return make_up + self.left_wh(to_date) if self.make_up else Fraction(0)

    def begins(self, month: Month) -> bool:
        """Whether a period begins in `month`."""
        return self.period == "month" or month.month == self.reset_month


class DischargedPrice(Terms, frozen=True, kw_only=True, omit_defaults=True, tag="discharged_price"):
    """F = (1 - discount) x price x discharged kWh, with the cost of charging and the minimum take beside it.

    With a `tariff` basis the price is that of each interval's retail tariff. The cost of charging is `added`
    where the payee bought that energy and the payer repays it, and `deducted` where it stands on the payer's
    own electricity bill and the payee bears it. Timing and payer are as for a base fee.
    """

    account: ClassVar = TakeToDate
    is_fee: ClassVar = True

    price_basis: PriceBasis
    price: Amount | None = None
    """Currency per kWh before the discount, stated exactly for a fixed price."""
    discount: Portion
    charge_cost: ChargeCost
    minimum: MinimumTake | None = None
    payer: str
    payee: str
    timing: Timing

    def __post_init__(self) -> None:
        one_of(self.price_basis, PriceBasis, "price_basis")
        one_of(self.charge_cost, ChargeCost, "charge_cost")
        if (self.price_basis == "fixed") != (self.price is not None):
            raise Refused("price", "state the price when it is fixed, and only then", place="price")
        if self.price is not None:
            amount(self.price, "price")
        portion(self.discount, "discount")
        check_fee_parties(self.payer, self.payee, self.timing)

    @property
    def phase(self) -> Phase:
        return self.timing

    @property
    def left_out(self) -> tuple[Cause, ...]:
        return () if self.minimum is None else self.minimum.carve_outs

    def named_parties(self) -> Iterator[tuple[str, str]]:
        yield from fee_parties(self.payer, self.payee)

    def needs_prior(self, month: Month) -> bool:
        return self.minimum is not None and (self.minimum.make_up or not self.minimum.begins(month))

    def apply(self, flow: Flow) -> Outcome:
        """The month's energy, the cost of charging and the take to date.

        Raises:
            Refused: `throughput_missing`, `discharge_value_missing`, `charge_cost_missing`: nothing known is
                not the same as zero.
        """
        if flow.throughput is None:
            raise Refused(
                "throughput_missing", "the price needs the month's discharged kWh", place="throughput"
            )
        taken, parts = self._energy(flow, flow.throughput)
        if self.charge_cost != "not_passed":
            cost, lines = self._charging(flow, flow.throughput)
            taken, parts = taken + cost, (*parts, *lines)
        if self.minimum is None:
            return Outcome(taken, parts)
        paid, lines, carry = self._take(flow, flow.throughput.discharge_wh, self.minimum)
        return Outcome(taken + paid, (*parts, *lines), carry)

    def _energy(self, flow: Flow, throughput: Throughput) -> tuple[int, tuple[Part, ...]]:
        left = 1 - portion(self.discount, "discount")
        kwh = Fraction(throughput.discharge_wh, 1000)
        if self.price is not None:
            value = amount(self.price, "price") * kwh
            what = f"{self.price} {flow.currency}/kWh x {grouped(exact_text(kwh))} kWh discharged"
        elif throughput.discharge_value is not None:
            value = throughput.discharge_value
            what = f"{exact_text(value)} {flow.currency} for {grouped(exact_text(kwh))} kWh discharged"
        else:
            raise Refused(
                "discharge_value_missing",
                "the tariff price needs what the discharged energy was worth",
                place="throughput.discharge_value",
            )
        exact = left * value
        basis = f"{what}, less {self.discount}"
        return fee_parts(self.payer, self.payee, exact, flow.minor(exact), basis)

    def _charging(self, flow: Flow, throughput: Throughput) -> tuple[int, tuple[Part, ...]]:
        cost = throughput.charge_cost
        if cost is None:
            raise Refused(
                "charge_cost_missing",
                "the contract passes on what charging cost",
                place="throughput.charge_cost",
            )
        exact = cost if self.charge_cost == "added" else -cost
        kwh = grouped(exact_text(Fraction(throughput.charge_wh, 1000)))
        basis = f"cost of charging {kwh} kWh, {self.charge_cost}"
        return fee_parts(self.payer, self.payee, exact, flow.minor(exact), basis)

    def _take(
        self, flow: Flow, discharged_wh: int, minimum: MinimumTake
    ) -> tuple[int, tuple[Part, ...], TakeToDate]:
        months, taken_wh, make_up = self._before(flow, minimum)
        carry = TakeToDate(
            flow.month,
            exact_text(months + flow.months(minimum.proration, minimum.carve_outs)),
            taken_wh + discharged_wh,
            exact_text(make_up),
        )
        return *self._take_parts(flow, minimum, carry), carry

    def _take_parts(
        self, flow: Flow, minimum: MinimumTake, carry: TakeToDate
    ) -> tuple[int, tuple[Part, ...]]:
        """What the take to date makes due, less what it made due before this month."""
        paid = flow.minor(minimum.price_per_wh * minimum.unpaid_wh(*self._before(flow, minimum)))
        months, make_up = Fraction(carry.months), Fraction(carry.make_up_wh)
        unpaid_wh = minimum.unpaid_wh(months, carry.taken_wh, make_up)
        exact = minimum.price_per_wh * unpaid_wh - Fraction(paid, flow.unit)
        least = grouped(exact_text(minimum.monthly_wh * months / 1000))
        basis = (
            f"minimum take {least} kWh, taken {grouped(exact_text(Fraction(carry.taken_wh, 1000)))} kWh,"
            f" to make up {grouped(exact_text(make_up / 1000))} kWh:"
            f" {minimum.price} {flow.currency}/kWh x {grouped(exact_text(unpaid_wh / 1000))} kWh"
            f" - before {flow.money(paid)}"
        )
        amount_due = flow.minor(minimum.price_per_wh * unpaid_wh) - paid
        if not amount_due and not exact:
            return 0, ()
        return fee_parts(self.payer, self.payee, exact, amount_due, basis)

    def retell(self, flow: Flow, carry: Carry) -> tuple[Retold, ...]:
        """The minimum take by what it counted: the minimum and what was taken, or what was made up, at its
        price, less what was due before. Without a minimum, or where months are missing before, nothing."""
        minimum = self.minimum
        if minimum is None or not isinstance(carry, TakeToDate):
            return ()
        before = flow.carried
        make_up = Fraction(carry.make_up_wh)
        opened = minimum.opens_wh(before) if isinstance(before, TakeToDate) else Fraction(0)
        if opened != make_up:
            return ()
        told = self._told(flow, minimum, carry)
        return tuple(
            Retold(part, told if part.party == self.payee else times(Fraction(-1), told))
            for part in self._take_parts(flow, minimum, carry)[1]
        )

    def _told(self, flow: Flow, minimum: MinimumTake, carry: TakeToDate) -> Told:
        """As the payee has it."""
        months, taken_before, make_up = self._before(flow, minimum)
        paid = flow.minor(minimum.price_per_wh * minimum.unpaid_wh(months, taken_before, make_up))
        months, price, since = Fraction(carry.months), minimum.price_per_wh, minimum.reset_month
        least = minimum.monthly_wh * months
        told: Told = ()
        if carry.taken_wh - least > make_up:
            if make_up:
                made_up = Before("made up of", price * make_up, lambda one: price * minimum.opens_wh(one))
                told = ((Fraction(-1), made_up),)
        else:
            taken = Fraction(carry.taken_wh - taken_before, 1000)
            told = (
                (Fraction(1), Product(_label(minimum, months), least / 1000, "kWh", price * 1000)),
                (Fraction(-1), Product(f"taken in {flow.month}", taken, "kWh", price * 1000, metered=True)),
            )
            if taken_before:
                earlier = Before(
                    "taken, at its price, in",
                    price * taken_before,
                    lambda one: price * _to_date(one).taken_wh,
                    since,
                )
                told += ((Fraction(-1), earlier),)
        if paid:
            due = Before(
                "due for", Fraction(paid, flow.unit), lambda one: self._due_by(flow, minimum, one), since
            )
            told += ((Fraction(-1), due),)
        return told

    def _due_by(self, flow: Flow, minimum: MinimumTake, carry: Carry) -> Fraction:
        """What was due for the period up to an earlier month, by the terms of now."""
        return Fraction(flow.minor(minimum.price_per_wh * minimum.left_wh(_to_date(carry))), flow.unit)

    def _before(self, flow: Flow, minimum: MinimumTake) -> tuple[Fraction, int, Fraction]:
        """The months, the Wh taken and the Wh to make up, of the period before this month."""
        before = flow.carried
        if not isinstance(before, TakeToDate):
            return Fraction(0), 0, Fraction(0)
        months, make_up = Fraction(before.months), Fraction(before.make_up_wh)
        if not minimum.begins(flow.month) or before.month == flow.month:
            return months, before.taken_wh, make_up
        if not minimum.make_up:
            return Fraction(0), 0, Fraction(0)
        return Fraction(0), 0, make_up + minimum.left_wh(before)


def _to_date(carry: Carry) -> TakeToDate:
    assert isinstance(carry, TakeToDate), "its account is a minimum take's"
    return carry


def _label(minimum: MinimumTake, months: Fraction) -> str:
    return f"minimum take, {months} of 12 months" if minimum.period == "year" else "minimum take of the month"
