"""Whatever is sent, the API answers as its own description says: a generator tries, against a live server."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import hypothesis
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import load_all_checks, not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.generation import GenerationMode
from schemathesis.openapi.checks import JsonSchemaError
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from adapters.http.server import server
from tests.adapters.http.conftest import Api

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
ENDLESS = "/v1/live"
"""Never answered to its end; tests/adapters/live listens to it."""
EXAMPLES = 6
"""Of each operation and mode; the seeds are fixed, so that a failure comes again."""


@contextmanager
def listening(api: Api) -> Iterator[str]:
    """The API on a free port; its address."""
    running = server(api.app(), "127.0.0.1", 0)
    thread = threading.Thread(target=running.run)
    thread.start()
    while not running.started:
        assert thread.is_alive()
        time.sleep(0.01)
    port = running.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        running.stop()
        thread.join()


@pytest.mark.fault
@pytest.mark.long
def test_the_api_answers_as_it_is_described(settled: Api) -> None:
    load_all_checks()
    failures: list[str] = []
    with listening(settled) as address, requests.Session() as session:
        schema = schemathesis.openapi.from_url(f"{address}/docs/openapi.json", timeout=60)
        schema.validate()
        headers = {"Authorization": f"Bearer {settled.secret('admin')}"}
        for found in schema.get_all_operations():
            operation = found.ok()
            if operation.path == ENDLESS:
                continue
            for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
                try:
                    _try(operation, mode, session, headers)
                except hypothesis.errors.Unsatisfiable:
                    assert mode is GenerationMode.NEGATIVE, (
                        "nothing can be wrong with a request without parameters"
                    )
                except Exception as failure:
                    failures.append(f"{operation.label} {mode.value}: {failure}")
    assert not failures, "\n\n".join(failures)


def _try(operation: Any, mode: GenerationMode, session: requests.Session, headers: dict[str, str]) -> None:
    @settings(
        max_examples=EXAMPLES,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def attempt(case: schemathesis.Case) -> None:
        case.call_and_validate(session=session, headers=headers, checks=CHECKS, timeout=30)

    attempt()


@pytest.mark.parametrize("path", ["/v1/parties", "/v1/statements"])
def test_the_generator_would_notice_a_wrong_answer(settled: Api, path: str) -> None:
    schema = schemathesis.openapi.from_dict(settled.get("/docs/openapi.json").json())
    case = schema[path]["GET"].Case()
    answer = requests.Response()
    answer.status_code, answer._content = 200, b'{"position": "1"}'
    answer.headers["content-type"] = "application/json"
    answer.request = requests.Request("GET", f"http://127.0.0.1{path}").prepare()
    with pytest.raises(FailureGroup) as caught:
        case.validate_response(answer, checks=CHECKS)
    assert any(isinstance(failure, JsonSchemaError) for failure in caught.value.exceptions)
