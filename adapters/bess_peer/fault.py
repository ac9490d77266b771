"""What can be wrong with a device, one Struct a kind: asked for on the control port."""

from __future__ import annotations

from typing import Literal

import msgspec

from ledger.refusal import Refused


class _Fault(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind"):
    """It lasts until it is cleared; or `for_ms`; or, where it concerns answers, for so many of them."""

    for_ms: int | None = None
    times: int | None = None

    def __post_init__(self) -> None:
        for place in ("for_ms", "times"):
            value = getattr(self, place)
            if value is not None and value < 1:
                raise Refused("peer_fault", "from 1", place=place)


class Stall(_Fault, frozen=True, kw_only=True, tag="stall"):
    """Nothing is answered until it ends; then everything, late."""


class Late(_Fault, frozen=True, kw_only=True, tag="late"):
    """Answers leave `delay_ms` later."""

    delay_ms: int


class BlackHole(_Fault, frozen=True, kw_only=True, tag="black_hole"):
    """Requests are taken and never answered."""


class Reset(_Fault, frozen=True, kw_only=True, tag="reset"):
    """A request is answered by a reset of the connection; what it writes is written all the same."""


class Short(_Fault, frozen=True, kw_only=True, tag="short"):
    """Answers to reads lack their last register, with a byte count that says so."""


class Foreign(_Fault, frozen=True, kw_only=True, tag="foreign"):
    """The answer is another's: of the unit after it, to another function, or to the request before."""

    of: Literal["unit", "function", "transaction"] = "function"


class TransactionZero(_Fault, frozen=True, kw_only=True, tag="transaction_zero"):
    """Answers have the transaction 0."""


class Torn(_Fault, frozen=True, kw_only=True, tag="torn"):
    """A value of several registers is shown with its high word of after a carry, its low word of before."""

    point: str


class Stuck(_Fault, frozen=True, kw_only=True, tag="stuck"):
    """A point no longer changes."""

    point: str


class AcknowledgeOnly(_Fault, frozen=True, kw_only=True, tag="acknowledge_only"):
    """Writes are acknowledged and shown when they are read back, and nothing is done."""


class IgnoreWrites(_Fault, frozen=True, kw_only=True, tag="ignore_writes"):
    """Writes are acknowledged, and the registers keep what they held."""


class SignFlipped(_Fault, frozen=True, kw_only=True, tag="sign_flipped"):
    """The power is shown with the other sign."""


class SocShown(_Fault, frozen=True, kw_only=True, tag="soc"):
    """The state of charge is shown as this, in thousandths of a percent."""

    value: int = -247_000


class ClockOff(_Fault, frozen=True, kw_only=True, tag="clock"):
    """The device's clock is so many seconds off; below zero it runs behind, so that it jumps back."""

    seconds: int = -3600


class SecondWriter(_Fault, frozen=True, kw_only=True, tag="second_writer"):
    """Somebody else sets this power now, in W, and the registers show it."""

    power_w: int


class Unavailable(_Fault, frozen=True, kw_only=True, tag="unavailable"):
    """Only so many thousandths of its power can be had, both ways, whatever its state says."""

    permille: int = 0


class HeartbeatStopped(_Fault, frozen=True, kw_only=True, tag="heartbeat_stopped"):
    """The device's own counter stands."""


Fault = (
    Stall
    | Late
    | BlackHole
    | Reset
    | Short
    | Foreign
    | TransactionZero
    | Torn
    | Stuck
    | AcknowledgeOnly
    | IgnoreWrites
    | SignFlipped
    | SocShown
    | ClockOff
    | SecondWriter
    | Unavailable
    | HeartbeatStopped
)
"""Another kind is another Struct, and a line here."""
OnAnswer = Stall | Late | BlackHole | Reset | Short | Foreign | TransactionZero
