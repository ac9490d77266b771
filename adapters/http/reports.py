"""The monthly revenue report with its key figures, and what they rest on that no meter tells."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

import msgspec
from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody, QueryParameter, RawBody

from adapters.documents.language import Language
from adapters.documents.revenue_document import RevenueDocument
from adapters.documents.revenue_pdf import revenue_pdf
from adapters.documents.revenue_xlsx import revenue_xlsx
from adapters.http.instant import month_of
from adapters.http.intake import Intake, Stored
from adapters.http.openapi import BINARY, also_answers
from adapters.http.problem import READ_PROBLEMS, WRITE_PROBLEMS, Forbidden
from adapters.http.publishing import PUBLISH_PROBLEMS, TAKES_TOML, Checked, Publishing
from adapters.http.register import ID_PATTERN
from adapters.http.settlements import MONTH_PATTERN, ContractFilter, MonthName
from adapters.http.view import View
from adapters.integrity.published import check_statements
from adapters.queries import reports, statements
from adapters.queries.reports import Choice
from ledger.interval import Month
from ledger.kpi.carbon import Method, parse_factors
from ledger.kpi.comparison import Comparison
from ledger.kpi.economics import StateEconomics, parse_economics
from ledger.kpi.kpi import Kpi
from ledger.kpi.monthly_revenue import ContractShare, RevenueReport, Row
from ledger.kpi.published_factors import PublishEmissionFactors
from ledger.kpi.stated_availability import SiteAvailability, StateAvailability
from ledger.kpi.tax_basis import Basis
from ledger.quantity import MINOR_DIGITS
from ledger.refusal import Refused

ReportFormat = Literal["json", "pdf", "xlsx"]
_MEDIA: Final[dict[ReportFormat, str]] = {
    "json": "application/json",
    "pdf": "application/pdf",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}

IdFilter = Annotated[str | None, QueryParameter(pattern=ID_PATTERN)]
CurrencyFilter = Annotated[
    str | None,
    QueryParameter(
        pattern=f"^({'|'.join(MINOR_DIGITS)})$",
        description="Only of contracts in this one. Needed, or a contract, where there are several",
    ),
]


class RowBody(msgspec.Struct, frozen=True):
    """Money of one stream, site, contract, clause, party or month, or of a named figure."""

    key: str
    amount: str

    @classmethod
    def of(cls, row: Row) -> RowBody:
        return cls(row.key, str(row.amount))


class BreakdownBody(msgspec.Struct, frozen=True):
    """The total by one dimension; by month, the months settled up to the report's."""

    dimension: str
    rows: tuple[RowBody, ...]


class ReportBody(msgspec.Struct, frozen=True):
    """`total` is what streams earned, or for a partner what it is entitled to. A key figure's `value` is
    what its `formula` gives for its `inputs`; null where there is none, and `note` says why."""

    position: int
    scope: str
    subject: str
    month: str
    currency: str
    total: str
    figures: tuple[RowBody, ...]
    breakdowns: tuple[BreakdownBody, ...]
    kpis: tuple[Kpi, ...]
    comparisons: tuple[Comparison, ...]
    rests_on: tuple[str, ...]
    provisional: bool
    percentages: tuple[ContractShare, ...]
    """Of a partner: what its contracts give to it, and to others where they show that."""
    basis: Basis
    """`mixed`: a partner's contracts stand on two, told in `bases`, and `total` is not to be used."""
    bases: dict[str, Basis]

    @classmethod
    def of(cls, position: int, report: RevenueReport) -> ReportBody:
        return cls(
            position,
            report.scope,
            report.subject,
            report.month,
            report.currency,
            str(report.total),
            tuple(RowBody.of(row) for row in report.figures),
            tuple(
                BreakdownBody(one.dimension, tuple(RowBody.of(row) for row in one.rows))
                for one in report.breakdowns
            ),
            report.kpis,
            report.comparisons,
            report.rests_on,
            report.provisional,
            report.percentages,
            report.basis,
            dict(report.bases),
        )


class AvailabilityBody(msgspec.Struct, frozen=True):
    """`unavailable_s` of the seconds of the site's local month."""

    site: Annotated[str, msgspec.Meta(pattern=ID_PATTERN)]
    month: Annotated[str, msgspec.Meta(pattern=MONTH_PATTERN, examples=["2026-08"])]
    unavailable_s: Annotated[int, msgspec.Meta(ge=0, le=31 * 86_400 + 3600)]
    evidence: Annotated[str, msgspec.Meta(min_length=1, max_length=500)]


@get(
    "/reports/{month:str}",
    summary="The revenue of a site, a contract's sites, all sites, or a partner, with key figures",
    responses=READ_PROBLEMS,
    operation_class=also_answers({_MEDIA["pdf"]: BINARY, _MEDIA["xlsx"]: BINARY}),
    tags=["Money"],
    sync_to_thread=True,
)
def show_report(
    view: NamedDependency[View],
    month: MonthName,
    site: IdFilter = None,
    contract: ContractFilter = None,
    party: IdFilter = None,
    currency: CurrencyFilter = None,
    economics: IdFilter = None,
    emission: IdFilter = None,
    co2_method: Annotated[Method, QueryParameter()] = "net_of_charging",
    format: Annotated[ReportFormat, QueryParameter()] = "json",
    language: Annotated[Language, QueryParameter()] = "zh",
) -> Response[ReportBody]:
    """A partner's is made of its own statements; what stands beside them is read with the ledger's rights."""
    if site is not None and (contract is not None or party is not None):
        raise Refused("scope", "site stands alone; party may go with contract", place="site")
    if site is not None and currency is not None:
        raise Refused("scope", "site stands alone: a site has one currency", place="site")
    wanted = Month.parse(month_of(month))
    choice = Choice(economics, emission, co2_method)
    position, document = (
        _partner(view, wanted, party, site, contract, choice, currency)
        if party is not None or view.caller.role == "partner"
        else _owner(view, wanted, site, contract, choice, currency)
    )
    if format == "json":
        return Response(ReportBody.of(position, document.report))
    content = revenue_pdf([document], language) if format == "pdf" else revenue_xlsx(document, language)
    subject = document.report.subject
    headers = {
        "Content-Disposition": f'attachment; filename="{month}_{subject}.{format}"',
        "Ledger-Position": str(position),
    }
    return Response(content, media_type=_MEDIA[format], headers=headers)  # type: ignore[arg-type]


def _partner(
    view: View,
    month: Month,
    party: str | None,
    site: str | None,
    contract: str | None,
    choice: Choice,
    currency: str | None,
) -> tuple[int, RevenueDocument]:
    caller = view.caller
    if caller.role == "partner" and (site is not None or party not in (None, caller.party)):
        raise Forbidden("role partner may see its own report only: name no site or other party")
    with view.reading() as (connection, position):
        own = statements.latest(connection, position, party=party or caller.party, contract=contract)
    if not own:
        raise Refused("not_settled", f"there is no statement of {month}", place="month")
    service = view.service
    check_statements(service.database, service.book, own)
    with service.database.reading(service.book) as connection:
        return position, reports.partner(
            connection, service.book, position, month, own, choice, currency=currency
        )


def _owner(
    view: View,
    month: Month,
    site: str | None,
    contract: str | None,
    choice: Choice,
    currency: str | None,
) -> tuple[int, RevenueDocument]:
    book = view.service.book
    with view.reading() as (connection, position):
        if site is not None:
            return position, reports.site(connection, book, position, month, site, choice)
        return position, reports.portfolio(
            connection, book, position, month, contract, choice, currency=currency
        )


@post(
    "/economics",
    summary="State capital, operating cost, life and rates of sites, as a readable TOML file states them",
    responses=PUBLISH_PROBLEMS,
    operation_class=TAKES_TOML,
    tags=["Money"],
    sync_to_thread=True,
)
def state_economics(publishing: NamedDependency[Publishing], body: RawBody) -> Response[Stored | Checked]:
    return publishing.publish(StateEconomics(parse_economics(body)))


@post(
    "/emission-factors",
    summary="Publish a set of CO2 factors with their sources, as a readable TOML file states them",
    responses=PUBLISH_PROBLEMS,
    operation_class=TAKES_TOML,
    tags=["Money"],
    sync_to_thread=True,
)
def publish_factors(publishing: NamedDependency[Publishing], body: RawBody) -> Response[Stored | Checked]:
    return publishing.publish(PublishEmissionFactors(parse_factors(body)))


@post(
    "/availability",
    summary="State how long a site's storage was not available in a month",
    responses=WRITE_PROBLEMS,
    tags=["Money"],
    sync_to_thread=True,
)
def state_availability(intake: NamedDependency[Intake], data: JSONBody[AvailabilityBody]) -> Response[Stored]:
    stated = SiteAvailability(data.site, Month.parse(data.month), data.unavailable_s, data.evidence)
    return intake.execute(StateAvailability(stated))


ROUTES: tuple[Any, ...] = (show_report, state_economics, publish_factors, state_availability)
