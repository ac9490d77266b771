"""What sites' storages may be used for, and what is imposed on them for a time."""

from __future__ import annotations

from typing import Final

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
from dispatch.planning.imposed_limit import ImposedLimit, ImposeLimit
from dispatch.planning.storage_terms import StateStorage, StorageTerms
from ledger.refusal import Refused


class TermsStatement(Registration, frozen=True, kw_only=True):
    document: StorageTerms


class TermsVersion(RecordedVersion, frozen=True, kw_only=True):
    """`id` is the site's."""

    document: StorageTerms


class TermsPage(msgspec.Struct, frozen=True):
    position: int
    items: tuple[TermsVersion, ...]
    next_cursor: str | None


class TermsHistory(msgspec.Struct, frozen=True):
    position: int
    id: str
    versions: tuple[TermsVersion, ...]


class LimitStatement(Registration, frozen=True, kw_only=True):
    document: ImposedLimit


class LimitVersion(RecordedVersion, frozen=True, kw_only=True):
    """`id` is the site's."""

    document: ImposedLimit


class LimitPage(msgspec.Struct, frozen=True):
    position: int
    items: tuple[LimitVersion, ...]
    next_cursor: str | None


class LimitHistory(msgspec.Struct, frozen=True):
    position: int
    id: str
    versions: tuple[LimitVersion, ...]


@get(
    "/storage-terms",
    summary="Sites by id, each with the terms of its storage that were stated last",
    responses=READ_PROBLEMS,
    tags=["Dispatch"],
    sync_to_thread=True,
)
def list_terms(
    view: NamedDependency[View], effective: Effective = None, limit: Limit = LIMIT, cursor: Cursor = None
) -> TermsPage:
    position, entries, more = listed(view, "storage", StorageTerms, cursor, limit, effective)
    return TermsPage(position, bodies(entries, TermsVersion), more)


@get(
    "/storage-terms/{name:str}",
    summary="All terms that were stated of a site's storage",
    responses=READ_PROBLEMS,
    tags=["Dispatch"],
    sync_to_thread=True,
)
def show_terms(view: NamedDependency[View], name: Name, effective: Effective = None) -> TermsHistory:
    position, entries = history(view, "storage", StorageTerms, name, effective)
    return TermsHistory(position, name, bodies(entries, TermsVersion))


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
    _check_site(intake, name)
    return intake.execute(StateStorage(name, data.period, data.document))


@get(
    "/storage-limits",
    summary="Sites by id, each with the limit that was imposed last",
    responses=READ_PROBLEMS,
    tags=["Dispatch"],
    sync_to_thread=True,
)
def list_limits(
    view: NamedDependency[View], effective: Effective = None, limit: Limit = LIMIT, cursor: Cursor = None
) -> LimitPage:
    position, entries, more = listed(view, "storage_limit", ImposedLimit, cursor, limit, effective)
    return LimitPage(position, bodies(entries, LimitVersion), more)


@get(
    "/storage-limits/{name:str}",
    summary="All limits that were imposed on a site",
    responses=READ_PROBLEMS,
    tags=["Dispatch"],
    sync_to_thread=True,
)
def show_limits(view: NamedDependency[View], name: Name, effective: Effective = None) -> LimitHistory:
    position, entries = history(view, "storage_limit", ImposedLimit, name, effective)
    return LimitHistory(position, name, bodies(entries, LimitVersion))


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
    _check_site(intake, name)
    return intake.execute(ImposeLimit(name, data.period, data.document))


def _check_site(intake: Intake, name: str) -> None:
    if intake.service.door.state(f"site.{name}") is None:
        raise Refused("unknown_site", f"no site {name!r} is registered", place="name")


ROUTES: Final = (list_terms, show_terms, state_terms, list_limits, show_limits, impose_limit)
