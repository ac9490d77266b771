"""`python -m adapters.bess_peer`: storages to drive, from a device profile."""

from __future__ import annotations

import asyncio
import resource
import signal
import sys
from pathlib import Path

import msgspec
import uvloop
from cyclopts import App

from adapters.bess_peer import control_port, server
from adapters.bess_peer.peer_clock import PeerClock
from adapters.bess_peer.storage import Storage
from dispatch.devices.profile_file import parse
from ledger.refusal import Refused

_REFUSED = 2
_UNITS_MAX = 247

app = App(
    name="python -m adapters.bess_peer",
    help="Storages that answer Modbus TCP: ramp, losses, watchdog, revenue meter, and faults on request.",
    result_action="return_value",
    version_flags=(),
)


@app.default
def start(
    *,
    profile: Path,
    meter: Path | None = None,
    storage_meter: Path | None = None,
    count: int = 1,
    port: int = 5020,
    control: int = 5010,
    host: str = "127.0.0.1",
    one_port: bool = False,
    soc: int = 50_000,
    load_w: int = 0,
    ahead_ms: int = 0,
) -> None:
    """Serve until Ctrl-C.

    Args:
        profile: a storage's profile (examples/devices)
        meter: a revenue meter's profile, whose unit id is another; served on the storage's port
        storage_meter: one that measures the storage itself, under the unit id after the other meter's
        count: how many storages
        port: the first one's port, the others follow; 0 takes free ones, which are printed
        control: the port that takes faults and tells the truth, a JSON object a line; 0 takes a free one
        host: the address to listen at
        one_port: all on one port, as units 1, 2 ...; without the meters
        soc: the state of charge to begin with, in thousandths of a percent
        load_w: what the site takes, in W
        ahead_ms: how far their clock is ahead of the machine's
    """
    if not 1 <= count <= (_UNITS_MAX if one_port else 5000):
        raise Refused("peer_profile", f"1 to {_UNITS_MAX if one_port else 5000}", place="count")
    if not 0 <= soc <= 100_000:
        raise Refused("peer_profile", "0 to 100000", place="soc")
    own = parse(profile.read_bytes())
    its = None if meter is None else parse(meter.read_bytes())
    beside = None if storage_meter is None else parse(storage_meter.read_bytes())
    if beside is not None:
        beside = msgspec.structs.replace(beside, unit_id=(own if its is None else its).unit_id + 1)
    clock = PeerClock(ahead_ms)
    storages = [
        Storage(own, its, clock(), storage_meter=beside, soc=soc, load_w=load_w) for _ in range(count)
    ]
    _allow_files(6 * count + 64)
    uvloop.run(_serve(storages, host=host, port=port, control=control, one_port=one_port, clock=clock))


async def _serve(
    storages: list[Storage], *, host: str, port: int, control: int, one_port: bool, clock: PeerClock
) -> None:
    servers = await server.listen(storages, host, port, clock, one_port=one_port)
    asked = await control_port.listen(storages, host, control, clock)
    ports = [server.port_of(each) for each in servers]
    print(msgspec.json.encode({"ports": ports, "control": server.port_of(asked)}).decode(), flush=True)
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ended.set)
    await ended.wait()
    for each in (*servers, asked):
        each.close()


def _allow_files(needed: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < needed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(needed, hard), hard))


if __name__ == "__main__":
    try:
        app()
    except Refused as refused:
        print(f"{refused.code}: {refused}", file=sys.stderr)
        sys.exit(_REFUSED)
