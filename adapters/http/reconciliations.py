"""Others' statements against the ledger: an operator's lines, the bank's bookings, and what was found."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Annotated, Any, Final

import msgspec
from litestar import Response, get, post
from litestar.datastructures import UploadFile
from litestar.di import NamedDependency
from litestar.params import KwargDefinition, MultipartBody, QueryParameter

from adapters import reconciling
from adapters.http.imports import ProfilePart, profile_part
from adapters.http.instant import instant_of, month_of
from adapters.http.intake import Intake, replayable
from adapters.http.paging import LIMIT, Cursor, Limit, cursor_of
from adapters.http.problem import READ_PROBLEMS, WRITE_PROBLEMS
from adapters.http.reconciliation_body import ReconciliationBody
from adapters.http.register import ID_PATTERN, Name
from adapters.http.settlements import MONTH_PATTERN
from adapters.http.strict_body import check_plain
from adapters.http.view import View
from adapters.meters.text import FILE_BYTES_MAX
from adapters.queries import registered
from adapters.reconciling import Compared, File
from ledger.interval import Month
from ledger.reconciliation.our_line import ItemFrom
from ledger.reconciliation.record import Reconciliation
from ledger.refusal import Refused

_FORM_BYTES: Final = 1 << 20
_NAME_MAX: Final = 200
_DECODERS: Final = ((lambda kind: kind is ProfilePart, profile_part),)


@dataclass
class StatementForm:
    """`file` is the operator's statement, CSV or XLSX; `profile` the TOML that names its columns."""

    file: UploadFile
    profile: Annotated[ProfilePart, KwargDefinition(schema_extra={"type": "string"})]


@dataclass
class BankForm:
    """`file` is the bank's statement: CSV or XLS with a `profile`, camt.053 without one."""

    file: UploadFile
    profile: Annotated[ProfilePart | None, KwargDefinition(schema_extra={"type": "string"})] = None


class Reconciled(msgspec.Struct, frozen=True):
    """What was recorded of a file; `notices` say what could not be compared."""

    items: tuple[ReconciliationBody, ...]
    notices: tuple[str, ...]


class ReconciliationPage(msgspec.Struct, frozen=True):
    position: int
    items: tuple[ReconciliationBody, ...]
    next_cursor: str | None


class ReconciliationAnswer(msgspec.Struct, frozen=True):
    position: int
    reconciliation: ReconciliationBody


@post(
    "/reconciliations",
    summary="Compare an operator's statement with the latest run of a contract's month",
    responses=WRITE_PROBLEMS,
    request_max_body_size=FILE_BYTES_MAX + _FORM_BYTES,
    type_decoders=_DECODERS,
    tags=["Reconciliation"],
    sync_to_thread=True,
)
def reconcile_statement(
    intake: NamedDependency[Intake],
    data: MultipartBody[StatementForm],
    contract: Annotated[str, QueryParameter(pattern=ID_PATTERN)],
    month: Annotated[str, QueryParameter(pattern=MONTH_PATTERN, description="Such as 2026-08")],
    items: Annotated[ItemFrom, QueryParameter(description="What of ours an item of theirs is")] = "stream",
    cut_off: Annotated[
        str | None,
        QueryParameter(description="Up to when the operator knew things, such as 2026-09-06T18:00:00+08:00"),
    ] = None,
) -> Response[Reconciled]:
    """Every difference is named: volume, price, rule, run, allocation, rounding or unexplained. A line that
    only one side has gets its cause, or what to ask the operator."""
    file, profile = _file(data.file), data.profile.toml
    wanted = Month.parse(month_of(month))
    known_to = None if cut_off is None else instant_of(cut_off, "cut_off")

    def work() -> Reconciled:
        done = reconciling.compare_statement(
            intake.service.door,
            intake.service.database,
            file,
            profile,
            contract,
            wanted,
            items,
            id=_id(intake),
            actor=intake.actor,
            cut_off=known_to,
        )
        return _reconciled(file, (done,))

    asked = [_sha(file.data), profile.decode(errors="replace"), contract, month, items, str(known_to)]
    answer, repeated = intake.once(asked, Reconciled, work)
    return replayable(answer, repeated=repeated)


@post(
    "/bank-statements",
    summary="Compare a bank's statement with what is open; nothing is paid by it",
    responses=WRITE_PROBLEMS,
    request_max_body_size=FILE_BYTES_MAX + _FORM_BYTES,
    type_decoders=_DECODERS,
    tags=["Reconciliation"],
    sync_to_thread=True,
)
def reconcile_bank(
    intake: NamedDependency[Intake],
    data: MultipartBody[BankForm],
    account: Annotated[str, QueryParameter(pattern=ID_PATTERN, description="Our id of the account")],
    number: Annotated[
        str,
        QueryParameter(max_length=40, description="The account's IBAN or number, which a camt.053 names"),
    ] = "",
    party: Annotated[
        list[str] | None,
        QueryParameter(
            description="PAYER=PARTY: whose an account number or name at the bank is; PAYER=market:spot of"
            " the market of a stream, PAYER=market:* of a market operator or grid company that pays several"
        ),
    ] = None,
) -> Response[Reconciled]:
    """A booking that an earlier file had and that was matched then is not matched again, but for one that is
    still to be recorded. What is recorded as moved in the file's days and is not at the bank is listed too.
    The same file with the same result is answered as it was recorded, under the id it has."""
    file = _file(data.file)
    profile = None if data.profile is None else data.profile.toml
    parties = dict(_pair(text) for text in party or ())

    def work() -> Reconciled:
        done = reconciling.compare_bank(
            intake.service.door,
            intake.service.database,
            file,
            profile,
            account,
            number,
            parties,
            id=_id(intake),
            actor=intake.actor,
        )
        return _reconciled(file, done)

    asked = [_sha(file.data), "" if profile is None else profile.decode(errors="replace"), account]
    asked += [number, *(party or ())]
    answer, repeated = intake.once(asked, Reconciled, work)
    return replayable(answer, repeated=repeated)


@get(
    "/reconciliations",
    summary="What was compared, operators' statements and the bank's, by id",
    responses=READ_PROBLEMS,
    tags=["Reconciliation"],
    sync_to_thread=True,
)
def list_reconciliations(
    view: NamedDependency[View], limit: Limit = LIMIT, cursor: Cursor = None
) -> ReconciliationPage:
    with view.page(cursor, str, "") as (connection, position, after):
        found = registered.load(connection, "reconciliation", Reconciliation, position).versions
    left = [name for name in found if name > after]
    more = cursor_of(position, left[limit - 1]) if len(left) > limit else None
    items = tuple(ReconciliationBody.of(found[name][-1].document) for name in left[:limit])
    return ReconciliationPage(position, items, more)


@get(
    "/reconciliations/{name:str}",
    summary="One reconciliation: what differs, and why",
    responses=READ_PROBLEMS,
    tags=["Reconciliation"],
    sync_to_thread=True,
)
def show_reconciliation(view: NamedDependency[View], name: Name) -> ReconciliationAnswer:
    with view.reading() as (connection, position):
        found = registered.load(connection, "reconciliation", Reconciliation, position).versions.get(name)
    if not found:
        raise Refused("unknown_reconciliation", f"there is no reconciliation {name!r}", place="name")
    return ReconciliationAnswer(position, ReconciliationBody.of(found[-1].document))


def _file(upload: UploadFile) -> File:
    name = (upload.filename or "file")[:_NAME_MAX]
    check_plain(name, "file")
    return File(name, upload.file.read())


def _reconciled(file: File, done: tuple[Compared, ...]) -> Reconciled:
    return Reconciled(
        tuple(
            ReconciliationBody.of(Reconciliation(one.id, one.source, _sha(file.data), one.report))
            for one in done
        ),
        tuple(notice for one in done for notice in one.notices),
    )


def _id(intake: Intake) -> str:
    """The same request makes the same reconciliation."""
    return f"r{hashlib.sha256(intake.command_id.encode()).hexdigest()[:20]}"


def _sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _pair(text: str) -> tuple[str, str]:
    payer, sign, party = text.rpartition("=")
    if not sign or not payer or not party:
        raise Refused("party", f"{text!r} is not PAYER=PARTY", place="party")
    return payer, party


ROUTES: tuple[Any, ...] = (
    list_reconciliations,
    show_reconciliation,
    reconcile_statement,
    reconcile_bank,
)
