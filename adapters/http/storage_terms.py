"""What sites' storages may be used for, and what is imposed on them for a time."""

from __future__ import annotations

from typing import Final

from litestar import Response, post
from litestar.di import NamedDependency
from litestar.params import JSONBody

from adapters.http.intake import Intake, Stored
from adapters.http.problem import WRITE_PROBLEMS
from adapters.http.register import Name, RecordedVersion, Registration
from adapters.http.registered_routes import registered_routes
from adapters.imposing import check_imposed
from dispatch.planning.imposed_limit import ImposedLimit, ImposeLimit
from dispatch.planning.storage_terms import StateStorage, StorageTerms
from ledger.effective import History
from ledger.refusal import Refused
from ledger.site import Site


class TermsStatement(Registration, frozen=True, kw_only=True):
    document: StorageTerms


class TermsVersion(RecordedVersion, frozen=True, kw_only=True):
    """`id` is the site's."""

    document: StorageTerms


class LimitStatement(Registration, frozen=True, kw_only=True):
    document: ImposedLimit


class LimitVersion(RecordedVersion, frozen=True, kw_only=True):
    """`id` is the site's."""

    document: ImposedLimit


@post(
    "/storage-terms/{name:str}",
    summary="State what a site's storage may be used for",
    responses=WRITE_PROBLEMS,
    tags=["Dispatch"],
    sync_to_thread=True,
)
def state_terms(
    intake: NamedDependency[Intake], name: Name, data: JSONBody[TermsStatement]
) -> Response[Stored]:
    _site(intake, name)
    return intake.execute(StateStorage(name, data.period, data.document))


@post(
    "/storage-limits/{name:str}",
    summary="Impose what a site can do at most for a time, or lift it: 0 W both ways is a site that is lost",
    responses=WRITE_PROBLEMS,
    tags=["Dispatch"],
    sync_to_thread=True,
)
def impose_limit(
    intake: NamedDependency[Intake], name: Name, data: JSONBody[LimitStatement]
) -> Response[Stored]:
    check_imposed(data.document, _site(intake, name))
    return intake.execute(ImposeLimit(name, data.period, data.document))


def _site(intake: Intake, name: str) -> Site:
    history = intake.service.door.state(f"site.{name}")
    if not isinstance(history, History):
        raise Refused("unknown_site", f"no site {name!r} is registered", place="name")
    document = history.latest.document
    assert isinstance(document, Site)
    return document


ROUTES: Final = (
    *registered_routes(
        "/storage-terms",
        "storage",
        StorageTerms,
        TermsVersion,
        lists=("list_terms", "Sites by id, each with the terms of its storage that were stated last"),
        shows=("show_terms", "All terms that were stated of a site's storage"),
        tag="Dispatch",
    ),
    state_terms,
    *registered_routes(
        "/storage-limits",
        "storage_limit",
        ImposedLimit,
        LimitVersion,
        lists=("list_limits", "Sites by id, each with the limit that was imposed last"),
        shows=("show_limits", "All limits that were imposed on a site"),
        tag="Dispatch",
    ),
    impose_limit,
)
