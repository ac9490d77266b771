"""The one GET that records something, the first bundle of a run, and not when it is asked as of a moment."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.adapters.conftest import Bench
from tests.adapters.http.conftest import HOST, Api, problem
from tests.adapters.test_settling import filled

STATEMENT = f"/v1/statements/eaas-s1/2026-08/{HOST}"


@pytest.fixture
def api(bench: Bench) -> Iterator[Api]:
    filled(bench)
    made = Api(bench)
    assert made.post("/v1/settlements", {"month": "2026-08"}, role="finance").status_code == 201
    made.wait()
    yield made
    made.close()


def last(api: Api) -> int:
    return api.bench.client.run(api.bench.log.last_sequence())


def test_only_the_first_bundle_records_and_none_as_of(api: Api) -> None:
    for address in (STATEMENT, f"{STATEMENT}/lines/1/explain", f"{STATEMENT}/bundle"):
        api.get(address, "finance")  # makes the key of the role, and the first commitment
    kinds = api.bench.query(
        "SELECT aggregate FROM ledger.envelope WHERE starts_with(aggregate, 'disclosure')"
    )
    assert kinds == [("disclosure.eaas-s1_2026-08",), ("disclosure_secret.eaas-s1_2026-08",)]
    now = last(api)
    whole = api.get(f"{STATEMENT}/bundle", "finance").content
    assert api.get(f"{STATEMENT}/bundle", "finance", as_of=str(now)).content == whole
    assert last(api) == now


def test_as_of_nothing_is_committed_to(api: Api) -> None:
    api.get(STATEMENT, "finance")
    now = last(api)
    answer = api.get(f"{STATEMENT}/bundle", "finance", as_of=str(now))
    problem(answer, 404, "unknown_commitment", "as_of")
    for address in (STATEMENT, f"{STATEMENT}/lines/1/explain", "/v1/statements"):
        for of in ({}, {"as_of": str(now)}):
            assert api.get(address, "finance", **of).status_code == 200
    assert last(api) == now
