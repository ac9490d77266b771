"""A storage asked and told without a socket, at a time that the test says."""

from __future__ import annotations

from adapters.bess_peer.fault import Fault
from adapters.bess_peer.storage import Storage
from dispatch.devices.profile import Profile
from dispatch.devices.quality import Reading
from dispatch.devices.reading import BlockReader
from dispatch.devices.writing import RegisterWrite, heartbeat_write, release_writes, setpoint_writes
from tests.dispatch.devices.profile_samples import example

START = 1_800_000_000_000


class Hand:
    def __init__(self, name: str, meter: str | None = None, **given: int) -> None:
        self.profile = example(name)
        self.meter = None if meter is None else example(meter)
        self.now = START
        self.storage = Storage(self.profile, self.meter, START, **given)
        self.beat = 0

    def wait(self, ms: int) -> None:
        self.now += ms

    def read(
        self, profile: Profile | None = None, before: dict[str, Reading] | None = None
    ) -> dict[str, Reading]:
        """Every point, as a driver reads it."""
        profile = profile or self.profile
        found: dict[str, Reading] = {}
        for block in profile.blocks:
            function = 3 if block.table == "holding" else 4
            asked = bytes((function,)) + block.address.to_bytes(2, "big") + block.count.to_bytes(2, "big")
            told = self.storage.answer(profile.unit_id, asked, self.now)
            assert told[:2] == bytes((function, 2 * block.count))
            words = [int.from_bytes(told[at : at + 2], "big") for at in range(2, len(told), 2)]
            found |= BlockReader(profile, block).read(words, self.now, before)
        return found

    def value(self, role: str) -> object:
        profile = self.meter if role.startswith("meter") and self.meter else self.profile
        return self.read(profile)[profile.roles[role]].value  # type: ignore[index]

    def write(self, write: RegisterWrite) -> bytes:
        head = bytes((write.function,)) + write.address.to_bytes(2, "big")
        data = b"".join(word.to_bytes(2, "big") for word in write.words)
        if write.function == 16:
            head += len(write.words).to_bytes(2, "big") + bytes((len(data),))
        return self.storage.answer(self.profile.unit_id, head + data, self.now)

    def set(self, power_w: int, revert_s: int | None = 3600) -> None:
        factor = self.read().get("704.WSet_SF")
        scales = {} if factor is None or factor.raw is None else {"704.WSet_SF": factor.raw}
        revert_s = revert_s if "revert_timer" in self.profile.roles else None
        for write in setpoint_writes(self.profile, power_w, revert_s, scales):
            assert self.write(write)[0] == write.function

    def release(self) -> None:
        for write in release_writes(self.profile, {}):
            assert self.write(write)[0] == write.function

    def refresh(self) -> None:
        assert self.write(heartbeat_write(self.profile, self.beat))[0] in (6, 16)
        self.beat += 1

    def wrong(self, fault: Fault) -> None:
        self.storage.begin(fault, self.now)
