"""What a device is told: W at its AC side, above 0 discharging, from an instant until it expires.

Raising power is dangerous, lowering it is not: the first needs an intent on record before it is written, the
second is written first and recorded later.
"""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from typing import Final, Literal, get_args

import msgspec

from ledger.identity import checked_id
from ledger.interval import Instant
from ledger.refusal import Refused

Origin = Literal[
    "plan", "emergency", "response", "regulation", "fallback", "guard", "person", "commissioning"
]
"""What asked for it."""

POWER_W_MAX: Final = 2**31 - 1
LASTS_MAX: Final = timedelta(days=1)
_CAUSE_MAX: Final = 200
_KEY_LENGTH: Final = 32


class Setpoint(msgspec.Struct, frozen=True, kw_only=True):
    """`setpoint_w` holds until `expires_at`, when the device falls back by itself.

    `band_w`: how far from it a regulation signal may be followed without another intent. `cause` names what
    it rests on: a plan and its number, an emergency, a call.
    """

    setpoint_w: int
    expires_at: Instant
    origin: Origin
    cause: str
    band_w: int = 0

    def __post_init__(self) -> None:
        if abs(self.setpoint_w) > POWER_W_MAX:
            raise Refused("setpoint_power", f"-{POWER_W_MAX} to {POWER_W_MAX} W", place="setpoint_w")
        if not 0 <= self.band_w <= POWER_W_MAX:
            raise Refused("setpoint_power", f"0 to {POWER_W_MAX} W", place="band_w")
        if self.expires_at.tzinfo is None:
            raise Refused("naive_time", "an instant needs its UTC offset", place="expires_at")
        if self.origin not in get_args(Origin):
            raise Refused("not_allowed", f"one of {', '.join(get_args(Origin))}", place="origin")
        if not 0 < len(self.cause.strip()) <= _CAUSE_MAX:
            raise Refused("empty", f"say what it rests on, up to {_CAUSE_MAX} characters", place="cause")

    @property
    def power_w_max(self) -> int:
        """The most that it lets a device do, in either direction."""
        return abs(self.setpoint_w) + self.band_w

    def check_lasting(self, now: datetime) -> None:
        """That it is in force at `now`, and not for too long.

        Raises:
            Refused: `setpoint_expired`, `setpoint_lasting`.
        """
        if self.expires_at <= now:
            raise Refused("setpoint_expired", f"it expired at {self.expires_at}", place="expires_at")
        if self.expires_at > now + LASTS_MAX:
            raise Refused("setpoint_lasting", "a setpoint expires within a day", place="expires_at")


def lowers(setpoint: Setpoint, standing_w: int | None) -> bool:
    """Whether it stops a device, or limits it to less in the direction in which it stands.

    `standing_w` is the setpoint that the device has, None when that is not known: then only a stop lowers.

    >>> at = datetime.fromisoformat("2026-08-03T00:00:00Z")
    >>> half = Setpoint(setpoint_w=50, expires_at=at, origin="plan", cause="p")
    >>> [lowers(half, standing) for standing in (100, 50, 20, -100, None)]
    [True, True, False, False, False]
    """
    if setpoint.power_w_max == 0:
        return True
    if standing_w is None or setpoint.band_w:
        return False
    same_direction = (setpoint.setpoint_w > 0) == (standing_w > 0)
    return same_direction and abs(setpoint.setpoint_w) <= abs(standing_w)


def reaction_id(name: str, source_sequence: int, target: str = "") -> str:
    """The command id of what is done because of the event at that place of the stream.

    The same reaction to the same event has the same id, whoever comes to it and however often. `target` tells
    apart what one event does to several aggregates.

    >>> reaction_id("follow-plan", 4711, "command.bess-1_2026-08-03")
    'follow-plan-4711-command.bess-1_2026-08-03'
    """
    checked_id(name, "name")
    if source_sequence <= 0:
        raise Refused("sequence", "a place in the stream is above 0", place="source_sequence")
    return f"{name}-{source_sequence}-{target}" if target else f"{name}-{source_sequence}"


def step_id(device: str, day: str, sequence: int, step: str, told: str = "") -> str:
    """The command id of a step in a setpoint's life: the same (device, day, sequence, step) is the same id.

    `told`, where a step may be told several times with other words, is hashed into it.
    """
    plain = f"{device}-{day}-{sequence}-{step}"
    return f"{plain}-{hashlib.sha256(told.encode()).hexdigest()[:_KEY_LENGTH]}" if told else plain
