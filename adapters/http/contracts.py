"""Contracts: sent as the readable TOML file, or as JSON of the same fields."""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec
from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody, RawBody

from adapters.http.caller import Caller
from adapters.http.intake import Intake, Stored
from adapters.http.openapi import TEXT, reference, takes
from adapters.http.problem import READ_PROBLEMS, WRITE_PROBLEMS
from adapters.http.publishing import PUBLISH_PROBLEMS, Checked, Publishing
from adapters.http.register import RecordedVersion
from adapters.http.registered_routes import registered_routes
from adapters.http.service import Service
from adapters.http.settlements import ContractName
from adapters.http.strict_body import decoded
from adapters.queries.contracts_in_force import held_at
from adapters.withdrawing import withdrawal
from ledger import contract_file
from ledger.contract import Contract
from ledger.signed_contract import RegisterContract


class ContractVersion(RecordedVersion, frozen=True, kw_only=True):
    document: Contract


class ContractStored(msgspec.Struct, frozen=True):
    """As `Stored`; `warnings` say what was accepted, and perhaps not meant."""

    aggregate: str
    version: int
    sequence: int
    proposal: str | None
    warnings: tuple[str, ...]


_TOML_EXAMPLE: Final = 'id = "eaas-s1"\npreset = "energy_storage_as_a_service"\n# ... see examples/contracts'


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
    summary="Register a contract, or a version that replaces it from its first day on",
    responses=PUBLISH_PROBLEMS,
    operation_class=takes(
        {"application/toml": TEXT, "text/plain": TEXT, "application/json": reference(Contract)},
        {"application/toml": _TOML_EXAMPLE},
    ),
    tags=["Master data"],
    sync_to_thread=True,
)
def register_contract(
    request: Request[Caller, Any, Any],
    publishing: NamedDependency[Publishing],
    body: RawBody,
) -> Response[ContractStored | Checked]:
    contract = decoded(body, Contract) if is_json(request) else contract_file.parse(body)
    answer = publishing.publish(RegisterContract(contract))
    warnings = tuple(notice.message for notice in contract.notices)
    content = answer.content
    told = (
        ContractStored(content.aggregate, content.version, content.sequence, content.proposal, warnings)
        if isinstance(content, Stored)
        else Checked(content.valid, content.aggregate, warnings)
    )
    return Response(told, status_code=answer.status_code, headers=answer.headers)


class ContractWithdrawalBody(msgspec.Struct, frozen=True):
    reason: Annotated[str, msgspec.Meta(min_length=1, max_length=2000)]


@post(
    "/contracts/{contract:str}/withdraw",
    summary="Withdraw a contract that was never settled: no month waits for it, and its id is free again",
    responses=WRITE_PROBLEMS,
    tags=["Master data"],
    sync_to_thread=True,
)
def withdraw_contract(
    intake: NamedDependency[Intake],
    service: NamedDependency[Service],
    contract: ContractName,
    data: JSONBody[ContractWithdrawalBody],
) -> Response[Stored]:
    return intake.submit(withdrawal(service.door, contract, data.reason))


def is_json(request: Request[Caller, Any, Any]) -> bool:
    """Whether the body is said to be JSON; without a word it is the readable file."""
    return request.content_type[0] == "application/json"


ROUTES = (
    *registered_routes(
        "/contracts",
        "contract",
        Contract,
        ContractVersion,
        lists=("list_contracts", "Contracts by id, each with the version recorded last"),
        shows=("show_contract", "All recorded versions of a contract"),
        tag="Master data",
        holding=held_at,
    ),
    contract_schema,
    register_contract,
    withdraw_contract,
)
