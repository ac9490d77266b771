"""The `eventsourcing` library's own conformance suites, unmodified, against a real NATS server."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator

import pytest
from eventsourcing.tests.persistence import (
    AggregateRecorderTestCase,
    ApplicationRecorderTestCase,
    NonInterleavingNotificationIDsBaseCase,
)

from adapters.nats import stream
from adapters.nats.client import NatsClient
from adapters.nats.log import Log
from adapters.nats.recorder import JetStreamAggregateRecorder, JetStreamApplicationRecorder
from tests.stack import NatsServer

_BOOKS = itertools.count()


class OnRealServer:
    """Gives each test a stream of its own on the shared server."""

    client: NatsClient

    @pytest.fixture(autouse=True)
    def _client(self, nats_server: NatsServer) -> Iterator[None]:
        type(self).client = nats_server.operator()
        yield
        self.client.close()

    def fresh_log(self) -> Log:
        book = f"conformance-{os.getpid()}-{next(_BOOKS)}"
        stream.create(self.client, book, max_bytes=64 << 20)
        return Log(self.client, book)


class TestAggregateRecorder(OnRealServer, AggregateRecorderTestCase):
    def create_recorder(self) -> JetStreamAggregateRecorder:
        return JetStreamAggregateRecorder(self.fresh_log())


class TestApplicationRecorder(OnRealServer, ApplicationRecorderTestCase[JetStreamApplicationRecorder]):
    def create_recorder(self) -> JetStreamApplicationRecorder:
        return JetStreamApplicationRecorder(self.fresh_log())

    def test_insert_subscribe(self) -> None:
        self.optional_test_insert_subscribe()


class TestNonInterleaving(OnRealServer, NonInterleavingNotificationIDsBaseCase):
    def create_recorder(self) -> JetStreamApplicationRecorder:
        return JetStreamApplicationRecorder(self.fresh_log())
