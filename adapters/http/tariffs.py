"""Tariffs: sent as the readable TOML file of examples/tariffs."""

from __future__ import annotations

import msgspec
from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import RawBody

from adapters.http.intake import Stored
from adapters.http.paging import LIMIT, Cursor, Limit
from adapters.http.problem import READ_PROBLEMS
from adapters.http.publishing import PUBLISH_PROBLEMS, TAKES_TOML, Checked, Publishing
from adapters.http.register import (
    Effective,
    Name,
    RecordedVersion,
    bodies,
    history,
    listed,
)
from adapters.http.tariff_body import TariffBody
from adapters.http.view import View
from adapters.queries.registered_page import Entry
from ledger.published_tariff import PublishTariff
from ledger.tariff import Tariff
from ledger.tariff_file import parse_tariff


class TariffVersion(RecordedVersion, frozen=True, kw_only=True):
    document: TariffBody


class TariffPage(msgspec.Struct, frozen=True):
    position: int
    items: tuple[TariffVersion, ...]
    next_cursor: str | None


class TariffHistory(msgspec.Struct, frozen=True):
    position: int
    id: str
    versions: tuple[TariffVersion, ...]


@get(
    "/tariffs",
    summary="Tariffs by id, each with the version recorded last",
    responses=READ_PROBLEMS,
    tags=["Master data"],
    sync_to_thread=True,
)
def list_tariffs(
    view: NamedDependency[View], effective: Effective = None, limit: Limit = LIMIT, cursor: Cursor = None
) -> TariffPage:
    position, entries, more = listed(view, "tariff", Tariff, cursor, limit, effective)
    return TariffPage(position, bodies(_shown(entries), TariffVersion), more)


@get(
    "/tariffs/{name:str}",
    summary="All recorded versions of a tariff",
    responses=READ_PROBLEMS,
    tags=["Master data"],
    sync_to_thread=True,
)
def show_tariff(view: NamedDependency[View], name: Name, effective: Effective = None) -> TariffHistory:
    position, entries = history(view, "tariff", Tariff, name, effective)
    return TariffHistory(position, name, bodies(_shown(entries), TariffVersion))


@post(
    "/tariffs",
    summary="Publish a tariff, or its next version",
    responses=PUBLISH_PROBLEMS,
    operation_class=TAKES_TOML,
    tags=["Master data"],
    sync_to_thread=True,
)
def publish_tariff(publishing: NamedDependency[Publishing], body: RawBody) -> Response[Stored | Checked]:
    return publishing.publish(PublishTariff(parse_tariff(body, name="body")))


def _shown(entries: list[Entry[Tariff]]) -> list[Entry[TariffBody]]:
    return [
        Entry(e.id, e.version, e.sequence, e.effective_from, e.effective_to, TariffBody.of(e.document))
        for e in entries
    ]


ROUTES = (list_tariffs, show_tariff, publish_tariff)
