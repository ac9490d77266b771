"""The two streams of a book's telemetry: beside the book's own, outside replay, a subject a device.

`TELEMETRY_<book>` is on the disk for days and is what intervals are settled from. `FAST_<book>` is in the
server's memory for minutes and is never settled from. Both let the oldest go, by age or by size: telemetry
that is older than what was recorded from it is worth nothing, and a device must not stop for want of room.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from adapters.nats.client import NatsClient
from adapters.nats.stream import WeakStream, alter, compression_of, configuration, ensure

Channel = Literal["seconds", "fast"]

_NS: Final = 10**9
DAYS: Final = 7
"""Unless the settings say otherwise."""
DAYS_MIN: Final = 3
"""A silent device's day is waited for two days (adapters.health.day_taking), and then read."""
FAST_MINUTES: Final = 10
BYTES_SHARE: Final = 8
"""A book's telemetry may take an eighth of what the book itself may."""
FAST_BYTES_MAX: Final = 64 << 20
_MSG_BYTES: Final = 1 << 20
_NAMES: Final = {"seconds": "TELEMETRY", "fast": "FAST"}


class Retention(msgspec.Struct, frozen=True):
    """How long samples stay, in seconds, and to how many bytes they may grow."""

    seconds: int
    max_bytes: int


def stream_name(book: str, channel: Channel = "seconds") -> str:
    return f"{_NAMES[channel]}_{book}"


def subject(book: str, device: str, channel: Channel = "seconds") -> str:
    """Where a device's samples are; `*` for all. No book's own subjects begin so: a book's name has no $."""
    return f"${_NAMES[channel]}.{book}.{device}"


def create(client: NatsClient, book: str, *, max_bytes: int, replicas: int = 1, days: int = DAYS) -> None:
    """Create both; existing ones are left as they are and judged by `verify`.

    `max_bytes` is that of the book's own stream. Needs the operator's identity.

    Raises:
        StreamError: the server refuses.
    """
    room = max(1, max_bytes // BYTES_SHARE)
    for channel, kept in (
        ("seconds", {"storage": "file", "max_age": days * 86_400 * _NS, "max_bytes": room}),
        (
            "fast",
            {"storage": "memory", "max_age": FAST_MINUTES * 60 * _NS, "max_bytes": min(room, FAST_BYTES_MAX)},
        ),
    ):
        config = _guarantees(book, channel) | kept | {"num_replicas": replicas}  # type: ignore[arg-type]
        if channel == "seconds":
            config["compression"] = compression_of(replicas)
        ensure(client, config | {"max_msg_size": _MSG_BYTES})


def keep(client: NatsClient, book: str, *, days: int) -> int:
    """Let samples stay for `days` from now on; answers for how many they did. Needs the operator's identity.

    Raises:
        StreamError: the stream is not there, or the server refuses.
    """
    name = stream_name(book)
    config = configuration(client, name)
    before = int(config.get("max_age", 0)) // (86_400 * _NS)
    if before != days:
        alter(client, f"STREAM.UPDATE.{name}", config | {"max_age": days * 86_400 * _NS})
    return before


def _guarantees(book: str, channel: Channel) -> dict[str, object]:
    return {
        "name": stream_name(book, channel),
        "subjects": [subject(book, "*", channel)],
        "storage": "file" if channel == "seconds" else "memory",
        "retention": "limits",
        "discard": "old",
        "deny_delete": True,
        "deny_purge": True,
        "allow_direct": True,
        "allow_atomic": True,
    }


def verify(client: NatsClient, book: str, channel: Channel = "seconds") -> Retention:
    """Refuse a stream that keeps other subjects, another way, or without a bound.

    Raises:
        WeakStream: names each field, what it is and what it must be.
        StreamError: the stream does not exist.
    """
    config = configuration(client, stream_name(book, channel))
    weak = [
        f"{field} is {config.get(field)!r}, must be {wanted!r}"
        for field, wanted in _guarantees(book, channel).items()
        if config.get(field) != wanted
    ]
    kept = Retention(int(config.get("max_age", 0)) // _NS, int(config.get("max_bytes", -1)))
    if kept.seconds <= 0 or kept.max_bytes <= 0:
        weak.append("max_age and max_bytes must be set")
    if weak:
        raise WeakStream(f"stream {stream_name(book, channel)} is not fit for use: " + "; ".join(weak))
    return kept
