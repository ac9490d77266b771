"""A setpoint written to a device and read back at once. Who calls it holds the device's lock."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from datetime import datetime, timedelta
from typing import Final, Literal, NamedTuple

from adapters.driving.device_state import (
    DrivenDevice,
    instant,
    millis,
    setpoint_periods,
    shown_w,
    switched_off,
)
from adapters.driving.port import (
    DevicePort,
    TellingPort,
    Unreachable,
    Unreadable,
    WriteRefused,
    WriteUncertain,
    WrongAnswer,
)
from adapters.telemetry.frame import Unkept
from dispatch.devices.control import WATCHDOG_S_MAX
from dispatch.devices.countable import countable, stepped
from dispatch.devices.profile import Period, Profile
from dispatch.telemetry.sample import Sample
from ledger.refusal import Refused

_DAY_S: Final = 86_400
REFRESHED_PART: Final = 3

Certainty = Literal["certain", "uncertain", "refused", "void"]
"""refused: the device answered that it does not take it, or it cannot be written. void: nothing was sent."""


class Found(NamedTuple):
    """The setpoint that a reading showed. `fallen`: it is in its safe state by itself, and obeys none."""

    w: int
    at: datetime
    fallen: bool = False


class Outcome(NamedTuple):
    """`found` is None where the device could not be read after the write."""

    certainty: Certainty
    at: datetime
    why: str = ""
    found: Found | None = None


class DeviceWrites:
    """Of one device. `read` gets every sample that is read here."""

    def __init__(
        self,
        port: DevicePort,
        device: DrivenDevice,
        clock: Callable[[], datetime],
        read: Callable[[Sample], None],
        write_ms: int,
    ) -> None:
        self._port = port
        self._device = device
        self._clock = clock
        self._read = read
        self._write_s = write_ms / 1000
        self._periods = setpoint_periods(device.profile)
        self._lasts_s = revert_s_max(device.profile)

    def revert_s(self, expires_at: datetime) -> int:
        """Whole seconds after which the device is to fall back, as its timer counts them: not after the
        setpoint expires, but for the timer's first step. A setpoint that lasts longer than the timer is
        written again before that ends."""
        left = max(min((expires_at - self._clock()) // timedelta(seconds=1), self._lasts_s), 1)
        timer = self._device.profile.point_of("revert_timer")
        return left if timer is None else stepped(timer, left)

    def settable_w(self, power_w: int) -> int:
        """As the port's. Raises as it does."""
        return self._port.settable_w(power_w)

    async def put(self, power_w: int, expires_at: datetime) -> Outcome:
        """Write it, and read what the device shows."""
        at = instant(millis(self._clock()))
        try:
            async with asyncio.timeout(self._write_s):
                await self._port.write_setpoint(power_w, self.revert_s(expires_at))
        except Unreachable as error:
            return Outcome("void", at, str(error))
        except WriteUncertain as error:
            return Outcome("uncertain", at, str(error) or "no answer", await self.find())
        except TimeoutError:
            return Outcome("uncertain", at, f"no answer within {self._write_s} s", await self.find())
        except WriteRefused as error:
            return Outcome("refused", at, str(error) or "refused", await self.find())
        except Refused as refused:
            if power_w:
                return Outcome("refused", at, f"{refused.code}: {refused}", None)
            return await self._released(at, refused)
        return Outcome("certain", at, "", await self.find())

    async def find(self) -> Found | None:
        """The setpoint that the device shows now; None where it does not answer."""
        sample = await self.sample()
        while sample is not None and isinstance(self._port, TellingPort) and self._port.early(sample):
            sample = await self.sample()
        return None if sample is None else self.shown(sample)

    def shown(self, sample: Sample) -> Found | None:
        """The setpoint that a sample shows; None where it does not."""
        shown = shown_w(self._device, sample)
        return None if shown is None else Found(shown, sample.at, switched_off(self._device, sample))

    async def sample(self) -> Sample | None:
        """What is read of the setpoint's blocks; None where the device does not answer, or what cannot be
        kept."""
        return await self.read(self._periods)

    async def read(self, periods: Collection[Period]) -> Sample | None:
        """What is read of those periods, as `sample`."""
        try:
            sample = await self._port.read(periods)
        except Unreadable as unreadable:
            self._read(self._port.lost(str(unreadable)))
            return None
        except (Unreachable, WrongAnswer):
            return None
        try:
            self._read(sample)
        except Unkept as unkept:
            self._read(self._port.lost(f"{unkept.code}: {unkept}"))
            return None
        return sample

    async def _released(self, at: datetime, refused: Refused) -> Outcome:
        """A stop that cannot be written, such as for a write budget: the device's own control stops it."""
        try:
            await self._port.release()
        except Unreachable as error:
            return Outcome("void", at, str(error))
        except WriteUncertain as error:
            return Outcome("uncertain", at, str(error), await self.find())
        except (WriteRefused, Refused) as error:
            return Outcome("refused", at, f"{refused.code}, and no release: {error}", await self.find())
        return Outcome("certain", at, "released", await self.find())


def revert_s_max(profile: Profile) -> int:
    """How long one write lasts. A device without a watchdog has only this to stop it when we fall silent:
    a minute, refreshed at a third, where its registers bear that; else as long as its timer can."""
    timer = profile.point_of("revert_timer")
    if timer is None or profile.control is None:
        return _DAY_S
    most = countable(timer, _DAY_S)
    if profile.control.watchdog is not None:
        return most
    refreshes = _DAY_S * REFRESHED_PART // WATCHDOG_S_MAX
    points = {profile.point(step.point).name: profile.point(step.point) for step in profile.control.steps}
    bears = min(profile.writes_per_day(point) for point in points.values())
    return min(most, WATCHDOG_S_MAX) if bears >= 2 * refreshes else most


def falls_back_s(profile: Profile, lasts: timedelta) -> int | None:
    """How long after a write that was to last so long a device may be in its safe state by itself, at the
    earliest; None where it never goes there."""
    found: list[int] = []
    if "revert_timer" in profile.roles:
        found.append(max(min(lasts // timedelta(seconds=1), revert_s_max(profile)), 1))
    if profile.control is not None and profile.control.watchdog is not None:
        watchdog = profile.control.watchdog
        found.append(watchdog.timeout_s - watchdog.period_s)
    return min(found, default=None)
