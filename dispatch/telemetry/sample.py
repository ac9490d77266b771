"""What was read of a device in one turn."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

import msgspec

from dispatch.devices.control import LIMIT_MAX
from dispatch.devices.quality import Reading
from dispatch.devices.role import Role


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """`run` names the run of the process that read, `number` counts its samples of the device from 1: one
    that is missing is a gap. `at_ms` is our clock, milliseconds since 1970 UTC, when the first answer came;
    `device_ms` the device's, None where it tells none.

    `readings` are what the house understands; a role that was not read in this turn is not there, one that
    was read and has no value is there with its reason. `others`: points without a role, by name. An empty
    sample with `lost` is a turn in which the device did not answer, and says why.
    """

    device: str
    run: str
    number: int
    at_ms: int
    device_ms: int | None = None
    readings: Mapping[Role, Reading] = {}
    others: Mapping[str, Reading] = {}
    lost: str = ""

    @property
    def at(self) -> datetime:
        return datetime.fromtimestamp(self.at_ms // 1000, UTC).replace(microsecond=self.at_ms % 1000 * 1000)

    def value(self, role: Role) -> int | None:
        """The whole number that was read and is to be believed; None where there is none, never 0."""
        found = self.readings.get(role)
        return found.value if found and found.quality == "good" and isinstance(found.value, int) else None

    def power_w(self, role: Role) -> int | None:
        """The same of a power, W; None beyond what any device has, so that sums of powers fit 64 bits."""
        return believable_w(self.value(role))


def believable_w(power_w: int | None) -> int | None:
    """
    >>> believable_w(LIMIT_MAX), believable_w(-LIMIT_MAX - 1)
    (2147483647, None)
    """
    return None if power_w is None or abs(power_w) > LIMIT_MAX else power_w
