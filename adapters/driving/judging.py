"""What a device has of us, judged by each reading of it and of its meter."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from adapters.driving.device_state import meter_tolerance_w, millis, shown_w, switched_off
from adapters.driving.device_writes import Found, Outcome, falls_back_s
from adapters.driving.one_device import Alarm, OneDevice
from adapters.driving.tried import AtDevice, Wish
from adapters.driving.wishes import Wishes
from dispatch.control.foreign_writer import read_back
from dispatch.control.may_show import MayShow
from dispatch.control.site_load import PowerRange
from dispatch.telemetry.sample import Sample

METER_LATE: Final = timedelta(seconds=10)
_EARLY: Final = timedelta(seconds=2)
"""A revert timer counts whole seconds: a device falls back so much before its setpoint is over."""
_OVER: Final[tuple[Alarm, ...]] = ("device_refused", "interlock", "intent_refused")
"""Over when a setpoint holds."""
FOREIGN_OVER: Final = timedelta(minutes=1)
"""Nobody else writes any more when what we wrote has held for so long."""


class Judging:
    """Of one device."""

    def __init__(self, one: OneDevice, wishes: Wishes) -> None:
        self._one = one
        self._wishes = wishes
        self._metered = False
        self._ours_since: datetime | None = None
        self._may = MayShow()
        self._allowed: AtDevice | None = None
        """The last that `_may` knows of."""

    def written(self, wish: Wish, before_w: int | None, outcome: Outcome) -> AtDevice:
        """It was written; what a reading says of that is to be judged."""
        one, setpoint = self._one, wish.setpoint
        limits = one.device.profile.limits
        assert limits is not None, "a storage has limits"
        if one.standing is None:
            self._may = MayShow()
        else:
            self._allow(one.standing)
        away = abs(setpoint.setpoint_w - (before_w or 0))
        ramp = timedelta(seconds=away // max(limits.ramp_w_per_s, 1) + 1)
        one.standing = AtDevice(
            setpoint=setpoint,
            day=wish.day,
            target_w=setpoint.setpoint_w,
            before_w=before_w,
            written_at=outcome.at,
            refreshed_at=one.seconds(),
            expected_at=outcome.at + ramp + METER_LATE,
        )
        one.alarms.pop("unreachable", None)
        one.state.unbeaten = not one.beaten_in_time()
        self._allow(one.standing)
        return one.standing

    def _allow(self, standing: AtDevice) -> None:
        if standing is not self._allowed:
            low_w, high_w = sorted((standing.target_w, standing.setpoint.setpoint_w))
            band_w = standing.setpoint.band_w
            told = PowerRange(low_w - band_w, high_w + band_w)
            self._may.told(told, standing.written_at, standing.expected_at)
            self._allowed = standing

    def expire(self, now: datetime) -> None:
        """What stands is over when its time is."""
        standing = self._one.standing
        if standing is None or now < standing.setpoint.expires_at or not standing.confirmed:
            return
        self._one.standing = None
        if not standing.seen:
            self._one.steps.tell_expired(standing)

    def take(self, sample: Sample) -> None:
        """A sample of the device, whoever read it."""
        one = self._one
        one.state.take(sample)
        standing = one.standing
        early = one.told_by is not None and one.told_by.early(sample)
        if one.writing or early or standing is None or sample.lost or sample.at < standing.written_at:
            return
        shown = shown_w(one.device, sample)
        if shown is not None:
            obeyed_w = one.state.obeyed_w(shown, millis(sample.at))
            fallen = switched_off(one.device, sample) or obeyed_w != shown
            self.judge(standing, Found(obeyed_w, sample.at, fallen))
        power = sample.power_w("active_power")
        if power is not None and not self._metered:
            self._compare(one.device.meter, Found(power, sample.at))

    def metered(self, meter: str, measured: Found) -> None:
        """What another device says, which is the storage's own meter."""
        self._metered = True
        self._compare(meter, measured)

    def judge(self, standing: AtDevice, found: Found) -> None:
        """What a reading after a write says; on record, and for what is done next."""
        one = self._one
        if found.at < standing.written_at or self._falling_back(standing, found):
            return
        setpoint, remote = standing.setpoint, one.snapshot.mode in (None, "remote")
        self._arrived(standing, found)
        fallback_s = falls_back_s(one.device.profile, setpoint.expires_at - standing.written_at)
        answer = read_back(
            standing.target_w,
            None if standing.confirmed else standing.before_w,
            found.w,
            tolerance_w=one.tolerance_w,
            safe_w=one.device.safe_w,
            remote=remote,
            fallback_s=fallback_s,
            after=found.at - standing.written_at,
            fallen=found.fallen and bool(setpoint.power_w_max),
        )
        if answer.answer == "applied" and "foreign_writer" in one.alarms:
            self._end_foreign(found.at)
        if answer.answer == "applied" and standing.confirmed:
            return
        one.steps.tell_read(
            standing,
            found,
            tolerance_w=one.tolerance_w,
            safe_w=one.device.safe_w,
            remote=remote,
            fallback_s=fallback_s,
        )
        if answer.answer == "applied":
            standing.confirmed = True
            one.fell_back = None
            for alarm in _OVER:
                one.alarms.pop(alarm, None)
            return
        one.standing = None
        if answer.writer == "watchdog":
            one.beaten_at = None
            one.fell_back = found
        if answer.answer == "foreign" and answer.writer != "watchdog":
            self._ours_since = None
            one.alarm("foreign_writer", f"{answer.writer} set {found.w} W")
        self._wishes.not_held(setpoint, answer, found)
        one.woken.set()

    def _end_foreign(self, at: datetime) -> None:
        self._ours_since = self._ours_since or at
        if at - self._ours_since >= FOREIGN_OVER:
            self._ours_since = None
            self._one.alarms.pop("foreign_writer", None)

    def _arrived(self, standing: AtDevice, found: Found) -> None:
        """What of all that was written within the band it shows, where that was not known."""
        if found.fallen:
            return
        near = [w for w in standing.under_way_w if abs(found.w - w) <= self._one.tolerance_w]
        if near and abs(found.w - standing.target_w) > self._one.tolerance_w:
            standing.came_from_w, standing.target_w = standing.target_w, near[0]
        if standing.under_way_until is None or found.at >= standing.under_way_until:
            standing.under_way_w = frozenset()

    def _falling_back(self, standing: AtDevice, found: Found) -> bool:
        """Its own timer ended it, as it was told to."""
        timed = standing.confirmed and "revert_timer" in self._one.device.profile.roles
        ending = found.at >= standing.setpoint.expires_at - _EARLY
        return timed and ending and abs(found.w - self._one.device.safe_w) <= self._one.tolerance_w

    def _compare(self, meter: str, measured: Found) -> None:
        """Whether what is measured is what stands."""
        one = self._one
        standing = one.standing
        if standing is None or not standing.confirmed or standing.seen or measured.at < standing.written_at:
            return
        self._allow(standing)
        tolerance = meter_tolerance_w(one.limits)
        setpoint = standing.setpoint
        from_w = standing.target_w if standing.came_from_w is None else standing.came_from_w
        low_w, high_w = sorted((from_w, standing.target_w))
        if low_w - tolerance <= measured.w <= high_w + tolerance:
            standing.seen = True
            one.alarms.pop("meter_disagrees", None)
            if meter:
                one.steps.tell_seen(standing, meter, measured, tolerance)
        elif abs(measured.w - setpoint.setpoint_w) <= tolerance + setpoint.band_w:
            # On its way within the band, as far as anybody can tell.
            one.alarms.pop("meter_disagrees", None)
        elif self._may.beyond(measured.w, tolerance, measured.at):
            one.alarm("meter_disagrees", f"{measured.w} W in place of {standing.target_w} W")
