"""What streams earned is added up with the tax in it, whether or not a contract divides it so."""

from __future__ import annotations

from fractions import Fraction

import msgspec

from ledger.clauses.flow import exact_text
from ledger.kpi.monthly_revenue import TAX_TAKEN_OFF, RevenueReport, partner_report, portfolio_report
from ledger.kpi.tax_basis import with_tax
from ledger.quantity import Money
from ledger.settlement.line import TAX, Basis, Line
from ledger.settlement.run import Run
from ledger.settlement.statement import statements
from tests.ledger.kpi.sample import AUGUST, cny, run


def without_tax(of: Run) -> Run:
    """The same run under a tax-exclusive contract: 100.00 of tax come off its demand charge."""
    lines = tuple(_less(line) if line.code == "demand_charge" else line for line in of.result.lines)
    taken = {party: money for party, money in of.result.held.items() if money.minor}
    (holder,) = taken
    result = msgspec.structs.replace(
        of.result,
        lines=lines,
        pool=of.result.pool - cny("100.00"),
        held={**of.result.held, holder: taken[holder] - cny("100.00")},
        entitlement={**of.result.entitlement, holder: of.result.entitlement[holder] - cny("100.00")},
    )
    return msgspec.structs.replace(of, result=result)


def _less(line: Line) -> Line:
    stated = Basis("with tax", line.exact, "CNY", "1", line.exact)
    tax = Basis("value-added tax in the price", str(line.amount), "CNY", "0.13", "-100", TAX)
    amount = line.amount - cny("100.00")
    exact = exact_text(Fraction(line.exact) - 100)
    return msgspec.structs.replace(line, exact=exact, amount=amount, basis=(stated, tax))


def rows(report: RevenueReport, dimension: str) -> dict[str, Money]:
    return {
        row.key: row.amount for one in report.breakdowns if one.dimension == dimension for row in one.rows
    }


def test_sites_under_either_kind_of_contract_add_up_with_the_tax() -> None:
    one, other = run(), run("c-two", site="S2", host="host-two")
    both = portfolio_report([one, without_tax(other)], "book", AUGUST)
    assert both.total == portfolio_report([one, other], "book", AUGUST).total
    assert rows(both, "site")["S1"] == rows(both, "site")["S2"]
    assert rows(both, "party")[TAX_TAKEN_OFF] == cny("100.00")
    assert both.basis == "with_tax"
    (charge,) = [line for line in without_tax(other).result.lines if line.code == "demand_charge"]
    assert with_tax(charge) == charge.amount + cny("100.00")


def test_a_partners_contracts_of_two_bases_are_not_added_up() -> None:
    runs = (run(), run("c-two", site="S2", host="host-two"))
    own = [one for each in runs for one in statements(each, 7) if one.party == "owner-one"]
    same = partner_report(own, AUGUST, split_bases=dict.fromkeys(("c-one", "c-two"), "tax_exclusive"))
    assert (same.basis, same.bases) == ("without_tax", (("c-one", "without_tax"), ("c-two", "without_tax")))
    assert {row.key for row in same.figures} >= {"held", "payable", "delta"}
    mixed = partner_report(own, AUGUST, split_bases={"c-one": "tax_inclusive", "c-two": "tax_exclusive"})
    assert (mixed.basis, mixed.bases) == ("mixed", (("c-one", "with_tax"), ("c-two", "without_tax")))
    assert not {row.key for row in mixed.figures} & {"held", "payable", "delta"}
    assert [one.dimension for one in mixed.breakdowns] == ["contract"]
