"""The monthly revenue report of a site, of the whole portfolio and of a partner."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Final, Literal

import msgspec

from ledger.interval import Month
from ledger.kpi.comparison import Comparison
from ledger.kpi.economy import bill_saving
from ledger.kpi.kpi import Kpi
from ledger.kpi.tax_basis import Basis, one_basis, tax_taken_off, with_tax
from ledger.quantity import Money
from ledger.refusal import Refused
from ledger.settlement.line import Line
from ledger.settlement.result import Percentage, SiteBill
from ledger.settlement.run import PROVISIONAL, Run
from ledger.settlement.statement import ShownBill, Statement

Scope = Literal["site", "portfolio", "partner"]
Dimension = Literal["stream", "site", "contract", "clause", "party", "month"]

NOT_SPLIT: Final = "not_split"
"""The row of what no contract split: streams outside the pools, less costs charged to them."""

TAX_TAKEN_OFF: Final = "tax_taken_off"
"""The row of the tax that tax-exclusive contracts took off before they divided."""

_UNSTATED: Final[Mapping[str, str]] = MappingProxyType({})
NO_BILL: Final = "there is no one bill without storage of {}"
NO_BILL_SHOWN: Final = "no electricity bill is shown to this party"


class Row(msgspec.Struct, frozen=True):
    """Money of one stream, site, contract, clause, party or month, or of a named figure."""

    key: str
    amount: Money


class Breakdown(msgspec.Struct, frozen=True):
    """The report's total by one dimension; by month, the months settled up to the report's.

    Where the total is of two bases, the contracts only: each row then stands on its contract's own.
    """

    dimension: Dimension
    rows: tuple[Row, ...]


class ContractShare(msgspec.Struct, frozen=True):
    """A party's percentage by a clause of a contract."""

    contract: str
    percentage: Percentage


class RevenueReport(msgspec.Struct, frozen=True):
    """`total` is what streams earned, or for a partner what it is entitled to; `figures` stand beside it.

    What streams earned has the tax in it, also where the contract takes that off before it divides. What a
    partner is entitled to stands on its contracts' `basis`; of two bases there is no sum, and `bases` says
    which contract has which.

    `rests_on` names the runs of the report's month; `provisional` is set when one of them pays nothing yet.
    """

    scope: Scope
    subject: str
    month: str
    currency: str
    total: Money
    figures: tuple[Row, ...]
    breakdowns: tuple[Breakdown, ...]
    kpis: tuple[Kpi, ...]
    rests_on: tuple[str, ...]
    provisional: bool
    comparisons: tuple[Comparison, ...] = ()
    """Sites by themselves against all together; of the portfolio only."""
    percentages: tuple[ContractShare, ...] = ()
    """Of a partner: what its contracts' clauses give to it, and to the others where they show that."""
    basis: Basis = "with_tax"
    bases: tuple[tuple[str, Basis], ...] = ()
    """Of a partner: each contract's."""

    def __post_init__(self) -> None:
        for breakdown in self.breakdowns:
            rows = [row for row in breakdown.rows if breakdown.dimension != "month" or row.key == self.month]
            assert sum(row.amount.minor for row in rows) == self.total.minor, breakdown.dimension


def site_report(runs: Sequence[Run], site: str, month: Month, *, kpis: tuple[Kpi, ...] = ()) -> RevenueReport:
    """What a site's storage earned in the month by stream and contract, its bills, and the months before.

    `runs` are the ones in force, one per contract and month, of any contracts and months.

    Raises:
        Refused: `run_twice`, `currency`, `not_settled` when no run of the month has a line of the site.
    """
    _once((run.result.contract, str(run.result.month)) for run in runs)
    touched = [run for run in runs if any(_of_site(line, site) for line in run.result.lines)]
    now = _of_month(touched, month, f"site {site}")
    lines = [(run, line) for run in now for line in run.result.lines if _of_site(line, site)]
    bills = {bill for run in now for bill in run.result.bills if bill.site == site}
    figures, saving = _bill_figures(bills) if len(bills) == 1 else _no_saving(NO_BILL.format(site))
    return _report(
        "site",
        site,
        now,
        touched,
        figures=figures,
        breakdowns=(
            Breakdown("stream", _rows((line.code, with_tax(line)) for _, line in lines)),
            Breakdown("contract", _rows((run.result.contract, with_tax(line)) for run, line in lines)),
        ),
        kpis=(*saving, *kpis),
        only=site,
    )


def portfolio_report(
    runs: Sequence[Run], name: str, month: Month, *, kpis: tuple[Kpi, ...] = ()
) -> RevenueReport:
    """What all sites earned in the month by stream, site and contract, who is entitled to it, and the months
    before; for the book's owner, because it names every party.

    Raises:
        Refused: as `site_report`.
    """
    _once((run.result.contract, str(run.result.month)) for run in runs)
    now = _of_month(runs, month, "the portfolio")
    lines = [(run, line) for run in now for line in run.result.lines if line.kind == "stream"]
    bills = {bill for run in now for bill in run.result.bills}
    sites = {line.site or "" for _, line in lines}
    times = Counter(bill.site for bill in bills)
    without = sorted(site for site in sites if times[site] != 1)
    figures, saving = _no_saving(NO_BILL.format(", ".join(without))) if without else _bill_figures(bills)
    return _report(
        "portfolio",
        name,
        now,
        runs,
        figures=figures,
        breakdowns=(
            Breakdown("stream", _rows((line.code, with_tax(line)) for _, line in lines)),
            Breakdown("site", _rows((line.site or "", with_tax(line)) for _, line in lines)),
            Breakdown("contract", _rows((run.result.contract, with_tax(line)) for run, line in lines)),
            Breakdown("party", _parties(now)),
        ),
        kpis=(*saving, *kpis),
    )


def partner_report(
    statements: Sequence[Statement],
    month: Month,
    *,
    kpis: tuple[Kpi, ...] = (),
    split_bases: Mapping[str, str] = _UNSTATED,
) -> RevenueReport:
    """What one party is entitled to in the month by contract and clause, and the months before; the bills and
    percentages that its statements show.

    It is made of the party's own statements and therefore holds nothing that they do not show.
    `split_bases` are the contracts' own, by id.

    Raises:
        Refused: `one_party` for statements of several parties, `run_twice`, `currency`, `not_settled`.
    """
    parties = {statement.party for statement in statements}
    if len(parties) > 1:
        raise Refused(
            "one_party", "a partner's report is made of its own statements only", place="statements"
        )
    _once((statement.contract, statement.month) for statement in statements)
    now = [statement for statement in statements if statement.month == str(month)]
    if not now:
        raise Refused("not_settled", f"there is no statement of {month}", place="month")
    currency = now[0].currency
    clauses = [(line.code, line.amount) for one in now for line in one.lines if line.kind == "clause"]
    earlier = [(one.month, one.entitlement) for one in statements if one.month <= str(month)]
    shown = _one_a_site(bill for one in now for bill in one.bills)
    bills, saving = _bill_figures(shown) if shown else _no_saving(NO_BILL_SHOWN)
    bases = {one.contract: one_basis([split_bases.get(one.contract, "tax_inclusive")]) for one in now}
    basis: Basis = bases[now[0].contract] if len(set(bases.values())) == 1 else "mixed"
    sums = (
        Breakdown("clause", _rows(clauses)),
        Breakdown("month", tuple(sorted(_rows(earlier), key=lambda row: row.key))),
    )
    return RevenueReport(
        scope="partner",
        subject=parties.pop(),
        month=str(month),
        currency=currency,
        total=_sum((one.entitlement for one in now), currency),
        figures=(
            *(
                Row(name, _sum((getattr(one, name) for one in now), currency))
                for name in (("held", "payable", "delta") if basis != "mixed" else ())
            ),
            *bills,
        ),
        breakdowns=(
            Breakdown("contract", _rows((one.contract, one.entitlement) for one in now)),
            *(sums if basis != "mixed" else ()),
        ),
        kpis=(*saving, *kpis),
        rests_on=tuple(f"{s.contract} {s.month} run {s.run} ({s.run_kind}) {s.outputs_digest}" for s in now),
        provisional=any(one.run_kind == PROVISIONAL for one in now),
        percentages=tuple(ContractShare(one.contract, part) for one in now for part in one.percentages),
        basis=basis,
        bases=tuple(bases.items()),
    )


def _one_a_site(bills: Iterable[ShownBill]) -> tuple[ShownBill, ...]:
    """Each site's bill once; none at all where two contracts have two of one site."""
    found = dict.fromkeys(bills)
    return tuple(found) if len({bill.site for bill in found}) == len(found) else ()


def _report(
    scope: Scope,
    subject: str,
    now: Sequence[Run],
    runs: Sequence[Run],
    *,
    figures: tuple[Row, ...],
    breakdowns: tuple[Breakdown, ...],
    kpis: tuple[Kpi, ...],
    only: str | None = None,
) -> RevenueReport:
    month, currency = now[0].result.month, now[0].result.currency
    earlier = [
        (str(run.result.month), _streams_total(run, only)) for run in runs if run.result.month <= month
    ]
    months = tuple(sorted(_rows(earlier), key=lambda row: row.key))
    return RevenueReport(
        scope=scope,
        subject=subject,
        month=str(month),
        currency=currency,
        total=_sum((_streams_total(run, only) for run in now), currency),
        figures=figures,
        breakdowns=(*breakdowns, Breakdown("month", months)),
        kpis=kpis,
        rests_on=tuple(
            f"{run.result.contract} {run.result.month} run {run.number} ({run.kind}) {run.outputs_digest}"
            for run in now
        ),
        provisional=any(run.kind == PROVISIONAL for run in now),
    )


def _of_site(line: Line, site: str) -> bool:
    return line.kind == "stream" and line.site == site


def _streams_total(run: Run, site: str | None) -> Money:
    """What the streams of a run earned, at one site or at all."""
    amounts = (
        with_tax(line)
        for line in run.result.lines
        if line.kind == "stream" and (site is None or line.site == site)
    )
    return _sum(amounts, run.result.currency)


def _of_month(runs: Sequence[Run], month: Month, what: str) -> list[Run]:
    now = [run for run in runs if run.result.month == month]
    if not now:
        raise Refused("not_settled", f"{what} has no settled run of {month}", place="month")
    return now


def _once(keys: Iterable[tuple[str, str]]) -> None:
    seen: set[tuple[str, str]] = set()
    for contract, month in keys:
        if (contract, month) in seen:
            raise Refused("run_twice", f"give one run of {contract} in {month}", place=f"contract {contract}")
        seen.add((contract, month))


def _bill_figures(bills: Iterable[SiteBill | ShownBill]) -> tuple[tuple[Row, ...], tuple[Kpi, ...]]:
    """The bills added up, above zero is owed to the grid, and what the storage saves on them."""
    every = list(bills)
    currency = every[0].without_storage.currency
    without = _sum((bill.without_storage for bill in every), currency)
    with_storage = _sum((bill.with_storage for bill in every), currency)
    rows = (Row("bill_without", without), Row("bill_with", with_storage))
    return rows, (bill_saving(without, with_storage),)


def _no_saving(why: str) -> tuple[tuple[Row, ...], tuple[Kpi, ...]]:
    return (), (Kpi("bill_saving", None, "%", "", (), why),)


def _parties(runs: Sequence[Run]) -> tuple[Row, ...]:
    rows = list(_rows((party, money) for run in runs for party, money in run.result.entitlement.items()))
    currency = runs[0].result.currency
    streams = [line for run in runs for line in run.result.lines if line.kind == "stream"]
    tax = tax_taken_off(streams, currency)
    rest = _sum((_streams_total(run, None) - run.result.pool for run in runs), currency) - tax
    beside = (Row(TAX_TAKEN_OFF, tax), Row(NOT_SPLIT, rest))
    return (*rows, *(row for row in beside if row.amount.minor))


def _rows(items: Iterable[tuple[str, Money]]) -> tuple[Row, ...]:
    """One row a key, added up, in the order in which the keys first come."""
    sums: dict[str, Money] = {}
    for key, money in items:
        sums[key] = sums[key] + money if key in sums else money
    return tuple(Row(key, money) for key, money in sums.items())


def _sum(amounts: Iterable[Money], currency: str) -> Money:
    return sum(amounts, Money.zero(currency))
