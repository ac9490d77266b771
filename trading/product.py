"""What a market trades: products, the days and gates at which they are bid for, and the form of a bid.

A province's or a market's numbers are a file of examples/markets with its source; nothing here is any
market's number.
"""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta
from fractions import Fraction
from functools import cached_property, lru_cache
from typing import Annotated, Final, Literal, get_args

import msgspec

from ledger.calendars import calendar
from ledger.clauses.flow import one_of
from ledger.effective import History
from ledger.exclusivity.policy import MatrixStream
from ledger.identity import checked_id
from ledger.interval import midnight, utc_of_local, zone_of
from ledger.quantity import MINOR_DIGITS, exact
from ledger.refusal import Refused
from trading.moment import DayMoment, IntervalMoment, Moment, clock_time, follows
from trading.settles_as import SettlesAs

Id = Annotated[str, msgspec.Meta(pattern="^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")]
Signed = Annotated[str, msgspec.Meta(pattern=r"^-?\d{1,15}(\.\d{1,9})?$")]

Kind = Literal["energy", "regulation_capacity", "regulation_mileage", "demand_response", "capacity"]
Stage = Literal["day_ahead", "intraday", "real_time", "monthly"]
Direction = Literal["discharge", "charge", "both"]
PriceUnit = Literal["MWh", "kWh", "MW.h", "kW.h", "MW", "kW"]
DeliveryDays = Literal["all", "working", "non_working", "month_start"]
"""month_start: the first day of each month, whose bid stands for the whole month."""
EnergyCheck = Literal["extremes", "schedule", "none"]
"""What of a bid the stored energy must carry.

extremes: selling all that is offered, and buying all. schedule: the bid's own schedule; what a clearing may
ask beyond it is risk. none: the product takes no energy."""

STREAM_OF: Final[dict[Kind, MatrixStream]] = {
    "energy": "spot",
    "regulation_capacity": "ancillary",
    "regulation_mileage": "ancillary",
    "demand_response": "demand_response",
    "capacity": "capacity",
}
_KW_PER_UNIT: Final[dict[PriceUnit, int]] = {
    "MWh": 1000,
    "MW.h": 1000,
    "MW": 1000,
    "kWh": 1,
    "kW.h": 1,
    "kW": 1,
}
_TIMED: Final[frozenset[PriceUnit]] = frozenset({"MWh", "kWh", "MW.h", "kW.h"})
MICRO: Final = 10**6
"""Prices of bids are whole millionths of the currency per kWh, kW·h or kW."""

WHOLE_MAX: Final = 2**40
"""The largest power in W and price in millionths: their products with seconds stay within 64 bits."""
SEGMENTS_MAX: Final = 10
DAY_FIRST: Final = date(2000, 1, 1)
DAY_LAST: Final = date(2199, 12, 31)
_SIGNED: Final = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,9})?")
_midnight: Final = lru_cache(maxsize=1024)(midnight)
_utc_of_local: Final = lru_cache(maxsize=1024)(utc_of_local)
_INTERVALS: Final = (300, 900, 1800, 3600)


class Product(msgspec.Struct, frozen=True, kw_only=True, dict=True, forbid_unknown_fields=True):
    """One thing that is bid for. Prices in the market's currency per `price_unit`; powers in W.

    `direction`: what the storage may be asked for; up to the grid is discharge. `quantity_min_w` and
    `quantity_max_w`: the least and most in one direction of a curve, and in one block. `sustain_min`: how
    long an award of power must be held. `query_working_days`: from publication to the last query of the
    result.
    """

    id: Id
    title: str
    kind: Kind
    stage: Stage
    interval_s: int
    direction: Direction
    price_unit: PriceUnit
    price_floor: Signed
    price_cap: Signed
    price_tick: Signed
    lot_w: int
    quantity_min_w: int
    quantity_max_w: int | None = None
    segments_max: int
    gate_opens: Moment
    gate_closes: Moment
    published: Moment
    query_working_days: int
    delivery_days: DeliveryDays = "all"
    energy_check: EnergyCheck
    sustain_min: int = 0
    blocks_max: int = 0
    exclusive_groups: bool = False
    linked_blocks: bool = False
    clock_margin_s: int = 2
    """A bid is late when the gate closes within this time of our clock."""
    settles_as: SettlesAs | None = None
    """The market rule under which the sites' parts of its awards are settled, and its stream; None where they
    are settled as the market's statement about the trading unit, or not by award."""
    unsettled: str = ""
    """Why nothing settles its awards: no bid is submitted, and nothing cleared, before that is known."""
    cleared_floor: Signed | None = None
    cleared_cap: Signed | None = None
    """Between which the market clears, where that is wider than what may be bid."""
    joint_with: Id | None = None
    """The product of the market that is awarded for the same power, as mileage and capacity of regulation
    are: each names the other, and the two bind it once."""
    position_with: Id | None = None
    """The day-ahead product beside whose award the market clears this one: its awards are the whole position
    of both. Here a bid offers, and an award is, what changes: gateways add the day-ahead award, and take it
    off."""

    def __post_init__(self) -> None:
        checked_id(self.id, "id")
        if not self.title.strip():
            raise Refused("empty", "state the title", place="title")
        for place, allowed in (
            ("kind", Kind),
            ("stage", Stage),
            ("direction", Direction),
            ("price_unit", PriceUnit),
            ("delivery_days", DeliveryDays),
            ("energy_check", EnergyCheck),
        ):
            one_of(getattr(self, place), allowed, place)
        if self.interval_s not in _INTERVALS:
            raise Refused("interval", f"one of {', '.join(map(str, _INTERVALS))} seconds", place="interval_s")
        self._check_prices()
        self._check_quantities()
        self._check_settled()
        if not follows(self.gate_opens, self.gate_closes):
            raise Refused("gate", "the gate closes after it opens", place="gate_closes")
        if not follows(self.gate_closes, self.published, at_once=True):
            raise Refused("gate", "results come when the gate has closed", place="published")

    def _check_cleared(self) -> None:
        for place in ("cleared_floor", "cleared_cap"):
            text: str | None = getattr(self, place)
            if text is not None and (not _SIGNED.fullmatch(text) or self.micro(text).denominator != 1):
                raise Refused("number", f"{text!r} is no price in millionths per kWh", place=place)
        low, high = self.cleared_range_u
        if low > self.floor_u or high < self.cap_u:
            wrong = "a market clears at least between the floor and the cap of bids"
            raise Refused(
                "price_limit", wrong, place="cleared_floor" if low > self.floor_u else "cleared_cap"
            )

    def _check_prices(self) -> None:
        if (self.kind == "energy") != (self.price_unit in ("MWh", "kWh")) and self.kind != "demand_response":
            raise Refused("price_unit", f"{self.kind} is not paid per {self.price_unit}", place="price_unit")
        for place in ("price_tick", "price_floor", "price_cap"):
            text: str = getattr(self, place)
            if not _SIGNED.fullmatch(text):
                raise Refused("number", f"{text!r} is not a plain decimal such as -80 or 0.1", place=place)
            value = self.micro(text)
            if value.denominator != 1:
                wrong = "finer than a millionth of the currency per kWh, kW·h or kW"
                raise Refused("price_scale", wrong, place=place)
            if abs(value) > WHOLE_MAX:
                wrong = f"more than {WHOLE_MAX} millionths of the currency per kWh, kW·h or kW"
                raise Refused("price_limit", wrong, place=place)
        if self.tick_u <= 0:
            raise Refused("price_tick", "the tick is above zero", place="price_tick")
        if self.cap_u < self.floor_u:
            raise Refused("price_limit", "the cap is not below the floor", place="price_cap")
        self._check_cleared()
        if self.floor_u % self.tick_u or self.cap_u % self.tick_u:
            raise Refused("price_tick", "floor and cap are whole ticks", place="price_tick")

    def _check_quantities(self) -> None:
        most = WHOLE_MAX if self.quantity_max_w is None else self.quantity_max_w
        if not 0 < self.lot_w <= WHOLE_MAX:
            raise Refused("lot", f"a lot is 1 to {WHOLE_MAX} W", place="lot_w")
        if not 0 <= self.quantity_min_w <= WHOLE_MAX or self.quantity_min_w % self.lot_w:
            raise Refused("lot", f"0 or whole lots of {self.lot_w} W", place="quantity_min_w")
        if self.quantity_max_w is not None and self.quantity_max_w % self.lot_w:
            raise Refused("lot", f"whole lots of {self.lot_w} W", place="quantity_max_w")
        if not max(self.quantity_min_w, self.lot_w) <= most <= WHOLE_MAX:
            raise Refused("lot", "at least one lot and the least quantity", place="quantity_max_w")
        for place, least, greatest in (
            ("segments_max", 1, SEGMENTS_MAX),
            ("query_working_days", 0, 250),
            ("sustain_min", 0, 1440),
            ("blocks_max", 0, 100),
            ("clock_margin_s", 0, 3600),
        ):
            if not least <= getattr(self, place) <= greatest:
                raise Refused("not_allowed", f"{least} to {greatest}", place=place)
        if self.kind == "energy" and self.energy_check == "none":
            wrong = "energy is delivered out of the storage: extremes or schedule"
            raise Refused("not_allowed", wrong, place="energy_check")
        if self.sustain_min and self.kind == "energy":
            raise Refused(
                "not_allowed", "energy is not held ready: state no sustain_min", place="sustain_min"
            )
        if not self.blocks_max and (self.exclusive_groups or self.linked_blocks):
            raise Refused("not_allowed", "a product without blocks groups and links none", place="blocks_max")

    def check_settles(self) -> None:
        """That there is a way to settle its awards.

        Raises:
            Refused: `awards_unsettled`.
        """
        if self.unsettled:
            wrong = f"no rule settles an award of {self.id}: {self.unsettled}"
            raise Refused("awards_unsettled", wrong, place="product")

    def _check_settled(self) -> None:
        if self.joint_with is not None:
            checked_id(self.joint_with, "joint_with")
            if not self.kind.startswith("regulation"):
                raise Refused("joint_with", "for mileage and capacity of regulation", place="joint_with")
        if self.settles_as is None:
            return
        if self.unsettled:
            raise Refused("settles_as", "either the rule, or why there is none", place="unsettled")
        if self.settles_as.stream != self.stream:
            wrong = f"{self.kind} settles as {self.stream}, not {self.settles_as.stream}"
            raise Refused("settles_as", wrong, place="settles_as.stream")
        if self.kind == "energy" and self.stage == "monthly":
            wrong = "energy settles as day_ahead, intraday or real_time"
            raise Refused("settles_as", wrong, place="stage")
        if self.kind == "capacity" and (self.delivery_days != "month_start" or not self.sustain_min):
            wrong = "capacity is certified for a month, by how long it is held: month_start, and sustain_min"
            raise Refused("settles_as", wrong, place="settles_as")

    @property
    def stream(self) -> MatrixStream:
        """As which stream of the exclusivity matrix its awards count."""
        return STREAM_OF[self.kind]

    @property
    def joint(self) -> str | None:
        """What the power is known as that it shares with another product; None where it has its own."""
        return None if self.joint_with is None else min(self.id, self.joint_with)

    def micro(self, price: str) -> Fraction:
        """A price per `price_unit` in millionths of the currency per kWh, kW·h or kW."""
        return exact(price) * MICRO / _KW_PER_UNIT[self.price_unit]

    def price_of(self, micro: int) -> Fraction:
        """The price per `price_unit` of so many millionths."""
        return Fraction(micro * _KW_PER_UNIT[self.price_unit], MICRO)

    @cached_property
    def tick_u(self) -> int:
        return int(self.micro(self.price_tick))

    @cached_property
    def floor_u(self) -> int:
        return int(self.micro(self.price_floor))

    @cached_property
    def cap_u(self) -> int:
        return int(self.micro(self.price_cap))

    @property
    def cleared_range_u(self) -> tuple[int, int]:
        """The least and greatest price that the market clears at, in millionths."""
        low = self.floor_u if self.cleared_floor is None else int(self.micro(self.cleared_floor))
        high = self.cap_u if self.cleared_cap is None else int(self.micro(self.cleared_cap))
        return low, high

    @property
    def timed(self) -> bool:
        """Whether the price is for a power through a time; else for the power alone."""
        return self.price_unit in _TIMED


class Market(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A market's products and days. `gateway` names how its bids are sent and its results fetched."""

    id: Id
    title: str
    source: str
    zone: str
    calendar: str
    currency: str
    operator: Id
    """The party that clears and pays."""
    gateway: Id
    products: tuple[Product, ...]

    def __post_init__(self) -> None:
        for place in ("id", "operator", "gateway"):
            checked_id(getattr(self, place), place)
        for place in ("title", "source"):
            if not getattr(self, place).strip():
                raise Refused("empty", f"state the {place}", place=place)
        self._check_days()
        if self.currency not in MINOR_DIGITS:
            raise Refused("currency", f"one of {', '.join(MINOR_DIGITS)}", place="currency")
        names = [product.id for product in self.products]
        if not names or len(set(names)) != len(names):
            raise Refused("product_duplicate", "one or more products, each id once", place="products")
        for number, product in enumerate(self.products):
            self._check_joint(product, f"products[{number}].joint_with")
            self._check_position(product, f"products[{number}].position_with")

    def _check_joint(self, product: Product, place: str) -> None:
        if product.joint_with is None:
            return
        other = next((one for one in self.products if one.id == product.joint_with), None)
        same = ("stage", "interval_s", "direction", "delivery_days")
        if (
            other is None
            or {product.kind, other.kind} != {"regulation_capacity", "regulation_mileage"}
            or other.joint_with != product.id
            or any(getattr(other, field) != getattr(product, field) for field in same)
        ):
            wrong = f"mileage and capacity name each other, and have the same {', '.join(same)}"
            raise Refused("joint_with", wrong, place=place)

    def _check_position(self, product: Product, place: str) -> None:
        if product.position_with is None:
            return
        other = next((one for one in self.products if one.id == product.position_with), None)
        if (
            other is None
            or (other.kind, other.stage) != ("energy", "day_ahead")
            or (product.kind, product.stage) != ("energy", "real_time")
            or other.interval_s != product.interval_s
        ):
            wrong = "real-time energy names day-ahead energy of the same interval_s"
            raise Refused("not_allowed", wrong, place=place)

    def _check_days(self) -> None:
        """That zone and calendar exist and belong together, each refused at its own field."""
        try:
            zone_of(self.zone)
        except Refused as refused:
            raise Refused(refused.code, refused.reason, place="zone") from None
        try:
            calendar(self.calendar, self.zone)
        except Refused as refused:
            raise Refused(refused.code, refused.reason, place="calendar") from None

    def product(self, name: str) -> Product:
        """Raises:
        Refused: `unknown_product`, naming those there are."""
        for product in self.products:
            if product.id == name:
                return product
        names = ", ".join(product.id for product in self.products)
        raise Refused("unknown_product", f"{self.id} has {names}, not {name!r}", place="product")

    def intervals(self, product: Product, day: date) -> int:
        """How many intervals the delivery day has: 23, 24 or 25 hours of them.

        Raises:
            Refused: `delivery_day` for a day beyond the years that are kept.
        """
        start = self.start_of(day)
        end = _midnight(day + timedelta(days=1), zone_of(self.zone))
        return int((end - start).total_seconds()) // product.interval_s

    def start_of(self, day: date) -> datetime:
        """When the delivery day begins, in UTC.

        Raises:
            Refused: `delivery_day` for a day beyond the years that are kept.
        """
        return _midnight(_kept(day), zone_of(self.zone))

    def delivers(self, product: Product, day: date) -> bool:
        """Whether the product is delivered on that day.

        Raises:
            Refused: `delivery_day` for a day beyond the years that are kept; `calendar_year` where the
                year's official calendar is not known and needed.
        """
        match product.delivery_days:
            case "all":
                return bool(_kept(day))
            case "month_start":
                return _kept(day).day == 1
            case "working":
                return self._worked(_kept(day))
            case "non_working":
                return not self._worked(_kept(day))

    def _worked(self, day: date) -> bool:
        return calendar(self.calendar, self.zone).day_kind(day).type == "working"

    def moment(self, moment: Moment, product: Product, day: date, first: int = 0) -> datetime:
        """The instant, in UTC, for a delivery day and the first interval that is bid for.

        Raises:
            Refused: `delivery_day`, `calendar_year`; `skipped_time` or `ambiguous_time` for a clock time
                that the day of the clock change lacks or has twice.
        """
        match moment:
            case IntervalMoment():
                begins = self.start_of(day) + timedelta(seconds=first * product.interval_s)
                return begins - timedelta(minutes=moment.minutes_before)
            case DayMoment():
                on = self._day_before(_kept(day), moment)
                at = clock_time(moment.at)
                if at is None:
                    return _midnight(on + timedelta(days=1), zone_of(self.zone))
                return _utc_of_local(datetime.combine(on, at), zone_of(self.zone))

    def _day_before(self, day: date, moment: DayMoment) -> date:
        if not moment.working_days:
            return day - timedelta(days=moment.days_before)
        days, step = abs(moment.days_before), timedelta(days=-1 if moment.days_before > 0 else 1)
        while days:
            day += step
            days -= self._worked(day)
        return day


def _kept(day: date) -> date:
    """`day`, when clocks and calendars hold it and the days counted from it.

    Raises:
        Refused: `delivery_day`.
    """
    if not DAY_FIRST <= day <= DAY_LAST:
        raise Refused("delivery_day", f"{DAY_FIRST} to {DAY_LAST}", place="day")
    return day


def market_at(history: History[Market], instant: datetime) -> Market:
    """The market's rules in force at an instant.

    Raises:
        Refused: `market_gap`.
    """
    held = history.at(instant)
    if held is None:
        name = history.latest.document.id
        raise Refused("market_gap", f"no rules of market {name} are in force at {instant}", place="market")
    return held.document


assert set(get_args(PriceUnit)) == set(_KW_PER_UNIT)
