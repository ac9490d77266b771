"""The API's description without a server: what a client is generated from."""

from __future__ import annotations

import msgspec
import pytest
from litestar.exceptions import ImproperlyConfiguredException

from adapters.http import description
from tests.adapters.http.conftest import Api


def test_the_description_is_what_the_server_answers(settled: Api) -> None:
    served = msgspec.json.decode(settled.client.get("/docs/openapi.json").content)
    assert description.description()["paths"] == served["paths"]


def test_a_handler_that_is_given_something_unnamed_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is missing is said, not described as a parameter."""
    rest = tuple(one for one in description.GIVEN if one != "signing_keys")
    monkeypatch.setattr(description, "GIVEN", rest)
    with pytest.raises(ImproperlyConfiguredException):
        description.description()
