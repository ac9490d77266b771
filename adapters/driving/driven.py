"""One storage of a driver: who reads it, who tells it, when it was read well last, and what it gives of what
it was told."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from adapters.driving.device_state import meter_tolerance_w, millis
from adapters.driving.device_writes import Found
from adapters.driving.driven_site import DrivenDevice
from adapters.driving.executor import Executor
from adapters.driving.judging import METER_LATE
from adapters.driving.poller import Poller
from adapters.driving.tried import AtDevice
from dispatch.control.follower import Follower, Owed, done_w
from dispatch.control.given import HandedWatch
from dispatch.control.setpoint import Setpoint
from dispatch.control.site_load import PowerRange
from dispatch.control.standing_still import StandingStill
from dispatch.control.turn_parts import LOST_MS, lost_ms


class Driven:
    def __init__(self, one: DrivenDevice, executor: Executor, poller: Poller) -> None:
        self.one: Final = one
        self.executor: Final = executor
        self.poller: Final = poller
        self.lost_ms: Final = lost_ms(one.fleet.profile.every_s("active_power"))
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
        self._owed: Final = Owed()
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
        return self.good_ms is None or abs(now_ms - self.good_ms) > self.lost_ms

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
        lost = self.lost(millis(now))
        if standing is None or at is None or lost or not standing.confirmed:
            if not self._still_owes():
                self.follower.look(None, None, 0, now)
            if standing is None or lost:
                self.still.look(None, None, 0, 0, now)
            return
        # By the readings' own time: two of them, however the clock went on between.
        due_w = self._due_w(standing, does_w, at)
        if due_w is not None or not self._still_owes():
            self.follower.look(due_w, does_w, self._tolerance_w(standing), at)
        limits = self.one.fleet.profile.limits
        assert limits is not None, "a storage has limits"
        target_w = standing.target_w if standing.setpoint.band_w else None
        self.still.look(target_w, does_w, meter_tolerance_w(self.executor.limits), limits.ramp_w_per_s, at)

    def _due_w(self, standing: AtDevice, does_w: int | None, at: datetime) -> int | None:
        """What it ought to do of what it was told; one that is doubted already has its ramp and no more."""
        told_w, ramped_at = standing.setpoint.setpoint_w, standing.expected_at - METER_LATE
        expected_at = ramped_at if self.follower.why else standing.expected_at
        if standing.before_w is not None and self._owed.holds(standing.before_w):
            # It was on its way already.
            ramped_at = standing.written_at
        self._owed.told(told_w, standing.written_at, ramped_at, expected_at)
        if at >= standing.written_at and does_w is not None:
            self._owed.seen(does_w, self._tolerance_w(standing))
        return self._owed.due_w(at)

    def _still_owes(self) -> bool:
        """What it never did is to be done again, such as after its watchdog tripped: its time goes on."""
        return self._owed.open and self.wanted is not None and self._owed.holds(self.wanted.setpoint_w)

    def _tolerance_w(self, standing: AtDevice) -> int:
        return meter_tolerance_w(self.executor.limits) + standing.setpoint.band_w

    def given_w(self, now: datetime) -> int:
        """What it does of what it was read to have been told; 0 where nobody knows."""
        standing, does_w = self.executor.standing, self.does_w()
        if standing is None or not standing.confirmed or self.apart(millis(now)) or does_w is None:
            return 0
        if now >= standing.setpoint.expires_at:
            return 0
        return done_w(standing.setpoint.setpoint_w, does_w, self._tolerance_w(standing))

    def ramps(self, now: datetime) -> bool:
        """It may be on its way still to what it was told."""
        standing = self.executor.standing
        return standing is not None and standing.confirmed and now < standing.expected_at - METER_LATE

    def held_w(self, now: datetime) -> int | None:
        """What it goes on doing when it is lost, as far as anybody knows: its setpoint, until it expires."""
        standing = self.executor.standing
        if standing is None or now >= standing.setpoint.expires_at:
            return None
        return standing.target_w
