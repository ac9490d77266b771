"""Up to which size the stream may grow that a repair makes in the place of another."""

from __future__ import annotations

from typing import Final

from adapters.nats import stream
from adapters.repair_survey import Shop
from ledger.refusal import Refused

_BESIDE: Final = 256
"""What a message takes beside its payload: its subject, its headers and its own sums, some 170 bytes."""


def stored_bytes(payload: bytes) -> int:
    """What an envelope takes in a stream, rather too much than too little."""
    return len(payload) + _BESIDE


def bound_of(standing: stream.Standing | None) -> int:
    """The size to which a stream may grow; 0 where there is none, or no bound."""
    return 0 if standing is None else max(0, standing.config.get("max_bytes", 0))


def bound(shop: Shop, standing: stream.Standing | None, *, kept: int, content: int) -> int:
    """The bound for a stream that takes the place of the one that stands, and holds `content` bytes.

    It is the one that was `kept`, as it is the operator's; where that is 0, too small or more than the
    servers may promise, a new stream's. Deleting the one that stands gives back what it was promised.

    Raises:
        Refused: `no_space`.
    """
    left = stream.room(shop.operator, replicas=shop.replicas)
    room = None if left is None else left + bound_of(standing)
    for one in (kept, shop.max_bytes):
        if one >= max(1, content) and (room is None or one <= room):
            return one
    had = f"might grow to {kept}" if kept else "is gone"
    promised = "what is not known" if room is None else f"{max(0, room)}"
    raise Refused(
        "no_space",
        f"the stream of book {shop.book} needs {content} bytes and {had}; a new one is given"
        f" {shop.max_bytes}, and the servers may still promise {promised}: set WATTLEDGER_STREAM_MAX_BYTES"
        " to a size that there is room for, or free disk space and start the servers again; then repair"
        " again, nothing was deleted",
        place="stream_max_bytes",
    )
