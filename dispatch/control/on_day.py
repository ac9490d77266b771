"""What every command to a device's day has, and what it checks first."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Final

import msgspec

from dispatch.control.command_life import Command, DeviceDay, Status, command_aggregate
from ledger.command import known
from ledger.device import Device
from ledger.effective import History
from ledger.refusal import Refused

_AHEAD: Final = timedelta(seconds=30)
"""A driver whose clock is further ahead may not activate anything (`dispatch.control.interlock`)."""


class OnDay(msgspec.Struct, frozen=True):
    """A command to one device's UTC day."""

    device: str
    day: date
    """UTC."""

    @property
    def aggregate(self) -> str:
        return command_aggregate(self.device, self.day)

    @property
    def reads(self) -> tuple[str, ...]:
        return ()


def next_sequence(state: DeviceDay | None) -> int:
    """The number that the day's next command gets."""
    return 1 if state is None else state.newest + 1


def command_of(state: DeviceDay | None, sequence: int) -> tuple[DeviceDay, Command]:
    """The day, and its command of that sequence.

    Raises:
        Refused: `unknown_command`.
    """
    if state is None or sequence not in state.commands:
        raise Refused("unknown_command", f"the device's day has no command {sequence}", place="sequence")
    return state, state.commands[sequence]


def check_status(command: Command, *allowed: Status) -> None:
    """Raises:
    Refused: `command_status`."""
    if command.status not in allowed:
        wrong = f"{command.sequence} is {command.status}, not {' or '.join(sorted(allowed))}"
        raise Refused("command_status", wrong, place="sequence")


def device_of(others: Mapping[str, object], name: str) -> Device:
    """The newest version of a registered device.

    Raises:
        Refused: `unknown_device`.
    """
    history: History[Device] = known(others, f"device.{name}", History)
    return history.latest.document


def check_day(day: date, at: datetime) -> None:
    """That an instant is of that UTC day.

    Raises:
        Refused: `command_day`.
    """
    if day != (at - (at.utcoffset() or timedelta())).date():
        raise Refused("command_day", f"a command of {at} is not of {day} in UTC", place="day")


def check_not_ahead(at: datetime, now: datetime) -> None:
    """That an instant is not to come, but for what clocks may differ.

    Raises:
        Refused: `time_ahead`, `naive_time`.
    """
    if at.tzinfo is None:
        raise Refused("naive_time", "an instant needs its UTC offset", place="at")
    if at > now + _AHEAD:
        raise Refused("time_ahead", f"{at} is still to come: set the driver's clock", place="at")
