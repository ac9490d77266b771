"""`python -m adapters.http.description FILE`: the API's description (OpenAPI), without a server.

`make client` generates a typed Python client from it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
from litestar import Litestar, Router
from litestar.di import Provide
from litestar.serialization import encode_json

from adapters.http import health, log, openapi
from adapters.http.app import GIVEN, ROUTES, request_dependencies
from adapters.http.strict_body import StrictRequest


def description() -> dict[str, Any]:
    """As /docs/openapi.json answers it."""
    app = Litestar(
        [
            Router("/v1", route_handlers=[*health.ROUTES, *log.PUBLIC]),
            Router(
                "/v1",
                route_handlers=list(ROUTES),
                security=openapi.SECURITY,
                dependencies=request_dependencies(),
            ),
        ],
        dependencies={name: Provide(_needed(name), sync_to_thread=False) for name in GIVEN},
        openapi_config=openapi.config(),
        request_class=StrictRequest,
        logging_config=None,
    )
    found: dict[str, Any] = msgspec.json.decode(encode_json(openapi.plain(app.openapi_schema.to_schema())))
    return found


def _needed(name: str) -> Callable[[], Any]:
    def nobody() -> Any:
        raise AssertionError(f"a description answers no request and has no {name}")

    return nobody


def main() -> int:
    """Write the description to the file that is named."""
    Path(sys.argv[1]).write_bytes(msgspec.json.format(msgspec.json.encode(description()), indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
