"""The front door for whoever awaits: commands and reads that come at the same time share a turn."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from adapters.front_door import FrontDoor, Receipt, Save, Wish, attempts, contended
from adapters.turns import Turns


class _Asked:
    def __init__(self, aggregate: str) -> None:
        self.aggregate = aggregate
        self.state: object = None


class AwaitedDoor:
    """As the front door, of one event loop."""

    def __init__(self, door: FrontDoor) -> None:
        self._door = door
        self._saves = Turns[Save](door.accepted_together)
        self._asked = Turns[_Asked](self._answer)

    async def execute_all(
        self, wishes: Sequence[Wish], *, actor: str, given: Mapping[str, object] = MappingProxyType({})
    ) -> list[Receipt]:
        """Accept all the commands or none, where the aggregates of `given` have these states.

        Raises:
            Refused, StoreFull, StoreUnavailable: as `FrontDoor.execute_all`.
            NotGiven: one has not; whatever else is wrong.
        """
        for pause_s, save in attempts(wishes, actor, given=given):
            if pause_s:
                await asyncio.sleep(pause_s)
            await self._saves(save)
            if (receipts := save.answer()) is not None:
                return receipts
        raise contended(wishes)

    async def state(self, aggregate: str) -> object:
        """The aggregate's state now; None when it does not exist."""
        asked = _Asked(aggregate)
        await self._asked(asked)
        return asked.state

    async def _answer(self, together: Sequence[_Asked]) -> None:
        names = {one.aggregate for one in together}
        states = await self._door.held(names)
        if len(states) < len(names):
            states |= await asyncio.to_thread(self._door.states, names - states.keys())
        for one in together:
            one.state = states[one.aggregate]
