"""What was seen of a device, and of the meter beside it, while it was told something."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import msgspec

from dispatch.devices.profile import Profile
from dispatch.devices.reading import swapped_words
from dispatch.telemetry.sample import Sample


class Observed(msgspec.Struct, frozen=True, kw_only=True):
    """Our clock in ms; powers in W above zero discharging; None: not known, or not to be believed."""

    at_ms: int
    power_w: int | None
    setpoint_w: int | None = None
    soc: int | None = None
    device_ms: int | None = None
    beat: int | None = None
    meter_w: int | None = None
    lost: str = ""
    swapped: tuple[str, ...] = ()
    """Points that are out of range, and within it with their two words the other way round."""

    @classmethod
    def of(cls, device: Sample, meter: Sample | None = None, profile: Profile | None = None) -> Observed:
        return cls(
            at_ms=device.at_ms,
            power_w=device.value("active_power"),
            setpoint_w=device.value("setpoint"),
            soc=device.value("soc"),
            device_ms=device.device_ms,
            beat=device.value("device_heartbeat"),
            meter_w=None if meter is None else meter.value("meter_power"),
            lost=device.lost,
            swapped=() if profile is None else swapped_points(profile, device),
        )


def swapped_points(profile: Profile, sample: Sample) -> tuple[str, ...]:
    """Those of a sample that are out of range, and would not be with their words the other way round."""
    readings = {profile.roles[role]: one for role, one in sample.readings.items()} | dict(sample.others)
    return tuple(name for name, one in readings.items() if swapped_words(profile.point(name), one))


class Moved(msgspec.Struct, frozen=True, kw_only=True):
    """What followed a command that was written at `written_ms` and answered at `answered_ms`; `before` is how
    the device stood."""

    commanded_w: int
    written_ms: int
    answered_ms: int
    before: Observed
    seen: tuple[Observed, ...]

    @property
    def before_w(self) -> int:
        assert self.before.power_w is not None, "the telemetry step"
        return self.before.power_w

    def effect_ms(self, moved_w: int) -> int | None:
        """From the command to the first sample that is more than `moved_w` from before; None: never."""
        for one in self.seen:
            if one.power_w is not None and abs(one.power_w - self.before_w) > moved_w:
                return one.at_ms - self.written_ms
        return None

    def still_ms(self, moved_w: int) -> int:
        """From the command to the last sample before its effect; 0 where there is none."""
        effect = self.effect_ms(moved_w)
        ages = [one.at_ms - self.written_ms for one in self.seen]
        return max((age for age in ages if effect is None or age < effect), default=0)

    @property
    def apart_ms(self) -> int:
        """How far samples are apart, and the first from the command, at most."""
        return max(late - early for early, late in pairwise([self.written_ms, *(s.at_ms for s in self.seen)]))

    @property
    def settled_w(self) -> int | None:
        """The middle one of the last three powers."""
        return _middle([one.power_w for one in self.seen if one.power_w is not None][-3:])

    @property
    def metered_w(self) -> int | None:
        """By how much the meter rose; None where none was read before and after."""
        last = _middle([one.meter_w for one in self.seen if one.meter_w is not None][-3:])
        return None if last is None or self.before.meter_w is None else last - self.before.meter_w

    def ramp_w_per_s(self) -> int | None:
        """Between a tenth and nine tenths of the way, each found between two samples; None without a way."""
        settled = self.settled_w
        if settled is None or settled == self.before_w:
            return None
        change = settled - self.before_w
        points = [(self.written_ms, 0)]
        points += [
            (
                one.at_ms,
                abs(one.power_w - self.before_w) if (one.power_w > self.before_w) == (change > 0) else 0,
            )
            for one in self.seen
            if one.power_w is not None
        ]
        size = abs(change)
        tenth, most = _crossed(points, size * 10), _crossed(points, size * 90)
        if tenth is None or most is None or most <= tenth:
            return None
        # 80 hundredths of the way in (most - tenth) millionths of a second.
        return size * 80 * 10_000 // (most - tenth)


def _crossed(points: Sequence[tuple[int, int]], hundredths: int) -> int | None:
    """When the way of `hundredths` / 100 W was reached, in microseconds."""
    for (start, low), (end, high) in pairwise(points):
        if high * 100 >= hundredths:
            if high == low or low * 100 >= hundredths:
                return start * 1000
            return start * 1000 + (end - start) * 10 * (hundredths - low * 100) // (high - low)
    return None


def _middle(values: Sequence[int]) -> int | None:
    return sorted(values)[len(values) // 2] if values else None
