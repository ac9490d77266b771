"""A forecast as it is told and kept: whole numbers of a subject's unit, with how far it can be trusted."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise
from typing import Final, Literal, cast, get_args

import msgspec

from ledger.identity import checked_id
from ledger.interval import Instant
from ledger.refusal import Refused

Quantity = Literal["load", "price", "pv", "revenue"]

Unit = Literal["W", "micro_per_kwh", "micro"]
"""Mean power; millionths of the currency per kWh; millionths of the currency per day."""

UNITS: Final[dict[Quantity, Unit]] = {"load": "W", "pv": "W", "price": "micro_per_kwh", "revenue": "micro"}
_PERMILLE: Final = 1000
_DAY_S: Final = 86_400


class Subject(msgspec.Struct, frozen=True):
    """What is forecast: a site's load, PV or revenue, or the price of a market's product at a node.

    `name` is the site's id, or market, node and product with ':' between.
    """

    quantity: Quantity
    name: str

    def __post_init__(self) -> None:
        if self.quantity not in get_args(Quantity):
            allowed = ", ".join(get_args(Quantity))
            raise Refused("forecast_subject", f"{self.quantity!r} is not one of {allowed}", place="subject")
        parts = self.name.split(":")
        if len(parts) != (3 if self.quantity == "price" else 1):
            raise Refused("forecast_subject", "load:SITE or price:MARKET:NODE:PRODUCT", place="subject")
        for part in parts:
            checked_id(part, "subject")

    @classmethod
    def parse(cls, text: str) -> Subject:
        """A subject as `load:S1`, `pv:S1`, `revenue:S1` or `price:market:node:product`.

        >>> Subject.parse("price:shandong:node1:day_ahead").id
        'price_shandong_node1_day_ahead'

        Raises:
            Refused: `forecast_subject`, or `id` for a part that is none.
        """
        quantity, _, name = text.partition(":")
        return cls(cast("Quantity", quantity), name)

    @property
    def id(self) -> str:
        """What follows `forecast.` in the aggregate's name."""
        return f"{self.quantity}_{self.name.replace(':', '_')}"

    @property
    def aggregate(self) -> str:
        return f"forecast.{self.id}"


class MemberShare(msgspec.Struct, frozen=True):
    """A member's weight, and the part of the best value that it would have captured by itself alone."""

    name: str
    weight_permille: int
    captured_permille: int | None


class Scores(msgspec.Struct, frozen=True):
    """How the blend would have done on `days` past days, which its members had not seen.

    The members' weights were chosen on the same days, by the hour where intervals are shorter, so that these
    scores, of the intervals themselves, flatter a little. No member alone captured more.

    `captured_permille` of what knowing all earns (None: nothing was to be earned); `error` the mean absolute
    error and `pinball` the mean pinball loss, both in the forecast's unit (W, millionths of the currency per
    kWh, or millionths of the currency per day); `covered_permille` of the values lay between the outermost
    quantiles, where `wanted_permille` should.
    """

    days: int
    captured_permille: int | None
    error: int
    pinball: int
    covered_permille: int
    wanted_permille: int


class Drift(msgspec.Struct, frozen=True):
    """Whether the last days' losses have left the band of those before: Page's one-sided CUSUM.

    `level_permille` is the sum in thousandths of the losses' spread, `limit_permille` where it alarms.
    """

    seen: bool
    level_permille: int
    limit_permille: int
    days: int


class QuantileRow(msgspec.Struct, frozen=True):
    """One quantile over the horizon: `level_permille` of outcomes should lie below it."""

    level_permille: int
    values: tuple[int, ...]


class Forecast(msgspec.Struct, frozen=True, kw_only=True):
    """What is expected of each interval from `start` on, and quantiles, as known at `issued_at`.

    `trained_through` is the book's last sequence number that it could know; `features` the SHA-256 of all
    that it was made of; `cold_start` says what stands for a history that is too short, or is empty; `notes`
    what else to know. `currency` is empty for powers.
    """

    subject: Subject
    unit: Unit
    currency: str
    model: str
    members: tuple[MemberShare, ...]
    features: str
    trained_through: int
    issued_at: Instant
    zone: str
    interval_s: int
    start: Instant
    expected: tuple[int, ...]
    quantiles: tuple[QuantileRow, ...]
    scores: Scores | None
    drift: Drift | None
    cold_start: str
    notes: tuple[str, ...] = ()

    @property
    def end(self) -> Instant:
        """When the last interval ends."""
        return self.start + timedelta(seconds=self.interval_s * len(self.expected))

    def __post_init__(self) -> None:
        """Raises:
        Refused: `forecast_values` for rows of unequal length, quantiles that cross or stand out of order, or
            a start before the issue; `forecast_weights` for weights that are no shares of a whole."""
        if self.unit != UNITS[self.subject.quantity] or (self.unit == "W") != (not self.currency):
            raise Refused("forecast_values", f"{self.subject.quantity} has another unit", place="unit")
        if self.interval_s <= 0 or _DAY_S % self.interval_s:
            raise Refused("forecast_interval", "a length that divides a day", place="interval_s")
        if not self.expected or any(len(row.values) != len(self.expected) for row in self.quantiles):
            raise Refused("forecast_values", "every row has each interval once", place="quantiles")
        if self.start <= self.issued_at:
            raise Refused("forecast_horizon", "a horizon begins after the instant of issue", place="start")
        for below, above in pairwise(self.quantiles):
            if below.level_permille >= above.level_permille:
                raise Refused("forecast_values", "levels rise from row to row", place="quantiles")
            if any(low > high for low, high in zip(below.values, above.values, strict=True)):
                raise Refused(
                    "forecast_values", "a quantile is never below a lower level's", place="quantiles"
                )
        weights = [member.weight_permille for member in self.members]
        if any(weight < 0 for weight in weights) or sum(weights) != _PERMILLE:
            raise Refused(
                "forecast_weights", "members' weights are 0 or more and sum to 1000", place="members"
            )
