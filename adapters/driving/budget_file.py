"""How often each register was written today, kept over restarts: a file a device.

The file is ahead of what was written by up to STEP writes a register, so that it is put to the disk once for
so many: after a restart a little of the day's budget is lost, and never is a register written more often than
it bears. An event or a journal entry a write would cost as much as what it protects.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Final

import msgspec

from dispatch.devices.profile import Profile
from dispatch.devices.write_budget import WriteBudget
from dispatch.devices.writing import RegisterWrite
from ledger.refusal import Refused

STEP: Final = 50
_NEVER: Final = date(1970, 1, 1)


class _Kept(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    day: date
    written: dict[int, int]


class BudgetFile:
    """`path`: where it is kept; None keeps it in this process only."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self.failure = ""
        """Why the disk does not take it, "" while it does: it is counted all the same, and forgotten by a
        restart."""
        kept = _Kept(_NEVER, {}) if path is None else _read(path)
        self._budget = WriteBudget(kept.day, kept.written)
        self._kept = kept

    def left(self, profile: Profile, point: str, day: date) -> int:
        """How often the point may still be written on that day (UTC)."""
        return self._budget.left(profile, point, day)

    def spend(self, profile: Profile, writes: Sequence[RegisterWrite], day: date) -> None:
        """Count them all, before the first is sent; or none.

        Raises:
            Refused: `write_budget_spent`.
        """
        budget = self._budget
        for write in writes:
            budget = budget.spent(profile, write, day)
        self._budget = budget
        self._keep()

    def spend_anyway(self, profile: Profile, writes: Sequence[RegisterWrite], day: date) -> None:
        """The same for writes that end something: they are counted as far as there is a budget."""
        for write in writes:
            if self._budget.left(profile, write.point, day) > 0:
                self._budget = self._budget.spent(profile, write, day)
        self._keep()

    def _keep(self) -> None:
        """Put it to the disk where it is no longer ahead."""
        budget, kept = self._budget, self._kept
        ahead = budget.day == kept.day
        if ahead and all(count <= kept.written.get(address, 0) for address, count in budget.written.items()):
            return
        written = {address: _ahead(count) for address, count in budget.written.items()}
        ahead_of_it = _Kept(budget.day, written)
        if self._path is not None:
            try:
                _write(self._path, ahead_of_it)
            except OSError as error:
                self.failure = str(error)
                return
        self._kept, self.failure = ahead_of_it, ""


def _ahead(count: int) -> int:
    """The next multiple of STEP from `count` on."""
    return -(-count // STEP) * STEP


def _write(path: Path, kept: _Kept) -> None:
    new = path.with_suffix(".new")
    with new.open("wb") as file:
        file.write(msgspec.json.encode(kept))
        file.flush()
        os.fdatasync(file.fileno())
    new.replace(path)


def _read(path: Path) -> _Kept:
    try:
        kept = msgspec.json.decode(path.read_bytes(), type=_Kept)
    except FileNotFoundError:
        return _Kept(_NEVER, {})
    except msgspec.MsgspecError as error:
        wrong = f"{error}; without it nobody knows how often the device was written today"
        raise Refused("write_budget_file", wrong, place=str(path)) from None
    return kept
