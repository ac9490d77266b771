"""The schedules that a driver keeps for its devices: a file of each beside it.

They help where the store or the plans are lost; when the driver itself is lost it is the site's controller
that follows what it holds, and without one the device goes to its safe state.
"""

from __future__ import annotations

import os
import secrets
from datetime import datetime
from pathlib import Path

import msgspec

from adapters.driving.watched_door import WatchedDoor
from dispatch.control.fallback import Fallback, FallbackSchedule, KeepFallback, fallback_aggregate


class _File(msgspec.Struct, frozen=True):
    schedule: FallbackSchedule
    digest: str
    """What is on record as kept; "" while nothing is."""


class FallbackFile:
    """One file a device."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._held: dict[str, _File | None] = {}

    def agreed(self, device: str, now: datetime) -> FallbackSchedule | None:
        """The schedule that covers `now` and is on record as kept here; None where there is none."""
        held = self._of(device)
        if held is None or held.digest != held.schedule.digest:
            return None
        return held.schedule if held.schedule.start <= now < held.schedule.end else None

    async def agree(self, device: str, door: WatchedDoor) -> None:
        """Fetch what is stored for the device, keep it, and record the hash of what is kept.

        Raises:
            StoreLost; OSError: the disk takes nothing; Refused: `fallback_digest` where another was stored
                meanwhile.
        """
        stored = await door.state(fallback_aggregate(device))
        if not isinstance(stored, Fallback):
            return
        held = self._of(device)
        if held is None or held.schedule != stored.stored:
            self._write(device, _File(stored.stored, ""))
        digest = self._read(device).schedule.digest
        if stored.kept != stored.stored:
            await door.execute(KeepFallback(device, digest), f"fallback-{device}-{secrets.token_hex(8)}")
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
