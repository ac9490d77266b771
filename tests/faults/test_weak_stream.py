"""A stream or server that could lose facts is refused by name, and the application cannot weaken one."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from pathlib import Path
from signal import SIGTERM
from typing import Any

import msgspec
import pytest

from adapters.embedded.child import Child
from adapters.embedded.nats_server import NatsServer
from adapters.nats import stream
from adapters.nats.client import NatsClient
from adapters.nats.stream import Guarantees, WeakStream, stream_name
from tests.faults.rig import BOOK
from tests.stack import shared_nats

WEAKER: dict[str, tuple[dict[str, Any], list[str]]] = {
    "deny_delete": ({"deny_delete": False}, ["deny_delete is False, must be True"]),
    "deny_purge": ({"deny_purge": False}, ["deny_purge is False, must be True"]),
    "rollup": (
        {"deny_purge": False, "allow_rollup_hdrs": True},
        ["deny_purge is False", "allow_rollup_hdrs is True, must be False"],
    ),
    "discard": ({"discard": "old"}, ["discard is 'old', must be 'new'"]),
    "max_bytes": ({"max_bytes": -1}, ["max_bytes is -1, must be set"]),
    "max_msgs": ({"max_msgs": 10}, ["max_msgs is 10, must be -1"]),
    "max_msgs_per_subject": ({"max_msgs_per_subject": 1}, ["max_msgs_per_subject is 1, must be -1"]),
    "max_age": ({"max_age": 10**12}, ["max_age is 1000000000000, must be 0"]),
    "storage": (
        {"storage": "memory", "compression": "none"},
        ["storage is 'memory'", "compression is 'none'"],
    ),
    "retention": ({"retention": "workqueue"}, ["retention is 'workqueue', must be 'limits'"]),
    "allow_atomic": ({"allow_atomic": False}, ["allow_atomic is False, must be True"]),
    "allow_direct": ({"allow_direct": False}, ["allow_direct is False, must be True"]),
    "subjects": ({"subjects": [f"{BOOK}.>", "else.>"]}, ["subjects is ['faults.>', 'else.>']"]),
    "several": (
        {"deny_delete": False, "discard": "old", "max_bytes": -1},
        ["deny_delete is False", "discard is 'old'", "max_bytes is -1"],
    ),
    "message ttl": ({"allow_msg_ttl": True}, ["allow_msg_ttl is True, must be False"]),
    "persist mode": (
        {"allow_atomic": False, "persist_mode": "async"},
        ["allow_atomic is False", "persist_mode is 'async', must be 'default'"],
    ),
    "sealed": ({"sealed": True}, ["sealed"]),
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServer]:
    with shared_nats(tmp_path_factory.mktemp("weak")) as made:
        yield made


@pytest.fixture
def operator(server: NatsServer) -> Iterator[NatsClient]:
    client = server.operator()
    yield client
    client.run(_api(client, f"STREAM.DELETE.{stream_name(BOOK)}", {}))
    client.close()


async def _api(client: NatsClient, verb: str, body: dict[str, Any], timeout: float = 5.0) -> dict[str, Any]:
    answer = await client.request(f"$JS.API.{verb}", msgspec.json.encode(body), timeout=timeout)
    decoded: dict[str, Any] = msgspec.json.decode(answer.data)
    return decoded


def create(client: NatsClient, **changes: Any) -> dict[str, Any]:
    config = msgspec.to_builtins(Guarantees(subjects=[f"{BOOK}.>"]))
    config |= {"name": stream_name(BOOK), "num_replicas": 1, "max_bytes": 1 << 20} | changes
    answer = client.run(_api(client, f"STREAM.CREATE.{stream_name(BOOK)}", config))
    assert "error" not in answer, answer
    return answer


@pytest.mark.fault
@pytest.mark.parametrize("weakness", WEAKER)
def test_each_weaker_field_is_named(server: NatsServer, operator: NatsClient, weakness: str) -> None:
    changes, named = WEAKER[weakness]
    sealed = changes.pop("sealed", False)
    created = create(operator, **changes)
    if sealed:
        answer = operator.run(
            _api(operator, f"STREAM.UPDATE.{stream_name(BOOK)}", created["config"] | {"sealed": True})
        )
        assert "error" not in answer, answer
    with pytest.raises(WeakStream) as refused:
        stream.verify(operator, BOOK, server.monitor_url)
    for words in named:
        assert words in str(refused.value)
    assert str(refused.value).count(";") + 1 == len(named), "nothing else is blamed"


@pytest.mark.fault
def test_a_strong_stream_is_accepted(server: NatsServer, operator: NatsClient) -> None:
    create(operator)
    stream.verify(operator, BOOK, server.monitor_url)
    with pytest.raises(WeakStream, match="no NATS monitoring address"):
        stream.verify(operator, BOOK, None)
    with pytest.raises(WeakStream, match="num_replicas is 1, must be 3"):
        stream.verify(operator, BOOK, server.monitor_url, replicas=3)


@pytest.mark.fault
def test_most_servers_must_say_how_they_sync(server: NatsServer, operator: NatsClient) -> None:
    """One of three may be away; of two, both are needed, as one says nothing of the other."""
    create(operator)
    there, away = server.monitor_url, "http://127.0.0.1:9"
    stream.verify(operator, BOOK, f"{there},{away},{there}")
    for addresses in (f"{there},{away}", f"{away},{there},{away}", away):
        with pytest.raises(WeakStream, match=f"no answer from {away}"):
            stream.verify(operator, BOOK, addresses)


@pytest.mark.fault
def test_a_server_that_does_not_sync_every_write_is_refused(tmp_path: Path) -> None:
    server = NatsServer(tmp_path)
    server.stop()
    config = tmp_path / "server.conf"
    config.write_text(config.read_text().replace(", sync_interval: always", ""))
    child = Child("NATS", [*server.child.process.args], tmp_path / "log", stop_signal=SIGTERM, grace=5)  # type: ignore[misc, list-item]
    child.wait_until(server._healthy)
    client = server.operator()
    try:
        create(client)
        with pytest.raises(WeakStream, match="sync_interval is not 'always'"):
            stream.verify(client, BOOK, server.monitor_url)
    finally:
        client.close()
        child.stop()


@pytest.mark.fault
def test_the_application_may_not_alter_what_is_stored(server: NatsServer, operator: NatsClient) -> None:
    """The operator is answered on each of these, if only with a refusal; the application is not heard."""
    config = create(operator)["config"]
    app = server.app()
    name = stream_name(BOOK)
    expected = {"Nats-Expected-Last-Subject-Sequence": "0"}
    stored = app.run(app.request(f"{BOOK}.party.p1", b"{}\n{}", timeout=5, headers=expected))
    assert msgspec.json.decode(stored.data)["seq"] == 1
    forbidden: dict[str, dict[str, Any]] = {
        f"STREAM.UPDATE.{name}": config | {"deny_delete": False, "max_msgs": 1},
        f"STREAM.PURGE.{name}": {},
        f"STREAM.MSG.DELETE.{name}": {"seq": 1},
        f"STREAM.SNAPSHOT.{name}": {"deliver_subject": "_INBOX.nowhere"},
        f"STREAM.RESTORE.{name}": {"config": config},
        f"STREAM.CREATE.{name}2": config | {"name": f"{name}2", "subjects": ["second.>"]},
        f"STREAM.DELETE.{name}": {},
    }

    async def ask_all(client: NatsClient, timeout: float) -> list[dict[str, Any] | BaseException]:
        asked = [_api(client, verb, body, timeout) for verb, body in forbidden.items()]
        return await asyncio.gather(*asked, return_exceptions=True)

    unheard = app.run(ask_all(app, 0.5))
    assert all(isinstance(answer, TimeoutError) for answer in unheard), unheard
    rollup = app.run(app.request(f"{BOOK}.party.p1", b"{}\n{}", timeout=5, headers={"Nats-Rollup": "all"}))
    assert "rollup not permitted" in msgspec.json.decode(rollup.data)["error"]["description"]
    after = stream.state(operator, BOOK)
    assert (after.first_seq, after.last_seq, after.messages) == (1, 1, 1)
    stream.verify(operator, BOOK, server.monitor_url)
    heard = operator.run(ask_all(operator, 5))
    assert all(isinstance(answer, dict) for answer in heard), heard
    app.close()
    create(operator)


@pytest.mark.fault
def test_a_stranger_is_not_let_in(server: NatsServer) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as stranger:
        lines = stranger.makefile("rb")
        assert lines.readline().startswith(b"INFO ")
        stranger.sendall(b'CONNECT {"verbose": false}\r\nPING\r\n')
        assert lines.readline() == b"-ERR 'Authorization Violation'\r\n"
        lines.close()
