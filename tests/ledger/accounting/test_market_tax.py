"""Of a tax-exclusive contract a market pays what it owes with its tax, and a supplier is paid so."""

from __future__ import annotations

from datetime import date

import msgspec
import pytest

from ledger.accounting import cash
from ledger.accounting.journal import JournalEntry
from ledger.accounting.run_effect import Settled, run_effect
from ledger.accounting.run_entries import run_entries
from ledger.accounting.unmatched import unmatched
from ledger.contract import Contract
from ledger.reconciliation.market_receivable import market_receivables
from ledger.settlement.line import Line
from ledger.settlement.run import RecordSettlement, Runs
from ledger.settlement.split_basis import on_basis
from tests.ledger.accounting.runs import OWNER, result_of, with_streams
from tests.ledger.accounting.test_one_vat import taxed
from tests.ledger.contract_samples import eaas, yuan

MAY_20 = date(2026, 5, 20)


def terms(position: str = "gross", holder: str = OWNER) -> Contract:
    held = {"demand_response": holder, "insurance": OWNER}
    return taxed(with_streams(eaas(), held, position=position), "tax_exclusive")


def runs(of: Contract, *priced: dict[str, str], provisional: bool = False) -> list[Settled]:
    """Runs of these amounts, as prices that hold the tax give them."""
    state: Runs | None = None
    for amounts in priced:
        result = result_of(of, amounts)
        gross = [one for one in result.lines if one.kind == "stream"]
        net = {line.code: line for line in on_basis(of, gross, date(2026, 4, 30))}
        made = result_of(of, {code: _size(line) for code, line in net.items()})
        lines = tuple(
            msgspec.structs.replace(one, basis=net[one.code].basis) if one.code in net else one
            for one in made.lines
        )
        through = date(2026, 4, 14) if provisional else None
        result = msgspec.structs.replace(made, lines=lines, through=through)
        (event,) = RecordSettlement(result).decide(state, {})
        state = event.apply(state)
    assert state is not None
    return [Settled(of, run) for run in state.runs]


def _size(line: Line) -> str:
    return str(line.amount).removeprefix("-")


def effect(settled: Settled) -> dict[str, int]:
    return {str(account): one.minor for account, one in run_effect(OWNER, settled).items()}


PRICED = {"demand_response": "2827.20", "insurance": "106.00"}


@pytest.mark.parametrize("position", ["gross", "net"])
def test_what_a_market_owes_has_its_tax(position: str) -> None:
    """2 827.20 at 6 % are 2 667.17 and 160.03; of the cost's 106.00 6.00 are input tax."""
    (run,) = runs(terms(position), PRICED)
    found = effect(run)
    assert (found["market_receivable:demand_response"], found["vat_output"]) == (282720, -16003)
    assert (found["supplier_payable:insurance"], found["vat_input"]) == (-10600, 600)
    if position == "gross":
        assert (found["stream_income:demand_response"], found["stream_cost:insurance"]) == (-266717, 10000)


def test_the_markets_payment_matches_its_month_and_none_of_the_next() -> None:
    (run,) = runs(terms(), PRICED)
    entries: list[JournalEntry] = list(run_entries(OWNER, run, date(2026, 4, 30)))
    (open_now,) = market_receivables(entries, "CNY")
    assert str(open_now.amount) == "2827.20"
    entries.append(cash.market_receipt("demand_response", yuan("2827.20"), MAY_20, "m1"))
    entries.append(cash.supplier_payment("insurance", yuan("106.00"), MAY_20, "s1"))
    assert (unmatched(entries), market_receivables(entries, "CNY")) == ((), ())


def test_a_correction_posts_the_tax_that_changes() -> None:
    first, second = runs(terms(), PRICED, PRICED | {"demand_response": "2721.20"})
    (entry, *_) = run_entries(OWNER, second, date(2026, 5, 31), recognised=first)
    posted = {str(one.account): one.amount.minor for one in entry.postings}
    assert (posted["market_receivable:demand_response"], posted["vat_output"]) == (-10600, 600)


def test_an_accrued_tax_is_pending() -> None:
    (run,) = runs(terms(), PRICED, provisional=True)
    found = effect(run)
    assert found["vat_output_pending"] == -16003
    assert "vat_output" not in found


def test_another_partys_market_is_its_own_tax() -> None:
    """The host has the market's money and its tax; it hands on what the contract divides."""
    (run,) = runs(terms(holder="host"), PRICED)
    assert not {"vat_output", "market_receivable:demand_response"} & set(effect(run))


def test_a_tax_inclusive_contract_divides_the_tax_too() -> None:
    inclusive = msgspec.structs.replace(terms(), split_basis="tax_inclusive")
    (run,) = runs(inclusive, PRICED)
    found = effect(run)
    assert found["market_receivable:demand_response"] == 282720
    assert "vat_output" not in found
