"""Contracts: sent as the readable TOML file, or as JSON of the same fields."""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec
from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import QueryParameter, RawBody

from adapters.http.caller import Caller
from adapters.http.intake import Intake, OptionalKey, Stored, required
from adapters.http.openapi import TEXT, reference, takes
from adapters.http.paging import LIMIT, Cursor, Limit
from adapters.http.problem import READ_PROBLEMS, WRITE_PROBLEMS
from adapters.http.register import Name, RecordedVersion, bodies, history, listed
from adapters.http.service import Service
from adapters.http.strict_body import check_plain, decoded
from adapters.http.view import View
from adapters.overlap import check_overlap
from ledger import contract_file
from ledger.command import Command
from ledger.contract import Contract
from ledger.signed_contract import RegisterContract


class ContractVersion(RecordedVersion, frozen=True, kw_only=True):
    document: Contract


class ContractPage(msgspec.Struct, frozen=True):
    position: int
    items: tuple[ContractVersion, ...]
    next_cursor: str | None


class ContractHistory(msgspec.Struct, frozen=True):
    position: int
    id: str
    versions: tuple[ContractVersion, ...]


class Checked(msgspec.Struct, frozen=True):
    """The document would be accepted as it stands; nothing was stored.

    `warnings` say what is acceptable, and perhaps not meant.
    """

    valid: bool
    aggregate: str
    warnings: tuple[str, ...] = ()


class ContractStored(msgspec.Struct, frozen=True):
    """As `Stored`; `warnings` say what was accepted, and perhaps not meant."""

    aggregate: str
    version: int
    sequence: int
    proposal: str | None
    warnings: tuple[str, ...]


CHECKED: Final = {
    200: ResponseSpec(
        Checked, description="`check` was asked: the document is acceptable", generate_examples=False
    )
}
Check = Annotated[bool, QueryParameter(description="Only say whether the document would be accepted")]

_TOML_EXAMPLE: Final = 'id = "eaas-s1"\npreset = "energy_storage_as_a_service"\n# ... see examples/contracts'


@get(
    "/contracts",
    summary="Contracts by id, each with the version recorded last",
    responses=READ_PROBLEMS,
    tags=["Master data"],
    sync_to_thread=True,
)
def list_contracts(view: NamedDependency[View], limit: Limit = LIMIT, cursor: Cursor = None) -> ContractPage:
    position, entries, more = listed(view, "contract", Contract, cursor, limit)
    return ContractPage(position, bodies(entries, ContractVersion), more)


@get(
    "/contracts/{name:str}",
    summary="All recorded versions of a contract",
    responses=READ_PROBLEMS,
    tags=["Master data"],
    sync_to_thread=True,
)
def show_contract(view: NamedDependency[View], name: Name) -> ContractHistory:
    position, entries = history(view, "contract", Contract, name)
    return ContractHistory(position, name, bodies(entries, ContractVersion))


@get(
    "/schemas/contract",
    summary="The JSON Schema of a contract's file, for editors",
    responses=READ_PROBLEMS,
    tags=["Master data"],
    sync_to_thread=True,
)
def contract_schema() -> dict[str, Any]:
    return contract_file.json_schema()


@post(
    "/contracts",
    summary="Register a contract, or a version that replaces it where their times overlap",
    responses={**WRITE_PROBLEMS, **CHECKED},
    operation_class=takes(
        {"application/toml": TEXT, "text/plain": TEXT, "application/json": reference(Contract)},
        {"application/toml": _TOML_EXAMPLE},
    ),
    tags=["Master data"],
    sync_to_thread=True,
)
def register_contract(
    request: Request[Caller, Any, Any],
    service: NamedDependency[Service],
    caller: NamedDependency[Caller],
    body: RawBody,
    *,
    idempotency_key: OptionalKey = None,
    check: Check = False,
) -> Response[ContractStored | Checked]:
    contract = decoded(body, Contract) if is_json(request) else contract_file.parse(body)
    answer = register_document(service, caller, RegisterContract(contract), idempotency_key, check=check)
    warnings = tuple(notice.message for notice in contract.notices)
    content = answer.content
    told = (
        ContractStored(content.aggregate, content.version, content.sequence, content.proposal, warnings)
        if isinstance(content, Stored)
        else Checked(content.valid, content.aggregate, warnings)
    )
    return Response(told, status_code=answer.status_code, headers=answer.headers)


def is_json(request: Request[Caller, Any, Any]) -> bool:
    """Whether the body is said to be JSON; without a word it is the readable file."""
    return request.content_type[0] == "application/json"


def register_document(
    service: Service, caller: Caller, command: Command, key: str | None, *, check: bool
) -> Response[Stored | Checked]:
    """Store the document, or only decide on it.

    Raises:
        BadRequest: without an Idempotency-Key where one is needed.
        Refused: the document is not acceptable.
    """
    check_plain(msgspec.to_builtins(command))
    check_overlap(service.door, service.database, command)
    if check:
        others = {name: service.door.state(name) for name in command.reads}
        command.decide(service.door.state(command.aggregate), others)
        return Response(Checked(valid=True, aggregate=command.aggregate), status_code=200)
    return Intake(service, caller, required(key)).submit(command)  # type: ignore[return-value]


ROUTES = (list_contracts, show_contract, contract_schema, register_contract)
