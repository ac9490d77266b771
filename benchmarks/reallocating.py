"""A tenth of the storages falls silent: how long until the others give what is missing.

Sites of ten storages and a grid meter under one plan each; one storage of each site no longer answers. It is
lost after three seconds, and its share is to be taken over, written and read back, within two more.
"""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import uvloop

from adapters.awaited_door import AwaitedDoor
from adapters.driving.driven_site import DrivenDevice, DrivenSite, FleetBook, MeteredSite
from adapters.driving.fleet import Fleet
from adapters.driving.fleet_file import FleetDevice, ModbusTcp
from adapters.driving.journal import Journal
from adapters.driving.plans import Plans, SitePlan
from adapters.driving.quiet_door import QuietDoor
from adapters.driving.reached import reached
from adapters.driving.wished import STEADY_PERMILLE
from adapters.front_door import Wish
from adapters.loaded import keep_what_is_loaded
from benchmarks.figure import Figure
from benchmarks.rig import FROM, ZONE, Book, Rig
from dispatch.devices.profile_file import parse
from dispatch.planning.storage_terms import StorageTerms
from ledger.device import Device, RegisterDevice
from ledger.grid_account import Account
from ledger.site import Site

_ROOT: Final = Path(__file__).parents[1]
_EXAMPLES: Final = _ROOT / "examples/devices"
_KW: Final = 1000
_OF_SITE: Final = 10
_PLANNED_W: Final = 500 * _KW
_RATED_W: Final = 250 * _KW
_STEADY_W: Final = _OF_SITE * _RATED_W * STEADY_PERMILLE // 1000
"""A storage is not raised by less than its part of this."""
_TAKEN_S: Final = 5.0
"""Three seconds until it is lost, and two more."""
_GIVE_UP_S: Final = 60.0


class _Planned(Plans):
    """The same plan for every site, for an hour."""

    def __init__(self, book: Book) -> None:
        super().__init__(book.database, book.log.book, frozenset())
        self._start = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)

    def of(self, site: str, _: datetime) -> SitePlan | None:
        until = self._start + timedelta(hours=2)
        return SitePlan(site, _PLANNED_W, 0, 7200, self._start, until, until, f"plan.{site} v1", None)


def measure(rig: Rig, *, quick: bool) -> list[Figure]:
    """From the moment at which the storages fall silent."""
    sites = 2 if quick else 50
    book = rig.book()
    try:
        book.register_sites(sites, "sh-single-1-10kv")
        devices = [
            Device(f"D{number}", f"S{number // _OF_SITE}", "battery", _RATED_W, 500 * _KW)
            for number in range(sites * _OF_SITE)
        ]
        book.execute_all([Wish(RegisterDevice(FROM, one), f"d-{one.id}") for one in devices])
        with _peer(len(devices)) as (ports, control), tempfile.TemporaryDirectory() as folder:
            took_s = uvloop.run(_reallocated(book, devices, ports, control, Path(folder)))
    finally:
        book.close()
    what = f"{sites} of {len(devices)} storages silent: until the others give what is missing, read back"
    return [Figure(what, took_s, _TAKEN_S, "limit", "s", _TAKEN_S / took_s, 1.0)]


async def _reallocated(
    book: Book, devices: Sequence[Device], ports: Sequence[int], control: int, folder: Path
) -> float:
    fleet_book = _fleet_book(devices, ports)
    door = QuietDoor(AwaitedDoor(book.door), "bench")
    journal = Journal(folder, "bench-1")
    every = [*(one.fleet for one in fleet_book.storages), *(one.fleet for one in fleet_book.meters)]
    reach = reached(every, "bench-1", lambda: time.time_ns() // 1_000_000)
    fleet = Fleet(
        fleet_book,
        reach,
        _Planned(book),
        door,
        journal,
        None,
        _now,
        "bench-1",
        lambda _: None,
        lambda _: None,
    )
    for executor in fleet.executors:
        executor.commissioned = True
    keep_what_is_loaded()
    running = asyncio.create_task(fleet.run())

    def given(site: str) -> int:
        """What its storages that answer were read to hold."""
        held = [one.executor.standing for one in fleet.of(site) if not one.poller.silent]
        return sum(one.target_w for one in held if one is not None and one.confirmed)

    def all_given() -> bool:
        return all(_PLANNED_W - _STEADY_W <= given(site) <= _PLANNED_W for site in fleet_book.sites)

    def state() -> object:
        return [
            (one.id, one.poller.silent, one.executor.standing, one.executor.commissioned)
            for one in fleet.storages.values()
        ]

    await _until(all_given, running, state)
    began = time.monotonic()
    silent = devices[_OF_SITE - 1 :: _OF_SITE]
    lines = [{"do": "fault", "storage": int(one.id[1:]), "fault": {"kind": "black_hole"}} for one in silent]
    await asyncio.to_thread(_ask, control, lines)
    await _until(
        lambda: all(fleet.storages[one.id].poller.silent for one in silent) and all_given(), running, state
    )
    took_s = time.monotonic() - began
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await asyncio.gather(*(port.close() for port in reach.values()))
    await journal.close()
    await door.close()
    return took_s


def _fleet_book(devices: Sequence[Device], ports: Sequence[int]) -> FleetBook:
    storage, meter = (
        parse((_EXAMPLES / f"{name}.toml").read_bytes()) for name in ("bess_swapped", "meter_import_export")
    )
    driven, meters, sites = [], [], {}
    for device, port in zip(devices, ports, strict=True):
        address = ModbusTcp(host="127.0.0.1", port=port)
        driven.append(DrivenDevice(FleetDevice(id=device.id, profile=storage, address=address), device))
        if device.site not in sites:
            sites[device.site] = _site(device.site)
            own = FleetDevice(id=f"G-{device.site}", profile=meter, address=address, meter=f"G-{device.site}")
            meters.append(MeteredSite(own, device.site, "grid"))
    return FleetBook(tuple(driven), tuple(meters), sites)


def _site(name: str) -> DrivenSite:
    terms = StorageTerms(
        charge_w=2500 * _KW,
        discharge_w=2500 * _KW,
        floor_wh=500 * _KW,
        ceiling_wh=4500 * _KW,
        end_wh=2500 * _KW,
        charge_ppm=960_000,
        discharge_ppm=960_000,
        import_w=5000 * _KW,
        export_w=5000 * _KW,
    )
    account = Account(id="A", zone=ZONE, parts="single_part")
    return DrivenSite(Site(name, name, ZONE, 5000 * _KW, 2500 * _KW, "sh-single-1-10kv", account), terms)


def _now() -> datetime:
    return datetime.now(UTC)


async def _until(what: Callable[[], bool], running: asyncio.Task[None], state: Callable[[], object]) -> None:
    give_up = time.monotonic() + _GIVE_UP_S
    while not what():
        assert time.monotonic() < give_up, f"it does not come: {state()}"
        assert not running.done(), running
        await asyncio.sleep(0.02)


@contextmanager
def _peer(count: int) -> Iterator[tuple[list[int], int]]:
    profiles = ("--profile", str(_EXAMPLES / "bess_swapped.toml"), "--meter")
    served = (*profiles, str(_EXAMPLES / "meter_import_export.toml"), "--count", str(count))
    process = subprocess.Popen(
        [sys.executable, "-m", "adapters.bess_peer", *served, "--port", "0", "--control", "0"],
        cwd=_ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        told = json.loads(process.stdout.readline())
        yield told["ports"], told["control"]
    finally:
        process.terminate()
        process.wait(timeout=10)


def _ask(control: int, lines: list[dict[str, object]]) -> None:
    with socket.create_connection(("127.0.0.1", control), timeout=10) as connection:
        connection.sendall(b"".join(json.dumps(line).encode() + b"\n" for line in lines))
        with connection.makefile("rb") as answers:
            for _ in lines:
                assert json.loads(answers.readline()) == {"ok": True}
