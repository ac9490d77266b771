"""One storage of a driver: who reads it, who tells it, when it was read well last, and what it gives of what
it was told."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from adapters.driving.device_state import meter_tolerance_w, millis
from adapters.driving.device_writes import Found
from adapters.driving.driven_site import DrivenDevice
from adapters.driving.executor import Executor
from adapters.driving.poller import Poller
from dispatch.control.follower import Follower
from dispatch.control.given import HandedWatch
from dispatch.control.setpoint import Setpoint
from dispatch.control.site_load import PowerRange
from dispatch.control.standing_still import StandingStill
from dispatch.control.turn_parts import LOST_MS


class Driven:
    def __init__(self, one: DrivenDevice, executor: Executor, poller: Poller) -> None:
        self.one: Final = one
        self.executor: Final = executor
        self.poller: Final = poller
        self.good_ms: int | None = None
        self.stopped = ""
        self.wanted: Setpoint | None = None
        self.follower: Final = Follower()
        self.still: Final = StandingStill()
        self.handed: Final = HandedWatch()
        self.metered: Found | None = None
        """What its own meter showed last, where that is another device."""
        self.disagrees = ""
        """Why its own power is not believed beside its meter's."""
        self._ready_ms: int | None = None

    @property
    def id(self) -> str:
        return self.one.fleet.id

    @property
    def site(self) -> str:
        return self.one.device.site

    def aims(self) -> PowerRange:
        """What it goes for (`Executor.aims`)."""
        measured = self.metered if self.disagrees else None
        return self.executor.aims(None if measured is None else measured.w)

    def does_w(self) -> int | None:
        """What it does, by its own meter where its own power is not believed."""
        if self.disagrees and self.metered is not None:
            return self.metered.w
        return self.executor.snapshot.power_w

    def told_w(self) -> int | None:
        """What it was told, as far as anybody knows."""
        standing = self.executor.standing
        return self.executor.standing_w() if standing is None else standing.target_w

    def lost(self, now_ms: int) -> bool:
        return self.good_ms is None or abs(now_ms - self.good_ms) > LOST_MS

    def ours(self, now_ms: int) -> bool:
        """Whether it can be told anything: its lease is held, and device and record agree, or did so a moment
        ago."""
        if self.executor.ready:
            self._ready_ms = now_ms
        return self._ready_ms is not None and abs(now_ms - self._ready_ms) <= LOST_MS

    @property
    def was_ours(self) -> bool:
        """Whether it could be told anything since this driver began."""
        return self._ready_ms is not None

    def apart(self, now_ms: int) -> bool:
        """It is no part of what this driver shares out: lost, or another's."""
        return self.lost(now_ms) or not self.ours(now_ms)

    def look(self, now: datetime) -> None:
        """Whether it follows what it shows to have been told, by its own meter or by itself."""
        standing, snapshot = self.executor.standing, self.executor.snapshot
        does_w, at = snapshot.power_w, snapshot.read_at
        if self.metered is not None:
            does_w, at = self.metered.w, self.metered.at
        judged = standing is not None and standing.confirmed and not self.lost(millis(now))
        if not judged or at is None or standing is None or at < standing.expected_at:
            self.follower.look(None, None, 0, now)
            self.still.look(None, None, 0, 0, now)
            return
        tolerance_w, band_w = meter_tolerance_w(self.executor.limits), standing.setpoint.band_w
        # By the readings' own time: two of them, however the clock went on between.
        self.follower.look(standing.setpoint.setpoint_w, does_w, tolerance_w + band_w, at)
        limits = self.one.fleet.profile.limits
        assert limits is not None, "a storage has limits"
        target_w = standing.target_w if band_w else None
        self.still.look(target_w, does_w, tolerance_w, limits.ramp_w_per_s, at)

    def given_w(self, now: datetime) -> int:
        """What it was read to have been told and follows; 0 where nobody knows."""
        standing = self.executor.standing
        if standing is None or not standing.confirmed or self.apart(millis(now)):
            return 0
        if now >= standing.setpoint.expires_at:
            return 0
        short_w = self.follower.short_w
        return standing.setpoint.setpoint_w if short_w is None else short_w

    def held_w(self, now: datetime) -> int | None:
        """What it goes on doing when it is lost, as far as anybody knows: its setpoint, until it expires."""
        standing = self.executor.standing
        if standing is None or now >= standing.setpoint.expires_at:
            return None
        return standing.target_w
