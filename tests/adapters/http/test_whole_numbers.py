"""A whole number of an address has one spelling, on every route; a refusal names the parameter."""

from __future__ import annotations

import pytest

from adapters.http.permissions import PERMISSIONS
from tests.adapters.http.conftest import Api, problem

OTHERWISE = ("1e1", "10.0", "+10", "010", "1_0", " 10", "%EF%BC%91%EF%BC%90", "-1", "ten", "")


def test_every_number_of_a_query_is_in_digits(api: Api) -> None:
    """Whatever the route: the rights' list of all routes has them, the view's parameters are in several."""
    state = api.client.app.state
    asked = 0
    for route, names in sorted(state.whole_numbers.items()):
        method, _, path = route.partition(" ")
        for name in sorted(names & state.query_names[route].keys()):
            if method == "GET" and "{" not in path:
                asked += 1
                role = next(one for one in sorted(PERMISSIONS[route]) if one != "partner")
                answer = problem(api.get(f"{path}?{name}=1e1", role), 400, "parameter")
                assert answer["place"] == name, route
    assert asked > 20


@pytest.mark.parametrize("text", OTHERWISE)
def test_other_spellings(api: Api, text: str) -> None:
    api.secret("auditor")
    answer = problem(api.get(f"/v1/log/proofs/inclusion?sequence={text}"), 400, "parameter")
    assert answer["place"] == "sequence"


def test_the_one_spelling(api: Api) -> None:
    api.secret("auditor")
    assert api.get("/v1/events?limit=10").status_code == 200
    assert api.get("/v1/events/1").status_code == 200
    for text in ("01", "1_0", "+1"):
        assert api.get(f"/v1/events/{text}").status_code in {400, 404}


@pytest.mark.parametrize("text", ["1e0", "01", "+1", "1_0", "1.0"])
def test_a_position(api: Api, text: str) -> None:
    api.secret("admin")
    answer = api.get(f"/v1/parties?as_of={text}")
    assert answer.status_code in {400, 422}
    assert answer.json()["place"] == "as_of"
