"""Tariffs: sent as the readable TOML file of examples/tariffs."""

from __future__ import annotations

from litestar import Response, post
from litestar.di import NamedDependency
from litestar.params import RawBody

from adapters.http.intake import Stored
from adapters.http.publishing import PUBLISH_PROBLEMS, TAKES_TOML, Checked, Publishing
from adapters.http.register import RecordedVersion
from adapters.http.registered_routes import registered_routes
from adapters.http.tariff_body import TariffBody
from ledger.published_tariff import PublishTariff
from ledger.tariff import Tariff
from ledger.tariff_file import parse_tariff


class TariffVersion(RecordedVersion, frozen=True, kw_only=True):
    document: TariffBody


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


ROUTES = (
    *registered_routes(
        "/tariffs",
        "tariff",
        Tariff,
        TariffVersion,
        lists=("list_tariffs", "Tariffs by id, each with the version recorded last"),
        shows=("show_tariff", "All recorded versions of a tariff"),
        tag="Master data",
        body=TariffBody.of,
    ),
    publish_tariff,
)
