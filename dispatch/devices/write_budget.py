"""How often each register was written today, against what it bears: writing wears some devices' memory."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from types import MappingProxyType

import msgspec

from dispatch.devices.profile import Profile
from dispatch.devices.writing import RegisterWrite
from ledger.refusal import Refused

_NONE: Mapping[int, int] = MappingProxyType({})


class WriteBudget(msgspec.Struct, frozen=True):
    """The writes of one day by register; another day begins anew. It is to be kept over restarts."""

    day: date
    written: Mapping[int, int] = _NONE

    def left(self, profile: Profile, point: str, day: date) -> int:
        """How often the point may still be written on that day."""
        found = profile.point(point)
        spent = self.written if day == self.day else _NONE
        most = max((spent.get(address, 0) for address in range(found.address, found.end)), default=0)
        return profile.writes_per_day(found) - most

    def spent(self, profile: Profile, write: RegisterWrite, day: date) -> WriteBudget:
        """The budget after one more write, which is to be asked for before it is sent.

        Raises:
            Refused: `write_budget_spent` when a register would be written more often than it bears.
        """
        if self.left(profile, write.point, day) < 1:
            wrong = f"{write.point} was written as often today as it bears"
            raise Refused("write_budget_spent", wrong, place=write.point)
        counts = dict(self.written) if day == self.day else {}
        for address in range(write.address, write.address + len(write.words)):
            counts[address] = counts.get(address, 0) + 1
        return WriteBudget(day, counts)
