"""One device's lease: taken, renewed at a third, lost when nobody renewed it in time, released at the end.

Held is what two clocks say: the one of the wall, under which it is on record, and one that never goes back.
A holder that is known to have ended is not waited for.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Final

from adapters.driving.watched_door import WatchedDoor
from dispatch.control.lease import (
    Lease,
    ReleaseLease,
    RenewLease,
    TakeLease,
    day_of_token,
    first_token,
    lease_aggregate,
    midnight_after,
)
from ledger.refusal import Refused

LASTS_S: Final = 900
"""After a driver that died one elsewhere waits up to so long, WRITE_MS and two seconds for its clock. The
device is in its safe state long before: its own watchdog sees to that. A driver that ends in order releases,
and one that starts again in the folder of one that died does not wait."""
RENEWED_PART: Final = 3
WRITE_MS: Final = 5_000
"""The longest that one setpoint's writes take: the executor gives up by then."""
RETRY_S: Final = 1.0
_SOON_S: Final = 0.05


class LeaseKeeper:
    """Of one device and holder: one run of one process."""

    def __init__(
        self,
        device: str,
        holder: str,
        door: WatchedDoor,
        clock: Callable[[], datetime],
        *,
        lasts_s: int = LASTS_S,
        write_ms: int = WRITE_MS,
        seconds: Callable[[], float] = time.monotonic,
        ended: Callable[[str], bool] = lambda _: False,
    ) -> None:
        """`ended`: whether a holder is proven to have ended, with all that it had begun."""
        self.token = 0
        self.unbroken = 0
        """The token since which nobody else can have held it: at midnight it goes on under another one."""
        self.waits = ""
        """Why it is not held, and until when: whose it is, or what may still be written under another."""
        self._seconds = seconds
        self.write_ms = write_ms
        self._device = device
        self._holder = holder
        self._door = door
        self._clock = clock
        self._lasts_s = lasts_s
        self._until: datetime | None = None
        self._due: datetime | None = None
        self._ends = 0.0
        self._count = 0
        self._ended = ended
        self._after = ""

    def held(self) -> bool:
        """Whether a write may begin now."""
        return self._until is not None and self._clock() < self._until and self._seconds() < self._ends

    def due(self, now: datetime) -> bool:
        """Whether it is to be renewed, or to be taken again, by the clock of the wall: where that was moved
        on, before `turn`'s seconds are over."""
        return self._until is not None and self._due is not None and now >= self._due

    async def turn(self) -> float:
        """Take or renew it; answers after how many seconds it is to be called again. Never raises for a lease
        that is another's: it is taken when it is free.

        Raises:
            StoreLost: it stays held as long as it was.
        """
        if not self.held():
            return await self._take()
        if self._until == midnight_after(day_of_token(self.token)):
            return self._pause(self._until)
        return await self._renew()

    def lost(self) -> None:
        """Somebody else says that it is not held."""
        self._until = None

    async def release(self) -> None:
        """Begin no more writes; a lease that is lost by now needs no release.

        Raises:
            StoreLost: it ends by itself.
        """
        token, self._until = (self.token if self.held() else 0), None
        if token:
            try:
                await self._door.execute(ReleaseLease(self._device, self._holder, token), self._id("release"))
            except Refused as refused:
                if refused.code != "lease_lost":
                    raise

    async def _take(self) -> float:
        before, self._until = self._until, None
        day = self._today()
        command = TakeLease(self._device, self._holder, day, self._lasts_s, self.write_ms, self._after)
        try:
            await self._door.execute(command, self._id("take"))
        except Refused as refused:
            if refused.code not in ("lease_held", "command_day"):
                raise
            self._count += 1
            # At midnight it may still be the day before, by the store's clock.
            self._until = before if refused.code == "command_day" else None
            self.waits = "" if self.held() else refused.reason
            return await self._until_free(day)
        carried_on = before is not None and before == midnight_after(day - timedelta(days=1))
        return await self._keep(day, carried_on=carried_on)

    async def _renew(self) -> float:
        command = RenewLease(self._device, self._holder, self.token, self._lasts_s)
        try:
            await self._door.execute(command, self._id("renew"))
        except Refused as refused:
            if refused.code != "lease_lost":
                raise
            self._count += 1
            self._until = None
            return 0.0
        return await self._keep(day_of_token(self.token), carried_on=True)

    async def _keep(self, day: date, *, carried_on: bool) -> float:
        """What is on record now. `_count` goes on only then: a repeat has the same command id."""
        lease = await self._door.state(lease_aggregate(self._device, day))
        self._count += 1
        if not isinstance(lease, Lease) or lease.holder != self._holder:
            self._until = None
            return RETRY_S
        self.token, self._until, self.waits = lease.token, lease.until, ""
        if not carried_on or (day_of_token(self.unbroken) != day and lease.token != first_token(day)):
            self.unbroken = lease.token
        pause = self._pause(lease.until)
        self._due = self._clock() + timedelta(seconds=pause)
        left = (lease.until - self._clock()) / timedelta(seconds=1)
        self._ends = self._seconds() + min(left, self._lasts_s)
        return pause

    def _pause(self, until: datetime) -> float:
        """Seconds up to its renewal, or to its end where midnight is nearer."""
        left = (until - self._clock()) / timedelta(seconds=1)
        last = until == midnight_after(day_of_token(self.token))
        return max(left, _SOON_S) if last else self._lasts_s / RENEWED_PART

    async def _until_free(self, day: date) -> float:
        self._after = ""
        lease = await self._door.state(lease_aggregate(self._device, day))
        if not isinstance(lease, Lease):
            return RETRY_S
        if lease.holder != self._holder and self._ended(lease.holder):
            self._after = lease.holder
            return _SOON_S
        left = (lease.free_at - self._clock()) / timedelta(seconds=1)
        return min(max(left, _SOON_S), RETRY_S)

    def _today(self) -> date:
        return self._clock().astimezone(UTC).date()

    def _id(self, step: str) -> str:
        return f"{self._holder}-{self._device}-{step}-{self._count}"
