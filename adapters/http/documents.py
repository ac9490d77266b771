"""Statements as files to keep: PDF or workbook, in Chinese or English; a month's as Parquet."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from litestar import Response, get
from litestar.di import NamedDependency
from litestar.enums import MediaType
from litestar.params import PathParameter, QueryParameter

from adapters.documents.language import Language
from adapters.documents.statement_parquet import PARQUET, TableName, statement_parquet
from adapters.documents.statement_pdf import statement_pdf
from adapters.documents.statement_xlsx import statement_xlsx
from adapters.http.instant import month_of
from adapters.http.problem import READ_PROBLEMS
from adapters.http.settlements import ContractName, MonthName, RunFilter
from adapters.http.statements import PartyName
from adapters.http.view import View
from adapters.integrity.published import check_statements
from adapters.personal.people import People
from adapters.queries import documents, statements
from adapters.transparency.published_log import PublishedLog
from ledger.refusal import Refused

FileFormat = Literal["pdf", "xlsx"]
"""More statements than a month has."""
_MEDIA: Final[dict[FileFormat, str]] = {
    "pdf": "application/pdf",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}


@get(
    "/statements/{contract:str}/{month:str}/{party:str}/document",
    summary="A statement as PDF/A or as a workbook that computes it again",
    responses=READ_PROBLEMS,
    media_type=MediaType.TEXT,
    tags=["Money"],
    sync_to_thread=True,
)
def statement_document(
    view: NamedDependency[View],
    published: NamedDependency[PublishedLog],
    people: NamedDependency[People],
    contract: ContractName,
    month: MonthName,
    party: PartyName,
    run: RunFilter = None,
    format: Annotated[FileFormat, QueryParameter()] = "pdf",
    language: Annotated[Language, QueryParameter()] = "zh",
) -> Response[bytes]:
    """The statement is read as the caller; what its file shows beside it, with the ledger's own rights."""
    with view.reading() as (connection, position):
        found = statements.latest(
            connection, position, month=month_of(month), contract=contract, party=party, run=run, limit=1
        )
    if not found:
        raise Refused(
            "unknown_statement", f"no statement of {month} for {party} under {contract}", place="party"
        )
    service = view.service
    check_statements(service.database, service.book, found)
    proven = documents.proofs(published, found, view.at)
    with service.database.reading(service.book) as connection:
        (document,) = documents.documents(connection, position, found, proven, people)
    content = statement_pdf(document, language) if format == "pdf" else statement_xlsx(document, language)
    name = f"{document.file_stem}.{format}"
    return Response(
        content,
        media_type=_MEDIA[format],
        headers={"Content-Disposition": f'attachment; filename="{name}"', "Ledger-Position": str(position)},
    )


@get(
    "/statement-tables/{month:str}/{table:str}",
    summary="All statements of a month that you may see, as one Parquet table",
    responses=READ_PROBLEMS,
    media_type=PARQUET,
    tags=["Money"],
    sync_to_thread=True,
)
def statement_table(
    view: NamedDependency[View],
    month: MonthName,
    table: Annotated[
        TableName,
        PathParameter(description="One row a line, a line's term, a total, a percentage, or a site's bill"),
    ],
) -> Response[bytes]:
    """Every contract's latest run; amounts are whole minor units, and what may be a fraction exact text."""
    with view.reading() as (connection, position):
        found = statements.latest(connection, position, month=month_of(month))
    check_statements(view.service.database, view.service.book, found)
    name = f"{month}_{table}.parquet"
    return Response(
        statement_parquet(found)[table],
        media_type=PARQUET,
        headers={"Content-Disposition": f'attachment; filename="{name}"', "Ledger-Position": str(position)},
    )


ROUTES = (statement_document, statement_table)
