"""Who saw what, for auditors; asking is on record too."""

from __future__ import annotations

import itertools
from typing import Annotated, Any, Final, Literal

import msgspec
from litestar import Response, get
from litestar.di import NamedDependency
from litestar.params import QueryParameter

from adapters.access_log import AccessLog, KeptRecord
from adapters.access_log_text import csv_text, jsonl_text
from adapters.http.instant import instant_of
from adapters.http.paging import LIMIT, Cursor, Limit, cursor_of, read_cursor
from adapters.http.problem import READ_PROBLEMS
from adapters.http.register import ID_PATTERN

LogFormat = Literal["json", "csv", "jsonl"]
_TYPES: Final[dict[LogFormat, str]] = {
    "json": "application/json",
    "csv": "text/csv; charset=utf-8",
    "jsonl": "application/jsonl",
}


class AccessPage(msgspec.Struct, frozen=True):
    items: tuple[KeptRecord, ...]
    next_cursor: str | None


@get(
    "/access-log",
    summary="Who saw what: reads of money, contracts, exports, settings and persons, in order",
    responses=READ_PROBLEMS,
    tags=["Access"],
    sync_to_thread=True,
)
def list_accesses(
    access: NamedDependency[AccessLog],
    actor: Annotated[str | None, QueryParameter(pattern=ID_PATTERN, description="Whose reads")] = None,
    what: Annotated[
        str | None,
        QueryParameter(max_length=200, description="An action such as statement, or a value asked for"),
    ] = None,
    since: Annotated[
        str | None, QueryParameter(max_length=64, description="From this instant on, with its offset")
    ] = None,
    format: Annotated[LogFormat, QueryParameter()] = "json",
    limit: Limit = LIMIT,
    cursor: Cursor = None,
) -> Response[Any]:
    """A page, oldest first. As CSV or JSON Lines the cursor of the next page is the header Next-Cursor."""
    after = 0 if cursor is None else read_cursor(cursor, int)[1]
    instant = None if since is None else instant_of(since, "since")
    records = access.read(actor=actor, what=what, since=instant, after=after)
    found = list(itertools.islice(records, limit + 1))
    shown = found[:limit]
    more = cursor_of(0, shown[-1].sequence) if len(found) > limit else None
    if format == "json":
        return Response(AccessPage(tuple(shown), more))
    headers = {} if more is None else {"Next-Cursor": more}
    content = csv_text(shown) if format == "csv" else jsonl_text(shown)
    return Response(content, media_type=_TYPES[format], headers=headers)


ROUTES = (list_accesses,)
