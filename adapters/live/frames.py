"""Messages as server-sent events (WHATWG HTML 9.2), which browsers and most HTTP clients read.

The last frame of a sequence carries it as the event's id: who comes back with that id has missed nothing,
and who broke off within a sequence gets that sequence again.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Literal

import msgspec

from adapters.live.message import LiveMessage, encode

RETRY_MS: Final = 2000

EndReason = Literal["level", "slow_consumer", "shutdown", "key_not_in_force", "discontinuity", "failed"]
_DETAIL: Final[dict[EndReason, str]] = {
    "level": "that was all so far, and no more was asked for",
    "slow_consumer": "messages came faster than they were read; come back with the last id",
    "shutdown": "the server stops; come back with the last id",
    "key_not_in_force": "the key was revoked, or its role may not listen",
    "discontinuity": "the archive is not what was recorded; nothing of it is told until it is repaired",
    "failed": "our fault; it was logged",
}


class StreamEnd(msgspec.Struct, frozen=True):
    """The data of the last event, `end`: why no more comes on this connection."""

    reason: EndReason
    detail: str


def opening(sequence: int) -> bytes:
    """How long to wait before coming back, and where the stream begins."""
    return f"retry: {RETRY_MS}\nid: {sequence}\n: wattledger\n\n".encode()


def heartbeat(sequence: int) -> bytes:
    """Something to hear while nothing happens; moves the id past what was not asked for."""
    return f"id: {sequence}\n: heartbeat\n\n".encode()


def ending(reason: EndReason) -> bytes:
    data = msgspec.json.encode(StreamEnd(reason, _DETAIL[reason])).decode()
    return f"event: end\ndata: {data}\n\n".encode()


def framed(messages: Iterable[LiveMessage]) -> list[bytes]:
    """The frames of messages that a listener wants, in order."""
    found: list[bytes] = []
    wanted = list(messages)
    for number, one in enumerate(wanted):
        then = wanted[number + 1].sequence if number + 1 < len(wanted) else None
        found.append(_frame(one, last=one.sequence is not None and one.sequence != then))
    return found


def _frame(message: LiveMessage, *, last: bool) -> bytes:
    identity = f"id: {message.sequence}\n" if last else ""
    return f"{identity}event: {message.type}\ndata: ".encode() + encode(message) + b"\n\n"
