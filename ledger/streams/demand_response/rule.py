"""A demand response market's numbers as data: baseline, effective bands, payments, penalty, caps."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from typing import Annotated, Final, Literal

import msgspec

from ledger.clauses.flow import one_of
from ledger.clauses.share import Amount, Portion, amount, portion
from ledger.identity import checked_id
from ledger.quantity import MINOR_DIGITS
from ledger.refusal import Refused
from ledger.streams.baseline import BaselineMethod

Id = Annotated[str, msgspec.Meta(pattern="^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")]
Direction = Literal["reduce", "increase"]
Assess = Literal["event", "hour", "interval"]
Measure = Literal["energy", "least_power"]
Clip = Literal["per_interval", "netted"]
MinimumReduction = Literal["none", "contracted"]
WithoutInstruction = Literal["paid", "not_paid", "refused"]
AvailabilityWhen = Literal["always", "not_called"]

HOUR_S: Final = 3600


class Tagged(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type"):
    """A kind that a document names by its `type`."""


class Band(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Response / award in [from_ratio, to_ratio): `factor` of it counts, up to `capped_at` x award."""

    from_ratio: Amount
    factor: Portion
    to_ratio: Amount | None = None
    """Absent: without an end, in the last band only."""
    capped_at: Amount | None = None
    """Absent: the whole response."""
    counts_as_default: bool = False
    """The source calls such a response a default (违约): settling one needs a penalty that is stated."""

    def __post_init__(self) -> None:
        amount(self.from_ratio, "from_ratio")
        portion(self.factor, "factor")
        for text, place in ((self.to_ratio, "to_ratio"), (self.capped_at, "capped_at")):
            if text is not None:
                amount(text, place)

    def holds(self, ratio: Fraction) -> bool:
        if ratio < amount(self.from_ratio, "from_ratio"):
            return False
        return self.to_ratio is None or ratio < amount(self.to_ratio, "to_ratio")


class Bands(Tagged, frozen=True, kw_only=True, tag="bands"):
    """Which part of a response is paid, by its ratio to the award over each event, clock hour or interval."""

    assess: Assess
    bands: tuple[Band, ...]

    def __post_init__(self) -> None:
        one_of(self.assess, Assess, "assess")
        if not self.bands or amount(self.bands[0].from_ratio, "from_ratio"):
            raise Refused("bands", "the first band begins at ratio 0", place="bands")
        for index, (band, following) in enumerate(pairwise(self.bands)):
            if band.to_ratio is None or amount(band.to_ratio, "") != amount(following.from_ratio, ""):
                raise Refused("bands", "a band ends where the next begins", place=f"bands[{index}].to_ratio")
            if amount(band.to_ratio, "") <= amount(band.from_ratio, ""):
                raise Refused("bands", "a band ends above its beginning", place=f"bands[{index}].to_ratio")
        if self.bands[-1].to_ratio is not None:
            place = f"bands[{len(self.bands) - 1}].to_ratio"
            raise Refused("bands", "the last band has no end: leave to_ratio out", place=place)

    def band_of(self, ratio: Fraction) -> Band:
        """The one band that holds `ratio`, which is not negative."""
        return next(band for band in self.bands if band.holds(ratio))


class Tracking(Tagged, frozen=True, kw_only=True, tag="tracking"):
    """K x min(P/Pz, 1) x min(P, Pz) for each interval; nothing where |P - Pz| / Pz is above `tolerance`."""

    coefficient: Amount
    tolerance: Portion

    @property
    def assess(self) -> Assess:
        return "interval"

    def __post_init__(self) -> None:
        amount(self.coefficient, "coefficient")
        portion(self.tolerance, "tolerance")


class FixedPrice(Tagged, frozen=True, kw_only=True, tag="fixed"):
    """A price that the rule itself states."""

    price: Amount

    def __post_init__(self) -> None:
        amount(self.price, "price")


class ClearingPrice(Tagged, frozen=True, kw_only=True, tag="clearing"):
    """The price that the market's clearing told; one above `cap` contradicts the rule and is refused."""

    cap: Amount | None = None

    def __post_init__(self) -> None:
        if self.cap is not None:
            amount(self.cap, "cap")


PriceForm = FixedPrice | ClearingPrice


class PerKwh(Tagged, frozen=True, kw_only=True, tag="per_kwh"):
    """Money per kWh of paid response."""

    price: PriceForm


class DurationStep(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The price per kW of an event that lasts longer than `over_minutes`."""

    over_minutes: int
    price: Amount

    def __post_init__(self) -> None:
        if not isinstance(self.over_minutes, int) or self.over_minutes < 0:
            raise Refused("steps", "over_minutes is a whole number from 0", place="over_minutes")
        amount(self.price, "price")


class PerKwEvent(Tagged, frozen=True, kw_only=True, tag="per_kw_event"):
    """Money per kW and event; the kW are the paid response over the event's hours.

    The last step that the event's duration exceeds holds; an event that exceeds none has no price.
    """

    steps: tuple[DurationStep, ...]

    def __post_init__(self) -> None:
        minutes = [step.over_minutes for step in self.steps]
        if not minutes or minutes != sorted(set(minutes)):
            raise Refused("steps", "one or more steps, over_minutes rising", place="steps")


class PerKwMonth(Tagged, frozen=True, kw_only=True, tag="per_kw_month"):
    """Money per contracted kW and month, in every month or only where no event was called."""

    price: Amount
    when: AvailabilityWhen

    def __post_init__(self) -> None:
        amount(self.price, "price")
        one_of(self.when, AvailabilityWhen, "when")


Payment = PerKwh | PerKwEvent | PerKwMonth


class ShortfallPenalty(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """(award x below - response) x price x multiple, where the response is less than award x below.

    The price is that of the payment per kWh.
    """

    assess: Assess
    below: Portion
    multiple: Amount

    def __post_init__(self) -> None:
        one_of(self.assess, Assess, "assess")
        portion(self.below, "below")
        amount(self.multiple, "multiple")


class DemandResponseRule(Tagged, frozen=True, kw_only=True, tag="demand_response_rule"):
    """One product of one market (DOMAIN.md 3.4). What differs by province is a field without a default."""

    id: Id
    title: str
    source: str
    """The document that the numbers come from, with the tag R, S or M that DOMAIN.md gives it."""
    currency: str
    direction: Direction
    """`reduce` cuts a peak: response = baseline - actual; `increase` fills a valley: the other way."""
    interval_s: int
    """Of the award and of the readings."""
    baseline: BaselineMethod
    measure: Measure
    """`energy` sums the response; `least_power` takes the least response of a block for its whole time."""
    clip: Clip
    """Whether an interval's contrary response is dropped, or netted within its assessed block."""
    minimum_reduction: MinimumReduction
    """`contracted`: below the minimum that the invitation states, a response counts as none."""
    without_instruction: WithoutInstruction
    """An award that no instruction called: paid all the same, not paid, or refused."""
    performance: Bands | Tracking
    payments: tuple[Payment, ...]
    penalty: ShortfallPenalty | None = None
    annual_cap: Amount | None = None
    """Of all payments of a calendar year under this rule; above it every one is cut in proportion."""

    def __post_init__(self) -> None:
        checked_id(self.id, "id")
        for text, place in ((self.title, "title"), (self.source, "source")):
            if not text.strip():
                raise Refused("empty", f"a rule states its {place}", place=place)
        one_of(self.currency, Literal[tuple(MINOR_DIGITS)], "currency")
        one_of(self.direction, Direction, "direction")
        one_of(self.measure, Measure, "measure")
        one_of(self.clip, Clip, "clip")
        one_of(self.minimum_reduction, MinimumReduction, "minimum_reduction")
        one_of(self.without_instruction, WithoutInstruction, "without_instruction")
        if not isinstance(self.interval_s, int) or self.interval_s < 1 or HOUR_S % self.interval_s:
            raise Refused("interval", f"{self.interval_s} s does not divide an hour", place="interval_s")
        _check_payments(self)
        if self.annual_cap is not None:
            amount(self.annual_cap, "annual_cap")

    @property
    def energy_payment(self) -> PerKwh | PerKwEvent:
        """The one payment for responding to an event."""
        return next(pay for pay in self.payments if not isinstance(pay, PerKwMonth))

    @property
    def availability(self) -> PerKwMonth | None:
        return next((pay for pay in self.payments if isinstance(pay, PerKwMonth)), None)


class DemandResponseTopUpRule(Tagged, frozen=True, kw_only=True, tag="demand_response_top_up_rule"):
    """A second payer who lifts what other rules' events pay per kWh up to `to` (DOMAIN.md 3.4, Quzhou 2022).

    It measures nothing: the kWh, their baseline and their bands are those of the rule that it tops up.
    """

    id: Id
    title: str
    source: str
    """As of a `DemandResponseRule`."""
    currency: str
    tops_up: tuple[Id, ...]
    """The rules whose events it tops up."""
    to: Amount
    """Per kWh; an event that was paid more gets nothing."""
    annual_cap: Amount | None = None
    """Of all payments of a calendar year under this rule; above it every one is cut in proportion."""

    def __post_init__(self) -> None:
        checked_id(self.id, "id")
        for text, place in ((self.title, "title"), (self.source, "source")):
            if not text.strip():
                raise Refused("empty", f"a rule states its {place}", place=place)
        one_of(self.currency, Literal[tuple(MINOR_DIGITS)], "currency")
        if not self.tops_up or len(set(self.tops_up)) != len(self.tops_up):
            raise Refused("tops_up", "one or more rules, none twice", place="tops_up")
        for number, name in enumerate(self.tops_up):
            checked_id(name, f"tops_up[{number}]")
        amount(self.to, "to")
        if self.annual_cap is not None:
            amount(self.annual_cap, "annual_cap")


def _check_payments(rule: DemandResponseRule) -> None:
    monthly = sum(isinstance(pay, PerKwMonth) for pay in rule.payments)
    if len(rule.payments) - monthly != 1 or monthly > 1:
        message = "one payment per kWh or per kW and event, and at most one per kW and month"
        raise Refused("payments", message, place="payments")
    if rule.penalty is not None and not isinstance(rule.energy_payment, PerKwh):
        raise Refused("penalty", "a penalty is priced by the payment per kWh", place="penalty")
