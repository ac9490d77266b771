"""A book with its API, its projector running, and a key for each role."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from functools import cached_property
from typing import Any

import httpx
import pytest
from litestar import Litestar
from litestar.testing import TestClient

from adapters.http.app import create_app
from adapters.http.secret import digest_of, new_secret
from adapters.personal.keys import PersonalKeys
from adapters.personal.people import People
from adapters.settling import wait_until
from adapters.webhooks.signing_keys import SigningKeys
from ledger.access import ROLES, Grant, GrantKey, Role
from tests.adapters.conftest import Bench
from tests.adapters.test_settling import CONTRACT, filled
from tests.adapters.transparency.books import published_log
from tests.stack import NatsServer, PostgresServer

HOST = "host-s1"
"""The party that the partner's key belongs to."""


class Api:
    """The API of one test book, asked as one of the roles."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.projector = bench.projector()
        self._thread = threading.Thread(target=self.projector.run)
        self._thread.start()
        self.published = published_log(bench, bench.nats.folder)
        keys = PersonalKeys(bench.nats.folder / "personal" / bench.book)
        self.people = People(bench.door, bench.database, keys, bench.clock)
        self.secrets: dict[str, str] = {}
        self._numbers = itertools.count()

    @cached_property
    def client(self) -> TestClient[Litestar]:
        """Made when it is first asked: an application costs more than many a test that only projects."""
        made = TestClient(self.app())
        made.__enter__()
        return made

    def app(self) -> Litestar:
        bench = self.bench
        return create_app(
            bench.door,
            bench.database,
            lambda: self.projector.halted,
            bench.clock,
            self.published,
            self.people,
            SigningKeys(bench.nats.folder / "webhooks" / bench.book),
        )

    def restart(self) -> None:
        """The API anew, as another process would serve it: what it remembers itself is gone."""
        self._end_client()

    def _end_client(self) -> None:
        if "client" in self.__dict__:
            self.client.__exit__(None, None, None)
            del self.client

    def grant(self, role: Role, party: str | None = None, actor: str | None = None) -> str:
        """A new key's secret; it is in force when this returns."""
        secret = new_secret()
        number = next(self._numbers)
        grant = Grant(f"key-{number}", digest_of(secret), actor or f"{role}-{number}", role, party)
        receipt = self.bench.door.execute(GrantKey(grant), command_id=f"grant-{number}", actor="setup")
        self.wait(receipt.sequence)
        return secret

    def wait(self, sequence: int | None = None) -> None:
        last = self.bench.recorder.max_notification_id() if sequence is None else sequence
        assert last is not None
        wait_until(self.bench.database, self.bench.book, last, 20)

    def secret(self, role: Role) -> str:
        if role not in self.secrets:
            self.secrets[role] = self.grant(role, HOST if role == "partner" else None)
        return self.secrets[role]

    def get(self, path: str, role: Role = "admin", **parameters: object) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.secret(role)}"}
        return self.client.get(path, headers=headers, params=parameters or None)  # type: ignore[arg-type]

    def post(
        self, path: str, body: Any = None, role: Role = "admin", key: str | None = None, **more: Any
    ) -> httpx.Response:
        """With a fresh Idempotency-Key unless `key` says which; bytes are sent as they are."""
        headers = {
            "Authorization": f"Bearer {self.secret(role)}",
            "Idempotency-Key": key or f"test-{next(self._numbers)}",
            **more.pop("headers", {}),
        }
        if isinstance(body, bytes):
            more["content"] = body
        elif body is not None:
            more["json"] = body
        return self.client.post(path, headers=headers, **more)

    def close(self) -> None:
        self._end_client()
        self.projector.stop()
        self._thread.join()


@pytest.fixture
def api(bench: Bench) -> Iterator[Api]:
    made = Api(bench)
    yield made
    made.close()


@pytest.fixture(scope="module")
def settled(nats_server: NatsServer, migrated: PostgresServer) -> Iterator[Api]:
    """A book whose August is settled once; tests of this module share it and only add to it."""
    bench = Bench(nats_server, migrated)
    filled(bench)
    made = Api(bench)
    done = made.post("/v1/settlements", {"month": "2026-08"}, role="finance", key="first")
    assert done.status_code == 201, done.text
    made.wait()
    yield made
    made.close()
    bench.close()


__all__ = ["CONTRACT", "HOST", "ROLES", "Api", "problem"]


def problem(answer: httpx.Response, status: int, code: str, place: str | None = None) -> dict[str, Any]:
    """The problem details of an answer, which are as they must be."""
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    body: dict[str, Any] = answer.json()
    assert (answer.status_code, body["status"], body["code"]) == (status, status, code), body
    assert body["type"] == f"urn:wattledger:refusal:{code}"
    assert body["title"] and body["detail"]
    assert "Traceback" not in answer.text
    if place is not None:
        assert body["place"] == place, body
    return body
