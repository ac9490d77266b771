"""Files of meter readings: checked whole, stored block by block, resumable."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Annotated, Final

import msgspec
from litestar import Response, get, post
from litestar.datastructures import UploadFile
from litestar.di import NamedDependency
from litestar.params import JSONBody, KwargDefinition, MultipartBody, QueryParameter

from adapters import meters
from adapters.http.intake import Intake, Stored, replayable
from adapters.http.paging import LIMIT, Cursor, Limit, cursor_of
from adapters.http.problem import READ_PROBLEMS, WRITE_PROBLEMS
from adapters.http.readings import AcceptValid, RejectedReading, rejected
from adapters.http.register import Name
from adapters.http.strict_body import check_plain
from adapters.http.view import View
from adapters.importing import Imported, import_file
from adapters.meters.text import FILE_BYTES_MAX
from adapters.queries import imports_page
from adapters.queries.imports_page import ListedImport
from ledger.meter_import import AbandonImport, Status

_FORM_BYTES: Final = 1 << 20
_NAME_MAX: Final = 200


class ProfilePart:
    """A part of a form that `curl -F profile=@plain.toml` sends with a filename and others without one."""

    def __init__(self, toml: bytes) -> None:
        self.toml = toml


def profile_part(kind: type[ProfilePart], value: object) -> ProfilePart:
    """The part, however the client sent it."""
    match value:
        case UploadFile():
            return kind(value.file.read())
        case str():
            return kind(value.encode())
        case _:
            raise TypeError("one part with the profile's TOML")


@dataclass
class ImportForm:
    """`file` is the readings, plain or gzip; `profile` the TOML that says how it is written, with a filename
    or without."""

    file: UploadFile
    profile: Annotated[ProfilePart, KwargDefinition(schema_extra={"type": "string"})]


class ImportStored(msgspec.Struct, frozen=True):
    """What of the file is stored; `rounding_drift_wh` is the sum of what rounding to Wh added, exact."""

    import_id: str
    sequence: int
    rows: int
    readings: int
    blocks: int
    duplicates: int
    gaps: int
    rounding_drift_wh: str
    notices: tuple[str, ...]
    rejected: tuple[RejectedReading, ...]
    rejected_in_all: int


class ImportPage(msgspec.Struct, frozen=True):
    position: int
    items: tuple[ListedImport, ...]
    next_cursor: str | None


class Abandoned(msgspec.Struct, frozen=True):
    reason: str


@post(
    "/imports",
    summary="Import a file of readings; the same file again stores nothing twice",
    responses=WRITE_PROBLEMS,
    request_max_body_size=FILE_BYTES_MAX + _FORM_BYTES,
    type_decoders=((lambda kind: kind is ProfilePart, profile_part),),
    tags=["Measurements"],
    sync_to_thread=True,
)
def import_readings(
    intake: NamedDependency[Intake], data: MultipartBody[ImportForm], *, accept_valid: AcceptValid = False
) -> Response[ImportStored]:
    how = data.profile.toml
    profile = meters.profile_of(how)
    content = data.file.file.read()
    name = (data.file.filename or "file")[:_NAME_MAX]
    check_plain(name, "file")

    def work() -> ImportStored:
        done = import_file(
            intake.service.door,
            content,
            file_name=name,
            profile=profile,
            actor=intake.actor,
            accept_valid=accept_valid,
            received_at=intake.service.clock(),
        )
        return _answer(done)

    asked = [hashlib.sha256(content).hexdigest(), how.decode(), accept_valid]
    answer, repeated = intake.once(asked, ImportStored, work)
    return replayable(answer, repeated=repeated)


@post(
    "/imports/{name:str}/abandon",
    summary="Give up an import that was not finished; what was stored of it stays",
    responses=WRITE_PROBLEMS,
    tags=["Measurements"],
    sync_to_thread=True,
)
def abandon_import(
    intake: NamedDependency[Intake], name: Name, data: JSONBody[Abandoned]
) -> Response[Stored]:
    return intake.execute(AbandonImport(name, data.reason))


@get(
    "/imports",
    summary="Imports and their status; a month with an open one is not settled",
    responses=READ_PROBLEMS,
    tags=["Measurements"],
    sync_to_thread=True,
)
def list_imports(
    view: NamedDependency[View],
    status: Annotated[Status | None, QueryParameter()] = None,
    limit: Limit = LIMIT,
    cursor: Cursor = None,
) -> ImportPage:
    with view.page(cursor, str, "") as (connection, position, after):
        found = imports_page.page(connection, position, status=status, after=after, limit=limit + 1)
    more = cursor_of(position, found[limit - 1].id) if len(found) > limit else None
    return ImportPage(position, tuple(found[:limit]), more)


def _answer(done: Imported) -> ImportStored:
    parsed = done.parsed
    return ImportStored(
        done.import_id,
        done.sequence,
        parsed.rows,
        parsed.readings,
        done.blocks,
        len(parsed.duplicates),
        len(parsed.gaps),
        str(parsed.drift_wh),
        parsed.notices,
        rejected(parsed.rejected),
        len(parsed.rejected),
    )


ROUTES = (list_imports, import_readings, abandon_import)
