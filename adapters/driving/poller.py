"""One device, read in its turns for as long as it runs, whatever the device does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from adapters.driving.port import DevicePort, TellingPort, Unreachable, WrongAnswer
from adapters.driving.turns import Turns
from adapters.driving.wake import Wake, done
from adapters.telemetry.frame import Unkept
from dispatch.telemetry.sample import Sample


class Poller:
    """Each turn gives `on_sample` one sample; a turn without an answer, or with one that
    cannot be kept, one with `lost`.

    Whoever writes to the device takes `lock`, which is held for the time of a turn, so at most for the port's
    deadline; what a device tells by itself is waited for without it, and is no turn where another has read
    it. `phase_s`: see Turns; of n devices the i-th has i / n x 60.
    """

    def __init__(self, port: DevicePort, on_sample: Callable[[Sample], None], phase_s: float) -> None:
        self.port: Final = port
        self.lock: Final = asyncio.Lock()
        self.late_s = 0.0
        """How much later than planned the last turn began; what waiting for `lock` took is in it."""
        self.silent = False
        """Whether the last turn was not answered."""
        self._on_sample: Final = on_sample
        self._phase_s: Final = phase_s
        self._telling: Final = port if isinstance(port, TellingPort) else None
        self._wake: Final = Wake()
        self._may = asyncio.Event()
        self._may.set()
        self._awaited: list[asyncio.Future[None]] = []

    async def run(self) -> None:
        """Until it is cancelled; whatever is raised but a device's failure ends it."""
        loop = asyncio.get_running_loop()
        turns = Turns(self.port.periods, self._phase_s, loop.time())
        while True:
            while await self._wake.within(turns.next_at - loop.time()):
                turns.hurry(loop.time())
            await self._turn(turns)

    async def _turn(self, turns: Turns) -> None:
        """What it read is nobody's afterwards: kept until the next turn, the values of thousands of devices
        would be looked through for garbage at once, which stops everything for a tenth of a second."""
        loop = asyncio.get_running_loop()
        awaited: list[asyncio.Future[None]] = []
        try:
            sample = await self._read(turns, awaited)
        except (Unreachable, WrongAnswer) as error:
            sample = self.port.lost(str(error))
        if sample is None:
            turns.answered(loop.time())
            _over(awaited)
            return
        self.silent = bool(sample.lost)
        # The turn is over before anybody is told of it, who may ask for the next one.
        if sample.lost:
            turns.failed(loop.time())
        else:
            turns.answered(loop.time())
        try:
            self._on_sample(sample)
        except Unkept as unkept:
            self.silent = True
            self._on_sample(self.port.lost(f"{unkept.code}: {unkept}"))
        _over(awaited)

    async def _read(self, turns: Turns, awaited: list[asyncio.Future[None]]) -> Sample | None:
        """One turn, for those who wait when it begins; None where somebody else has read what it was for."""
        telling = self._telling
        await self._may.wait()
        if telling is not None:
            try:
                await telling.told()
            finally:
                self._begun(awaited)
            await self._may.wait()
        async with self.lock:
            self._begun(awaited)
            self.late_s = asyncio.get_running_loop().time() - turns.next_at
            if telling is not None and not telling.unread:
                return None
            return await self.port.read(turns.due())

    def _begun(self, awaited: list[asyncio.Future[None]]) -> None:
        awaited += self._awaited
        self._awaited = []

    def hurry(self) -> None:
        """Read it soon, whatever is waited for: something was written, or what became of it is unknown."""
        self._wake.set()

    async def fresh(self) -> None:
        """Until a turn is over that began after this was called, answered or not."""
        turned = asyncio.get_running_loop().create_future()
        self._awaited.append(turned)
        self.hurry()
        await turned

    def pause(self) -> None:
        """Begin no turn until `go_on`."""
        self._may.clear()

    @property
    def paused(self) -> bool:
        return not self._may.is_set()

    def go_on(self) -> None:
        self._may.set()


def _over(awaited: list[asyncio.Future[None]]) -> None:
    for each in awaited:
        done(each)
