"""What is said of the driver's disk while it takes nothing, and of what was lost for that."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from adapters.driving.driver_folder import DriverFolder
from adapters.telemetry.outbox import Outbox

_EACH_S: Final = 1.0


class DiskWatch:
    """`failure`: what the disk does not take, "" for nothing. `tell` is given what a person should know about
    something, "" once it is well again."""

    def __init__(
        self,
        folder: DriverFolder,
        outbox: Outbox,
        failure: Callable[[], str],
        say: Callable[[str], None],
        tell: Callable[[str, str], None],
    ) -> None:
        self._folder = folder
        self._outbox = outbox
        self._failure = failure
        self._say = say
        self._tell = tell

    async def run(self) -> None:
        """Until it is cancelled."""
        failed, lost, outbox = "", 0, self._outbox
        while True:
            before, failed = failed, self._failure()
            if bool(failed) != bool(before):
                held = "what it does not take is kept in memory, and telemetry is sent from there"
                self._say(f"disk: {failed}: {held}" if failed else "disk: well again")
            if outbox.unwritten > lost and not failed:
                self._say(f"telemetry: {outbox.unwritten - lost} samples are lost: their numbers are missing")
                lost = outbox.unwritten
            self._tell("room for a stop that is ordered here", await asyncio.to_thread(self._keep_room))
            await asyncio.sleep(_EACH_S)

    def _keep_room(self) -> str:
        """Why there is none."""
        try:
            self._folder.keep_room()
        except OSError as error:
            return f"{error.strerror}: what needs none is wattledger emergency stop-all"
        return ""
