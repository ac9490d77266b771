"""What all parts of one device's executor share: the device, what is known of it, and what it has of us."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Final, Literal

import msgspec

from adapters.driving.device_state import DeviceState, DrivenDevice, millis, register_tolerance_w
from adapters.driving.device_writes import Found
from adapters.driving.journal import Journal
from adapters.driving.lease_keeper import LeaseKeeper
from adapters.driving.port import DevicePort, TellingPort
from adapters.driving.steps import Steps
from adapters.driving.telling import Teller
from adapters.driving.tried import AtDevice
from adapters.driving.wake import Wake
from adapters.driving.watched_door import WatchedDoor
from dispatch.control.interlock import DeviceLimits, DeviceSnapshot
from dispatch.control.site_load import PowerRange
from ledger.refusal import Refused

Alarm = Literal[
    "foreign_writer", "device_refused", "unreachable", "meter_disagrees", "watchdog", "record_refused",
    "start", "journal", "intent_refused", "interlock", "hour_unrecorded",
]  # fmt: skip

BEAT_S: Final = 1.0
"""What a watchdog's time may seem shorter to us than to the device."""


class OneDevice:
    """`lock` is the poller's: one request at a time. `clock` is the wall's, `seconds` one that never goes
    back."""

    def __init__(
        self,
        port: DevicePort,
        lock: asyncio.Lock,
        door: WatchedDoor,
        device: DrivenDevice,
        limits: DeviceLimits,
        clock: Callable[[], datetime],
        seconds: Callable[[], float],
        journal: Journal,
        holder: str,
        lease_s: int,
        ended: Callable[[str], bool],
    ) -> None:
        self.device: Final = device
        self.port: Final = port
        self.told_by: Final = port if isinstance(port, TellingPort) else None
        self.lock: Final = lock
        self.door: Final = door
        self.clock: Final = clock
        self.seconds: Final = seconds
        self.journal: Final = journal
        self.limits = limits
        self.commissioned = False
        self.clock_lost = False
        self.stop_cause = ""
        self.alarms: dict[Alarm, str] = {}
        self.keeper: Final = LeaseKeeper(
            device.id, holder, door, clock, lasts_s=lease_s, seconds=seconds, ended=ended
        )
        self.state: Final = DeviceState(device)
        self.telling: Final = Teller(door, self._not_recorded, self._recorded)
        self.steps: Final = Steps(door, self.telling, journal, device.id, holder)
        self.tolerance_w: Final = register_tolerance_w(device.profile)
        self.standing: AtDevice | None = None
        """The last setpoint that was written, while it is not over."""
        self.resolved = 0
        """Under which unbroken lease device and record were brought to agree."""
        self.writing = False
        self.beside: Callable[[], PowerRange] = lambda: PowerRange(0, 0)
        """What the others of its site's storage go for."""
        self.beaten_at: float | None = None
        """When its watchdog was refreshed last."""
        self.fell_back: Found | None = None
        """What it showed as it had gone to its safe state by itself; until it does again what it is told."""
        self.woken: Final = Wake()

    @property
    def snapshot(self) -> DeviceSnapshot:
        return self.state.snapshot(self.clock())

    def last_look(self) -> DeviceSnapshot:
        """The same with what the others of its site do: what the interlocks look at."""
        return msgspec.structs.replace(self.snapshot, beside=self.beside())

    @property
    def ready(self) -> bool:
        """It holds the lease, and device and record agree."""
        return self.keeper.held() and self.resolved == self.keeper.unbroken

    @property
    def doubtful(self) -> bool:
        """A write of which nobody knows whether it arrived."""
        return self.standing is not None and not self.standing.confirmed

    def beaten_in_time(self) -> bool:
        """Whether its watchdog cannot have found us silent; one without a watchdog never does."""
        control = self.device.profile.control
        if control is None or control.watchdog is None:
            return True
        most = control.watchdog.timeout_s - BEAT_S
        return self.beaten_at is not None and self.seconds() - self.beaten_at < most

    def standing_w(self) -> int | None:
        """The setpoint that the device obeys now; None where that is not known."""
        return self.state.standing_w(millis(self.clock()))

    def _not_recorded(self, refused: Refused) -> None:
        self.alarm("record_refused", str(refused))

    def _recorded(self) -> None:
        """What came later is on record: what was refused before is over."""
        self.alarms.pop("record_refused", None)

    def alarm(self, alarm: Alarm, text: str) -> None:
        self.alarms[alarm] = text
