"""How a book's stream must be configured, who may change it, and the refusal of anything weaker.

Creating and altering a stream needs the operator's identity (`wattledger admin`); the application's
account may not (see `server.py`), because `deny_delete` and `deny_purge` alone do not stop a
configuration update from truncating the stream.
"""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeVar

import msgspec
from nats.aio.msg import Msg

from adapters.nats.client import NatsClient
from adapters.nats.question import ANSWER_S, ask, until_answered

T = TypeVar("T")
_API_SECONDS: Final = 5.0
_THERE_S: Final = 10.0
_AGAIN_S: Final = 0.1


class WeakStream(RuntimeError):
    """The stream or its server is configured so that facts could be lost or altered; start refuses."""


class StreamError(RuntimeError):
    """NATS refused a request about a stream."""

    def __init__(self, code: int, description: str) -> None:
        super().__init__(f"{description} (NATS error {code})")
        self.code = code


class Guarantees(msgspec.Struct, frozen=True):
    """How a stream of facts is made, and must stay; DESIGN: what it may never do.

    `compression` is that of one node; see `compression_of`. Whatever else a server says of a stream must be
    false, zero or empty, but for `FREE`.
    """

    subjects: list[str]
    storage: str = "file"
    retention: str = "limits"
    discard: str = "new"
    deny_delete: bool = True
    deny_purge: bool = True
    allow_atomic: bool = True
    allow_direct: bool = True
    allow_rollup_hdrs: bool = False
    allow_msg_ttl: bool = False
    persist_mode: str = "default"
    compression: str = "s2"
    max_msgs: int = -1
    max_msgs_per_subject: int = -1
    max_age: int = 0
    max_consumers: int = -1
    max_msg_size: int = -1
    duplicate_window: int = 120_000_000_000


FREE: Final = frozenset({"name", "description", "metadata", "placement", "num_replicas", "max_bytes"})
"""What an operator may choose and change: what it is called, where it lies, how often, and up to what size.
The last two must be enough (`weaknesses`), and are put on record as they change (`stated_settings.py`)."""


class StreamState(msgspec.Struct, frozen=True):
    messages: int
    bytes: int
    first_seq: int
    last_seq: int
    subjects: dict[str, int] = {}

    @property
    def whole(self) -> bool:
        """Whether the stream says that it holds every message from the first to its last."""
        return self.messages == self.last_seq and (self.last_seq == 0 or self.first_seq == 1)


class Standing(msgspec.Struct, frozen=True):
    """What the server says of a stream: when it was made, how it is configured, what it holds."""

    created: str
    config: dict[str, Any]
    state: StreamState


class _ApiError(msgspec.Struct, frozen=True):
    err_code: int = 0
    description: str = ""


class _Info(msgspec.Struct, frozen=True):
    created: str = ""
    config: dict[str, Any] | None = None
    state: StreamState | None = None
    error: _ApiError | None = None


NOT_FOUND: Final = 10059
IN_USE: Final = 10058
NO_SPACE: Final = 10047
"""A new stream's bound is above what the server may still promise."""
UNSAID: Final = {"persist_mode": "default", "compression": "none"}
"""What a field is that the server leaves out, where that is not false, zero or empty."""


def compression_of(replicas: int) -> str:
    """How a stream may be compressed that is held so often.

    A node that starts cuts a replicated stream back to its last snapshot and replays the rest. NATS 2.15 may
    then compress the block that it goes on writing to: the next start cannot read it and drops the stream.
    Three nodes that fail together have lost a whole book so (tests/faults/test_cluster_restarts.py).
    """
    return "s2" if replicas == 1 else "none"


def stream_name(book: str) -> str:
    return f"BOOK_{book}"


def create(client: NatsClient, book: str, *, max_bytes: int, replicas: int = 1) -> None:
    """Create the book's stream; an existing one is left as it is and judged by `verify`."""
    wanted = Guarantees(subjects=[f"{book}.>"], compression=compression_of(replicas))
    config = msgspec.to_builtins(wanted) | {
        "name": stream_name(book),
        "num_replicas": replicas,
        "max_bytes": max_bytes,
    }
    ensure(client, config)


def state(client: NatsClient, book: str, subjects_filter: str = "") -> StreamState:
    """The stream's own account of itself, from its leader.

    Raises:
        StreamError: the stream does not exist or the server refuses.
    """
    query = {"subjects_filter": subjects_filter} if subjects_filter else {}
    info = client.run(_info(client, stream_name(book), query))
    assert info.state is not None
    return info.state


def standing(client: NatsClient, book: str, *, within: float = ANSWER_S) -> Standing:
    """The account that the book's stream gives of itself, from its leader; asked again for `within` seconds.

    Raises:
        StreamError: the stream does not exist or the server refuses.
    """
    return standing_of(client, stream_name(book), within=within)


def standing_of(client: NatsClient, name: str, *, within: float = ANSWER_S) -> Standing:
    """As `standing`, of the stream of that name."""
    info = client.run(_info(client, name, within=within))
    assert info.config is not None
    assert info.state is not None
    return Standing(info.created, info.config, info.state)


def delete(client: NatsClient, book: str) -> None:
    """Delete the book's stream with all it holds; only the operator's identity may, and only a repair does.

    Raises:
        StreamError: the server refuses.
    """
    try:
        alter(client, f"STREAM.DELETE.{stream_name(book)}", {})
    except StreamError as error:
        if error.code != NOT_FOUND:
            raise


def verify(client: NatsClient, book: str, monitor_url: str | None, *, replicas: int = 1) -> Standing:
    """Refuse a stream that is weaker than `Guarantees`, and a server that does not sync every write.

    A minority of a cluster's servers may be away: the others can be asked.

    Raises:
        WeakStream: names each field, what it is and what it must be.
        StreamError: the stream does not exist.
    """
    found = standing(client, book)
    weak = weaknesses(found.config, book, replicas=replicas)
    if monitor_url is None:
        weak.append("no NATS monitoring address is set, so sync_interval cannot be checked")
    else:
        weak += _unsynced(monitor_url.split(","))
    if weak:
        raise WeakStream(f"stream {stream_name(book)} is not safe to use: " + "; ".join(weak))
    return found


def weaknesses(config: Mapping[str, Any], book: str, *, replicas: int = 1) -> list[str]:
    """What of a stream's configuration could lose or alter facts; a stream made anew has none of it."""
    stored = config.get("num_replicas", 1)
    guarantees = Guarantees(subjects=[f"{book}.>"], compression=compression_of(max(stored, replicas)))
    wanted = msgspec.structs.asdict(guarantees)
    stated = {field: config.get(field, UNSAID.get(field, type(value)())) for field, value in wanted.items()}
    weak = [
        f"{field} is {stated[field]!r}, must be {value!r}"
        for field, value in wanted.items()
        if stated[field] != value
    ]
    weak += [
        f"{field} is {value!r}, must not be set"
        for field, value in config.items()
        if value and field not in FREE and field not in wanted and field != "sealed"
    ]
    if (max_bytes := config.get("max_bytes", -1)) <= 0:
        weak.append(f"max_bytes is {max_bytes}, must be set so that a full disk refuses new events")
    if stored < replicas:
        weak.append(f"num_replicas is {stored}, must be {replicas}")
    if config.get("sealed"):
        weak.append("the stream is sealed")
    return weak


def _unsynced(monitor_urls: Sequence[str]) -> list[str]:
    stated = [(url, _sync_always(url)) for url in monitor_urls]
    answered = [always for _, always in stated if always is not None]
    if not all(answered):
        return ["a server's sync_interval is not 'always': a power cut loses acknowledged events"]
    if 2 * len(answered) <= len(stated):
        silent = ", ".join(url for url, always in stated if always is None)
        return [f"no answer from {silent}: more than half of the servers must say their sync_interval"]
    return []


def _sync_always(monitor_url: str) -> bool | None:
    """None where nobody answers."""
    told = _jetstream(monitor_url)
    return None if told is None else told.get("config", {}).get("sync_always") is True


def _jetstream(monitor_url: str) -> dict[str, Any] | None:
    """What a server says of its streams as a whole; None where nobody answers."""
    try:
        with urllib.request.urlopen(f"{monitor_url}/jsz?config=1", timeout=_API_SECONDS) as answer:
            told: dict[str, Any] = json.load(answer)
            return told
    except OSError:
        return None


def room(client: NatsClient, *, replicas: int = 1) -> int | None:
    """Up to which size the servers may still promise a stream that is held so often; below zero where they
    promised more than they have by now. None where too few of them say it.

    A server has three quarters of what was free on its disk when it started.
    """
    told = [_jetstream(url) or {} for url in (client.monitor_url or "").split(",") if url]
    most = [(one.get("config", {}).get("max_storage"), one.get("reserved_storage", 0)) for one in told]
    left = sorted((size - promised for size, promised in most if size is not None), reverse=True)
    return left[replicas - 1] if len(left) >= replicas else None


def configuration(client: NatsClient, name: str) -> dict[str, Any]:
    """How the stream of that name is configured; asked again while nobody leads it.

    Raises:
        StreamError: it does not exist.
    """
    return client.run(_info(client, name)).config or {}


def ensure(client: NatsClient, config: Mapping[str, Any]) -> None:
    """Create a stream; one of its name is left as it is. Asked again while nobody leads the servers.

    Raises:
        StreamError: the server refuses.
    """
    name = config["name"]

    async def once() -> None:
        try:
            await _info(client, name, within=0)
        except StreamError as error:
            if error.code != NOT_FOUND:
                raise
            try:
                await _alter(client, f"STREAM.CREATE.{name}", config)
            except StreamError as refused:
                # Another process made it meanwhile, with another bound: each takes what it sees to be free.
                if refused.code != IN_USE:
                    raise

    client.run(until_answered(once))


def once_there(asked: Callable[[], T], within: float = _THERE_S) -> T:
    """What `asked` answers of a stream that was just created, here or by another process at the same time: it
    is not known on every node of a cluster at once.

    Raises:
        StreamError: it is still not there `within` so many seconds, or the server refuses.
    """
    give_up = time.monotonic() + within
    while True:
        try:
            return asked()
        except StreamError as error:
            if error.code != NOT_FOUND or time.monotonic() > give_up:
                raise
        time.sleep(_AGAIN_S)


def alter(client: NatsClient, verb: str, body: Mapping[str, Any]) -> None:
    """Change a stream, asked once.

    Raises:
        StreamError: the server refuses.
        OSError, nats.errors.Error: no answer; it may be done.
    """
    client.run(_alter(client, verb, body))


async def _info(
    client: NatsClient, name: str, query: dict[str, Any] | None = None, *, within: float = ANSWER_S
) -> _Info:
    return _accepted(await ask(client, f"STREAM.INFO.{name}", query, within=within))


async def _alter(client: NatsClient, verb: str, body: Mapping[str, Any]) -> None:
    content = msgspec.json.encode(body)
    _accepted(await client.request(f"$JS.API.{verb}", content, timeout=_API_SECONDS))


def _accepted(answer: Msg) -> _Info:
    info = msgspec.json.decode(answer.data, type=_Info)
    if info.error is not None:
        raise StreamError(info.error.err_code, info.error.description)
    return info
