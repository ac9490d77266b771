"""What a device's samples do not show, or show so that it is to be doubted: the spans, named.

A hole is told by the samples' own numbers and instants, never by the clock of whoever looks.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Literal

import msgspec

from dispatch.telemetry.jumps import JumpWatch
from dispatch.telemetry.sample import Sample
from dispatch.telemetry.stuck import UNSEEN_MS, StuckWatch

MarkKind = Literal["unseen", "lost", "thinned", "backwards", "skew", "stuck", "jump", "order"]
"""unseen: nobody read in between, or what was read never came. lost: the device did not answer. thinned:
samples were let go because the disk was full. backwards: our clock was set back. skew: the device's clock and
ours are more than `SKEW_MS` apart. stuck: a value stays though another, or time, says that it must have moved
(`dispatch.telemetry.stuck`). jump: a value moved further than it can have (`dispatch.telemetry.belief`).
order: a number again, a smaller one, or a run that another had followed."""

SKEW_MS: Final = 2_000


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


class GapWatch:
    """One device's samples, in the order in which they came."""

    def __init__(self, device: str) -> None:
        self.device = device
        self._last: Sample | None = None
        self._runs: set[str] = set()
        self._stuck = StuckWatch()
        self._jumps = JumpWatch()
        self._lost_since: int | None = None
        self._skewed = False

    def seen(self, sample: Sample) -> tuple[Mark, ...]:
        """What the sample shows to be missing before it, or to be doubted in it.

        A span that goes on is told once: skew and stuck when they begin, lost when it ends; a jump when it
        begins and when it ends.
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
        marks += [
            Mark("stuck", self.device, since_ms, sample.at_ms, 0, why)
            for since_ms, why in self._stuck.seen(sample)
        ]
        marks += [
            Mark("jump", self.device, since_ms, sample.at_ms, 0, why)
            for since_ms, why in self._jumps.seen(sample)
        ]
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


def marks(samples: Iterable[Sample]) -> tuple[Mark, ...]:
    """The marks of samples of any devices, each device's in the order in which they came."""
    watches: dict[str, GapWatch] = {}
    found: list[Mark] = []
    for sample in samples:
        watch = watches.setdefault(sample.device, GapWatch(sample.device))
        found += watch.seen(sample)
    return tuple(found)
