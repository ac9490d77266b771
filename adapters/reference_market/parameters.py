"""What makes the market the one it is: its rules, its system and its participants, read from TOML."""

from __future__ import annotations

import re
from datetime import time
from typing import Annotated, Final, Literal, get_args

import msgspec

from adapters.decoder_refusal import decoder_refusal
from ledger.interval import zone_of
from ledger.quantity import MINOR_DIGITS
from ledger.refusal import Refused

Product = Literal["day_ahead", "real_time"]
PRODUCTS: Final[tuple[Product, ...]] = get_args(Product)

INTERVALS_S: Final = (900, 3600)
_TIME: Final = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")
_TOKEN_MIN: Final = 8

ParticipantId = Annotated[str, msgspec.Meta(pattern="^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")]


class Timing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """When a product's gate for a day opens and closes and its result is out, on the market's clocks."""

    opens_days_before: int
    opens: str
    closes_days_before: int
    closes: str
    published_days_before: int
    published: str

    def __post_init__(self) -> None:
        for name in ("opens", "closes", "published"):
            if not _TIME.fullmatch(text := getattr(self, name)):
                raise Refused("market_time", f"{text!r} is not a time of day such as 10:30", place=name)
        stages = [
            (-self.opens_days_before, time.fromisoformat(self.opens)),
            (-self.closes_days_before, time.fromisoformat(self.closes)),
            (-self.published_days_before, time.fromisoformat(self.published)),
        ]
        if not stages[0] < stages[1] < stages[2]:
            raise Refused("market_times", "a gate opens, then closes, then its result is published")


DAY_AHEAD: Final = Timing(7, "00:00", 1, "10:30", 1, "17:30")
REAL_TIME: Final = Timing(7, "00:00", 1, "22:30", -1, "10:00")


class System(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everybody else in the market, as a stair of net supply through the published price.

    `depth_w` from its lowest to its highest position in an odd number of equal `steps`, the middle one at
    the published price; each next one is dearer by its width in MW times the slope.
    """

    depth_w: int = 2_200_000_000
    steps: int = 11
    slope_micro_per_kwh_per_mw: int = 50
    """Of price for each MW: 50 are 0.05 of the currency per MWh and MW."""

    def __post_init__(self) -> None:
        if self.steps < 1 or not self.steps % 2:
            raise Refused("system_steps", f"{self.steps} is not an odd number of steps", place="steps")
        if self.depth_w <= 0 or self.depth_w % self.steps:
            reason = f"{self.depth_w} W is not above zero and divisible by {self.steps} steps"
            raise Refused("system_depth", reason, place="depth_w")
        if self.slope_micro_per_kwh_per_mw < 0:
            raise Refused(
                "system_slope", "prices do not fall with supply", place="slope_micro_per_kwh_per_mw"
            )

    @property
    def step_w(self) -> int:
        return self.depth_w // self.steps


class Participant(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One trading unit: the token it shows, and the power that it is registered with."""

    token: str
    charge_w_max: int
    discharge_w_max: int

    def __post_init__(self) -> None:
        if len(self.token) < _TOKEN_MIN or not self.token.isascii() or not self.token.isprintable():
            raise Refused("market_token", f"a token has at least {_TOKEN_MIN} printable characters")
        if min(self.charge_w_max, self.discharge_w_max) < 0:
            raise Refused("market_power", "registered power is not below zero")


class Parameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One market; the defaults are those of a province with hourly prices in CNY.

    Raises:
        Refused: `market_interval`, `market_lot`, `market_price_limits`, `system_depth`, `market_token`,
            `zone` and `currency`, with the field.
    """

    participants: dict[ParticipantId, Participant] = {}
    market: str = "shandong_spot"
    node: str = "unified"
    currency: str = "CNY"
    zone: str = "Asia/Shanghai"
    interval_s: int = 3600
    lot_w: int = 1000
    price_min_micro_per_kwh: int = -100_000
    price_max_micro_per_kwh: int = 1_500_000
    segments_max: int = 10
    encoding: Literal["utf-8", "gb18030"] = "utf-8"
    """Of the files that the market writes."""
    system: System = System()
    day_ahead: Timing = DAY_AHEAD
    real_time: Timing = REAL_TIME

    def __post_init__(self) -> None:
        zone_of(self.zone)
        if self.currency not in MINOR_DIGITS:
            reason = f"{self.currency!r} is not one of {', '.join(MINOR_DIGITS)}"
            raise Refused("currency", reason, place="currency")
        if self.interval_s not in INTERVALS_S:
            raise Refused("market_interval", f"{self.interval_s} s is not 900 or 3600", place="interval_s")
        if self.price_min_micro_per_kwh >= self.price_max_micro_per_kwh:
            raise Refused("market_price_limits", "the floor is not below the cap", place="price_min")
        if self.lot_w <= 0 or self.system.depth_w % (self.system.steps * self.lot_w):
            reason = f"{self.lot_w} W is not above zero, or does not divide a step of {self.system.step_w} W"
            raise Refused("market_lot", reason, place="lot_w")
        if self.system.step_w < 2 * self.lot_w:
            reason = f"a step of {self.system.step_w} W has less than two lots of {self.lot_w} W"
            raise Refused("system_depth", reason, place="system.depth_w")
        if self.segments_max < 1:
            raise Refused("market_segments", "a curve has at least one segment", place="segments_max")
        tokens = [participant.token for participant in self.participants.values()]
        if len(tokens) != len(set(tokens)):
            raise Refused("market_token", "two participants have the same token", place="participants")

    def timing(self, product: Product) -> Timing:
        return self.day_ahead if product == "day_ahead" else self.real_time

    @property
    def price_unit(self) -> str:
        """As price columns of files name it: 元/MWh, or the currency's code."""
        return f"{'元' if self.currency == 'CNY' else self.currency}/MWh"


def parameters(text: str) -> Parameters:
    """The parameters in a TOML file.

    Raises:
        Refused: `toml`, what the decoder finds (`field_missing`, `field_unknown`, `field_type`), and what
            the parameters themselves refuse.
    """
    try:
        return msgspec.toml.decode(text, type=Parameters)
    except msgspec.ValidationError as error:
        raise decoder_refusal(error, Parameters) from None
    except msgspec.DecodeError as error:
        raise Refused("toml", f"not TOML: {error}") from None
