"""The schedules that devices without a controller of their own follow: a file beside the driver.

For them the driver's machine is the site. So they help where the store or the plans are lost; when the driver
itself is lost nothing follows them, and the device goes to its safe state.
"""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path

import msgspec

from adapters.driving.watched_door import WatchedDoor
from dispatch.control.fallback import AcknowledgeFallback, Fallback, FallbackSchedule, fallback_aggregate


class _File(msgspec.Struct, frozen=True):
    schedule: FallbackSchedule
    digest: str
    """What was acknowledged; "" while that is not on record."""


class FallbackFile:
    """One file a device."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._held: dict[str, _File | None] = {}

    def agreed(self, device: str, now: datetime) -> FallbackSchedule | None:
        """The schedule that covers `now` and that is on record as acknowledged; None where there is none."""
        held = self._of(device)
        if held is None or held.digest != held.schedule.digest:
            return None
        return held.schedule if held.schedule.start <= now < held.schedule.end else None

    async def agree(self, device: str, door: WatchedDoor) -> None:
        """Fetch what is stored for the device, keep it, and acknowledge the hash of what is kept.

        Raises:
            StoreLost; OSError: the disk takes nothing.
        """
        stored = await door.state(fallback_aggregate(device))
        if not isinstance(stored, Fallback):
            return
        held = self._of(device)
        if held is None or held.schedule != stored.stored:
            self._write(device, _File(stored.stored, ""))
        digest = self._read(device).schedule.digest
        if not stored.agreed:
            await door.execute(AcknowledgeFallback(device, digest), f"fallback-{device}-{digest}")
        if self._read(device).digest != digest:
            self._write(device, _File(stored.stored, digest))

    def _of(self, device: str) -> _File | None:
        if device not in self._held:
            self._held[device] = self._read(device) if self._path(device).exists() else None
        return self._held[device]

    def _read(self, device: str) -> _File:
        return msgspec.json.decode(self._path(device).read_bytes(), type=_File)

    def _write(self, device: str, file: _File) -> None:
        path, new = self._path(device), self._path(device).with_suffix(".new")
        with new.open("wb") as written:
            written.write(msgspec.json.encode(file))
            written.flush()
            os.fsync(written.fileno())
        new.replace(path)
        self._held[device] = file

    def _path(self, device: str) -> Path:
        return self._folder / f"{device}.json"
