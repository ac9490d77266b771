"""What is to become of a setpoint: intended, leased, given up, settled.

A step's command id is `dispatch.control.setpoint.step_id`, so that asking twice is asking once.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final, get_args

from dispatch.control.command_life import (
    WAITING,
    CommandsSettled,
    DeviceDay,
    SetpointExpired,
    SetpointIntended,
    SetpointLeased,
    SetpointRefused,
    command_aggregate,
    settlement_parts,
)
from dispatch.control.emergency import AGGREGATE as EMERGENCY
from dispatch.control.emergency import Emergencies
from dispatch.control.interlock import INTERLOCKS, Interlock
from dispatch.control.lease import day_of_token, held_lease, lease_aggregate
from dispatch.control.on_day import OnDay, check_day, check_status, command_of, device_of, next_sequence
from dispatch.control.setpoint import Setpoint, lowers
from ledger.device import Device
from ledger.identity import checked_id
from ledger.refusal import Refused

_BEFORE: Final = timedelta(days=-1)
_AFTER: Final = timedelta(days=1)


class IntendSetpoint(OnDay, frozen=True):
    """Put on record what a device is to be told; the next sequence of its day. It takes the place of what
    was intended and is not written yet."""

    setpoint: Setpoint
    by: str

    @property
    def reads(self) -> tuple[str, ...]:
        return (f"device.{self.device}", EMERGENCY)

    def decide_at(
        self, now: datetime, state: DeviceDay | None, others: Mapping[str, object]
    ) -> tuple[SetpointIntended]:
        """Raises:
        Refused: `id`, `unknown_device`, `command_day`, `setpoint_expired`, `setpoint_lasting`,
            `setpoint_power`; `emergency_stop` for anything but a stop while one stands for the device."""
        checked_id(self.device, "device")
        checked_id(self.by, "by")
        device = device_of(others, self.device)
        check_day(self.day, now)
        self.setpoint.check_lasting(now)
        _check_nameplate(self.setpoint, device)
        if self.setpoint.power_w_max and (stop := _stop(others, device, now)):
            raise Refused("emergency_stop", f"emergency {stop} stops {self.device}", place="device")
        return (SetpointIntended(next_sequence(state), self.setpoint, self.by, now),)


class LeaseSetpoint(OnDay, frozen=True):
    """Ask, last of all, whether the holder of the device's lease may write a setpoint now."""

    sequence: int
    holder: str
    token: int

    @property
    def reads(self) -> tuple[str, ...]:
        around = (command_aggregate(self.device, self.day + days) for days in (_BEFORE, _AFTER))
        return (
            f"device.{self.device}",
            lease_aggregate(self.device, day_of_token(self.token)),
            EMERGENCY,
            *around,
        )

    def decide_at(
        self, now: datetime, state: DeviceDay | None, others: Mapping[str, object]
    ) -> tuple[SetpointLeased]:
        """Raises:
        Refused: `unknown_command`, `lease_lost`, `setpoint_expired`, `setpoint_lasting`, `emergency_stop`;
            `command_status`, also when the next day has newer ones; `command_unknown` while an earlier write
            of this day or the one before is in doubt, and this is not a stop."""
        day, command = command_of(state, self.sequence)
        check_status(command, "intended", "leased")
        if command.status == "leased" and command.token == self.token:
            raise Refused("command_status", f"{self.sequence} is leased under that token", place="sequence")
        lease = others.get(lease_aggregate(self.device, day_of_token(self.token)))
        held_lease(lease, self.device, self.holder, self.token, now)
        command.setpoint.check_lasting(now)
        device = device_of(others, self.device)
        if command.setpoint.power_w_max and (stop := _stop(others, device, now)):
            raise Refused("emergency_stop", f"emergency {stop} stops {self.device}", place="device")
        before, after = (others.get(command_aggregate(self.device, self.day + d)) for d in (_BEFORE, _AFTER))
        if isinstance(after, DeviceDay) and after.commands:
            raise Refused("command_status", "the next day's commands took its place", place="sequence")
        doubtful = (*(before.unknown if isinstance(before, DeviceDay) else ()), *day.unknown)
        if doubtful and not lowers(command.setpoint, None):
            wrong = f"nobody knows whether {doubtful[0]} arrived: read the device first"
            raise Refused("command_unknown", wrong, place="sequence")
        return (SetpointLeased(self.sequence, self.holder, self.token, now),)


class RefuseSetpoint(OnDay, frozen=True):
    """Tell that a setpoint was not written, and why."""

    sequence: int
    interlocks: tuple[Interlock, ...]

    def decide_at(
        self, now: datetime, state: DeviceDay | None, _: Mapping[str, object]
    ) -> tuple[SetpointRefused]:
        """Raises:
        Refused: `unknown_command`, `command_status`; `interlocks` for none, or one that does not exist."""
        command = command_of(state, self.sequence)[1]
        check_status(command, *WAITING)
        if not self.interlocks or not set(self.interlocks) <= set(get_args(Interlock)):
            raise Refused("interlocks", f"one or more of {', '.join(INTERLOCKS)}", place="interlocks")
        ordered = tuple(code for code in INTERLOCKS if code in self.interlocks)
        return (SetpointRefused(self.sequence, ordered, now),)


class ExpireSetpoint(OnDay, frozen=True):
    """Tell that a setpoint's time is over."""

    sequence: int

    def decide_at(
        self, now: datetime, state: DeviceDay | None, _: Mapping[str, object]
    ) -> tuple[SetpointExpired]:
        """Raises:
        Refused: `unknown_command`, `command_status`; `setpoint_in_force`. One in doubt is read first."""
        command = command_of(state, self.sequence)[1]
        check_status(command, *WAITING, "written", "read_back")
        if now < command.setpoint.expires_at:
            wrong = f"it holds until {command.setpoint.expires_at}"
            raise Refused("setpoint_in_force", wrong, place="sequence")
        return (SetpointExpired(self.sequence, now),)


class SettleCommands(OnDay, frozen=True):
    """Tell which settlement (`settlement_name`) holds what the meter saw of these commands of a day.

    A write that is in doubt is no reason to wait: it is settled when the meter has shown it.
    """

    settlement: str
    sequences: tuple[int, ...]

    def decide(self, state: DeviceDay | None, _: Mapping[str, object]) -> tuple[CommandsSettled]:
        """Raises:
        Refused: `settlement_name`; `unknown_command`; `command_status` for none, and for one that the meter
            did not see or that is settled."""
        settlement_parts(self.settlement)
        if not self.sequences:
            raise Refused("command_status", "name those that the meter saw", place="sequences")
        for sequence in self.sequences:
            command = command_of(state, sequence)[1]
            if not command.awaits_settlement:
                wrong = f"{sequence} is {command.status}: the meter did not see it, or it is settled"
                raise Refused("command_status", wrong, place="sequences")
        return (CommandsSettled(tuple(sorted(set(self.sequences))), self.settlement, self.device),)


def _check_nameplate(setpoint: Setpoint, device: Device) -> None:
    if setpoint.power_w_max > device.power_w:
        wrong = f"{device.id} has {device.power_w} W"
        raise Refused("setpoint_power", wrong, place="setpoint_w")


def _stop(others: Mapping[str, object], device: Device, now: datetime) -> int | None:
    """The number of the emergency stop that stands for the device."""
    emergencies = others.get(EMERGENCY)
    if not isinstance(emergencies, Emergencies):
        return None
    return next(
        (
            one.number
            for one in emergencies.standing(device.id, device.site, now)
            if one.order.kind == "stop_all"
        ),
        None,
    )
