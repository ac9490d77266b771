"""Two books' APIs in one process: what they have in common is their routes alone."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.adapters import sample
from tests.adapters.conftest import Bench
from tests.adapters.http.conftest import Api, problem
from tests.stack import NatsServer, PostgresServer


@pytest.fixture
def other(nats_server: NatsServer, migrated: PostgresServer) -> Iterator[Api]:
    bench = Bench(nats_server, migrated)
    made = Api(bench)
    yield made
    made.close()
    bench.close()


def test_each_answers_from_its_own_book_and_to_its_own_keys(api: Api, other: Api) -> None:
    for one, name in ((api, "ours"), (other, "theirs")):
        one.bench.door.execute(sample.register_party(name), command_id=name, actor="ada")
        one.wait()
    for one, name in ((api, "ours"), (other, "theirs"), (api, "ours")):
        assert [item["id"] for item in one.get("/v1/parties").json()["items"]] == [name]
    api.secrets["admin"] = other.secret("admin")
    problem(api.get("/v1/parties"), 401, "unauthenticated")


def test_who_saw_what_stands_in_the_book_that_was_asked(api: Api, other: Api) -> None:
    assert other.get("/v1/status").status_code == 200, "which is not recorded"
    assert api.get("/v1/contracts", "auditor").status_code == 200
    seen = {one: len(one.get("/v1/access-log", "auditor").json()["items"]) for one in (api, other)}
    assert seen == {api: 1, other: 0}
