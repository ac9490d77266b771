"""The storage peer behind the form of a port, at a time that the test says: its registers are read and
written as bytes, but no socket and no waiting is between."""

from __future__ import annotations

from collections.abc import Collection

from adapters.bess_peer.fault import Fault
from adapters.bess_peer.storage import Storage
from dispatch.devices.profile import Period, Profile
from dispatch.devices.quality import Reading
from dispatch.devices.reading import readers
from dispatch.devices.writing import (
    RegisterWrite,
    heartbeat_write,
    release_writes,
    setpoint_writes,
    settable_w,
)
from dispatch.telemetry.sample import Sample

START = 1_800_000_000_000


class Time:
    def __init__(self) -> None:
        self.ms = START

    def __call__(self) -> int:
        return self.ms

    async def sleep(self, seconds: float) -> None:
        self.ms += round(seconds * 1000)


class StoragePort:
    """`profile` is what the driver believes; the storage has one of its own."""

    def __init__(self, storage: Storage, profile: Profile, time: Time) -> None:
        self.device = profile.id
        self.storage = storage
        self.profile = profile
        self.time = time
        self.refuses: Exception | None = None
        self.commanded: list[int] = []
        self._readers = readers(profile)
        self._number = 0
        self._scales: dict[str, int] = {}

    async def read(self, periods: Collection[Period]) -> Sample:
        self._number += 1
        found: dict[str, Reading] = {}
        for block, reader in self._readers.items():
            if block.period not in periods:
                continue
            function = 3 if block.table == "holding" else 4
            asked = bytes((function,)) + block.address.to_bytes(2, "big") + block.count.to_bytes(2, "big")
            told = self.storage.answer(self.profile.unit_id, asked, self.time.ms)
            words = [int.from_bytes(told[at : at + 2], "big") for at in range(2, len(told), 2)]
            found |= reader.read(words, self.time.ms)
        for point in self.profile.points:
            if point.type == "sunssf" and point.name in found and found[point.name].raw is not None:
                self._scales[point.name] = found[point.name].raw or 0
        roles = {role: found[name] for role, name in self.profile.roles.items() if name in found}
        clock = roles.get("device_clock")
        seconds = clock.value if clock is not None else None
        return Sample(
            device=self.device,
            run="test",
            number=self._number,
            at_ms=self.time.ms,
            device_ms=1000 * seconds if isinstance(seconds, int) else None,
            readings=roles,
        )

    def settable_w(self, power_w: int) -> int:
        return settable_w(self.profile, power_w, self._scales)

    async def write_setpoint(self, power_w: int, revert_s: int) -> None:
        if self.refuses is not None:
            raise self.refuses
        self.commanded.append(power_w)
        revert = revert_s if "revert_timer" in self.profile.roles else None
        for write in setpoint_writes(self.profile, power_w, revert, self._scales):
            self._write(write)

    async def release(self) -> None:
        for write in release_writes(self.profile, self._scales):
            self._write(write)

    async def beat(self, number: int) -> None:
        self._write(heartbeat_write(self.profile, number))

    async def close(self) -> None: ...

    def wrong(self, fault: Fault) -> None:
        self.storage.begin(fault, self.time.ms)

    def _write(self, write: RegisterWrite) -> None:
        head = bytes((write.function,)) + write.address.to_bytes(2, "big")
        data = b"".join(word.to_bytes(2, "big") for word in write.words)
        if write.function == 16:
            head += len(write.words).to_bytes(2, "big") + bytes((len(data),))
        told = self.storage.answer(self.profile.unit_id, head + data, self.time.ms)
        assert told[0] == write.function, told
