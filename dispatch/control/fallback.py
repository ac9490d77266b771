"""The schedule that a site follows by itself when nobody can tell it anything.

It is stored at the site and acknowledged by its hash: only what both sides know to be the same is relied on.
A driver keeps a copy of its own, for when it lives and the store or the plan is lost; that is not the site's.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

import msgspec

from dispatch.control.setpoint import POWER_W_MAX
from ledger.command import known
from ledger.device import Device
from ledger.effective import History
from ledger.identity import checked_id
from ledger.interval import Instant
from ledger.refusal import Refused

_COUNT_MAX: Final = 7 * 24 * 60


class FallbackSchedule(msgspec.Struct, frozen=True, kw_only=True):
    """Setpoints of equal intervals from `start`: W at the AC side, above 0 discharging; 0 outside of them."""

    device: str
    start: Instant
    interval_s: int
    setpoint_w: tuple[int, ...]

    def __post_init__(self) -> None:
        checked_id(self.device, "device")
        if self.start.tzinfo is None:
            raise Refused("naive_time", "an instant needs its UTC offset", place="start")
        if self.interval_s <= 0 or not 0 < len(self.setpoint_w) <= _COUNT_MAX:
            raise Refused("fallback_shape", f"1 to {_COUNT_MAX} intervals of 1 s or more", place="setpoint_w")
        if max(map(abs, self.setpoint_w)) > POWER_W_MAX:
            raise Refused("setpoint_power", f"-{POWER_W_MAX} to {POWER_W_MAX} W", place="setpoint_w")

    @property
    def end(self) -> datetime:
        return self.start + timedelta(seconds=self.interval_s * len(self.setpoint_w))

    def at(self, now: datetime) -> int:
        """The setpoint at an instant.

        >>> start = datetime.fromisoformat("2026-08-03T00:00:00+00:00")
        >>> nightly = FallbackSchedule(device="d", start=start, interval_s=900, setpoint_w=(-500, 300))
        >>> [nightly.at(start + timedelta(minutes=m)) for m in (-1, 0, 15, 30)]
        [0, -500, 300, 0]
        """
        place = (now - self.start) // timedelta(seconds=self.interval_s)
        return self.setpoint_w[place] if 0 <= place < len(self.setpoint_w) else 0

    def canonical(self) -> bytes:
        """What is hashed: device, microseconds since 1970, interval in s and setpoints, as lines of ASCII.

        >>> start = datetime.fromisoformat("2026-08-03T08:00:00+08:00")
        >>> FallbackSchedule(device="d", start=start, interval_s=900, setpoint_w=(-5, 3)).canonical()
        b'wattledger-fallback-v1\\nd\\n1785715200000000\\n900\\n-5,3\\n'
        """
        epoch = datetime.fromisoformat("1970-01-01T00:00:00+00:00")
        us = (self.start - epoch) // timedelta(microseconds=1)
        powers = ",".join(map(str, self.setpoint_w))
        return f"wattledger-fallback-v1\n{self.device}\n{us}\n{self.interval_s}\n{powers}\n".encode()

    @property
    def digest(self) -> str:
        """SHA-256 of `canonical`, in hexadecimal: what the site answers with."""
        return hashlib.sha256(self.canonical()).hexdigest()


class Fallback(msgspec.Struct, frozen=True):
    """The schedule stored last, the last one that the site has said it holds, and the last that a driver
    keeps."""

    stored: FallbackSchedule
    acknowledged: FallbackSchedule | None = None
    kept: FallbackSchedule | None = None

    @property
    def agreed(self) -> bool:
        return self.acknowledged == self.stored


class FallbackStored(msgspec.Struct, frozen=True, tag_field="kind", tag="fallback.stored.v1"):
    schedule: FallbackSchedule
    digest: str
    by: str
    at: Instant

    def apply(self, state: Fallback | None) -> Fallback:
        return (
            Fallback(self.schedule) if state is None else msgspec.structs.replace(state, stored=self.schedule)
        )


class FallbackAcknowledged(msgspec.Struct, frozen=True, tag_field="kind", tag="fallback.acknowledged.v1"):
    digest: str
    at: Instant

    def apply(self, state: Fallback) -> Fallback:
        return msgspec.structs.replace(state, acknowledged=state.stored)


class FallbackKept(msgspec.Struct, frozen=True, tag_field="kind", tag="fallback.kept.v1"):
    digest: str
    at: Instant

    def apply(self, state: Fallback) -> Fallback:
        return msgspec.structs.replace(state, kept=state.stored)


class StoreFallback(msgspec.Struct, frozen=True):
    """Put on record what a device's site is to follow by itself, before it is sent there."""

    schedule: FallbackSchedule
    by: str

    @property
    def aggregate(self) -> str:
        return fallback_aggregate(self.schedule.device)

    @property
    def reads(self) -> tuple[str, ...]:
        return (f"device.{self.schedule.device}",)

    def decide_at(self, now: datetime, _: object, others: Mapping[str, object]) -> tuple[FallbackStored]:
        """Raises:
        Refused: `id`, `unknown_device`, `setpoint_power`; `fallback_over` when it is over already."""
        checked_id(self.by, "by")
        history: History[Device] = known(others, f"device.{self.schedule.device}", History)
        power = history.latest.document.power_w
        if max(map(abs, self.schedule.setpoint_w)) > power:
            raise Refused("setpoint_power", f"{self.schedule.device} has {power} W", place="setpoint_w")
        if self.schedule.end <= now:
            raise Refused("fallback_over", f"it ends at {self.schedule.end}", place="start")
        return (FallbackStored(self.schedule, self.schedule.digest, self.by, now),)


class _OfFallback(msgspec.Struct, frozen=True):
    device: str
    digest: str

    @property
    def aggregate(self) -> str:
        return fallback_aggregate(self.device)

    @property
    def reads(self) -> tuple[str, ...]:
        return ()


class AcknowledgeFallback(_OfFallback, frozen=True):
    """Tell the hash that the site has worked out itself from what it holds."""

    def decide_at(
        self, now: datetime, state: Fallback | None, _: Mapping[str, object]
    ) -> tuple[FallbackAcknowledged]:
        """Raises:
        Refused: `unknown_fallback`; `fallback_digest` when the site holds another schedule."""
        _check_digest(self.device, self.digest, state)
        return (FallbackAcknowledged(self.digest, now),)


class KeepFallback(_OfFallback, frozen=True):
    """Tell the hash of the copy that a driver has on its disk."""

    def decide_at(
        self, now: datetime, state: Fallback | None, _: Mapping[str, object]
    ) -> tuple[FallbackKept]:
        """Raises:
        Refused: as `AcknowledgeFallback`."""
        _check_digest(self.device, self.digest, state)
        return (FallbackKept(self.digest, now),)


def _check_digest(device: str, digest: str, state: Fallback | None) -> None:
    if state is None:
        raise Refused("unknown_fallback", f"no fallback of {device!r} is stored", place="device")
    if digest != state.stored.digest:
        wrong = f"the site holds another schedule than {state.stored.digest}: send it again"
        raise Refused("fallback_digest", wrong, place="digest")


def fallback_aggregate(device: str) -> str:
    """The aggregate of a device's fallback schedules."""
    return f"fallback.{device}"
