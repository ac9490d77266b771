"""Proof bundles: a statement, or the whole book, as a file that is checked without us.

docs/bundle-format.md specifies them, as OpenAPI cannot.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from typing import Final

from litestar import Response, get
from litestar.di import NamedDependency
from litestar.response import Stream

from adapters.bundle.book_bundle import book_bundle, gzipped
from adapters.bundle.statement_bundle import statement_bundle
from adapters.http.instant import month_of
from adapters.http.problem import READ_PROBLEMS
from adapters.http.settlements import ContractName, MonthName, RunFilter
from adapters.http.statements import PartyName
from adapters.http.view import WAIT_S, View
from adapters.queries import statements
from adapters.transparency.published_log import PublishedLog
from ledger.refusal import Refused

_JSON_LINES: Final = "application/jsonl"
_GZIP: Final = "application/gzip"
_IN_MEMORY: Final = 16 << 20
_CHUNK: Final = 1 << 18


@get(
    "/statements/{contract:str}/{month:str}/{party:str}/bundle",
    summary="A statement as a file that proves itself, and shows nothing of anybody else",
    description="JSON Lines. This GET writes when first asked: the run's commitment and secret are recorded"
    " (`disclosure.committed.v1`, `disclosure.sealed.v1`), by the actor `disclosing`, and the log signed over"
    " them. Asked again it records nothing, and its bytes differ only in signatures that witnesses added."
    " With `as_of` it records nothing: a run not committed to by then answers 404 `unknown_commitment`.",
    responses=READ_PROBLEMS,
    media_type=_JSON_LINES,
    tags=["Proof"],
    sync_to_thread=True,
)
def show_statement_bundle(
    view: NamedDependency[View],
    published: NamedDependency[PublishedLog],
    contract: ContractName,
    month: MonthName,
    party: PartyName,
    run: RunFilter = None,
) -> Response[bytes]:
    """The statement is read as the caller; its proof, with the ledger's own rights."""
    with view.reading() as (connection, position):
        found = statements.latest(
            connection, position, month=month_of(month), contract=contract, party=party, run=run, limit=1
        )
    if not found:
        raise Refused(
            "unknown_statement", f"no statement of {month} for {party} under {contract}", place="party"
        )
    service = view.service
    content = statement_bundle(
        service.door, service.database, published, found[0], WAIT_S, at=None if view.at is None else position
    )
    name = f"{contract}_{month}_{party}_{found[0].run}.jsonl"
    return Response(content, media_type=_JSON_LINES, headers=_named(name))


@get(
    "/bundles/book",
    summary="All events up to a signed checkpoint, with the proof that they are all",
    description="JSON Lines, compressed with gzip. With as_of up to that position.",
    responses=READ_PROBLEMS,
    media_type=_GZIP,
    tags=["Proof"],
    sync_to_thread=True,
)
def show_book_bundle(view: NamedDependency[View], published: NamedDependency[PublishedLog]) -> Stream:
    """It is whole before its first byte is sent: what is damaged is answered by nobody's half of a file."""
    parts = gzipped(book_bundle(view.service.database, published, view.at))
    size, whole = _spooled(parts)
    headers = {**_named(f"{view.service.book}.jsonl.gz"), "Content-Length": str(size)}
    return Stream(whole, media_type=_GZIP, headers=headers)


def _spooled(parts: Iterable[bytes]) -> tuple[int, Iterator[bytes]]:
    """All parts, in memory or, where they are more, in a file that is nobody's; and how many bytes."""
    file = tempfile.SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115
    try:
        for part in parts:
            file.write(part)
    except BaseException:
        file.close()
        raise
    return file.tell(), _read(file)


def _read(file: tempfile.SpooledTemporaryFile[bytes]) -> Iterator[bytes]:
    with file:
        file.seek(0)
        while chunk := file.read(_CHUNK):
            yield chunk


def _named(name: str) -> dict[str, str]:
    return {"Content-Disposition": f'attachment; filename="{name}"'}


ROUTES: Final = (show_statement_bundle, show_book_bundle)
