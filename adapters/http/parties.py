"""Parties: whom money is owed to and by."""

from __future__ import annotations

import msgspec
from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody

from adapters.http.intake import Intake, Stored
from adapters.http.paging import LIMIT, Cursor, Limit
from adapters.http.problem import READ_PROBLEMS, WRITE_PROBLEMS
from adapters.http.register import (
    Effective,
    Name,
    RecordedVersion,
    Registration,
    bodies,
    history,
    listed,
)
from adapters.http.view import View
from ledger.party import Party, RegisterParty


class PartyRegistration(Registration, frozen=True, kw_only=True):
    document: Party


class PartyVersion(RecordedVersion, frozen=True, kw_only=True):
    document: Party


class PartyPage(msgspec.Struct, frozen=True):
    position: int
    items: tuple[PartyVersion, ...]
    next_cursor: str | None


class PartyHistory(msgspec.Struct, frozen=True):
    position: int
    id: str
    versions: tuple[PartyVersion, ...]


@get(
    "/parties",
    summary="Parties by id, each with the version recorded last",
    responses=READ_PROBLEMS,
    tags=["Master data"],
    sync_to_thread=True,
)
def list_parties(
    view: NamedDependency[View], effective: Effective = None, limit: Limit = LIMIT, cursor: Cursor = None
) -> PartyPage:
    position, entries, more = listed(view, "party", Party, cursor, limit, effective)
    return PartyPage(position, bodies(entries, PartyVersion), more)


@get(
    "/parties/{name:str}",
    summary="All recorded versions of a party",
    responses=READ_PROBLEMS,
    tags=["Master data"],
    sync_to_thread=True,
)
def show_party(view: NamedDependency[View], name: Name, effective: Effective = None) -> PartyHistory:
    position, entries = history(view, "party", Party, name, effective)
    return PartyHistory(position, name, bodies(entries, PartyVersion))


@post(
    "/parties",
    summary="Register a party, or its next version",
    responses=WRITE_PROBLEMS,
    tags=["Master data"],
    sync_to_thread=True,
)
def register_party(intake: NamedDependency[Intake], data: JSONBody[PartyRegistration]) -> Response[Stored]:
    return intake.execute(RegisterParty(data.period, data.document))


ROUTES = (list_parties, show_party, register_party)
