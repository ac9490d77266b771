"""A site as its meters show it now: what it draws, what of that is its load, and what of the billed interval
it has drawn."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from dispatch.control.site_load import PowerRange, credible, held
from dispatch.control.turn_parts import LOST_MS
from dispatch.planning.guard import Billed
from dispatch.telemetry.sample import Sample

KNOWN_MS: Final = 12_000
"""What a meter read longer ago than two of its polls is not known any more; of a longer gap between two
readings it is taken to have been the target, not nothing."""
METER_LATE_MS: Final = 1_000
"""A meter shows what was up to so long before it was read: it measures over a while, and shows that later."""
_RAMP_MS: Final = 10_000
"""So long after it was told something a storage is there (adapters.driving.judging)."""
_KEPT_MS: Final = KNOWN_MS + METER_LATE_MS + LOST_MS


class _Read(NamedTuple):
    """A reading of a storage's own power. `may` is what it may have been doing if nobody else tells."""

    at_ms: int
    power_w: int
    may: PowerRange


class _Powers:
    """What one storage says that it did lately. A value that stands still while the storage is told to move
    may be stuck: from then on until it moves, it may be what it says, and whatever it was told lately."""

    def __init__(self, margin_w: int, tolerance_w: int, gap_ms: int) -> None:
        self._gap_ms = gap_ms
        self._read: deque[_Read] = deque()
        self._told: deque[tuple[int, int]] = deque()
        self._margin_w, self._tolerance_w = margin_w, tolerance_w
        self._still = False

    @property
    def newest_w(self) -> int:
        return self._read[-1].power_w

    def add(self, at_ms: int, power_w: int, told_w: int | None) -> None:
        if self._read and at_ms <= self._read[-1].at_ms:
            self._read.clear()
            self._told.clear()
        if told_w is not None:
            self._told.append((at_ms, told_w))
        while self._told and at_ms - self._told[0][0] > _RAMP_MS:
            self._told.popleft()
        if not self._read or abs(power_w - self._read[-1].power_w) > self._margin_w:
            self._still = False
        elif told_w is not None and abs(power_w - told_w) > self._tolerance_w:
            self._still = True
        may = [power_w, *(told for _, told in self._told)] if self._still else [power_w]
        self._read.append(_Read(at_ms, power_w, PowerRange(min(may), max(may))))
        while at_ms - self._read[0].at_ms > KNOWN_MS + METER_LATE_MS + self._gap_ms:
            self._read.popleft()

    def around(self, from_ms: int, to_ms: int, *, alone: bool = True) -> PowerRange | None:
        """What it did from then to then, between the readings around that; None while there is none after
        it. `alone`: nobody else tells what it did, so that a value that may be stuck counts as such."""
        after = next((one for one in self._read if one.at_ms >= to_ms), None)
        if after is None or after.at_ms - to_ms > self._gap_ms:
            return None
        first = from_ms - METER_LATE_MS
        before = [one for one in self._read if first - self._gap_ms <= one.at_ms <= first][-1:]
        before += [one for one in self._read if first < one.at_ms < after.at_ms]
        if not before and after.at_ms - to_ms > METER_LATE_MS:
            return None
        did = [one.may if alone else PowerRange(one.power_w, one.power_w) for one in (*before, after)]
        return PowerRange(min(one.low_w for one in did), max(one.high_w for one in did))


class _Measured:
    """What a storage's own meter showed lately, and whether the storage's own power agrees with it."""

    def __init__(self, tolerance_w: int) -> None:
        self.disagrees = ""
        self._read: deque[tuple[int, int]] = deque()
        self._tolerance_w = tolerance_w
        self._judged_ms = -1

    @property
    def newest(self) -> tuple[int, int]:
        return self._read[-1]

    def add(self, at_ms: int, power_w: int) -> None:
        if self._read and at_ms <= self._read[-1][0]:
            self._read.clear()
            self._judged_ms = -1
        self._read.append((at_ms, power_w))
        while at_ms - self._read[0][0] > _KEPT_MS:
            self._read.popleft()

    def judge(self, own: _Powers) -> None:
        """Whether the storage says the same, as soon as it was read after its meter."""
        for at_ms, power_w in self._read:
            if at_ms <= self._judged_ms:
                continue
            said = own.around(at_ms, at_ms, alone=False)
            if said is None:
                continue
            self._judged_ms = at_ms
            away_w = max(said.low_w - power_w, power_w - said.high_w)
            says_w = said.low_w if power_w < said.low_w else said.high_w
            disagrees = f"it says {says_w} W, its meter {power_w} W"
            self.disagrees = disagrees if away_w > self._tolerance_w else ""

    def beside(self, from_ms: int, to_ms: int) -> tuple[int, int] | None:
        """When it was read together with what was read from then to then, and what it showed."""
        near = [one for one in self._read if from_ms - METER_LATE_MS <= one[0] <= to_ms + METER_LATE_MS]
        return near[-1] if near else None

    def judged(self, at_ms: int) -> bool:
        return at_ms <= self._judged_ms

    def since_before(self, at_ms: int) -> PowerRange:
        """From what it showed a reading earlier to what it showed then: it may have been on its way."""
        powers = [power for at, power in self._read if at <= at_ms][-2:]
        return PowerRange(min(powers), max(powers))


class _Reading:
    """What the meters showed together, read from `from_ms` to `to_ms`; `of`: what each storage did then, once
    that is known."""

    def __init__(self, from_ms: int, to_ms: int, draws_w: int) -> None:
        self.from_ms, self.to_ms, self.draws_w = from_ms, to_ms, draws_w
        self.of: dict[str, PowerRange] = {}

    @property
    def apart(self) -> bool:
        """The meters were not read together."""
        return self.to_ms - self.from_ms > METER_LATE_MS


class SiteNow:
    """`meters` are the devices that measure at the site's connection; together they are what it draws.
    `margin_w`: by how much the same load may be read differently (`dispatch.control.site_load`).
    `tolerance_w`: how far a storage may be from its setpoint, and its own power from its meter's. `gap_ms`:
    between readings of it that are further apart nobody knows what it did; `LOST_MS` where not stated."""

    def __init__(
        self,
        meters: Collection[str],
        margin_w: int = 0,
        tolerance_w: Mapping[str, int] = MappingProxyType({}),
        gap_ms: Mapping[str, int] = MappingProxyType({}),
    ) -> None:
        self._gap_ms = gap_ms
        self._read: dict[str, tuple[int, int]] = {}
        self._meters = frozenset(meters)
        self._margin_w = margin_w
        self._tolerance_w = tolerance_w
        self._powers: dict[str, _Powers] = {}
        self._measured: dict[str, _Measured] = {}
        self._readings: deque[_Reading] = deque()
        self._load: PowerRange | None = None
        self._counted: frozenset[str] = frozenset()
        self._start_ms = -1
        self._import_mws = 0
        self._known_ms = 0
        self._last: tuple[int, int] | None = None

    def take(self, sample: Sample) -> None:
        """A sample of one of the meters; one without a value changes nothing: what is known grows old."""
        value = sample.power_w("meter_power")
        if value is None or sample.device not in self._meters:
            return
        # A meter's power is above 0 into the grid, as a storage's is above 0 discharging.
        self._read[sample.device] = (-value, sample.at_ms)
        draws = self.draws_w(sample.at_ms)
        if draws is not None:
            self._count(draws, sample.at_ms)
            self._add([at for _, at in self._read.values()], draws)

    def stored(self, sample: Sample, told_w: int | None = None) -> None:
        """A sample of one of the site's storages, and what it was told to do then; None: not known."""
        power, name = sample.power_w("active_power"), sample.device
        if power is None:
            return
        if name not in self._powers:
            gap_ms = self._gap_ms.get(name, LOST_MS)
            self._powers[name] = _Powers(self._margin_w, self._tolerance_w.get(name, 0), gap_ms)
        self._powers[name].add(sample.at_ms, power, told_w)
        if name in self._measured:
            self._measured[name].judge(self._powers[name])

    def measured(self, storage: str, at_ms: int, power_w: int) -> None:
        """A storage's own meter showed that power, above 0 discharging: it is what the storage did."""
        if storage not in self._measured:
            self._measured[storage] = _Measured(self._tolerance_w.get(storage, 0))
        self._measured[storage].add(at_ms, power_w)

    def disagrees(self, storage: str) -> str:
        """Why the storage's own power is not believed; "" while it is, or has no meter beside it."""
        meter = self._measured.get(storage)
        return "" if meter is None else meter.disagrees

    def draws_w(self, now_ms: int) -> int | None:
        """At the connection, above 0 importing; None where a meter has not told it for `KNOWN_MS`."""
        if not self._meters or self._read.keys() != self._meters:
            return None
        if any(abs(now_ms - at) > KNOWN_MS for _, at in self._read.values()):
            return None
        return sum(value for value, _ in self._read.values())

    def load(self, storages: Collection[str], now_ms: int) -> PowerRange | None:
        """What it draws behind those storages, all that are not lost; what a lost one does is part of it.
        None where no meter was read in `KNOWN_MS` at a moment of which it is known what each of them did."""
        counted = frozenset(storages)
        if counted != self._counted:
            self._counted, self._load = counted, None
        while self._readings and abs(now_ms - self._readings[0].to_ms) > KNOWN_MS:
            self._readings.popleft()
        ripe = [one for one in self._readings if not self._too_soon(one, now_ms)]
        pairs = [pair for one in ripe if (pair := self._paired(one, now_ms)) is not None]
        found = credible(pairs, self._margin_w)
        self._load = None if found is None else held(self._load, found, self._margin_w)
        return self._load

    @property
    def waits(self) -> bool:
        """The meters' newest reading waits for one of a storage."""
        return bool(self._readings) and not self._counted <= self._readings[-1].of.keys()

    @property
    def moved(self) -> bool:
        """The meters' newest reading may mean another load: the sooner the storages are read, the sooner it
        is known."""
        if not self.waits or self._load is None or self._readings[-1].apart:
            return self.waits and not self._readings[-1].apart
        powers = [self._newest_w(name) for name in self._powers if name in self._counted]
        load_w = self._readings[-1].draws_w + sum(powers)
        return not self._load.low_w <= load_w <= self._load.high_w

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

    def _add(self, times: Collection[int], draws_w: int) -> None:
        """A reading of all meters; what the first of them showed beside an old one of another is not kept."""
        reading = _Reading(min(times), max(times), draws_w)
        while not reading.apart and self._readings and self._too_soon(self._readings[-1], reading.to_ms):
            self._readings.pop()
        self._readings.append(reading)

    def _too_soon(self, reading: _Reading, now_ms: int) -> bool:
        return reading.apart and 0 <= now_ms - reading.to_ms <= METER_LATE_MS

    def _newest_w(self, name: str) -> int:
        meter = self._measured.get(name)
        return meter.newest[1] if meter is not None and meter.disagrees else self._powers[name].newest_w

    def _paired(self, reading: _Reading, now_ms: int) -> PowerRange | None:
        """The load that a reading means, once it is known what every storage did then."""
        for name in self._counted - reading.of.keys():
            found = self._did(name, reading, now_ms)
            if found is not None:
                reading.of[name] = found
        if not self._counted <= reading.of.keys():
            return None
        did = [reading.of[name] for name in self._counted]
        low_w, high_w = sum(one.low_w for one in did), sum(one.high_w for one in did)
        return PowerRange(reading.draws_w + low_w, reading.draws_w + high_w)

    def _did(self, name: str, reading: _Reading, now_ms: int) -> PowerRange | None:
        """What a storage did at a reading of the site: what its own meter showed beside that; without one,
        what it says itself. None while that is not known: without its meter nothing is known of a storage
        whose own power was seen to be wrong."""
        powers, meter = self._powers.get(name), self._measured.get(name)
        if powers is None:
            return None
        own = powers.around(reading.from_ms, reading.to_ms, alone=False)
        alone = powers.around(reading.from_ms, reading.to_ms)
        if meter is None:
            return alone
        shown = meter.beside(reading.from_ms, reading.to_ms)
        if shown is None:
            late = abs(now_ms - reading.to_ms) > METER_LATE_MS or abs(now_ms - meter.newest[0]) > KNOWN_MS
            return alone if late and not meter.disagrees else None
        at_ms, power_w = shown
        if not meter.judged(at_ms):
            return None
        if meter.disagrees:
            return meter.since_before(at_ms)
        if own is None or own.high_w - own.low_w <= self._margin_w:
            return None if own is None else PowerRange(power_w, power_w)
        return PowerRange(min(own.low_w, power_w), max(own.high_w, power_w))

    def _count(self, draws_w: int, at_ms: int) -> None:
        """The power holds until the next reading of it."""
        last, self._last = self._last, (draws_w, at_ms)
        if last is None or self._start_ms < 0:
            return
        since = max(last[1], self._start_ms)
        if 0 < at_ms - since <= KNOWN_MS and at_ms - last[1] <= KNOWN_MS:
            self._import_mws += max(last[0], 0) * (at_ms - since)
            self._known_ms += at_ms - since
