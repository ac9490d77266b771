"""The API's description, and its documentation at /docs that asks nothing of the network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import litestar_offline_docs
from litestar import Request, Router
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin, SwaggerRenderPlugin
from litestar.openapi.spec import (
    Components,
    OpenAPIMediaType,
    OpenAPIResponse,
    Operation,
    Reference,
    RequestBody,
    Schema,
    SecurityScheme,
    Tag,
)
from litestar.openapi.spec.enums import OpenAPIFormat, OpenAPIType
from litestar.static_files import create_static_files_router

DOCS: Final = "/docs"
STATIC: Final = "/docs/static"
SECURITY: Final = [{"key": list[str]()}]

_DESCRIPTION: Final = """\
A settlement ledger for aggregated battery storage: facts in, statements out, every cent explained.

* Every command needs an `Idempotency-Key`; sent again, it answers the first result. `POST /v1/what-if`,
  `POST /v1/appraisals` and `POST /v1/bids/check` only ask, `POST /v1/regulation-signals` hands a signal on:
  they need none, answer 200, and record nothing.
* Every query takes `as_of` (recorded time: a sequence number or an instant) and answers as it would have
  then, and `after`, which waits for a fact just stored. `position` says what an answer was read at. What
  holds at some time takes `effective` too (effective time), or is of a month or an interval. Rights are
  always today's.
* Money and prices are decimal text with their currency, energy is whole Wh, instants carry their offset.
* Errors are problem details: `code` is stable, `place` names the field, row or parameter, and `allowed` lists
  what may stand there, where that is a closed list. A parameter that is given twice is refused.
"""


class OfflineSwagger(SwaggerRenderPlugin):
    """Swagger UI from this server alone: no icon, script or validator from elsewhere."""

    def __init__(self) -> None:
        super().__init__(
            path="/",
            js_url=f"{STATIC}/swagger-ui-bundle.js",
            css_url=f"{STATIC}/swagger-ui.css",
            standalone_preset_js_url=f"{STATIC}/swagger-ui-standalone-preset.js",
            favicon='<link rel="icon" href="data:,">',
        )

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        """The page; the description is fetched from the server rather than pasted into it."""
        page = super().render(request, {"info": openapi_schema["info"]})
        pasted = b"spec: " + self.render_json(request, {"info": openapi_schema["info"]})
        return page.replace(pasted, b"url: '" + DOCS.encode() + b"/openapi.json', validatorUrl: null")


class PlainJson(JsonRenderPlugin):
    """The description as JSON, without alternatives that say nothing."""

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        return super().render(request, plain(openapi_schema))


def plain(described: Any) -> Any:
    """Items of a bounded tuple are described as X, not as one of X and of anything, which no X fulfils."""
    if isinstance(described, list):
        return [plain(one) for one in described]
    if not isinstance(described, dict):
        return described
    found = {name: plain(value) for name, value in described.items()}
    match found.get("items"):
        case {"oneOf": [one, {**nothing}]} if not nothing:
            found["items"] = one
    return found


def static_files() -> Router:
    """Swagger UI's own files, out of the installed package."""
    folder = Path(str(litestar_offline_docs.__file__)).parent / "static"
    return create_static_files_router(STATIC, [folder], name="docs-static", include_in_schema=False)


def config() -> OpenAPIConfig:
    """What describes the API."""
    return OpenAPIConfig(
        title="Wattledger",
        version="1",
        description=_DESCRIPTION,
        path=DOCS,
        render_plugins=[OfflineSwagger(), PlainJson(path="/openapi.json")],
        components=Components(
            security_schemes={
                "key": SecurityScheme(
                    type="http", scheme="bearer", description="An API key from POST /v1/keys"
                )
            }
        ),
        tags=[
            Tag("Health", "For whoever supervises the process"),
            Tag(
                "Master data", "Parties, sites, meters, devices, contracts and tariffs, each with its history"
            ),
            Tag("Measurements", "Readings and market prices"),
            Tag(
                "Markets",
                "What markets told, the rules they settle by, trading units and who may be paid for what",
            ),
            Tag("Trading desk", "Markets to bid in, bids and their life, limits, units' days, clearings"),
            Tag("Dispatch", "What is expected of loads, prices, PV and revenue; plans; what they were worth"),
            Tag("Devices", "What devices told and were told, emergencies, step tests, alarms and work"),
            Tag("Contract facts", "Days that do not count, and services rendered, with their evidence"),
            Tag("Capital", "What parties paid in and got back under a contract"),
            Tag("Money", "Settlement runs, partners' statements and where each line comes from"),
            Tag("Receivables", "A statement after its run: review, issue, disputes, invoices, payments"),
            Tag("Netting", "What the book's owner and a counterparty owe each other, and setting it off"),
            Tag("Approval", "What waits for a second person"),
            Tag("Month close", "What is missing before a month closes, and closing it"),
            Tag("Accounting", "Double entry, trial balance, vouchers for another system, a party's account"),
            Tag("Reconciliation", "What a market operator or a bank states, against the ledger"),
            Tag("Proof", "The events themselves, and how far the projections are"),
            Tag("Access", "API keys"),
        ],
    )


TEXT: Final = Schema(type=OpenAPIType.STRING)
BINARY: Final = Schema(type=OpenAPIType.STRING, format=OpenAPIFormat.BINARY)


def reference(struct: type) -> Reference:
    """The component of a struct that some handler answers with."""
    return Reference(ref=f"#/components/schemas/{struct.__name__}")


def takes(
    contents: Mapping[str, Schema | Reference], examples: Mapping[str, Any] | None = None
) -> type[Operation]:
    """An operation whose body comes in these media types."""
    body = RequestBody(
        required=True,
        content={
            media_type: OpenAPIMediaType(schema=schema, example=(examples or {}).get(media_type))
            for media_type, schema in contents.items()
        },
    )

    @dataclass
    class Taking(Operation):
        def __post_init__(self) -> None:
            self.request_body = body

    return Taking


def also_answers(contents: Mapping[str, Schema | Reference], *, status: str = "200") -> type[Operation]:
    """An operation that answers in these media types too."""

    @dataclass
    class Answering(Operation):
        def __post_init__(self) -> None:
            assert self.responses is not None
            response = self.responses[status]
            assert isinstance(response, OpenAPIResponse)
            response.content = {
                **(response.content or {}),
                **{media_type: OpenAPIMediaType(schema=schema) for media_type, schema in contents.items()},
            }

    return Answering
