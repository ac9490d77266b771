"""Vouchers of a month for another accounting system, in a layout that finance published."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Final, TypeVar

import msgspec
from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody, QueryParameter

from adapters.documents.language import Language, Wording
from adapters.founded import book_at
from adapters.http.instant import month_of
from adapters.http.intake import Intake, Stored
from adapters.http.openapi import TEXT, also_answers
from adapters.http.problem import READ_PROBLEMS, WRITE_PROBLEMS
from adapters.http.register import ID_PATTERN, Name, RecordedVersion, bodies, history
from adapters.http.settlements import MONTH_PATTERN
from adapters.http.view import View
from adapters.queries import registered
from adapters.queries.journal import journal
from ledger.accounting.voucher import parse_mapping, parse_profile, voucher_file, voucher_rows
from ledger.accounting.voucher_currency import in_currency
from ledger.accounting.voucher_layout import PublishVoucherLayout, VoucherLayout
from ledger.interval import Month
from ledger.refusal import Refused

_ALSO: Final = also_answers({"text/csv": TEXT})
_TOML_MAX: Final = 200_000

T = TypeVar("T")
Toml = Annotated[str, msgspec.Meta(min_length=1, max_length=_TOML_MAX)]


class LayoutBody(msgspec.Struct, frozen=True):
    """`profile` and `mapping` are TOML texts; examples/accounts has them for 用友 and 金蝶."""

    id: Annotated[str, msgspec.Meta(pattern=ID_PATTERN)]
    profile: Toml
    mapping: Toml


class LayoutVersion(RecordedVersion, frozen=True, kw_only=True):
    document: VoucherLayout


class LayoutHistory(msgspec.Struct, frozen=True):
    position: int
    id: str
    versions: tuple[LayoutVersion, ...]


class LeftOutBody(msgspec.Struct, frozen=True):
    """Entries of another currency than the book's, and the sum of their debits."""

    currency: str
    entries: int
    debits: str


class Vouchers(msgspec.Struct, frozen=True):
    """`rows` begin with the header; text/csv answers the file itself, in the layout's encoding. Vouchers are
    in the book's `currency`; `left_out` is what is not."""

    position: int
    layout_version: int
    currency: str
    vouchers: int
    rows: tuple[tuple[str, ...], ...]
    left_out: tuple[LeftOutBody, ...]


@post(
    "/voucher-layouts",
    summary="Publish the columns of an accounting system and our accounts in its codes",
    responses=WRITE_PROBLEMS,
    tags=["Accounting"],
    sync_to_thread=True,
)
def publish_layout(intake: NamedDependency[Intake], data: JSONBody[LayoutBody]) -> Response[Stored]:
    layout = VoucherLayout(
        data.id,
        _parsed(parse_profile, data.profile, "profile"),
        _parsed(parse_mapping, data.mapping, "mapping"),
    )
    return intake.execute(PublishVoucherLayout(layout))


@get(
    "/voucher-layouts/{name:str}",
    summary="All published versions of a voucher layout",
    responses=READ_PROBLEMS,
    tags=["Accounting"],
    sync_to_thread=True,
)
def show_layout(view: NamedDependency[View], name: Name) -> LayoutHistory:
    position, entries = history(view, "voucher_layout", VoucherLayout, name)
    return LayoutHistory(position, name, bodies(entries, LayoutVersion))


@get(
    "/vouchers",
    summary="A month's vouchers in a published layout, as rows or as the file to import",
    responses=READ_PROBLEMS,
    operation_class=_ALSO,
    tags=["Accounting"],
    sync_to_thread=True,
)
def show_vouchers(
    view: NamedDependency[View],
    month: Annotated[str, QueryParameter(pattern=MONTH_PATTERN, description="Such as 2026-08")],
    layout: Annotated[str, QueryParameter(pattern=ID_PATTERN, description="The id of a published layout")],
    preparer: Annotated[str, QueryParameter(max_length=64, description="Whom the vouchers name")] = "",
    first_number: Annotated[
        int, QueryParameter(ge=1, le=1_000_000, description="The month's first free number")
    ] = 1,
    language: Annotated[
        Language | None, QueryParameter(description="Of the summaries, instead of the layout's")
    ] = None,
    *,
    file: Annotated[bool, QueryParameter(description="The CSV file instead of JSON")] = False,
) -> Response[Vouchers]:
    wanted = Month.parse(month_of(month))
    with view.reading() as (connection, position):
        held = registered.load(connection, "voucher_layout", VoucherLayout, position).versions.get(layout)
        if not held:
            raise Refused("unknown_voucher_layout", f"no layout {layout!r} is published", place="layout")
        found = journal(connection, position)
        currency = book_at(connection, position).currency
    entries, others = in_currency(
        (entry for entry in found.journal if Month.of(entry.posted_on) == wanted), currency
    )
    used = held[-1].document
    rows = voucher_rows(
        entries,
        used.mapping,
        used.profile,
        preparer=preparer,
        first_number=first_number,
        summary=Wording(language or used.profile.language).phrase,
    )
    if file:
        name = f"vouchers-{layout}-{wanted}.csv"
        return Response(
            voucher_file(rows, used.profile),  # type: ignore[arg-type]
            media_type="text/csv",
            encoding=used.profile.encoding.removesuffix("-sig"),
            headers={
                "Content-Disposition": f'attachment; filename="{name}"',
                "Ledger-Position": str(position),
            },
        )
    left_out = tuple(LeftOutBody(one.debits.currency, one.number, str(one.debits)) for one in others)
    told = tuple(tuple(row) for row in rows)
    return Response(Vouchers(position, held[-1].version, currency, len(entries), told, left_out))


def _parsed(parse: Callable[[str], T], text: str, field: str) -> T:
    """The TOML text; a refusal names the field of the body and the line in it."""
    try:
        return parse(text)
    except Refused as refused:
        raise Refused(refused.code, refused.reason, place=f"{field}: {refused.place}") from None


ROUTES = (publish_layout, show_layout, show_vouchers)
