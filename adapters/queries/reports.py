"""The monthly revenue report of a site, a portfolio or a partner, with its key figures, as of a sequence."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple, TypeVar

import msgspec

from adapters.continuity import Discontinuity
from adapters.documents.revenue_document import RevenueDocument
from adapters.integrity.published import recorded_runs
from adapters.integrity.run_rows import Asked, check_runs
from adapters.postgres.database import Connection
from adapters.queries import device_care, month_operation, registered
from adapters.queries.contract_facts import ContractFacts
from adapters.queries.documents import issuer, names_of, recorded_at
from ledger.contract import Contract
from ledger.interval import Month, zone_of
from ledger.kpi.aggregation import aggregation
from ledger.kpi.carbon import FactorSet, Method
from ledger.kpi.economics import Economics
from ledger.kpi.kpi import Kpi
from ledger.kpi.month_figures import Earned, Stated, month_figures
from ledger.kpi.monthly_revenue import RevenueReport, partner_report, portfolio_report, site_report
from ledger.kpi.partner_figures import own_capital, partner_figures
from ledger.kpi.satisfaction import satisfaction_figure
from ledger.kpi.tax_basis import with_tax
from ledger.quantity import Money
from ledger.refusal import Refused
from ledger.settlement.run import PROVISIONAL, Run
from ledger.settlement.statement import Statement
from ledger.site import Site

D = TypeVar("D")
_MONTHS: Final = 12


class Choice(NamedTuple):
    """Which of the published documents the key figures rest on; None: the only one there is, if any."""

    economics: str | None = None
    emission: str | None = None
    co2_method: Method = "net_of_charging"


class _InForce(NamedTuple):
    run: Run
    sequence: int


def site(
    connection: Connection, book: str, position: int, month: Month, name: str, choice: Choice
) -> RevenueDocument:
    """What a site's storage earned, with its key figures.

    Raises:
        Refused: `unknown_site`, `not_settled`, `unknown_economics`, `unknown_emission`.
    """
    found = _runs(connection, book, position, month, contract=None)
    runs = [one.run for one in found]
    report = site_report(runs, name, month)
    sites = month_operation.load(connection, book, month, position, [name])
    lines = (run for run in runs if any(line.site == name for line in run.result.lines))
    kpis = month_figures(month, sites, _earned(lines, name), _stated(connection, position, choice))
    rated = _satisfaction(connection, position, month, [name])
    whole = msgspec.structs.replace(report, kpis=(*report.kpis, *kpis, *rated))
    names = registered.load(connection, "site", Site, position).versions
    return _document(connection, position, whole, _sequences(found, month), names[name][-1].document.name)


def portfolio(
    connection: Connection,
    book: str,
    position: int,
    month: Month,
    contract: str | None,
    choice: Choice,
    *,
    currency: str | None = None,
) -> RevenueDocument:
    """What all sites earned, or those of one contract or `currency`, with key figures, and each alone against
    all together.

    Raises:
        Refused: as `site`; `currency` for contracts of several currencies: name one of them.
    """
    every = _runs(connection, book, position, month, contract=contract)
    kept_in = _one_currency((one.run.result.currency for one in every), currency)
    found = [one for one in every if one.run.result.currency == kept_in]
    runs = [one.run for one in found]
    report = portfolio_report(runs, contract or book, month)
    lines = [line for run in runs if run.result.month == month for line in run.result.lines]
    names = sorted({line.site for line in lines if line.site is not None})
    sites = month_operation.load(connection, book, month, position, names)
    stated = _stated(connection, position, choice)
    kpis = month_figures(month, sites, _earned(runs, None), stated)
    together = aggregation(sites, lines, stated.economics)
    rated = _satisfaction(connection, position, month, names)
    whole = msgspec.structs.replace(
        report, kpis=(*report.kpis, *kpis, *rated, *together.missing), comparisons=together.compared
    )
    return _document(connection, position, whole, _sequences(found, month), "")


def partner(
    connection: Connection,
    book: str,
    position: int,
    month: Month,
    statements: Sequence[Statement],
    choice: Choice,
    *,
    currency: str | None = None,
) -> RevenueDocument:
    """What one party is entitled to, in `currency` where it is named, from its own statements, with the key
    figures of the sites that they show and of its own capital: nothing else is read.

    Raises:
        Refused: `one_party`, `not_settled`, `run_twice`, `currency`, `unknown_emission`.
    """
    every = [one for one in statements if one.month <= str(month)]
    kept_in = _one_currency((one.currency for one in every), currency)
    upto = [one for one in every if one.currency == kept_in]
    contracts = registered.load(connection, "contract", Contract, position).versions
    bases = {name: versions[-1].document.split_basis for name, versions in contracts.items()}
    report = partner_report(upto, month, split_bases=bases)
    seen = sorted({site for one in upto if one.month == str(month) for site in one.sites})
    sites = month_operation.load(connection, book, month, position, seen)
    facts = ContractFacts(connection, position)
    accounts = [
        account
        for contract in sorted({one.contract for one in upto})
        if (account := facts.capital(contract)) is not None
    ]
    factors = _chosen(connection, position, "emission", FactorSet, choice.emission)
    kpis = partner_figures(
        month,
        sites,
        _entitled(upto),
        own_capital(accounts, report.subject, month),
        Stated(factors=factors, co2_method=choice.co2_method),
    )
    report = msgspec.structs.replace(report, kpis=(*report.kpis, *kpis))
    sequences = [one.sequence for one in upto if one.month == str(month)]
    name = names_of(connection, position).get(report.subject, "")
    return _document(connection, position, report, sequences, name)


def _one_currency(told: Iterable[str], wanted: str | None) -> str | None:
    """The currency that the report is of; None where nothing is settled.

    Raises:
        Refused: `currency` for several where none is named, and for one that no contract is in.
    """
    found = sorted(set(told))
    if wanted is not None:
        if found and wanted not in found:
            there = f"no contract is in {wanted}; there are contracts in {' and '.join(found)}"
            raise Refused("currency", there, place="currency")
        return wanted
    if len(found) > 1:
        raise Refused(
            "currency",
            f"contracts in {' and '.join(found)}, which do not add: name one currency, or one contract, for a"
            " report of it",
            place="currency",
        )
    return found[0] if found else None


def _entitled(statements: Iterable[Statement]) -> list[Earned]:
    """The entitlement of each paid month, oldest first."""
    sums: dict[Month, Money] = {}
    for one in statements:
        if one.run_kind != PROVISIONAL:
            month = Month.parse(one.month)
            sums[month] = sums.get(month, Money.zero(one.currency)) + one.entitlement
    return [Earned(month, sums[month]) for month in sorted(sums)]


def _runs(
    connection: Connection, book: str, position: int, month: Month, *, contract: str | None
) -> list[_InForce]:
    """The run in force of every contract and month, of the year that ends with `month`, as recorded.

    Raises:
        Discontinuity: as `recorded_runs`; `row_altered`.
    """
    first = Month(month.year - 1, month.month).next()
    asked = Asked(position, str(first), str(month), None if contract is None else (contract,))
    check_runs(connection, asked)
    rows = connection.execute(
        "SELECT DISTINCT ON (contract, month) contract, month, run, run_kind, outputs_digest, sequence"
        " FROM ledger.settlement WHERE sequence <= %(position)s AND month BETWEEN %(first)s AND %(month)s"
        " AND (%(contract)s::text IS NULL OR contract = %(contract)s)"
        " ORDER BY contract, month, run DESC",
        {"position": position, "first": str(first), "month": str(month), "contract": contract},
    ).fetchall()
    recorded = recorded_runs(connection, book, {row[-1] for row in rows})
    found: list[_InForce] = []
    for name, of, number, kind, digest, sequence in rows:
        run = recorded.get((name, of, number))
        if run is None or (run.kind, run.outputs_digest) != (kind, digest):
            place = f"table settlement, run {number} of {name} for {of}"
            raise Discontinuity(f"event {sequence} recorded another run", code="row_altered", place=place)
        found.append(_InForce(run, sequence))
    return found


def _satisfaction(connection: Connection, position: int, month: Month, sites: Sequence[str]) -> list[Kpi]:
    """Of the work that was done at the sites, each in its own month; nothing where none of it was rated."""
    versions = registered.load(connection, "site", Site, position).versions
    months = {name: month.interval(zone_of(versions[name][-1].document.zone)) for name in sites}
    orders = (one.order for one in device_care.work_orders(connection, position))
    found = satisfaction_figure((order, months[order.site]) for order in orders if order.site in months)
    return [] if found is None else [found]


def _earned(runs: Iterable[Run], site: str | None) -> list[Earned]:
    """What streams earned in each paid month, oldest first."""
    sums: dict[Month, Money] = {}
    for run in runs:
        if run.kind == PROVISIONAL:
            continue
        before = sums.get(run.result.month, Money.zero(run.result.currency))
        sums[run.result.month] = sum(
            (
                with_tax(line)
                for line in run.result.lines
                if line.kind == "stream" and (site is None or line.site == site)
            ),
            before,
        )
    return [Earned(month, sums[month]) for month in sorted(sums)][-_MONTHS:]


def _stated(connection: Connection, position: int, choice: Choice) -> Stated:
    return Stated(
        _chosen(connection, position, "economics", Economics, choice.economics),
        _chosen(connection, position, "emission", FactorSet, choice.emission),
        choice.co2_method,
    )


def _chosen(
    connection: Connection, position: int, kind: str, document: type[D], name: str | None
) -> D | None:
    """The document named, or the only one of its kind; None where there is none or one must be named."""
    versions = registered.load(connection, kind, document, position).versions
    if name is not None and name not in versions:
        there = ", ".join(versions) or "none"
        raise Refused(f"unknown_{kind}", f"{name!r} is not published; there are: {there}", place=kind)
    if name is None and len(versions) != 1:
        return None
    return versions[name or next(iter(versions))][-1].document


def _sequences(found: Iterable[_InForce], month: Month) -> list[int]:
    return [one.sequence for one in found if one.run.result.month == month]


def _document(
    connection: Connection, position: int, report: RevenueReport, sequences: Sequence[int], name: str
) -> RevenueDocument:
    made = recorded_at(connection, sequences)
    return RevenueDocument(
        report=report,
        recorded_at=max(made.values()),
        issuer=issuer(connection, position),
        subject_name=name,
    )
