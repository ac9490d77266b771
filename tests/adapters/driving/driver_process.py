"""A driver as a process of its own, which dies at once after it has written, before it reads back, or later;
or which goes on (`held`), for as long as nobody ends it.

`python -m tests.adapters.driving.driver_process NATS SEED BOOK POSTGRES PROFILE PORT FOLDER RUN POWER WHEN`
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

from adapters.driving.journal import Journal
from adapters.modbus.port import ModbusPort
from adapters.postgres.database import Database
from tests.adapters.driving.driven import Store, driving, fleet_device, setpoint, stands


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


async def _drive(arguments: list[str]) -> None:
    url, seed, book, postgres, profile, port, folder, run, power, when = arguments
    store = Store(url, Path(seed), book, Database(postgres))
    device = fleet_device("a", int(port), profile)
    write = ModbusPort.write_setpoint

    async def write_and_die(self: ModbusPort, power_w: int, revert_s: int) -> None:
        await write(self, power_w, revert_s)
        _die()

    if when == "written":
        ModbusPort.write_setpoint = write_and_die  # type: ignore[method-assign]
    journal, ready = Journal(Path(folder), run), when != "held"
    async with driving(store, device, journal, run, lease_s=4, ready=ready) as driven:
        driven.executor.want(setpoint(int(power)))
        if when == "held":
            await asyncio.Event().wait()
        await driven.until(lambda: stands(driven.executor, int(power)))
        await driven.until(lambda: not driven.executor.untold)
        _die()


if __name__ == "__main__":
    asyncio.run(_drive(sys.argv[1:]))
