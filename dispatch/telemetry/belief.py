"""Whether a value can have moved so far since the last one that was believed.

How far a storage's state of charge moves its ratings say; of other values the profile does
(`change_max_per_s`). What moved further is doubted, and no value to whoever decides by it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

import msgspec

from dispatch.devices.profile import Profile
from dispatch.devices.quality import Reading
from dispatch.devices.role import Role
from dispatch.telemetry.sample import Sample

HELD_MS: Final = 60_000
"""So long a value stays where it jumped to before it is believed."""
HELD_READS: Final = 5
SOC_CORRECTED: Final = 5_000
"""So many thousandths of a percent a storage that finds itself full or empty corrects its count by."""
_RATINGS: Final = 2
"""So many times its rating's energy: what is left of its capacity after years may be half."""
_SOC_WHOLE: Final = 100_000
_MS_PER_H: Final = 3_600_000


class _Pace(NamedTuple):
    """`free` at once, and `change` in each `ms`; `stepped`: and a step of its register."""

    free: int
    change: int
    ms: int
    stepped: bool = False

    def reaches(self, before: Reading, now: Reading) -> bool:
        assert isinstance(before.value, int)
        assert isinstance(now.value, int)
        step = abs(now.value) // abs(now.raw) if self.stepped and now.raw else 0
        elapsed_ms = max(now.at_ms - before.at_ms, 0)
        further = abs(now.value - before.value) - self.free - step
        return further * self.ms <= self.change * elapsed_ms


class _Doubt(NamedTuple):
    last: Reading
    since_ms: int
    reads: int


class Belief:
    """One device's values, in the order in which they were read; the first of each is believed."""

    def __init__(self, profile: Profile) -> None:
        self._paces: Final = _paces(profile)
        self._believed: dict[Role, Reading] = {}
        self._doubts: dict[Role, _Doubt] = {}

    def judged(self, sample: Sample) -> Sample:
        """The sample, with what has jumped as `suspect` and `jump`.

        It is believed again where it is within reach of the last value that was, or has stayed for `HELD_MS`
        and `HELD_READS` readings, each within reach of the one before.
        """
        changed: dict[Role, Reading] = {}
        for role, pace in self._paces.items():
            read = sample.readings.get(role)
            if read is None or not isinstance(read.value, int):
                continue
            now = read if read.at_ms else read._replace(at_ms=sample.at_ms)
            good = self._holds(role, pace, now)
            if good and read.reason == "jump":
                changed[role] = read._replace(quality="good", reason=None)
            elif not good and read.quality == "good":
                changed[role] = read._replace(quality="suspect", reason="jump")
        return msgspec.structs.replace(sample, readings={**sample.readings, **changed}) if changed else sample

    def _holds(self, role: Role, pace: _Pace, now: Reading) -> bool:
        before, doubt = self._believed.get(role), self._doubts.get(role)
        if before is not None and not pace.reaches(before, now):
            if doubt is None or not pace.reaches(doubt.last, now) or now.at_ms < doubt.since_ms:
                self._doubts[role] = _Doubt(now, now.at_ms, 1)
                return False
            if now.at_ms - doubt.since_ms < HELD_MS or doubt.reads + 1 < HELD_READS:
                self._doubts[role] = _Doubt(now, doubt.since_ms, doubt.reads + 1)
                return False
        self._believed[role] = now
        self._doubts.pop(role, None)
        return True


def _paces(profile: Profile) -> Mapping[Role, _Pace]:
    found: dict[Role, _Pace] = {}
    limits = profile.limits
    for role, name in profile.roles.items():
        most = profile.by_name[name].change_max_per_s
        if most is not None:
            found[role] = _Pace(0, most, 1000, stepped=True)
        elif role == "soc" and limits is not None:
            power_w = max(limits.charge_w_max, limits.discharge_w_max)
            flow = _RATINGS * power_w * _SOC_WHOLE
            found[role] = _Pace(SOC_CORRECTED, flow, limits.energy_wh * _MS_PER_H)
    return found
