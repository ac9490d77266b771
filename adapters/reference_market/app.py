"""The market's HTTP face put together: routes, tokens, errors and its own OpenAPI."""

from __future__ import annotations

from typing import Any, Final

from litestar import Litestar, Response, Router
from litestar.datastructures import State
from litestar.di import Provide
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import Components, SecurityScheme

from adapters.reference_market import admin_routes, participant_routes
from adapters.reference_market.access import Tokens
from adapters.reference_market.faults import Faults
from adapters.reference_market.market import Market
from adapters.reference_market.problem import HANDLERS

_BODY_BYTES_MAX: Final = 2 << 20
_SECURITY: Final = [{"token": list[str]()}]


def create_app(market: Market, faults: Faults, admin_token: str | None) -> Litestar:
    """The API of one market; without an administrator's token its admin routes are shut."""
    tokens = Tokens(market.parameters, admin_token)

    def with_market_time(response: Response[Any]) -> Response[Any]:
        response.headers["Market-Time"] = market.clock.now().isoformat()
        return response

    return Litestar(
        [
            *participant_routes.ROUTES,
            Router(
                "/",
                route_handlers=list(admin_routes.ROUTES),
                guards=[admin_routes.administrators_only],
                tags=["Administration"],
            ),
        ],
        dependencies={
            "market": Provide(lambda: market, sync_to_thread=False),
            "tokens": Provide(lambda: tokens, sync_to_thread=False),
            "faults": Provide(lambda: faults, sync_to_thread=False),
        },
        after_request=with_market_time,
        exception_handlers=HANDLERS,
        openapi_config=OpenAPIConfig(
            title="Reference market",
            version="1",
            description="A spot market operator to trade against (docs/reference-market.md).",
            path="/docs",
            render_plugins=[JsonRenderPlugin(path="/openapi.json")],
            components=Components(security_schemes={"token": SecurityScheme(type="http", scheme="bearer")}),
            security=_SECURITY,
        ),
        request_max_body_size=_BODY_BYTES_MAX,
        logging_config=None,
        state=State({"market": market, "tokens": tokens}),
    )
