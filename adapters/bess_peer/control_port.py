"""The port on which faults are asked for and the truth is told: a JSON object a line, and a line back."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final, cast

import msgspec

from adapters.bess_peer.fault import Fault
from adapters.bess_peer.peer_clock import PeerClock
from adapters.bess_peer.storage import Storage
from ledger.refusal import Refused

_LINE_MAX: Final = 65_536
_LAPSE_MS_MAX: Final = 86_400_000


class _Asked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="do"):
    """`storage`: its number from 0; all of them where it is left out."""

    storage: int | None = None


class Break(_Asked, frozen=True, kw_only=True, tag="fault"):
    fault: Fault


class Clear(_Asked, frozen=True, kw_only=True, tag="clear"):
    """Every fault of it ends."""


class Tell(_Asked, frozen=True, kw_only=True, tag="tell"):
    """How it is in truth, whatever its registers show."""


class Put(_Asked, frozen=True, kw_only=True, tag="put"):
    """The site's load in W from now on, and the state of charge in thousandths of a percent now."""

    load_w: int | None = None
    soc: int | None = None

    def __post_init__(self) -> None:
        if self.soc is not None and not 0 <= self.soc <= 100_000:
            raise Refused("peer_fault", "0 to 100000", place="soc")


class Lapse(_Asked, frozen=True, kw_only=True, tag="lapse"):
    """So many milliseconds pass at once, for all storages: the clock is one. Without `beats` no heart beats
    in it."""

    ms: int
    beats: bool = True

    def __post_init__(self) -> None:
        if not 1 <= self.ms <= _LAPSE_MS_MAX or self.storage is not None:
            raise Refused("peer_fault", f"1 to {_LAPSE_MS_MAX} ms, of all storages", place="ms")


_DECODER: Final = msgspec.json.Decoder(Break | Clear | Tell | Put | Lapse)


def answer(line: bytes, storages: Sequence[Storage], clock: PeerClock) -> dict[str, Any]:
    """What a line asks for is done, and the answer to it."""
    now_ms = clock()
    try:
        asked = _DECODER.decode(line)
        if asked.storage is not None and not 0 <= asked.storage < len(storages):
            raise Refused("peer_fault", f"0 to {len(storages) - 1}", place="storage")
        chosen = storages if asked.storage is None else [storages[asked.storage]]
        told = [_done(asked, storage, now_ms) for storage in chosen]
        if isinstance(asked, Lapse):
            clock.lapse(asked.ms)
    except Refused as refused:
        return {"ok": False, "code": refused.code, "place": refused.place, "message": refused.reason}
    except msgspec.MsgspecError as error:
        return {"ok": False, "code": "peer_fault", "place": "", "message": str(error)}
    return {"ok": True, "storages": told} if isinstance(asked, Tell) else {"ok": True}


def _done(asked: Break | Clear | Tell | Put | Lapse, storage: Storage, now_ms: int) -> dict[str, Any]:
    storage.advance(now_ms)
    match asked:
        case Lapse():
            storage.lapse(now_ms, asked.ms, beats=asked.beats)
        case Break():
            storage.begin(asked.fault, now_ms)
        case Clear():
            storage.clear(now_ms)
        case Put():
            if asked.load_w is not None:
                storage.battery.load_w = asked.load_w
            if asked.soc is not None:
                storage.battery.soc = asked.soc
        case Tell():
            return _truth(storage)
    return {}


def _truth(storage: Storage) -> dict[str, Any]:
    battery = storage.battery
    return {
        "power_w": battery.power_w,
        "target_w": battery.target_w,
        "setpoint_w": storage.setpoint_w,
        "enabled": storage.enabled,
        "tripped": storage.tripped,
        "soc": battery.soc,
        "stored_wh": battery.stored_wh,
        "grid_w": battery.grid_w,
        "import_uj": battery.import_uj,
        "export_uj": battery.export_uj,
        "charged_uj": battery.charged_uj,
        "discharged_uj": battery.discharged_uj,
        "requests": storage.requests,
        "writes": storage.writes,
        "beats": storage.beats,
        "faults": storage.faults.names(),
    }


class ControlConnection(asyncio.Protocol):
    """One client: a line, an answer."""

    def __init__(self, storages: Sequence[Storage], clock: PeerClock) -> None:
        self._storages = storages
        self._clock = clock
        self._buffer = bytearray()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass.

    def data_received(self, data: bytes) -> None:
        assert self._transport is not None
        self._buffer += data
        *lines, rest = self._buffer.split(b"\n")
        self._buffer = rest
        for line in lines:
            told = answer(bytes(line), self._storages, self._clock)
            self._transport.write(msgspec.json.encode(told) + b"\n")
        if len(rest) > _LINE_MAX:
            self._transport.close()


async def listen(storages: Sequence[Storage], host: str, port: int, clock: PeerClock) -> asyncio.Server:
    """Serve the control port; port 0 takes a free one."""
    loop = asyncio.get_running_loop()
    return await loop.create_server(lambda: ControlConnection(storages, clock), host, port)
