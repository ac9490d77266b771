"""A server whose port another took between the choice and the start is started on other ports."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from adapters.embedded import cluster as cluster_module
from adapters.embedded import nats_server as server_module
from adapters.embedded.cluster import NatsCluster
from adapters.embedded.nats_server import NatsServer


@pytest.fixture
def taken() -> Iterator[int]:
    """A port on which something speaks at once, and not HTTP, as NATS does to its clients."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def talk() -> None:
            with contextlib.suppress(OSError):
                while True:
                    with listener.accept()[0] as caller:
                        caller.sendall(b'INFO {"server_id":"another"}\r\n')

        talking = threading.Thread(target=talk)
        talking.start()
        yield int(listener.getsockname()[1])
        listener.shutdown(socket.SHUT_RDWR)
        talking.join()


def once(taken: int, chosen: Callable[..., list[int]]) -> Callable[..., list[int]]:
    """The first choice ends with the taken port."""
    first = [taken]

    def choose(*asked: object) -> list[int]:
        ports = chosen(*asked)
        return [*ports[:-1], first.pop()] if first else ports

    return choose


def test_a_server_s(taken: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "kept_ports", once(taken, server_module.kept_ports))
    server = NatsServer(tmp_path / "nats")
    assert str(taken) not in server.monitor_url
    server.stop()


def test_a_cluster_s(taken: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster_module, "free_ports", once(taken, cluster_module.free_ports))
    cluster = NatsCluster(tmp_path / "cluster")
    assert taken not in cluster.monitor_ports
    cluster.stop()
