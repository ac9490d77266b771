"""Frequency regulation as data: a market's rule, and its prices, awards, instructions and performance.

Formulas of DOMAIN.md 3.6; what they earn is worked out in `ledger.streams.regulation_settlement`.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Final, Literal

import msgspec

from ledger.clauses.flow import one_of
from ledger.clauses.share import Amount, amount
from ledger.contract import Id
from ledger.identity import checked_id
from ledger.interval import Interval, zone_of
from ledger.quantity import MINOR_DIGITS
from ledger.refusal import Refused
from ledger.streams.performance_factor import INT64, BidLimits, PerformanceFormula, checked_scale

MileageQuantity = Literal["measured", "award_x_ratio"]
CapacityHours = Literal["awarded", "available"]
Unawarded = Literal["refused", "unpaid", "mileage_paid"]
Uninstructed = Literal["capacity_paid", "unpaid"]
EnergyUnderAgc = Literal["real_time", "not_settled"]
"""The market settles energy delivered under AGC at its real-time energy price (DOMAIN.md 3.6); or it pays for
power alone, and the energy stays on the account's bill."""
Direction = Literal["up_and_down", "up", "down"]
Pays = Literal["mileage_and_capacity", "mileage", "capacity"]
"""What an award is paid for: of mileage and capacity that are bid for apart, both are of the same MW."""
PriceKind = Literal["mileage", "capacity", "mileage_ratio"]

_HOUR_S: Final = 3600
_FACTOR_MAX: Final = 1000
"""No market's K comes near; a larger one is a wrong scale."""
_WEIGHT_MAX: Final = 10
_WHOLE_MAX: Final = 10**12
"""A terawatt: a month of such numbers adds up in 64 bits."""


def _whole_numbers(
    values: Sequence[int], place: str, low: int = 0, high: int = _WHOLE_MAX, *, some: bool = True
) -> None:
    """That all are whole numbers from `low` to `high`, and that there are some.

    Raises:
        Refused: `whole_number`, `empty`.
    """
    if some and not values:
        raise Refused("empty", "there is no number for any period", place=place)
    if set(map(type, values)) - {int}:
        raise Refused("whole_number", "every value is a whole number", place=place)
    if values and not (low <= min(values) and max(values) <= high):
        raise Refused("whole_number", f"a value is not {low}..{high}", place=place)


class MileagePart(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Fee = quantity x mileage price x K, each period.

    The quantity is the measured mileage D in MW, or awarded MW x hours x the market's mileage ratio (PJM).
    `shared`: each day's sum is multiplied by M = energy that shares the cost / all energy (Hunan).
    """

    quantity: MileageQuantity
    shared: bool

    def __post_init__(self) -> None:
        one_of(self.quantity, MileageQuantity, "quantity")


class CapacityPart(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Fee = awarded MW x hours x capacity price x (1 - performance_weight x (1 - K)), each period.

    The weight is 0 where performance does not touch capacity (Guangdong, CAISO), 1 for K itself (PJM),
    1.1 for NYISO, whose fee goes below zero under K = 1/11. `price` is the rule's own per MW.h where the
    market clears none.
    """

    performance_weight: Amount
    hours: CapacityHours
    price: Amount | None = None

    def __post_init__(self) -> None:
        if amount(self.performance_weight, "performance_weight") > _WEIGHT_MAX:
            raise Refused("weight", f"a weight is at most {_WEIGHT_MAX}", place="performance_weight")
        one_of(self.hours, CapacityHours, "hours")
        if self.price is not None:
            amount(self.price, "price")


class RegulationRule(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="regulation"
):
    """A market's regulation settlement.

    `unawarded` is what happens to an instruction without an award, `uninstructed` to an award without an
    instruction; both are always named in the note and in a term of their own (DOMAIN.md 5).
    """

    id: Id
    title: str
    source: str
    currency: str
    zone: str
    period_s: int
    products: tuple[Id, ...]
    unawarded: Unawarded
    uninstructed: Uninstructed
    energy: EnergyUnderAgc
    factor: PerformanceFormula | None = None
    """Absent where performance is not paid for (AEMO's frequency markets)."""
    settled_max: Amount | None = None
    """The highest K that is settled."""
    mileage: MileagePart | None = None
    capacity: CapacityPart | None = None
    bid: BidLimits | None = None

    def __post_init__(self) -> None:
        checked_id(self.id, "id")
        for text, field in ((self.title, "title"), (self.source, "source")):
            if not text.strip():
                raise Refused("empty", f"{field} must be stated", place=field)
        if self.currency not in MINOR_DIGITS:
            known = ", ".join(MINOR_DIGITS)
            raise Refused("currency", f"{self.currency!r} is not one of {known}", place="currency")
        zone_of(self.zone)
        if self.period_s <= 0 or _HOUR_S % self.period_s:
            raise Refused("interval", f"{self.period_s} s does not divide an hour", place="period_s")
        if not self.products or len(set(self.products)) != len(self.products):
            raise Refused("products", "name one or more products, each once", place="products")
        one_of(self.unawarded, Unawarded, "unawarded")
        one_of(self.uninstructed, Uninstructed, "uninstructed")
        one_of(self.energy, EnergyUnderAgc, "energy")
        if self.settled_max is not None:
            amount(self.settled_max, "settled_max")
        if self.mileage is None and self.capacity is None:
            raise Refused("parts", "a rule pays for mileage, capacity or both", place="mileage")
        scored = self.mileage is not None or (self.capacity is not None and self.capacity_weight != 0)
        if scored and self.factor is None:
            raise Refused("factor", "mileage, or a performance weight, needs a factor", place="factor")
        measured = self.mileage is not None and self.mileage.quantity == "measured"
        if self.unawarded == "mileage_paid" and not measured:
            raise Refused("unawarded", "only measured mileage can be paid without award", place="unawarded")

    @property
    def capacity_weight(self) -> Fraction:
        """The weight of performance in the capacity fee; 0 where there is none."""
        return Fraction(0) if self.capacity is None else amount(self.capacity.performance_weight, "capacity")

    @property
    def needs_performance(self) -> bool:
        """Whether an award cannot be settled without what the market measured."""
        hours = self.capacity is not None and self.capacity.hours == "available"
        return self.factor is not None or hours or self.uninstructed == "unpaid"


class _Fact(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type"):
    id: Id
    rule: Id
    run: str
    """The market's own name for its run."""
    interval: Interval

    def __post_init__(self) -> None:
        checked_id(self.id, "id")
        checked_id(self.rule, "rule")
        if not self.run.strip():
            raise Refused("empty", "the market's run must be named", place="run")


def _energy_lengths(charged_wh: tuple[int, ...] | None, discharged_wh: tuple[int, ...] | None) -> set[int]:
    """How many periods the energies under AGC are of; none where they are not told."""
    if charged_wh is None and discharged_wh is None:
        return set()
    if charged_wh is None or discharged_wh is None:
        missing = "charged_wh" if charged_wh is None else "discharged_wh"
        raise Refused("agc_energy", "tell both what was charged and discharged, or neither", place=missing)
    _whole_numbers(charged_wh, "charged_wh")
    _whole_numbers(discharged_wh, "discharged_wh")
    return {len(charged_wh), len(discharged_wh)}


class RegulationPrices(_Fact, frozen=True, kw_only=True, tag="regulation_prices"):
    """A product's prices for equal periods of the interval: mantissa x 10^-scale, of all units alike.

    `mileage` per MW, `capacity` per MW.h; `mileage_ratio` is a number from 0. Prices may be negative.
    """

    product: Id
    kind: PriceKind
    currency: str
    scale: int
    mantissas: tuple[int, ...]

    def __post_init__(self) -> None:
        super().__post_init__()
        one_of(self.kind, PriceKind, "kind")
        checked_scale(self.scale, "scale")
        least = 0 if self.kind == "mileage_ratio" else -INT64 + 1
        _whole_numbers(self.mantissas, "mantissas", least, INT64 - 1)


class RegulationAward(_Fact, frozen=True, kw_only=True, tag="regulation_award"):
    """Cleared capacity in W for equal periods of the interval; 0 is no award.

    A symmetric award holds its power toward and from the grid; of a market that clears up and down apart, one
    direction only. An award of mileage and one of capacity hold the larger power of the two, once.
    """

    site: Id
    product: Id
    capacity_w: tuple[int, ...]
    direction: Direction = "up_and_down"
    pays: Pays = "mileage_and_capacity"

    def __post_init__(self) -> None:
        super().__post_init__()
        one_of(self.direction, Direction, "direction")
        one_of(self.pays, Pays, "pays")
        checked_id(self.site, "site")
        _whole_numbers(self.capacity_w, "capacity_w")


class RegulationPerformance(_Fact, frozen=True, kw_only=True, tag="regulation_performance"):
    """What was measured in equal periods of the interval.

    `score` is K, mantissa x 10^-score_scale; None only without an instruction. `mileage_w` is the mileage
    in W. A market that does not count instructions states 1 where it instructed. `available_s` are the
    seconds under AGC, where the rule pays for those. `charged_wh` and `discharged_wh`, both or neither, are
    what of the metered energy was delivered under AGC, beside a schedule of the storage's own; where they are
    not told, everything metered in an instructed period was.
    """

    site: Id
    product: Id
    instructions: tuple[int, ...]
    mileage_w: tuple[int, ...]
    score: tuple[int | None, ...]
    score_scale: int
    available_s: tuple[int, ...] | None = None
    charged_wh: tuple[int, ...] | None = None
    discharged_wh: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        checked_id(self.site, "site")
        checked_scale(self.score_scale, "score_scale")
        _whole_numbers(self.instructions, "instructions")
        _whole_numbers(self.mileage_w, "mileage_w")
        scores = tuple(k for k in self.score if k is not None)
        _whole_numbers(scores, "score", -INT64 + 1, INT64 - 1, some=False)
        if scores and max(*scores, -min(scores)) > _FACTOR_MAX * 10**self.score_scale:
            raise Refused("score", f"K is not -{_FACTOR_MAX}..{_FACTOR_MAX}", place="score")
        lengths = {len(self.instructions), len(self.mileage_w), len(self.score)}
        if self.available_s is not None:
            _whole_numbers(self.available_s, "available_s")
            lengths.add(len(self.available_s))
        lengths |= _energy_lengths(self.charged_wh, self.discharged_wh)
        if len(lengths) != 1:
            raise Refused("length", "the periods' numbers are not equally many", place="instructions")
        if 0 in self.instructions or len(scores) < len(self.score):
            self._check_instructed()

    def _check_instructed(self) -> None:
        for number, count in enumerate(self.instructions):
            if count == 0 and self.mileage_w[number]:
                raise Refused("mileage", "mileage without an instruction", place=f"mileage_w[{number}]")
            if count and self.score[number] is None:
                raise Refused("score_missing", "an instructed period has a K", place=f"score[{number}]")


class AgcInstructions(_Fact, frozen=True, kw_only=True, tag="agc_instructions"):
    """Every AGC instruction of the interval, in order: a period of it without one had none.

    `started_s` are seconds from the interval's start; `measures` one array each, mantissa x 10^-scale,
    such as speed (% of rated power per minute), delay (s) and error (% of rated power).
    """

    site: Id
    product: Id
    started_s: tuple[int, ...]
    mileage_w: tuple[int, ...]
    measures: dict[str, tuple[int, ...]]
    scale: int
    available_s: tuple[int, ...] | None = None
    """Seconds under AGC of each period, where the rule pays for those."""
    charged_wh: tuple[int, ...] | None = None
    discharged_wh: tuple[int, ...] | None = None
    """The energy delivered under AGC in each period, as `RegulationPerformance` has it."""

    def __post_init__(self) -> None:
        super().__post_init__()
        checked_id(self.site, "site")
        checked_scale(self.scale, "scale")
        _whole_numbers(self.started_s, "started_s", some=False)
        _whole_numbers(self.mileage_w, "mileage_w", some=False)
        for name, values in self.measures.items():
            _whole_numbers(values, f"measures.{name}", -_WHOLE_MAX, some=False)
        _energy_lengths(self.charged_wh, self.discharged_wh)
        if {len(self.mileage_w), *map(len, self.measures.values())} - {len(self.started_s)}:
            raise Refused("length", "the instructions' numbers are not equally many", place="measures")
        if list(self.started_s) != sorted(self.started_s):
            raise Refused("order", "instructions stand in the order of their start", place="started_s")
        if self.started_s and self.started_s[-1] >= self.interval.seconds:
            raise Refused("outside_interval", "an instruction starts after the interval", place="started_s")


class RegulationShare(_Fact, frozen=True, kw_only=True, tag="regulation_share"):
    """A day's M: the energy that shares the regulation cost, and all energy generated and received, Wh."""

    shared_wh: int
    total_wh: int

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.shared_wh <= self.total_wh or self.total_wh == 0:
            raise Refused("share", "M lies in 0..1 of a total above zero", place="shared_wh")
