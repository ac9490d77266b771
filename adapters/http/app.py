"""The API put together: routes, rights, errors and documentation."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Final

from litestar import Litestar, Router
from litestar.datastructures import State
from litestar.di import Provide
from litestar.routes import HTTPRoute

from adapters.front_door import FrontDoor
from adapters.http import (
    accounts,
    capital,
    contract_facts,
    contracts,
    devices,
    documents,
    events,
    health,
    imports,
    journal,
    keys,
    lives,
    market,
    metering,
    meters,
    months,
    netting,
    openapi,
    parties,
    payments,
    prices,
    proposals,
    readings,
    reconciliations,
    reports,
    runs,
    settlements,
    sites,
    statements,
    status,
    tariffs,
    trading_units,
    vouchers,
)
from adapters.http.caller import authorise, provide_caller
from adapters.http.intake import provide_intake
from adapters.http.permissions import PERMISSIONS
from adapters.http.problem import HANDLERS
from adapters.http.recent_keys import RecentKeys
from adapters.http.service import Service
from adapters.http.strict_body import StrictRequest
from adapters.http.view import provide_view
from adapters.postgres.database import Database

_PREFIX: Final = "/v1"
_OPEN: Final = "/v1/health/"
BODY_BYTES_MAX: Final = 2 << 20

ROUTES: Final = (
    *parties.ROUTES,
    *sites.ROUTES,
    *meters.ROUTES,
    *devices.ROUTES,
    *contracts.ROUTES,
    *contract_facts.ROUTES,
    *capital.ROUTES,
    *tariffs.ROUTES,
    *prices.ROUTES,
    *market.ROUTES,
    *trading_units.ROUTES,
    *readings.ROUTES,
    *metering.ROUTES,
    *imports.ROUTES,
    *proposals.ROUTES,
    *settlements.ROUTES,
    *runs.ROUTES,
    *statements.ROUTES,
    *documents.ROUTES,
    *reports.ROUTES,
    *reconciliations.ROUTES,
    *lives.ROUTES,
    *payments.ROUTES,
    *months.ROUTES,
    *netting.ROUTES,
    *journal.ROUTES,
    *vouchers.ROUTES,
    *accounts.ROUTES,
    *events.ROUTES,
    *status.ROUTES,
    *keys.ROUTES,
)
"""Everything that needs a key; who may do what stands in `permissions`."""


def create_app(
    door: FrontDoor,
    database: Database,
    projector_status: Callable[[], str | None],
    clock: Callable[[], datetime],
) -> Litestar:
    """The API of one book.

    `projector_status` says why a projector in this process halted; None while it runs or runs elsewhere.
    """
    service = Service(door, database, projector_status, clock, RecentKeys())
    progress = health.Progress()
    app = Litestar(
        [
            openapi.static_files(),
            Router(_PREFIX, route_handlers=list(health.ROUTES)),
            Router(
                _PREFIX,
                route_handlers=list(ROUTES),
                guards=[authorise],
                security=openapi.SECURITY,
                dependencies={
                    "caller": Provide(provide_caller, sync_to_thread=False),
                    "view": Provide(provide_view, sync_to_thread=True),
                    "intake": Provide(provide_intake, sync_to_thread=False),
                },
            ),
        ],
        dependencies={
            "service": Provide(lambda: service, sync_to_thread=False),
            "progress": Provide(lambda: progress, sync_to_thread=False),
        },
        exception_handlers=HANDLERS,
        openapi_config=openapi.config(),
        request_class=StrictRequest,
        request_max_body_size=BODY_BYTES_MAX,
        logging_config=None,
        state=State({"service": service}),
    )
    app.state.query_names = _query_names(app)
    return app


def _query_names(app: Litestar) -> dict[str, frozenset[str]]:
    """The query parameters of every route that needs a key; each has its rights and each right a route."""
    found: dict[str, frozenset[str]] = {}
    for route in app.routes:
        if not isinstance(route, HTTPRoute) or not route.path.startswith(f"{_PREFIX}/"):
            continue
        if route.path.startswith(_OPEN):
            continue
        for method, (_, model) in route.route_handler_map.items():
            if method != "OPTIONS":
                names = frozenset(parameter.field_alias for parameter in model.expected_query_params)
                found[f"{method} {route.path_format}"] = names
    assert found.keys() == PERMISSIONS.keys(), sorted(found.keys() ^ PERMISSIONS.keys())
    return found
