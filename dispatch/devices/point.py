"""One point of a device's register map: where it stands and what its words mean."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal

import msgspec

from dispatch.devices.register_type import CODED, SCALE_MAX, TYPES, PointType, RegisterType
from ledger.clauses.flow import one_of
from ledger.refusal import Refused

Table = Literal["holding", "input"]
Words = Literal["high_first", "low_first"]
Access = Literal["r", "rw"]
Unit = Literal[
    "W", "Wh", "var", "varh", "VA", "VAh", "%", "V", "A", "Ah", "°C", "Hz", "s", "ms", "other", "none"
]
Positive = Literal["discharge", "charge", "export", "import"]
"""What a number above zero means at the device. Ours is above zero towards the grid: discharge, export."""

DIGITS: Final[Mapping[Unit, int]] = MappingProxyType(
    {
        "W": 0,
        "Wh": 0,
        "var": 0,
        "varh": 0,
        "VA": 0,
        "VAh": 0,
        "s": 0,
        "ms": 0,
        "none": 0,
        "%": 3,
        "V": 3,
        "A": 3,
        "Ah": 3,
        "°C": 3,
        "Hz": 3,
        "other": 3,
    }
)
"""Values are whole: W, Wh, var, VA, s; thousandths of a percent, volt, ampere, degree or hertz."""

ADDRESS_MAX: Final = 65_535
_NAME: Final = re.compile(r"[A-Za-z0-9_]{1,40}(\.[A-Za-z0-9_]{1,40}){0,4}")


class Point(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A value in `count` registers from `address` on (from 0, as it is sent in a request).

    A number of the device is `raw` x 10^`scale`, or x 10^the value of `scale_point`, in `unit`. `minimum`,
    `maximum`, `change_max_per_s` and `fixed` are ours: whole numbers as DIGITS says, of our sign.
    """

    name: str
    table: Table = "holding"
    address: int
    count: int
    type: PointType
    words: Words = "high_first"
    scale: int = 0
    scale_point: str | None = None
    unit: Unit = "none"
    positive: Positive | None = None
    not_available: tuple[int, ...] | None = None
    """Bits that mean that there is no value, in place of the type's; an empty list: there are none."""
    access: Access = "r"
    minimum: int | None = None
    maximum: int | None = None
    fixed: int | None = None
    """What the device always holds here, such as a model's number: anything else is another device."""
    change_max_per_s: int | None = None
    """The most that the value moves in a second: what tells two words of different moments."""
    writes_per_day: int | None = None
    """In place of the profile's write budget."""

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise Refused("point_name", f"{self.name!r} is not a name such as 701.W", place="name")
        for place, allowed in (
            ("table", Table),
            ("type", PointType),
            ("words", Words),
            ("unit", Unit),
            ("access", Access),
        ):
            one_of(getattr(self, place), allowed, place)
        if self.positive is not None:
            one_of(self.positive, Positive, "positive")
        self._check_registers()
        self._check_quantity()
        if self.access == "rw" and self.table == "input":
            raise Refused("point_access", "input registers cannot be written", place="access")
        if self.writes_per_day is not None and (self.writes_per_day < 1 or self.access != "rw"):
            raise Refused("write_budget", "from 1, and for points that are written", place="writes_per_day")

    def _check_registers(self) -> None:
        words = self.kind.words
        if self.count != words if words else not 1 <= self.count <= 250:
            allowed = words or "1 to 250"
            raise Refused("point_count", f"{self.type} takes {allowed} registers", place="count")
        if not 0 <= self.address <= ADDRESS_MAX + 1 - self.count:
            raise Refused("register_range", f"registers are 0 to {ADDRESS_MAX}", place="address")
        for number, bits in enumerate(self.not_available or ()):
            if not 0 <= bits < 1 << 16 * self.count:
                wrong = f"{bits} does not fit {self.count} registers"
                raise Refused("point_sentinel", wrong, place=f"not_available[{number}]")

    def _check_quantity(self) -> None:
        coded = self.type in CODED
        if coded and (self.scale or self.scale_point or self.positive or self.unit != "none"):
            raise Refused("point_scale", f"{self.type} has no scale, unit or sign", place="type")
        if self.scale and self.scale_point:
            raise Refused("point_scale", "a fixed scale or a scale point, not both", place="scale_point")
        if not -SCALE_MAX <= self.scale <= SCALE_MAX:
            raise Refused("point_scale", f"an exponent of -{SCALE_MAX} to {SCALE_MAX}", place="scale")
        if self.text and (self.minimum, self.maximum, self.fixed) != (None, None, None):
            raise Refused("point_scale", "a text has no range", place="minimum")
        if self.minimum is not None and self.maximum is not None and self.minimum > self.maximum:
            raise Refused("point_range", "the maximum is not below the minimum", place="maximum")
        if self.change_max_per_s is not None and (
            self.change_max_per_s < 1 or coded or self.kind.form != "integer"
        ):
            raise Refused("point_range", "from 1, for a quantity in whole numbers", place="change_max_per_s")

    @property
    def kind(self) -> RegisterType:
        return TYPES[self.type]

    @property
    def text(self) -> bool:
        return self.kind.form in ("text", "bytes")

    @property
    def end(self) -> int:
        """The address after its last register."""
        return self.address + self.count

    @property
    def absent(self) -> tuple[int, ...]:
        """Bits that mean that there is no value."""
        return self.kind.absent if self.not_available is None else self.not_available

    @property
    def flips(self) -> bool:
        """The device's sign is the other one."""
        return self.positive in ("charge", "import")
