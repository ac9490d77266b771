"""One storage of a driver: who reads it, who tells it, and when it was read well last."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from adapters.driving.driven_site import DrivenDevice
from adapters.driving.executor import Executor
from adapters.driving.poller import Poller
from dispatch.control.setpoint import Setpoint
from dispatch.control.turn_parts import LOST_MS


class Driven:
    def __init__(self, one: DrivenDevice, executor: Executor, poller: Poller) -> None:
        self.one: Final = one
        self.executor: Final = executor
        self.poller: Final = poller
        self.good_ms: int | None = None
        self.stopped = ""
        self.wanted: Setpoint | None = None

    @property
    def id(self) -> str:
        return self.one.fleet.id

    @property
    def site(self) -> str:
        return self.one.device.site

    def lost(self, now_ms: int) -> bool:
        return self.good_ms is None or abs(now_ms - self.good_ms) > LOST_MS

    def held_w(self, now: datetime) -> int | None:
        """What it goes on doing when it is lost, as far as anybody knows: its setpoint, until it expires."""
        standing = self.executor.standing
        if standing is None or now >= standing.setpoint.expires_at:
            return None
        return standing.target_w
