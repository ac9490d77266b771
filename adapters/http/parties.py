"""Parties: whom money is owed to and by."""

from __future__ import annotations

from litestar import Response, post
from litestar.di import NamedDependency
from litestar.params import JSONBody

from adapters.http.intake import Intake, Stored
from adapters.http.problem import WRITE_PROBLEMS
from adapters.http.register import RecordedVersion, Registration
from adapters.http.registered_routes import registered_routes
from ledger.party import Party, RegisterParty


class PartyRegistration(Registration, frozen=True, kw_only=True):
    document: Party


class PartyVersion(RecordedVersion, frozen=True, kw_only=True):
    document: Party


@post(
    "/parties",
    summary="Register a party, or its next version",
    responses=WRITE_PROBLEMS,
    tags=["Master data"],
    sync_to_thread=True,
)
def register_party(intake: NamedDependency[Intake], data: JSONBody[PartyRegistration]) -> Response[Stored]:
    return intake.execute(RegisterParty(data.period, data.document))


ROUTES = (
    *registered_routes(
        "/parties",
        "party",
        Party,
        PartyVersion,
        lists=("list_parties", "Parties by id, each with the version recorded last"),
        shows=("show_party", "All recorded versions of a party"),
        tag="Master data",
    ),
    register_party,
)
