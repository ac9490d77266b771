"""The API put together: routes, rights, errors and documentation."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import copy
from datetime import datetime
from functools import cache
from typing import Any, Final, Self

from litestar import Litestar, Router
from litestar.connection import ASGIConnection
from litestar.datastructures import State
from litestar.di import Provide
from litestar.events import BaseEventEmitterBackend
from litestar.handlers import HTTPRouteHandler
from litestar.handlers.base import BaseRouteHandler
from litestar.routes import HTTPRoute
from litestar.types import Scope

from adapters.access_log import AccessLog
from adapters.awaited_door import AwaitedDoor
from adapters.front_door import FrontDoor
from adapters.http import (
    access_log,
    accounts,
    alarms,
    appraisals,
    backtests,
    bid_answers,
    bids,
    bundles,
    capital,
    clearings,
    commissioning,
    contract_facts,
    contracts,
    desk_rules,
    device_health,
    devices,
    disputes,
    documents,
    emergencies,
    events,
    forecasts,
    health,
    imports,
    invoices,
    journal,
    keys,
    live,
    log,
    market,
    market_cash,
    metering,
    meters,
    months,
    moved_credits,
    netting,
    openapi,
    parties,
    payments,
    persons,
    plans,
    positions,
    prices,
    proposals,
    readings,
    receivables,
    reconciliations,
    regulation_signals,
    reports,
    reviews,
    runs,
    settlements,
    sharing,
    sites,
    statements,
    status,
    storage_terms,
    stories,
    tariffs,
    telemetry,
    told_devices,
    trading_markets,
    trading_units,
    unit_days,
    value,
    vouchers,
    webhooks,
    what_if,
    work_orders,
    write_offs,
)
from adapters.http.caller import authorise, provide_caller
from adapters.http.intake import key_given, provide_intake
from adapters.http.permissions import PERMISSIONS
from adapters.http.problem import HANDLERS
from adapters.http.proven_keys import ProvenKeys
from adapters.http.publishing import provide_period, provide_publishing
from adapters.http.recent_keys import KEY, RecentKeys
from adapters.http.recording import ACCESS, recording
from adapters.http.service import Service
from adapters.http.strict_body import StrictRequest
from adapters.http.view import provide_view
from adapters.live.feed import Feed
from adapters.personal.people import People
from adapters.postgres.database import Database
from adapters.transparency.published_log import PublishedLog
from adapters.webhooks.signing_keys import SigningKeys

_PREFIX: Final = "/v1"
_OPEN: Final = ("/v1/health/", "/v1/log/checkpoint", "/v1/log/tile/{")
BODY_BYTES_MAX: Final = 2 << 20
GIVEN: Final = ("service", "feed", "progress", ACCESS, "people", "published", "signing_keys")
"""What handlers are given by a running server."""

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
    *trading_markets.ROUTES,
    *unit_days.ROUTES,
    *bids.ROUTES,
    *positions.ROUTES,
    *sharing.ROUTES,
    *bid_answers.ROUTES,
    *live.ROUTES,
    *webhooks.ROUTES,
    *clearings.ROUTES,
    *desk_rules.ROUTES,
    *forecasts.ROUTES,
    *plans.ROUTES,
    *value.ROUTES,
    *backtests.ROUTES,
    *storage_terms.ROUTES,
    *commissioning.ROUTES,
    *alarms.ROUTES,
    *device_health.ROUTES,
    *work_orders.ROUTES,
    *emergencies.ROUTES,
    *told_devices.ROUTES,
    *telemetry.ROUTES,
    *readings.ROUTES,
    *metering.ROUTES,
    *imports.ROUTES,
    *proposals.ROUTES,
    *settlements.ROUTES,
    *runs.ROUTES,
    *what_if.ROUTES,
    *appraisals.ROUTES,
    *statements.ROUTES,
    *documents.ROUTES,
    *reports.ROUTES,
    *reconciliations.ROUTES,
    *regulation_signals.ROUTES,
    *receivables.ROUTES,
    *reviews.ROUTES,
    *disputes.ROUTES,
    *invoices.ROUTES,
    *payments.ROUTES,
    *write_offs.ROUTES,
    *moved_credits.ROUTES,
    *market_cash.ROUTES,
    *months.ROUTES,
    *netting.ROUTES,
    *journal.ROUTES,
    *vouchers.ROUTES,
    *accounts.ROUTES,
    *events.ROUTES,
    *stories.ROUTES,
    *log.ROUTES,
    *bundles.ROUTES,
    *status.ROUTES,
    *keys.ROUTES,
    *access_log.ROUTES,
    *persons.ROUTES,
)
"""Everything that needs a key; who may do what stands in `permissions`."""


def create_app(
    door: FrontDoor,
    database: Database,
    projector_status: Callable[[], str | None],
    clock: Callable[[], datetime],
    published: PublishedLog,
    people: People,
    signing_keys: SigningKeys,
) -> Litestar:
    """The API of one book.

    `projector_status` says why a projector in this process halted; None while it runs or runs elsewhere.
    """
    service = Service(door, database, projector_status, clock, RecentKeys(), ProvenKeys(), AwaitedDoor(door))
    feed = Feed(database, door.book, clock)
    app = copy(_routed())
    app.state = State(
        {
            "service": service,
            "feed": feed,
            "progress": health.Progress(),
            ACCESS: AccessLog(door.recorder.log.client, door.book, database, clock),
            "people": people,
            "published": published,
            "signing_keys": signing_keys,
            "query_names": _query_names(app),
            "whole_numbers": _whole_numbers(app),
            "keyed": _keyed(app),
            "endings": (feed.end,),
        }
    )
    return app


@cache
def _routed() -> Litestar:
    """What every book's API has in common; to put it together takes half a second."""
    return Litestar(
        [
            openapi.static_files(),
            Router(_PREFIX, route_handlers=[*health.ROUTES, *log.PUBLIC]),
            Router(
                _PREFIX,
                route_handlers=list(ROUTES),
                guards=[_let_in],
                middleware=[recording],
                security=openapi.SECURITY,
                dependencies=request_dependencies(),
            ),
        ],
        dependencies={name: Provide(_given(name), sync_to_thread=False) for name in GIVEN},
        event_emitter_backend=_Unheard,
        exception_handlers=HANDLERS,
        openapi_config=openapi.config(),
        request_class=StrictRequest,
        request_max_body_size=BODY_BYTES_MAX,
        logging_config=None,
    )


async def _let_in(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """Both in one guard: Litestar copies the handler for each."""
    await authorise(connection, handler)
    await key_given(connection, handler)


class _Unheard(BaseEventEmitterBackend):
    """Nobody emits or hears Litestar's own events; its usual emitter is of one running application only."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        return None

    def emit(self, event_id: str, *args: Any, **kwargs: Any) -> None:
        raise NotImplementedError(event_id)


def _given(name: str) -> Callable[[Scope], Any]:
    def of_this_book(scope: Scope) -> Any:
        return scope["litestar_app"].state[name]

    return of_this_book


def request_dependencies() -> dict[str, Provide]:
    """What is made for each request that needs a key."""
    return {
        "caller": Provide(provide_caller, sync_to_thread=False),
        "view": Provide(provide_view, sync_to_thread=True),
        "intake": Provide(provide_intake, sync_to_thread=False),
        "publishing": Provide(provide_publishing, sync_to_thread=False),
        "period": Provide(provide_period, sync_to_thread=False),
    }


def _query_names(app: Litestar) -> dict[str, dict[str, bool]]:
    """The query parameters of every route that needs a key, and whether one may be given more than once.

    Each route has its rights and each right a route.
    """
    found = {
        route: {one.field_alias: one.is_sequence for one in model.expected_query_params}
        for route, _, model in _models(app)
    }
    assert found.keys() == PERMISSIONS.keys(), sorted(found.keys() ^ PERMISSIONS.keys())
    return found


def _whole_numbers(app: Litestar) -> dict[str, frozenset[str]]:
    """Which parameters of each route that needs a key, in its query or its path, are whole numbers."""
    found: dict[str, frozenset[str]] = {}
    for route, handler, model in _models(app):
        given: list[HTTPRouteHandler | Provide] = [handler, *handler.resolve_dependencies().values()]
        fields = {name: one for each in given for name, one in each.parsed_fn_signature.parameters.items()}
        asked = (*model.expected_query_params, *model.expected_path_params)
        found[route] = frozenset(
            one.field_alias for one in asked if fields[one.field_name].annotation in {int, int | None}
        )
    return found


def _keyed(app: Litestar) -> frozenset[str]:
    """The routes that read an Idempotency-Key."""
    return frozenset(
        route
        for route, _, model in _models(app)
        if any(one.field_alias.lower() == KEY.lower() for one in model.expected_header_params)
    )


def _models(app: Litestar) -> Iterator[tuple[str, HTTPRouteHandler, Any]]:
    """Each route that needs a key, its handler, and what it reads of a request."""
    for route in app.routes:
        if not isinstance(route, HTTPRoute) or not route.path.startswith(f"{_PREFIX}/"):
            continue
        if route.path.startswith(_OPEN):
            continue
        for method, (handler, model) in route.route_handler_map.items():
            if method != "OPTIONS":
                yield f"{method} {route.path_format}", handler, model
