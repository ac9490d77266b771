"""What a market told about a trading unit as one: what it cleared, and what its statement pays.

The amounts are the market's own, in its currency, above zero receivable. What it did not tell of single
sites is either measured (`ledger.allocation.delivered`) or the operator's own record, stated with the fact.
A correction is a newer version under the same id, of another run.
"""

from __future__ import annotations

import hashlib
from fractions import Fraction
from typing import Annotated, Final

import msgspec

from ledger.clauses.share import Portion, portion
from ledger.identity import checked_id
from ledger.interval import Instant, Interval
from ledger.quantity import PRICE_SCALE_MAX, PRICE_SCALE_MIN, Money
from ledger.refusal import Refused

Id = Annotated[str, msgspec.Meta(pattern="^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")]
Signed = Annotated[str, msgspec.Meta(pattern=r"^-?\d{1,15}(\.\d{1,9})?$")]
"""A decimal, below zero when it is payable."""

_WHOLE_MAX: Final = 10**13
_SCORE_SCALE_MAX: Final = 9


class _UnitFact(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type"):
    id: Id
    unit: Id
    rule: Id
    run: str
    """The market's own name for its run."""
    interval: Interval
    currency: str
    amount: Signed
    """The statement's total for the unit."""
    document: str
    """The statement's own number or name."""

    def __post_init__(self) -> None:
        for text, place in ((self.id, "id"), (self.unit, "unit"), (self.rule, "rule")):
            checked_id(text, place)
        for text, place in ((self.run, "run"), (self.document, "document")):
            if not text.strip():
                raise Refused("empty", f"a unit's statement names its {place}", place=place)
        self.money("amount")

    def money(self, field: str) -> Money:
        """An amount of the statement.

        Raises:
            Refused: `number`, `money` or `currency`, at the field.
        """
        try:
            return Money.parse(getattr(self, field), self.currency)
        except Refused as refused:
            raise Refused(refused.code, refused.reason, place=field) from None


class UnitResponse(_UnitFact, frozen=True, kw_only=True, tag="unit_demand_response"):
    """An event over `interval`: what was awarded in all, what was paid, and the penalty (at most zero)."""

    announced: Instant
    awarded_wh: int
    payment: Signed
    penalty: Signed
    committed_wh: dict[Id, int] | None = None
    """The operator's own parts of the award; None: by capability and time in the unit."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.money("payment")
        if self.money("penalty").minor > 0:
            raise Refused("penalty_sign", "a penalty is payable: at most zero", place="penalty")
        if self.announced.tzinfo is None:
            raise Refused("naive_time", "an instant needs its UTC offset", place="announced")
        if self.announced > self.interval.start:
            raise Refused("announced", "an event is announced before it begins", place="announced")
        _check_whole((self.awarded_wh,), 1, "awarded_wh")
        if self.committed_wh is not None:
            _check_whole(tuple(self.committed_wh.values()), 0, "committed_wh")
            if sum(self.committed_wh.values()) != self.awarded_wh:
                wrong = f"the parts are {sum(self.committed_wh.values())} Wh of {self.awarded_wh}"
                raise Refused("committed", wrong, place="committed_wh")


class UnitSpot(_UnitFact, frozen=True, kw_only=True, tag="unit_spot"):
    """Spot energy of equal periods of `interval`: the schedule, and prices per kWh at the unit's node.

    `scheduled_wh`: cleared for the unit, injected above zero. Prices are mantissas x 10^-`scale`;
    `deviation_price` is per kWh of the unit's deviation whichever its direction, below zero a cost.
    """

    scheduled_wh: tuple[int, ...]
    price: tuple[int, ...]
    deviation_price: tuple[int, ...]
    scale: int

    def __post_init__(self) -> None:
        super().__post_init__()
        count = len(self.scheduled_wh)
        if (
            not count
            or self.interval.seconds % count
            or {len(self.price), len(self.deviation_price)} != {count}
        ):
            raise Refused("profile", "as many prices as energies, in equal periods", place="scheduled_wh")
        for place in ("scheduled_wh", "price", "deviation_price"):
            _check_whole(getattr(self, place), -_WHOLE_MAX, place)
        if not PRICE_SCALE_MIN <= self.scale <= PRICE_SCALE_MAX:
            raise Refused(
                "price_scale", f"{self.scale} is not {PRICE_SCALE_MIN}..{PRICE_SCALE_MAX}", place="scale"
            )

    @property
    def step_s(self) -> int:
        return self.interval.seconds // len(self.scheduled_wh)


class PowerKept(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A member's power that the unit sold, in W, and the part of the time it was there, as recorded."""

    site: Id
    power_w: int
    availability: Portion

    def __post_init__(self) -> None:
        checked_id(self.site, "site")
        _check_whole((self.power_w,), 0, "power_w")
        portion(self.availability, "availability")


class MileageDone(PowerKept, frozen=True, kw_only=True):
    """A member's mileage D in W of each regulation period, and its own K then: mantissa x 10^-scale.

    `charged_wh` and `discharged_wh`, both or neither, are what of its metered energy AGC moved in each
    period, beside a schedule of the storage's own; where they are not told, all that was metered in a period
    with mileage was.
    """

    mileage_w: tuple[int, ...]
    score: tuple[int, ...]
    score_scale: int
    charged_wh: tuple[int, ...] | None = None
    discharged_wh: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_whole(self.mileage_w, 0, "mileage_w")
        _check_whole(self.score, 0, "score")
        if len(self.mileage_w) != len(self.score):
            raise Refused("length", "each period's mileage has its K", place="score")
        if (self.charged_wh is None) != (self.discharged_wh is None):
            raise Refused("agc_energy", "energy under AGC is told by both registers", place="charged_wh")
        for place, wh in (("charged_wh", self.charged_wh), ("discharged_wh", self.discharged_wh)):
            if wh is not None:
                _check_whole(wh, 0, place)
                if len(wh) != len(self.mileage_w):
                    raise Refused("length", "each period's mileage has its energy", place=place)
        if not 0 <= self.score_scale <= _SCORE_SCALE_MAX:
            raise Refused("score", f"0..{_SCORE_SCALE_MAX} decimals", place="score_scale")

    @property
    def performance(self) -> tuple[Fraction, ...]:
        return tuple(Fraction(mantissa, 10**self.score_scale) for mantissa in self.score)


class UnitRegulation(_UnitFact, frozen=True, kw_only=True, tag="unit_regulation"):
    """What regulation paid the unit for mileage and capacity, and the operator's record of each member."""

    mileage: Signed
    capacity: Signed
    members: tuple[MileageDone, ...]

    def __post_init__(self) -> None:
        super().__post_init__()
        self.money("mileage")
        self.money("capacity")
        _check_members(self.members)


class UnitCapacity(_UnitFact, frozen=True, kw_only=True, tag="unit_capacity"):
    """A capacity compensation paid for the unit, and each member's P_eff and availability."""

    members: tuple[PowerKept, ...]

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_members(self.members)


UnitFact = UnitResponse | UnitSpot | UnitRegulation | UnitCapacity

_encode: Final = msgspec.json.Encoder(order="deterministic").encode


def digest_of(fact: UnitFact) -> str:
    """SHA-256 of a statement; a correction has another."""
    return hashlib.sha256(_encode(fact)).hexdigest()


def _check_members(members: tuple[PowerKept, ...]) -> None:
    sites = [member.site for member in members]
    for number, site in enumerate(sites):
        if site in sites[:number]:
            raise Refused("member_duplicate", "a site is a member once", place=f"members[{number}]")


def _check_whole(values: tuple[int, ...], least: int, place: str) -> None:
    if any(not least <= value <= _WHOLE_MAX for value in values):
        raise Refused("whole_number", f"whole numbers {least} to {_WHOLE_MAX}", place=place)
