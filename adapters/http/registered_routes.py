"""The two questions that every kind of registered document answers: all of them by id, and one's history."""

from __future__ import annotations

from collections.abc import Callable
from types import GenericAlias
from typing import Any, Final, TypeVar

import msgspec
from litestar import get
from litestar.di import NamedDependency
from litestar.handlers import HTTPRouteHandler

from adapters.http.paging import LIMIT, Cursor, Limit
from adapters.http.problem import READ_PROBLEMS
from adapters.http.register import Effective, Holding, Name, RecordedVersion, bodies, history, listed
from adapters.http.view import View
from adapters.queries.registered import last_holding

D = TypeVar("D")

_MORE: Final = ("next_cursor", str | None)


def registered_routes(
    path: str,
    kind: str,
    document: type[D],
    version: type[RecordedVersion],
    *,
    lists: tuple[str, str],
    shows: tuple[str, str],
    tag: str,
    body: Callable[[D], object] | None = None,
    holding: Holding[D] = last_holding,
) -> tuple[HTTPRouteHandler, HTTPRouteHandler]:
    """GET `path`, a page of the version of each id that was recorded last, and GET `path`/{name}, every
    version of one id; both take `effective`.

    `kind` is the document's in the book. `version` is what is shown of one, its `document` made by `body`
    where it is not the recorded document itself; the answers are named after it. `lists` and `shows` are each
    operation's name and summary.
    """
    stem, several = version.__name__.removesuffix("Version"), GenericAlias(tuple, (version, ...))
    page = msgspec.defstruct(f"{stem}Page", [("position", int), ("items", several), _MORE], frozen=True)
    versions = msgspec.defstruct(
        f"{stem}History", [("position", int), ("id", str), ("versions", several)], frozen=True
    )

    def list_all(
        view: NamedDependency[View], effective: Effective = None, limit: Limit = LIMIT, cursor: Cursor = None
    ) -> Any:
        position, entries, more = listed(view, kind, document, cursor, limit, effective, holding)
        return page(position, bodies(entries, version, body), more)

    def show_one(view: NamedDependency[View], name: Name, effective: Effective = None) -> Any:
        position, entries = history(view, kind, document, name, effective, holding)
        return versions(position, name, bodies(entries, version, body))

    one = f"{path}/{{name:str}}"
    return _asked(path, list_all, lists, tag, page), _asked(one, show_one, shows, tag, versions)


def _asked(
    path: str, answer: Callable[..., Any], told: tuple[str, str], tag: str, answers: type[msgspec.Struct]
) -> HTTPRouteHandler:
    answer.__name__, summary = told
    answer.__annotations__["return"] = answers
    return get(path, summary=summary, responses=READ_PROBLEMS, tags=[tag], sync_to_thread=True)(answer)
