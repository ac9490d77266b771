"""From a revenue meter's telemetry to the ledger's readings, an interval at a time, by the ordinary command.

An interval is decided once: when it is over and what came after it has come, or when its registers are known
and `WAIT_S` have passed. One without a value is left to metering, which estimates it. Its command's id is
that of the meter and the interval: after a restart nothing is recorded twice, and late telemetry is settled
when it comes.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime
from typing import Final

import msgspec
import nats.errors
from eventsourcing.persistence import OperationalError

from adapters.front_door import FrontDoor
from adapters.importing import KnownMeters
from adapters.nats.telemetry_stream import DAYS
from adapters.telemetry.history import History
from dispatch.devices.role import Role
from dispatch.telemetry.sample import Sample
from dispatch.telemetry.settlement_interval import (
    BOUNDARY_MS,
    REGISTER_ROLES,
    IntervalEnergy,
    interval_energies,
    register_reads,
)
from ledger.interval import zone_of
from ledger.meter_import import RecordReadings
from ledger.readings import MeterSpec, Register, Run, run_of
from ledger.refusal import Refused

ORIGIN: Final = "telemetry"
"""What stands as the import of readings that came so, and as who recorded them."""
WAIT_S: Final = 60
"""How long after an interval's end its telemetry may be on its way, when all is well."""
TURN_S: Final = 20
_UNFIT: Final = frozenset({"above_device_limit", "reading_range"})
"""What is wrong with the energy itself: the interval has no value, and the next one is looked at."""

_REGISTERS: Final[Mapping[Role, tuple[Register, ...]]] = {
    "meter_import_wh": ("import", "charge", "load"),
    "meter_export_wh": ("export", "discharge", "pv"),
}
"""What a direction is called, by where the meter sits: it has one of the three."""


class Decided(msgspec.Struct, frozen=True):
    """One interval of one register: recorded where it has a value."""

    meter: str
    register: Register
    energy: IntervalEnergy
    sequence: int
    refused: str = ""


class SettlingReadings:
    """`meters`: the ledger's meter of each device that is one. `problems`: by meter, why it does not go on.

    `on_decided` is told each interval of each register. `look_back_days`: how far back a start looks for what
    was not recorded, as long as telemetry is kept.
    """

    def __init__(
        self,
        door: FrontDoor,
        history: History,
        meters: Mapping[str, str],
        clock: Callable[[], datetime],
        on_decided: Callable[[Decided], object] = lambda _: None,
        *,
        look_back_days: int = DAYS,
    ) -> None:
        assert history.channel == "seconds", "the fast channel is never settled from"
        self.problems: dict[str, str] = {}
        self._clock = clock
        self._door = door
        self._turning = threading.Lock()
        self._meters = {
            meter: _MeterTelemetry(door, history, device, meter, on_decided, look_back_days)
            for device, meter in meters.items()
        }

    async def run(self) -> None:
        """A turn each `TURN_S` until cancelled; while NATS is away, `problems` says so under the empty
        name."""
        while True:
            try:
                await asyncio.to_thread(self.turn)
                self.problems.pop("", None)
            except (OperationalError, OSError, nats.errors.Error) as error:
                self.problems[""] = repr(error)
            await asyncio.sleep(TURN_S)

    def turn(self) -> int:
        """Decide what can be decided now, and answer how many intervals were recorded. Whoever else calls it
        meanwhile waits.

        Raises:
            Unread, StoreFull, StoreUnavailable: NATS is away; to be called again.
        """
        with self._turning:
            return self._turn()

    def _turn(self) -> int:
        recorded = 0
        known = KnownMeters(self._door)
        for name, meter in self._meters.items():
            try:
                recorded += meter.turn(known[name], int(self._clock().timestamp() * 1000))
            except KeyError:
                self.problems[name] = f"the ledger has no meter {name}"
            except Refused as refused:
                self.problems[name] = f"{refused.code}: {refused}"
            else:
                self.problems.pop(name, None)
        return recorded


class _MeterTelemetry:
    """One meter: what was read of it around the intervals that are not decided yet."""

    def __init__(
        self,
        door: FrontDoor,
        history: History,
        device: str,
        meter: str,
        told: Callable[[Decided], object],
        look_back_days: int,
    ) -> None:
        self.door = door
        self.history = history
        self.device = device
        self.meter = meter
        self._told = told
        self._look_back_ms = look_back_days * 86_400_000
        self._samples: list[Sample] = []
        self._seen: set[tuple[str, int]] = set()
        self._sequence = 0
        self._next_ms: int | None = None

    def turn(self, spec: MeterSpec, now_ms: int) -> int:
        step = spec.interval_s * 1000
        if self._next_ms is None:
            self._next_ms = self._begin(spec, now_ms)
            if self._next_ms is None:
                return 0
        self._read(self._next_ms)
        recorded = 0
        while self._next_ms + step + WAIT_S * 1000 <= now_ms:
            found = self._energies(spec, self._next_ms)
            if not self._final(found, self._next_ms + step):
                break
            recorded += self._record(found)
            self._next_ms += step
            self._forget(self._next_ms)
        return recorded

    def _begin(self, spec: MeterSpec, now_ms: int) -> int | None:
        """The interval behind the newest one that was recorded, or the first whole one of the telemetry."""
        step = spec.interval_s * 1000
        start = _aligned(now_ms, spec)
        accepted: dict[str, Collection[str]] = {}
        for _ in range(self._look_back_ms // step):
            start -= step
            aggregate = _aggregate(self.meter, start)
            if aggregate not in accepted:
                accepted[aggregate] = self.door.accepted_ids(aggregate)
            if _command_id(self.meter, start) in accepted[aggregate]:
                return start + step
        since = datetime.fromtimestamp(start / 1000, UTC)
        for _, batch in self.history.batches(self.device, since):
            if batch.samples:
                first = batch.samples[0].at_ms
                return first if _aligned(first, spec) == first else _aligned(first, spec) + step
        return None

    def _read(self, next_ms: int) -> None:
        since = datetime.fromtimestamp(next_ms / 1000 - 2 * WAIT_S, UTC)
        for sequence, batch in self.history.batches(self.device, since, self._sequence):
            self._sequence = sequence
            for sample in batch.samples:
                if (key := (sample.run, sample.number)) not in self._seen:
                    self._seen.add(key)
                    self._samples.append(sample)

    def _energies(self, spec: MeterSpec, start: int) -> dict[Register, IntervalEnergy]:
        end = start + spec.interval_s * 1000
        found: dict[Register, IntervalEnergy] = {}
        for role in REGISTER_ROLES:
            register = next((name for name in _REGISTERS[role] if name in spec.registers), None)
            if register is not None:
                reads = register_reads(self._samples, role)
                (found[register],) = interval_energies(
                    reads, first_ms=start, end_ms=end, interval_s=spec.interval_s
                )
        return found

    def _final(self, found: Mapping[Register, IntervalEnergy], end: int) -> bool:
        """Whether nothing that is still to come can say more: samples come in order."""
        newest = max((sample.at_ms for sample in self._samples), default=0)
        return newest > end + BOUNDARY_MS or all(one.wh is not None for one in found.values())

    def _record(self, found: Mapping[Register, IntervalEnergy]) -> int:
        """Those of the registers that have a value, together; the other ones are missing. What another who
        reads the meter decided first stands."""
        start = next(iter(found.values())).start_ms if found else 0
        runs = tuple(_run(self.meter, register, one) for register, one in found.items() if one.wh is not None)
        sequence, wrong = 0, ""
        if runs:
            evidence = {name: one.evidence_ppm for name, one in found.items() if one.wh is not None}
            command = RecordReadings(self.meter, f"{_instant(start):%Y-%m}", ORIGIN, runs, evidence)
            named = _command_id(self.meter, start)
            try:
                sequence = self.door.execute(command, command_id=named, actor=ORIGIN).sequence
            except Refused as refused:
                if refused.code == "command_id_reused" and (
                    known := self.door.accepted(command.aggregate, named)
                ):
                    runs, sequence = (), known.sequence
                elif refused.code in _UNFIT:
                    wrong = refused.code
                else:
                    raise
        for register, one in found.items():
            self._told(Decided(self.meter, register, one, 0 if one.wh is None else sequence, wrong))
        return int(bool(runs) and not wrong)

    def _forget(self, next_ms: int) -> None:
        """What lies too far before the next interval to say anything of it; the last sample before stays."""
        least = next_ms - 2 * BOUNDARY_MS
        place = next((n for n, one in enumerate(self._samples) if one.at_ms >= least), len(self._samples))
        gone, self._samples = self._samples[:place], self._samples[place:]
        self._seen -= {(sample.run, sample.number) for sample in gone}


def _run(meter: str, register: Register, energy: IntervalEnergy) -> Run:
    assert energy.wh is not None
    seconds = (energy.end_ms - energy.start_ms) // 1000
    return run_of(meter, register, _instant(energy.start_ms), seconds, [energy.wh], "A")


def _instant(at_ms: int) -> datetime:
    return datetime.fromtimestamp(at_ms // 1000, UTC)


def _aggregate(meter: str, start_ms: int) -> str:
    return f"readings.{meter}_{_instant(start_ms):%Y-%m}"


def _command_id(meter: str, start_ms: int) -> str:
    return f"{ORIGIN}:{meter}:{_instant(start_ms):%Y-%m-%dT%H:%M:%SZ}"


def _aligned(at_ms: int, spec: MeterSpec) -> int:
    """The start of the interval that `at_ms` lies in: intervals are counted from local midnight."""
    wall = _instant(at_ms).astimezone(zone_of(spec.zone))
    into = (wall.hour * 3600 + wall.minute * 60 + wall.second) % spec.interval_s
    return (at_ms // 1000 - into) * 1000
