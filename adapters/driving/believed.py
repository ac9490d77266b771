"""A device's port whose samples say what of them cannot be so, whatever its protocol."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from adapters.driving.port import DevicePort, FastPort, TellingPort
from dispatch.devices.profile import Period, Profile
from dispatch.telemetry.belief import Belief
from dispatch.telemetry.sample import Sample


class BelievedPort:
    """See adapters.driving.port.DevicePort."""

    def __init__(self, port: DevicePort, profile: Profile) -> None:
        self._port: Final = port
        self._belief: Final = Belief(profile)
        self.device: Final = port.device
        self.periods: Final = port.periods
        self.lost: Final = port.lost
        self.settable_w: Final = port.settable_w
        self.write_setpoint: Final = port.write_setpoint
        self.release: Final = port.release
        self.beat: Final = port.beat
        self.close: Final = port.close

    async def read(self, periods: Collection[Period]) -> Sample:
        return self._belief.judged(await self._port.read(periods))


class BelievedFast(BelievedPort):
    """See adapters.driving.port.FastPort: its fast channel is shown as it was read."""

    def __init__(self, port: DevicePort, fast: FastPort, profile: Profile) -> None:
        super().__init__(port, profile)
        self.fast_ms: Final = fast.fast_ms
        self.read_fast: Final = fast.read_fast


class BelievedTelling(BelievedPort):
    """See adapters.driving.port.TellingPort."""

    def __init__(self, port: DevicePort, telling: TellingPort, profile: Profile) -> None:
        super().__init__(port, profile)
        self._telling: Final = telling
        self.told: Final = telling.told
        self.early: Final = telling.early

    @property
    def unread(self) -> bool:
        return self._telling.unread


def believed(port: DevicePort, profile: Profile) -> DevicePort:
    """The same port, read so."""
    if isinstance(port, TellingPort):
        return BelievedTelling(port, port, profile)
    if isinstance(port, FastPort):
        return BelievedFast(port, port, profile)
    return BelievedPort(port, profile)
