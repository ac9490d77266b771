"""A device behind whatever protocol: what the driver asks of it, and how that can fail.

One request at a time and one task a device. A protocol is one file that has this form (Modbus, MQTT).
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol, runtime_checkable

from dispatch.devices.profile import Period
from dispatch.telemetry.sample import Sample


class Unreachable(Exception):
    """Nothing was asked or written: there is no connection, or it was lost before the request left."""


class WrongAnswer(Exception):
    """A reading was answered by what is no answer to it: short, foreign, an exception, or too late."""


class Unreadable(WrongAnswer):
    """What a device told by itself is no telemetry: it is gone, and who read it tells that it was lost."""


class WriteRefused(Exception):
    """The device answered that it did not take the write; what was written before it in the same setpoint
    stands, and nothing was enabled."""


class WriteUncertain(Exception):
    """The write left and nobody knows whether it arrived: read the device, never send it again unread."""


class DevicePort(Protocol):
    """`device` is the id under which it is registered."""

    @property
    def device(self) -> str: ...

    @property
    def periods(self) -> Collection[Period]:
        """Those in which it has something to read."""
        ...

    async def read(self, periods: Collection[Period]) -> Sample:
        """The blocks of those periods, read now.

        Raises:
            Unreachable, WrongAnswer: within the port's deadline, whatever the device does.
        """
        ...

    def lost(self, why: str) -> Sample:
        """The sample of a turn in which the device did not answer: empty, with the next number."""
        ...

    def settable_w(self, power_w: int) -> int:
        """The power nearest to `power_w` that can be written, not further from zero; W, above 0 discharging.

        Raises:
            Refused: `scale_missing` before the device was read once.
        """
        ...

    async def write_setpoint(self, power_w: int, revert_s: int) -> None:
        """Value, revert timer, then enable. `power_w` is one that `settable_w` answered.

        Raises:
            Unreachable, WriteRefused, WriteUncertain; Refused: what cannot be written.
        """
        ...

    async def release(self) -> None:
        """Give the device back to its own control. Raises as `write_setpoint`."""
        ...

    async def beat(self, number: int) -> None:
        """Refresh its watchdog; nothing for a device without one. Raises as `write_setpoint`."""
        ...

    async def close(self) -> None: ...


@runtime_checkable
class FastPort(Protocol):
    """Of a device that can be asked many times a second."""

    @property
    def fast_ms(self) -> int:
        """How often; 0 where it has no fast channel."""
        ...

    async def read_fast(self) -> Sample:
        """Its fast channel, numbered by itself: it is of no turn, and no setpoint is written by it.

        Raises:
            Unreachable, WrongAnswer: within the port's deadline.
        """
        ...


@runtime_checkable
class TellingPort(Protocol):
    """Of a device that tells by itself, as often as its profile says: to wait for that holds up nobody who
    writes."""

    @property
    def unread(self) -> bool:
        """Whether something was told that `read` has not answered yet."""
        ...

    async def told(self) -> None:
        """Until there is something unread.

        Raises:
            Unreachable, WrongAnswer: it tells nothing in the time in which it ought to.
        """
        ...

    def early(self, sample: Sample) -> bool:
        """Whether what was read last came before the last setpoint was answered: it does not say whether the
        device took that."""
        ...
