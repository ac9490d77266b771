"""The stream of a book's access records: beside the book's own, outside replay, kept for a stated time.

A record leaves it by age only: at its size limit the stream refuses new ones, because one that dropped the
oldest could be emptied of them by reading much.
"""

from __future__ import annotations

from typing import Final

import msgspec

from adapters.nats.client import NatsClient
from adapters.nats.question import ANSWER_S
from adapters.nats.stream import UNSAID, WeakStream, alter, compression_of, configuration, ensure, standing_of

_DAY_NS: Final = 86_400 * 10**9
BYTES_SHARE: Final = 16
"""A book's access records may take a sixteenth of what the book itself may."""
DAYS: Final = 1096
"""Three years, unless the settings say otherwise."""
DAYS_MIN: Final = 184
"""Six months, below which network logs may not be kept in China (Cybersecurity Law, article 21)."""


class Guarantees(msgspec.Struct, frozen=True):
    """The fields that must hold."""

    subjects: list[str]
    storage: str = "file"
    retention: str = "limits"
    discard: str = "new"
    deny_delete: bool = True
    deny_purge: bool = True
    allow_direct: bool = True
    allow_rollup_hdrs: bool = False
    allow_msg_ttl: bool = False
    persist_mode: str = "default"
    compression: str = "s2"
    max_msgs: int = -1
    max_msgs_per_subject: int = -1


class Retention(msgspec.Struct, frozen=True):
    """How long records stay, in whole days, and to how many bytes they may grow."""

    days: int
    max_bytes: int


def stream_name(book: str) -> str:
    return f"ACCESS_{book}"


def subject(book: str, actor: str) -> str:
    """Where an actor's records are; `*` for all. No book's own subjects begin so: a book's name has no $."""
    return f"$ACCESS.{book}.{actor}"


def create(
    client: NatsClient, book: str, *, max_bytes: int, replicas: int = 1, days: int = DAYS, first: int = 1
) -> None:
    """Create the stream; an existing one is left as it is and judged by `verify`.

    `max_bytes` is that of the book's own stream; `first` is the number of the first record. Needs the
    operator's identity.

    Raises:
        StreamError: the server refuses.
    """
    wanted = Guarantees(subjects=[subject(book, "*")], compression=compression_of(replicas))
    config = (
        msgspec.to_builtins(wanted)
        | {
            "name": stream_name(book),
            "num_replicas": replicas,
            "max_bytes": max(1, max_bytes // BYTES_SHARE),
            "max_age": days * _DAY_NS,
        }
        | ({} if first == 1 else {"first_seq": first})
    )
    ensure(client, config)


def keep(client: NatsClient, book: str, *, days: int) -> int:
    """Let records stay for `days` from now on; answers for how many they did. Needs the operator's identity.

    Raises:
        StreamError: the stream is not there, or the server refuses.
    """
    config = configuration(client, stream_name(book))
    before = int(config.get("max_age", 0)) // _DAY_NS
    if before != days:
        alter(client, f"STREAM.UPDATE.{stream_name(book)}", config | {"max_age": days * _DAY_NS})
    return before


def verify(client: NatsClient, book: str, *, within: float = ANSWER_S) -> Retention:
    """Refuse a stream that is weaker than `Guarantees`, or that forgets sooner than the law lets it.

    Raises:
        WeakStream: names each field, what it is and what it must be.
        StreamError: the stream does not exist.
    """
    config = standing_of(client, stream_name(book), within=within).config
    compression = compression_of(config.get("num_replicas", 1))
    guarantees = Guarantees(subjects=[subject(book, "*")], compression=compression)
    wanted = msgspec.structs.asdict(guarantees)
    stated = {field: config.get(field, UNSAID.get(field, type(value)())) for field, value in wanted.items()}
    weak = [
        f"{field} is {stated[field]!r}, must be {value!r}"
        for field, value in wanted.items()
        if stated[field] != value
    ]
    kept = Retention(int(config.get("max_age", 0)) // _DAY_NS, int(config.get("max_bytes", -1)))
    if kept.days < DAYS_MIN:
        weak.append(f"max_age is {kept.days} days, must be {DAYS_MIN} or more")
    if kept.max_bytes <= 0:
        weak.append(f"max_bytes is {kept.max_bytes}, must be set")
    if config.get("sealed"):
        weak.append("the stream is sealed")
    if weak:
        raise WeakStream(f"stream {stream_name(book)} is not safe to use: " + "; ".join(weak))
    return kept
