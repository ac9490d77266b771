"""What a device's samples do not show, or show so that it is to be doubted: the spans, named.

A hole is told by the samples' own numbers and instants, never by the clock of whoever looks.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final, Literal

import msgspec

from dispatch.devices.role import Role
from dispatch.telemetry.sample import Sample

MarkKind = Literal["unseen", "lost", "thinned", "backwards", "skew", "stuck", "order"]
"""unseen: nobody read in between, or what was read never came. lost: the device did not answer. thinned:
samples were let go because the disk was full. backwards: our clock was set back. skew: the device's clock and
ours are more than `SKEW_MS` apart. stuck: a value stays while its neighbours move. order: a number again, a
smaller one, or a run that another had followed."""

UNSEEN_MS: Final = 90_000
"""A run that ends and one that begins leave a hole anyway; within a run, this long without a sample (the
slowest blocks are read each 60 s) is one although no number is missing."""
SKEW_MS: Final = 2_000
_MOVES_MIN: Final = 5

STUCK_MS: Final[Mapping[Role, int]] = MappingProxyType(
    {
        "device_heartbeat": 10_000,
        "device_clock": 10_000,
        "active_power": 60_000,
        "meter_power": 60_000,
        "grid_frequency": 120_000,
        "grid_voltage": 120_000,
        "soc": 1_800_000,
        "meter_import_wh": 3_600_000,
        "meter_export_wh": 3_600_000,
    }
)
"""How long a value may stay the same while others of these move.

What stays because nothing happens is not stuck. A power of 0 is rest, at night behind a controller that lets
nothing out as well. A register that stays beside one that grows is a direction that nothing flows in, and one
through which the meter's own power has sent less than `STEP_WH` has nothing to show yet. Any other power that
is the same watt for a minute while the voltage moves is doubted: no connection draws that. A doubted value is
marked, and stays what was read.
"""
STEP_WH: Final = 1_000
"""The coarsest registers count whole kWh."""
_STEP_WMS: Final = STEP_WH * 3_600_000
_INTO: Final[Mapping[Role, int]] = MappingProxyType({"meter_import_wh": -1, "meter_export_wh": 1})
"""The sign of the meter's power that counts in it."""
_MAY_REST: Final = frozenset({"active_power", "meter_power"})
_TWINS: Final[Mapping[Role, Role]] = MappingProxyType(
    {"meter_import_wh": "meter_export_wh", "meter_export_wh": "meter_import_wh"}
)


class Mark(msgspec.Struct, frozen=True):
    """[start_ms, end_ms] of `device`, our clock, milliseconds since 1970 UTC; `count`: samples that are not
    there, 0 where that is not known or none is missing. `why` says what was seen."""

    kind: MarkKind
    device: str
    start_ms: int
    end_ms: int
    count: int = 0
    why: str = ""


class Thinned(msgspec.Struct, frozen=True):
    """Samples of a run that were let go before they could be sent, `count` of those numbered `first` to
    `last`."""

    device: str
    run: str
    first: int
    last: int
    start_ms: int
    end_ms: int
    count: int

    @property
    def mark(self) -> Mark:
        why = f"{self.count} of {self.run} {self.first} to {self.last} were let go: the disk was full"
        return Mark("thinned", self.device, self.start_ms, self.end_ms, self.count, why)


class _Still(msgspec.Struct, frozen=True):
    """A value, since when it is so, and how often its neighbours moved meanwhile."""

    value: int
    since_ms: int
    moves: int = 0
    told: bool = False


class GapWatch:
    """One device's samples, in the order in which they came."""

    def __init__(self, device: str) -> None:
        self.device = device
        self._last: Sample | None = None
        self._runs: set[str] = set()
        self._still: dict[Role, _Still] = {}
        self._lost_since: int | None = None
        self._skewed = False
        self._power_w: int | None = None
        self._flowed_wms: dict[Role, int] = {}

    def seen(self, sample: Sample) -> tuple[Mark, ...]:
        """What the sample shows to be missing before it, or to be doubted in it.

        A span that goes on is told once: skew and stuck when they begin, lost when it ends.
        """
        last = self._last
        marks: list[Mark] = []
        if last is not None:
            if self._out_of_order(last, sample):
                why = f"{sample.run} {sample.number} came after {last.run} {last.number}"
                low, high = sorted((last.at_ms, sample.at_ms))
                return (Mark("order", self.device, low, high, 0, why),)
            marks += self._between(last, sample)
        self._runs.add(sample.run)
        self._last = sample
        marks += self._answering(last, sample)
        marks += self._skew(sample)
        self._flow(last, sample)
        marks += self._stuck(sample)
        return tuple(marks)

    def _out_of_order(self, last: Sample, sample: Sample) -> bool:
        if sample.run == last.run:
            return sample.number <= last.number
        return sample.run in self._runs

    def _between(self, last: Sample, sample: Sample) -> Iterable[Mark]:
        start, end = last.at_ms, sample.at_ms
        if end < start:
            why = f"from {start} to {end} ms between {last.number} and {sample.number} of {sample.run}"
            yield Mark("backwards", self.device, end, start, 0, why)
            start, end = end, start
        if sample.run != last.run:
            missing = sample.number - 1
            why = f"run {last.run} ended with {last.number}, {sample.run} begins with {sample.number}"
            yield Mark("unseen", self.device, start, end, missing, why)
        elif (missing := sample.number - last.number - 1) > 0:
            why = f"{last.number + 1} to {sample.number - 1} of {sample.run} did not come"
            yield Mark("unseen", self.device, start, end, missing, why)
        elif end - start > UNSEEN_MS:
            yield Mark("unseen", self.device, start, end, 0, f"nothing was read for {end - start} ms")

    def _answering(self, last: Sample | None, sample: Sample) -> Iterable[Mark]:
        if sample.lost:
            if self._lost_since is None:
                self._lost_since = sample.at_ms if last is None else last.at_ms
        elif self._lost_since is not None:
            assert last is not None
            low, high = sorted((self._lost_since, sample.at_ms))
            self._lost_since = None
            yield Mark("lost", self.device, low, high, 0, last.lost)

    def _skew(self, sample: Sample) -> Iterable[Mark]:
        if sample.device_ms is None:
            return
        apart = sample.device_ms - sample.at_ms
        if abs(apart) <= SKEW_MS:
            self._skewed = False
        elif not self._skewed:
            self._skewed = True
            where = "ahead of" if apart > 0 else "behind"
            why = f"the device's clock is {abs(apart)} ms {where} ours"
            yield Mark("skew", self.device, sample.at_ms, sample.at_ms, 0, why)

    def _flow(self, last: Sample | None, sample: Sample) -> None:
        """What a register that stays ought to have counted, by the meter's own power: for doubt alone."""
        if last is not None and self._power_w is not None and 0 < sample.at_ms - last.at_ms <= UNSEEN_MS:
            for role, sign in _INTO.items():
                flowed = max(sign * self._power_w, 0) * (sample.at_ms - last.at_ms)
                self._flowed_wms[role] = self._flowed_wms.get(role, 0) + flowed
        power_w = sample.value("meter_power")
        if power_w is not None or sample.lost:
            self._power_w = power_w

    def _stuck(self, sample: Sample) -> Iterable[Mark]:
        """A sample that skips the role says nothing of it; a hole begins the watch anew."""
        values = {role: value for role in STUCK_MS if (value := sample.value(role)) is not None}
        moved = {role for role, value in values.items() if role in self._still and self._moved(role, value)}
        for role, value in values.items():
            still = self._still.get(role)
            if still is None or role in moved:
                self._still[role] = _Still(value, sample.at_ms)
                self._flowed_wms.pop(role, None)
                continue
            others = moved - {role, _TWINS.get(role, role)}
            still = msgspec.structs.replace(still, moves=still.moves + bool(others))
            stayed = sample.at_ms - still.since_ms
            rests = (role in _MAY_REST and value == 0) or self._flowed_wms.get(role, _STEP_WMS) < _STEP_WMS
            long = stayed >= STUCK_MS[role] and still.moves >= _MOVES_MIN
            if long and not still.told and not rests and not self._twin_grows(role, still):
                still = msgspec.structs.replace(still, told=True)
                why = f"{role} is {value} for {stayed} ms while others move"
                yield Mark("stuck", self.device, still.since_ms, sample.at_ms, 0, why)
            self._still[role] = still

    def _moved(self, role: Role, value: int) -> bool:
        return self._still[role].value != value

    def _twin_grows(self, role: Role, still: _Still) -> bool:
        twin = self._still.get(_TWINS[role]) if role in _TWINS else None
        return twin is not None and twin.since_ms > still.since_ms


def marks(samples: Iterable[Sample]) -> tuple[Mark, ...]:
    """The marks of samples of any devices, each device's in the order in which they came."""
    watches: dict[str, GapWatch] = {}
    found: list[Mark] = []
    for sample in samples:
        watch = watches.setdefault(sample.device, GapWatch(sample.device))
        found += watch.seen(sample)
    return tuple(found)
