"""A site as its meters show it now: what it draws, and what of the billed interval it has drawn."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from dispatch.planning.guard import Billed
from dispatch.telemetry.sample import Sample

KNOWN_MS: Final = 12_000
"""What a meter read longer ago than two of its polls is not known any more; of a longer gap between two
readings it is taken to have been the target, not nothing."""


class SiteNow:
    """`meters` are the devices that measure at the site's connection; together they are what it draws."""

    def __init__(self, meters: Collection[str]) -> None:
        self._read: dict[str, tuple[int, int]] = {}
        self._meters = frozenset(meters)
        self._start_ms = -1
        self._import_mws = 0
        self._known_ms = 0
        self._last: tuple[int, int] | None = None

    def take(self, sample: Sample) -> None:
        """A sample of one of the meters; one without a value changes nothing: what is known grows old."""
        value = sample.value("meter_power")
        if value is None or sample.device not in self._meters:
            return
        # A meter's power is above 0 into the grid, as a storage's is above 0 discharging.
        self._read[sample.device] = (-value, sample.at_ms)
        draws = self.draws_w(sample.at_ms)
        if draws is not None:
            self._count(draws, sample.at_ms)

    def draws_w(self, now_ms: int) -> int | None:
        """At the connection, above 0 importing; None where a meter has not told it for `KNOWN_MS`."""
        if not self._meters or self._read.keys() != self._meters:
            return None
        if any(abs(now_ms - at) > KNOWN_MS for _, at in self._read.values()):
            return None
        return sum(value for value, _ in self._read.values())

    def billed(self, start_ms: int, now_ms: int, target_w: int) -> Billed:
        """What of the interval that began at `start_ms` is over. What nobody measured counts as the target,
        so that nothing is left over from it for later."""
        elapsed_s = max(now_ms - start_ms, 0) // 1000
        known_ms = self._known_ms if self._start_ms == start_ms else 0
        imported = self._import_mws // 1000 if self._start_ms == start_ms else 0
        unknown_s = max(elapsed_s - known_ms // 1000, 0)
        return Billed(elapsed_s, imported + unknown_s * target_w)

    def begin(self, start_ms: int) -> None:
        """A billed interval begins; the same one again changes nothing."""
        if start_ms != self._start_ms:
            self._start_ms, self._import_mws, self._known_ms = start_ms, 0, 0

    def _count(self, draws_w: int, at_ms: int) -> None:
        """The power holds until the next reading of it."""
        last, self._last = self._last, (draws_w, at_ms)
        if last is None or self._start_ms < 0:
            return
        since = max(last[1], self._start_ms)
        if 0 < at_ms - since <= KNOWN_MS and at_ms - last[1] <= KNOWN_MS:
            self._import_mws += max(last[0], 0) * (at_ms - since)
            self._known_ms += at_ms - since
