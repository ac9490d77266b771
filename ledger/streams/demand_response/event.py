"""One demand response event settled: response against baseline, what of it is paid, and the penalty."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import date, timedelta
from fractions import Fraction
from typing import Final, NamedTuple, assert_never

import numpy as np
import numpy.typing as npt

from ledger.calendars import DayKind
from ledger.clauses.flow import exact_text
from ledger.clauses.share import amount, portion
from ledger.interval import Interval
from ledger.quantity import Money
from ledger.refusal import Refused
from ledger.settlement.line import Basis
from ledger.split import largest_remainder
from ledger.streams.baseline import Baseline, Exclusion, Profile, baseline
from ledger.streams.demand_response.assessment import Measured, Paid, assess, blocks_of, measure
from ledger.streams.demand_response.facts import DemandResponseInvitation, DemandResponseOutage, Event
from ledger.streams.demand_response.rule import (
    HOUR_S,
    ClearingPrice,
    DemandResponseRule,
    FixedPrice,
    PerKwEvent,
    PerKwh,
)
from ledger.streams.earned import Earned

LEAVES_MAX: Final = 36
"""A line with more assessed blocks than this shows them by what became of them, not one by one."""


class EventResult(NamedTuple):
    """`response_wh` may be below zero where a site did the contrary; `claimed_wh` are the paid kWh.

    Both are per interval of the window. The claimed Wh are what no other market may pay again
    (DOMAIN.md 4).
    """

    invitation: str
    window: Interval
    interval_s: int
    baseline: Baseline | None
    """None where nothing was called and so nothing was measured."""
    response_wh: tuple[Fraction, ...]
    claimed_wh: npt.NDArray[np.int64]
    payment: Earned
    penalty: Earned | None

    @property
    def earned(self) -> tuple[Earned, ...]:
        """The payment, then the penalty where there is one."""
        return (self.payment,) if self.penalty is None else (self.payment, self.penalty)


def settle_event(
    rule: DemandResponseRule,
    event: Event,
    profile: Profile,
    *,
    day_kind: Callable[[date], DayKind],
    excluded: Sequence[Exclusion] = (),
    outages: Iterable[DemandResponseOutage] = (),
) -> EventResult:
    """What an event earns (DOMAIN.md 3.4), each line rounded once.

    `profile` is the meter that the rule's baseline is about, consumption above zero: the grid meter, from
    which only the increment over habitual operation is a response, or the storage's own. `excluded` is
    all other called events, `outages` all outages of the site, in the whole time that the baseline looks at.

    Raises:
        Refused: `rule`, `interval` or `award` where rule, facts and readings do not fit together;
            `award_without_instruction` where the rule says so; `price_missing`, `price_cap`,
            `clearing_price` or `duration_price` for the price; `minimum_missing`; `penalty_unstated` for a
            default without a stated penalty; `reading_missing`, and what `baseline` refuses.
    """
    invitation = event.invitation
    numbers = _window_numbers(rule, event, profile)
    if event.instruction is None and rule.without_instruction != "paid":
        return _not_called(rule, event, len(numbers))
    known = tuple(outages)
    stops = [Exclusion(one.interval, f"outage ({one.reason})") for one in known]
    base = baseline(
        rule.baseline,
        profile,
        event.window,
        announced=invitation.announced,
        day_kind=day_kind,
        excluded=(*excluded, *stops),
    )
    excused = [one.interval for one in known if one.excused]
    measured = measure(rule, event, profile, base, numbers, excused)
    paid = [assess(rule, measured, block) for block in blocks_of(rule, measured, rule.performance.assess)]
    penalty = _penalty(rule, invitation, measured)
    response = tuple(Fraction(value, measured.per_wh) for value in measured.response)
    claimed = _claimed(measured, paid)
    payment = _payment(rule, invitation, measured, paid, base)
    return EventResult(
        invitation.id, event.window, rule.interval_s, base, response, claimed, payment, penalty
    )


def _window_numbers(rule: DemandResponseRule, event: Event, profile: Profile) -> range:
    """Which of the award's intervals the window is."""
    invitation = event.invitation
    if invitation.rule != rule.id:
        raise Refused("rule", f"{invitation.id} is of rule {invitation.rule}, not {rule.id}", place="rule")
    if profile.interval_s != rule.interval_s:
        message = f"readings of {profile.interval_s} s, the rule settles {rule.interval_s} s"
        raise Refused("interval", message, place="interval_s")
    if len(invitation.awarded_w) * rule.interval_s != invitation.interval.seconds:
        message = f"{len(invitation.awarded_w)} values are not one for each {rule.interval_s} s"
        raise Refused("award", message, place="awarded_w")
    window, step = event.window, timedelta(seconds=rule.interval_s)
    first, off = divmod(window.start - invitation.interval.start, step)
    count, over = divmod(window.end - window.start, step)
    if off or over or first < 0 or first + count > len(invitation.awarded_w):
        message = f"{window.start} to {window.end} is not whole intervals of the award"
        raise Refused("interval", message, place="interval")
    return range(first, first + count)


def _not_called(rule: DemandResponseRule, event: Event, count: int) -> EventResult:
    invitation = event.invitation
    message = f"award {invitation.id} of run {invitation.run} was not called by an instruction"
    if rule.without_instruction == "refused":
        raise Refused("award_without_instruction", message, place=invitation.id)
    nothing = Earned(
        "demand_response", Fraction(0), Money.zero(rule.currency), (), f"{message}: nothing is paid"
    )
    claimed = np.zeros(count, dtype=np.int64)
    return EventResult(invitation.id, event.window, rule.interval_s, None, (), claimed, nothing, None)


def _payment(
    rule: DemandResponseRule,
    invitation: DemandResponseInvitation,
    measured: Measured,
    paid: list[Paid],
    base: Baseline,
) -> Earned:
    """Paid kWh, or their mean kW over the assessed hours, at the rule's price."""
    price, unit = event_price(rule, invitation, measured.window), "kWh"
    hours = Fraction(1)
    if isinstance(rule.energy_payment, PerKwEvent):
        unit = "kW"
        assessed = sum(len(one.block.numbers) for one in paid)
        hours = Fraction(max(assessed, 1) * measured.interval_s, HOUR_S)
    terms = [(_label(measured, one), measured.kwh(one.weighted) / hours) for one in paid]
    if len(terms) > LEAVES_MAX:
        terms = _by_treatment(measured, paid, hours)
    basis = tuple(
        Basis(label, exact_text(quantity), unit, exact_text(price), exact_text(quantity * price))
        for label, quantity in terms
    )
    exact = sum((quantity for _, quantity in terms), Fraction(0)) * price
    note = f"run {invitation.run}; {base.explanation}"
    if measured.excused:
        note += f"; {len(measured.excused)} intervals excused by an outage"
    return Earned("demand_response", exact, Money.round(exact, rule.currency), basis, note)


def _by_treatment(measured: Measured, paid: list[Paid], hours: Fraction) -> list[tuple[str, Fraction]]:
    groups: dict[str, list[Paid]] = {}
    for one in paid:
        groups.setdefault(one.why, []).append(one)
    terms = []
    for why, group in groups.items():
        counted = measured.shown(sum((one.counted for one in group), Fraction(0)))
        label = f"{len(group)} of {len(paid)} assessed: {why}; counted {counted}"
        terms.append((label, measured.kwh(sum((one.weighted for one in group), Fraction(0))) / hours))
    return terms


def _label(measured: Measured, one: Paid) -> str:
    response, award = (measured.shown(value) for value in (one.block.response, one.block.award))
    return f"{measured.hours(one.block)}: response {response} of {award} awarded; {one.why}"


def event_price(rule: DemandResponseRule, invitation: DemandResponseInvitation, window: Interval) -> Fraction:
    """What an event pays per kWh, or per kW, in major units.

    Raises:
        Refused: `price_missing`, `price_cap`, `clearing_price`, `duration_price`.
    """
    match rule.energy_payment:
        case PerKwh(price=form):
            return _price_per_kwh(form, invitation)
        case PerKwEvent(steps=steps):
            passed = [step for step in steps if window.seconds > 60 * step.over_minutes]
            if not passed:
                message = (
                    f"{window.seconds // 60} minutes: rule {rule.id} has prices over {steps[0].over_minutes}"
                )
                raise Refused("duration_price", message, place="payments")
            return amount(passed[-1].price, "price")
        case never:
            assert_never(never)


def _price_per_kwh(form: FixedPrice | ClearingPrice, invitation: DemandResponseInvitation) -> Fraction:
    told = invitation.clearing_price
    clearing = None if told is None else amount(told, "clearing_price")
    if isinstance(form, FixedPrice):
        fixed = amount(form.price, "price")
        if clearing not in (None, fixed):
            message = f"{invitation.id} tells {told}, the rule fixes {form.price}"
            raise Refused("clearing_price", message, place="clearing_price")
        return fixed
    if clearing is None:
        raise Refused("price_missing", f"{invitation.id} tells no clearing price", place="clearing_price")
    if form.cap is not None and clearing > amount(form.cap, "cap"):
        message = f"{told} is above the rule's cap of {form.cap}: a cleared price is not changed"
        raise Refused("price_cap", message, place="clearing_price")
    return clearing


def _penalty(
    rule: DemandResponseRule, invitation: DemandResponseInvitation, measured: Measured
) -> Earned | None:
    """The shortfall's price below zero; None where nothing fell short."""
    penalty = rule.penalty
    if penalty is None:
        return None
    below = portion(penalty.below, "below")
    price = event_price(rule, invitation, measured.window) * amount(penalty.multiple, "multiple")
    terms: list[tuple[str, Fraction]] = []
    for block in blocks_of(rule, measured, penalty.assess):
        missing = below * block.award - block.response
        if missing > 0:
            response, award = measured.shown(block.response), measured.shown(block.award)
            label = f"shortfall {measured.hours(block)}: {response} is less than {penalty.below} of {award}"
            terms.append((label, measured.kwh(missing)))
    if not terms:
        return None
    total = sum((quantity for _, quantity in terms), Fraction(0))
    if len(terms) > LEAVES_MAX:
        terms = [(f"{len(terms)} shortfalls below {penalty.below} of the award", total)]
    basis = tuple(
        Basis(label, exact_text(quantity), "kWh", exact_text(-price), exact_text(-quantity * price))
        for label, quantity in terms
    )
    note = (
        f"penalty, run {invitation.run}: {penalty.multiple} x the price of each kWh below {penalty.below}"
        " of the award"
    )
    return Earned("demand_response", -total * price, Money.round(-total * price, rule.currency), basis, note)


def _claimed(measured: Measured, paid: list[Paid]) -> npt.NDArray[np.int64]:
    """Whole Wh of each interval that were paid: a block's counted energy, by its intervals' responses."""
    claimed = np.zeros(len(measured.response), dtype=np.int64)
    for one in paid:
        whole_wh = one.counted // measured.per_wh if one.factor else 0
        if not whole_wh:
            continue
        weights = {f"{n:06d}": Fraction(max(measured.response[n], 0)) for n in one.block.numbers}
        for name, part in largest_remainder(whole_wh, weights).items():
            claimed[int(name)] = part
    return claimed
