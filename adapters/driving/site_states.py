"""What the driver records of its sites for whoever plans them: what is stored, and what is left of a storage
whose devices are lost or cannot."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from adapters.driving.device_state import millis
from adapters.driving.driven import Driven
from adapters.driving.fleet import Fleet
from adapters.driving.guarded import stored_wh
from adapters.driving.watched_door import StoreLost, WatchedDoor
from dispatch.control.site_able import AbleDevice, AbleSince, SiteAble, due_limit, site_able
from dispatch.planning.imposed_limit import ImposedLimit, ImposeLimit, limit_aggregate
from dispatch.planning.stored_seen import SeeStored, StoredSeen, slot_of, stored_aggregate
from ledger.effective import History, Period
from ledger.refusal import Refused

TURN_S: Final = 1.0
LEAD_S: Final = 180
"""So long before a quarter-hour what is stored is recorded: it is planned two minutes before it begins."""
WORSE_S: Final = 3
BETTER_S: Final = 60
"""A limit is imposed once it was so for so long, and lifted only after a minute: each is planned anew."""
_BEGIN_S: Final = 30
"""A device that was not read yet is lost only after so long."""


class SiteStates:
    """`run` until it is cancelled. While the store is lost nothing is told, and what is so then is told when
    it is back."""

    def __init__(
        self, fleet: Fleet, door: WatchedDoor, clock: Callable[[], datetime], say: Callable[[str], None]
    ) -> None:
        self._fleet = fleet
        self._door = door
        self._clock = clock
        self._say = say
        self._begun = clock()
        self._since: dict[str, AbleSince] = {}
        self._told: dict[str, SiteAble] = {}
        self._seen: dict[str, datetime] = {}

    async def run(self) -> None:
        while True:
            now = self._clock()
            if not self._fleet.behind(millis(now)):
                for name in self._fleet.book.sites:
                    try:
                        await self._turn(name, now)
                    except StoreLost:
                        await self._door.until_back()
                    except Refused as refused:
                        self._say(f"{name}: its state was refused ({refused.code}): {refused}")
                        self._told.pop(name, None)
            await asyncio.sleep(TURN_S)

    async def _turn(self, site: str, now: datetime) -> None:
        here = self._fleet.of(site)
        if not here:
            return
        able = site_able([_able(one, millis(now)) for one in here])
        slot = slot_of(now, LEAD_S)
        if self._seen.get(site) != slot:
            await self._record(site, here, able, now, slot)
        if now - self._begun >= timedelta(seconds=_BEGIN_S) or not able.why:
            await self._impose(site, able, now)

    async def _record(
        self, site: str, here: Sequence[Driven], able: SiteAble, now: datetime, slot: datetime
    ) -> None:
        stored = stored_wh(self._fleet.book.sites[site], here)
        if stored is None:
            return
        state = await self._door.state(stored_aggregate(site, now.astimezone(UTC).date()))
        if not isinstance(state, StoredSeen) or state.at < slot:
            seen = StoredSeen(now, stored, able.charge_w, able.discharge_w)
            await self._door.execute(SeeStored(site, seen), f"seen-{site}-{slot.isoformat()}")
        self._seen[site] = slot

    async def _impose(self, site: str, able: SiteAble, now: datetime) -> None:
        since = self._since[site] = AbleSince.of(self._since.get(site), able, now)
        steady_s = WORSE_S if able.why else BETTER_S
        if now - since.begin < timedelta(seconds=steady_s) or self._told.get(site) == able:
            return
        state = await self._door.state(limit_aggregate(site))
        history: History[ImposedLimit] | None = state if isinstance(state, History) else None
        limit = due_limit(history, able, now)
        if limit is not None:
            number = 0 if history is None else len(history.versions)
            await self._door.execute(ImposeLimit(site, Period(now), limit), f"able-{site}-{number}")
            self._say(f"{site}: {limit.reason}")
        self._told[site] = able


def _able(one: Driven, now_ms: int) -> AbleDevice:
    executor = one.executor
    return AbleDevice(
        device=one.id,
        snapshot=executor.snapshot,
        limits=executor.limits,
        lost=one.lost(now_ms),
        permitted=executor.commissioned,
    )
