"""What an agent gets or pays when a contract ends early is invoiced between payer and receiver."""

from __future__ import annotations

from datetime import date
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.accounting.billing import billing
from ledger.accounting.run_effect import Settled
from ledger.clauses import Hurdle, LossSplit, RemainderSplit
from ledger.clauses.early_termination import EarlyTermination, TerminationStep
from ledger.contract import Contract
from ledger.quantity import decimal_text
from ledger.settlement.supply import TERMINATION
from ledger.statement.invoice import Billed
from tests.ledger.accounting.runs import OWNER, runs_of, with_streams
from tests.ledger.accounting.test_one_vat import check, taxed
from tests.ledger.contract_samples import JANUARY, contract

OTHERS = ("host", "a-investor", "b-platform")
POOL = {"host": "20%", "a-investor": "50%", OWNER: "30%"}
PAYMENT = {"a-investor": "60%", OWNER: "40%"}
INCOME, COST = f"clause_income:{TERMINATION}", f"clause_cost:{TERMINATION}"


def ending(amount: str = "88888.89", **changes: Any) -> Contract:
    """An agent's contract that ends with January."""
    fields: dict[str, Any] = {
        "on": date(2026, 2, 1),
        "evidence": "a notice",
        "payer": "host",
        "schedule": (TerminationStep(since=date(2026, 1, 1), amount=amount),),
        "payment_shares": PAYMENT,
        "unpaid_hurdle": "lapses",
    }
    clauses = (
        LossSplit(shares=POOL, carry_forward=False),
        Hurdle(capital="1200000", annual_rate="10%", proration="months", shares=POOL, carry_forward=True),
        RemainderSplit(shares=POOL),
        EarlyTermination(**fields | changes),
    )
    return with_streams(contract(clauses), {"spot": OWNER}, position="net")


def shown(side: Billed) -> dict[str, str]:
    return {str(one.account): str(one.amount) for one in side.accounts}


def billed(run: Settled, before: Settled | None = None) -> dict[str, tuple[dict[str, str], dict[str, str]]]:
    found = {party: billing(OWNER, party, run, before) for party in OTHERS}
    return {party: (shown(one.issued), shown(one.received)) for party, one in found.items()}


def test_the_payer_alone_is_invoiced_for_the_agents_part_of_a_termination() -> None:
    """The host pays 88 888.89: 53 333.33 of it is the investor's and 35 555.56 ours, which the host owes us.

    Of the pool's 12 380.00 we have 3 714.00: the host has 2 and the investor 5 parts of the other 7.
    """
    (run,) = runs_of(ending(), [{"spot": "12380.00"}], JANUARY)
    assert billed(run) == {
        "host": (
            {"clause_income:hurdle": "857.14", INCOME: "35555.56", "clause_income:remainder_split": "204.00"},
            {},
        ),
        "a-investor": ({"clause_income:hurdle": "2142.86", "clause_income:remainder_split": "510.00"}, {}),
        "b-platform": ({}, {}),
    }


def test_an_agent_that_ends_the_contract_is_invoiced_by_each_who_receives() -> None:
    shares = {"host": "25%", "a-investor": "75%"}
    (run,) = runs_of(ending("1000.01", payer=OWNER, payment_shares=shares), [{"spot": "0.00"}], JANUARY)
    found = billed(run)
    assert found["host"] == ({}, {COST: "250.00"})
    assert found["a-investor"] == ({}, {COST: "750.01"})


def test_what_the_payer_has_of_its_own_payment_nobody_invoices() -> None:
    shares = {"host": "50%", OWNER: "50%"}
    (run,) = runs_of(ending("100.00", payer=OWNER, payment_shares=shares), [{"spot": "0.00"}], JANUARY)
    assert billed(run) == {"host": ({}, {COST: "50.00"}), "a-investor": ({}, {}), "b-platform": ({}, {})}


def test_a_payment_and_an_unpaid_return_each_go_to_their_own_receivers() -> None:
    """1 000.00 to the host, and of the 10 000.00 that the pool left unpaid 6 000.00 to the investor."""
    terms = ending(
        "1000.00",
        payer=OWNER,
        payment_shares={"host": "100%"},
        unpaid_hurdle="due",
        hurdle_shares={"a-investor": "60%", OWNER: "40%"},
    )
    (run,) = runs_of(terms, [{"spot": "0.00"}], JANUARY)
    found = billed(run)
    assert (found["host"], found["a-investor"]) == (({}, {COST: "1000.00"}), ({}, {COST: "6000.00"}))


def of_rules(run: Settled, version: str) -> Settled:
    result = msgspec.structs.replace(run.run.result, rules_version=version)
    return msgspec.structs.replace(run, run=msgspec.structs.replace(run.run, result=result))


def test_a_correction_takes_back_what_an_older_rule_had_the_wrong_party_invoiced() -> None:
    """A run of before is billed as it was; of the run after it each party gets the difference."""
    amounts = {"spot": "12380.00"}
    first, second = runs_of(ending(), [amounts, amounts | {"spot": "12390.00"}], JANUARY)
    old = billed(of_rules(first, "2026-11.7"))
    assert (old["host"][0][INCOME], old["a-investor"][0][INCOME]) == ("21053.43", "14502.13")
    delta = billed(second, of_rules(first, "2026-11.7"))
    assert (delta["host"][0][INCOME], delta["a-investor"][0][INCOME]) == ("14502.13", "-14502.13")


shares = st.sampled_from(
    [
        PAYMENT,
        {OWNER: "100%"},
        {"host": "33.3%", "a-investor": "33.3%", OWNER: "33.4%"},
        {"b-platform": "60%", OWNER: "40%"},
    ]
)
amount = st.integers(0, 10**8).map(lambda minor: decimal_text(minor, 2))


@settings(max_examples=150)
@given(
    st.sampled_from(["host", "a-investor", OWNER]),
    shares,
    shares,
    amount,
    st.lists(st.integers(-(10**7), 10**7), min_size=1, max_size=2),
    st.sampled_from(["tax_inclusive", "tax_exclusive"]),
)
def test_statements_are_their_invoices_when_a_contract_ends(
    payer: str, payment: dict[str, str], hurdle: dict[str, str], due: str, pools: list[int], basis: Any
) -> None:
    """The invoices of all parties sum to the agent's own lines, and the payer alone owes it a termination."""
    for one in (payment, hurdle):
        if set(one) == {payer}:
            return
    terms = ending(due, payer=payer, payment_shares=payment, unpaid_hurdle="due", hurdle_shares=hurdle)
    runs = runs_of(taxed(terms, basis), [{"spot": decimal_text(minor, 2)} for minor in pools], JANUARY)
    for before, run in zip([None, *runs], runs, strict=False):
        found = {party: billing(OWNER, party, run, before) for party in OTHERS}
        asked = sum(one.issued.amount.minor - one.received.amount.minor for one in found.values())
        assert asked == sum(
            sign * line.amount.minor
            for each, sign in ((run, 1), (before, -1))
            if each is not None
            for line in each.run.result.lines
            if line.kind == "clause" and line.party == OWNER
        )
        if payer != OWNER:
            of_it = {
                party: sum(
                    account.amount.minor for account in one.issued.accounts if str(account.account) == INCOME
                )
                for party, one in found.items()
            }
            assert not any(minor for party, minor in of_it.items() if party != payer)
    check(runs)


@pytest.mark.parametrize("party", ["a-investor", "b-platform"])
def test_whom_nobody_invoices_has_no_tax_of_it(party: str) -> None:
    (run,) = runs_of(taxed(ending(), "tax_inclusive"), [{"spot": "0.00"}], JANUARY)
    assert not [one for one in run.run.result.agent_parts if one.party == party]
    (own,) = (one for one in run.run.result.agent_parts if one.party == "host")
    assert str(-own.vat.gross) == "35555.56"
