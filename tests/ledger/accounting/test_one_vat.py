"""One VAT: the tax of a statement's lines is the tax of its invoices and of what they post."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from fractions import Fraction
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger import contract_file
from ledger.accounting.account import Account
from ledger.accounting.billing import billing
from ledger.accounting.invoice import invoice_entry
from ledger.accounting.run_effect import Settled
from ledger.accounting.vat import VatRate
from ledger.clauses import BaseFee
from ledger.clauses.facts import NO_FACTS, MonthFacts
from ledger.contract import Contract
from ledger.quantity import decimal_text
from ledger.settlement.line_vat import VatSum, vat_sums
from ledger.settlement.statement import statements
from ledger.settlement.supply import supplies
from ledger.statement.invoice import Billing, Invoice
from ledger.statement.life import StatementKey
from ledger.stream import BILL_EFFECT, PASS_THROUGH_COSTS
from ledger.vat_terms import SplitBasis, VatTerms
from tests.ledger.accounting.runs import OWNER, runs_of, with_streams
from tests.ledger.contract_samples import (
    JANUARY,
    agency,
    co_investment,
    contract,
    eaas,
    plain_split,
)

EXAMPLES = Path(__file__).parents[3] / "examples" / "contracts"
DAY = date(2026, 2, 10)
NAMES = tuple(path.name for path in sorted(EXAMPLES.glob("*.toml")))
CAPITAL = MonthFacts(capital={"investor": "1000000", "operator": "600000"})
"""What one example's capital accounts hold."""


def taxed(terms: Contract, basis: SplitBasis) -> Contract:
    """With a rate a kind of supply: 13 % for what is left, 6 % for the rest, none for first returns."""
    rates = tuple(
        VatRate(category=name, taxpayer=taxpayer, rate=rate, effective_from=date(2019, 4, 1), source="a test")
        for name, general in (("power", "13%"), ("service", "6%"), ("return", "0%"))
        for taxpayer, rate in (("general", general), ("small_scale", "3%"))
    )
    items = (*terms.pool_streams, *terms.pass_through_costs, *terms.clause_types)
    kinds = dict.fromkeys(items, "service")
    kinds |= {name: "power" for name in ("remainder_split", "guarantee") if name in kinds}
    kinds |= {name: "return" for name in ("hurdle",) if name in kinds}
    small = next(name for name in terms.party_ids if name != OWNER)
    taxpayers: dict[str, Any] = dict.fromkeys(terms.party_ids, "general") | {small: "small_scale"}
    stated = VatTerms(taxpayers=taxpayers, categories=kinds, rates=rates)
    return msgspec.structs.replace(terms, vat=stated, split_basis=basis)


def between(settled: Settled | None, party: str) -> dict[str, tuple[VatSum, ...]]:
    """What the party's statement says that the owner and it invoice each other, by supplier."""
    if settled is None or party not in settled.run.result.entitlement:
        return {}
    (one,) = [each for each in statements(settled.run, 1) if each.party == party]
    direct = {
        number
        for each in supplies(OWNER, settled.contract, settled.run.result.lines)
        if each.account is None
        for number in (each.line, *each.also_on)
    }
    found = [line.vat for line in one.lines if line.vat is not None and line.number not in direct]
    sums = vat_sums([*found, *(part.vat for part in one.agent_parts)])
    return {supplier: tuple(s for s in sums if s.supplier == supplier) for supplier in (OWNER, party)}


def tax_of(sums: Sequence[VatSum]) -> int:
    return sum(one.tax.minor for one in sums)


def stated(one: VatSum, basis: SplitBasis) -> int:
    return (one.gross if basis == "tax_inclusive" else one.net).minor


def check_statement_is_invoice(settled: Settled, before: Settled | None, party: str) -> Billing:
    """Per direction, the invoice's tax is the sum of the lines' taxes; a delta is new less old."""
    found = billing(OWNER, party, settled, before)
    new, old = between(settled, party), between(before, party)
    for direction, supplier, sign in (("issued", OWNER, -1), ("received", party, 1)):
        tax = found.side(direction).tax  # type: ignore[arg-type]
        assert tax is not None
        assert tax.minor == sign * (tax_of(new.get(supplier, ())) - tax_of(old.get(supplier, ())))
        amounts = [
            sum(
                (one.gross if found.basis == "tax_inclusive" else one.net).minor
                for one in side.get(supplier, ())
            )
            for side in (new, old)
        ]
        assert found.side(direction).amount.minor == sign * (amounts[0] - amounts[1])  # type: ignore[arg-type]
    for one in (*new.get(OWNER, ()), *new.get(party, ())):
        exact = one.gross.exact * Fraction(one.rate) / (1 + Fraction(one.rate))
        if found.basis == "tax_exclusive":
            exact = one.net.exact * Fraction(one.rate)
        assert abs(one.tax.exact - exact) <= Fraction(1, 200), "a supplier and rate are rounded once"
    return found


def check_posted(found: Billing, party: str) -> None:
    """An invoice of a whole side posts its tax to the fen, out of what was billed or on top of it."""
    for direction in ("issued", "received"):
        side = found.side(direction)  # type: ignore[arg-type]
        tax = side.tax
        if tax is None or tax.minor <= 0 or side.amount.minor <= tax.minor:
            continue
        inclusive = found.basis == "tax_inclusive"
        net = side.amount - tax if inclusive else side.amount
        one = Invoice(
            number="1",
            direction=direction,
            on=DAY,
            net=net,
            tax=tax,
            gross=net + tax,  # type: ignore[arg-type]
        )
        entry = invoice_entry(StatementKey("c", "2026-01", party, 1), found, one, DAY)
        assert entry is not None
        account = Account("vat_output" if direction == "issued" else "vat_input")
        posted = sum(one.amount.minor for one in entry.postings if one.account == account)
        assert abs(posted) == tax.minor
        if inclusive and direction == "received":
            taken = {str(p.account): -p.amount.minor for p in entry.postings if p.account != account}
            parts = {str(a.account): a.tax.minor for a in side.accounts if a.tax is not None and a.tax.minor}
            assert taken == parts, "each account is relieved of the tax of its own lines"


def check_payable(settled: Settled, before: Settled | None, found: Mapping[str, Billing]) -> None:
    """What is invoiced both ways, and the market's money handed on, is what the statements say is payable."""
    if settled.contract.owner_position == "net":
        own = sum(
            sign * line.amount.minor
            for run, sign in ((settled, 1), (before, -1))
            if run is not None
            for line in run.run.result.lines
            if line.kind == "clause" and line.party == OWNER
        )
        assert sum(one.issued.amount.minor - one.received.amount.minor for one in found.values()) == own
        return
    for party, one in found.items():
        handed_on = sum(
            sign * line.amount.minor
            for run, sign in ((settled, 1), (before, -1))
            if run is not None
            for line in run.run.result.lines
            if line.party == party and line.kind == "stream" and line.pooled
            if line.code not in {*BILL_EFFECT, *PASS_THROUGH_COSTS}
        )
        invoiced = one.received.amount.minor - one.issued.amount.minor
        assert settled.run.delta[party].minor == invoiced - handed_on


def check(runs: Sequence[Settled]) -> None:
    for before, settled in zip([None, *runs], runs, strict=False):
        others = [name for name in settled.contract.party_ids if name != OWNER]
        found = {name: check_statement_is_invoice(settled, before, name) for name in others}
        for party, one in found.items():
            check_posted(one, party)
        check_payable(settled, before, found)


@pytest.mark.parametrize("basis", ["tax_inclusive", "tax_exclusive"])
@pytest.mark.parametrize("name", NAMES)
def test_the_examples_statements_are_their_invoices(name: str, basis: SplitBasis) -> None:
    terms = taxed(contract_file.parse((EXAMPLES / name).read_bytes()), basis)
    months = [("45678.91", "12.34"), ("-1234.57", "40000.01"), ("0.01", "-0.03")]
    streams = {stream: terms.cash_holder[stream] for stream in terms.pool_streams}
    amounts = [
        {stream: pair[index % 2] for index, stream in enumerate(streams)}
        | dict.fromkeys(terms.pass_through_costs, "7.77")
        for pair in months
    ]
    facts = CAPITAL if name.startswith("floored") else NO_FACTS
    check(runs_of(terms, amounts, JANUARY, facts=facts))


BETWEEN_OTHERS = BaseFee(
    rate="1.17",
    unit="kWh.month",
    quantity="2000",
    quantity_basis="nameplate",
    proration="days",
    payer="host",
    payee="a-investor",
    timing="after_split",
)


def with_fee_between_others() -> Contract:
    return contract((*plain_split().clauses, BETWEEN_OTHERS))


def co_investment_of_the_owner() -> Contract:
    """All three tiers, with the owner among those who share, at a rate each."""
    shares = {"host": "33%", "operator": "34%", "a-investor": "33%"}
    return co_investment(
        capital_shares=shares,
        service_shares=shares,
        risk_shares=shares,
        loss_shares=shares,
        operating_cap="99.99",
    )


HOLDERS = {
    "demand_response": OWNER,
    "spot": "host",
    "arbitrage": "host",
    "demand_charge": "a-investor",
    "maintenance": "host",
    "insurance": "a-investor",
}
amount = st.one_of(st.integers(-300, 300), st.integers(-(10**8), 10**8)).map(
    lambda minor: decimal_text(minor, 2)
)
streams = st.fixed_dictionaries(dict.fromkeys(HOLDERS, amount))


@settings(max_examples=250)
@given(
    st.sampled_from(
        [eaas, co_investment, plain_split, agency, with_fee_between_others, co_investment_of_the_owner]
    ),
    st.sampled_from(["gross", "net"]),
    st.sampled_from(["tax_inclusive", "tax_exclusive"]),
    st.lists(streams, min_size=1, max_size=3),
)
def test_any_statements_tax_is_its_invoices_tax(
    make: Any, position: str, basis: SplitBasis, revisions: list[dict[str, str]]
) -> None:
    """Gains, losses, corrections, principals and agents, prices with tax and without."""
    terms = taxed(with_streams(make(), HOLDERS, position=position), basis)
    check(runs_of(terms, revisions, JANUARY))  # type: ignore[arg-type]
