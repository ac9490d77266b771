"""Who invoices whom for a statement, as principal and as agent, for a first run and for a correction."""

from __future__ import annotations

from datetime import date

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.accounting.billing import billing, run_before, settled_with
from ledger.accounting.run_effect import run_effect
from ledger.accounting.vat import VatRate
from ledger.clauses import RemainderSplit
from ledger.contract import Contract
from ledger.effective import History, Period
from ledger.interval import Month
from ledger.quantity import decimal_text
from ledger.settlement.inputs import contract_digest
from ledger.settlement.run import Runs
from ledger.statement.invoice import Billed
from ledger.vat_terms import VatTerms
from tests.ledger.accounting.runs import OWNER, runs_of, with_streams
from tests.ledger.contract_samples import APRIL, JANUARY, agency, co_investment, eaas, plain_split

PARTIES = ("host", "a-investor", "b-platform")


def shown(side: Billed) -> dict[str, str]:
    return {str(one.account): str(one.amount) for one in side.accounts}


def of(
    terms: Contract, *revisions: dict[str, str], party: str = "host", month: Month = APRIL
) -> tuple[dict[str, str], dict[str, str]]:
    """What we and the party invoice for the last of the runs."""
    runs = runs_of(terms, list(revisions), month)
    found = billing(OWNER, party, runs[-1], runs[-2] if len(runs) > 1 else None)
    return shown(found.issued), shown(found.received)


def test_a_principal_and_a_party_invoice_each_other() -> None:
    """45 678.91 of demand response: 31 975.24 to the host, which owes both fees."""
    issued, received = of(with_streams(eaas(), {"demand_response": OWNER}), {"demand_response": "45678.91"})
    assert issued == {"clause_income:base_fee": "33333.33", "clause_income:service_fee": "9936.00"}
    assert received == {"partner_share:host": "31975.24"}


def test_an_agent_invoices_its_fees_and_its_part_of_the_pool() -> None:
    """The same month for an agent: its 30 % are 13 703.67, and nobody invoices it a share."""
    terms = with_streams(eaas(), {"demand_response": OWNER}, position="net")
    issued, received = of(terms, {"demand_response": "45678.91"})
    assert received == {}
    assert issued == {
        "clause_income:base_fee": "33333.33",
        "clause_income:service_fee": "9936.00",
        "clause_income:remainder_split": "13703.67",
    }


def test_an_agent_that_tops_up_is_invoiced() -> None:
    """R 80 000.00 of the 100 000.00 guaranteed: the host invoices the 20 000.00 that the agent adds."""
    terms = with_streams(agency(), {"spot": OWNER}, position="net")
    issued, received = of(terms, {"spot": "80000.00"}, month=JANUARY)
    assert (issued, received) == ({}, {"clause_cost:guarantee": "20000.00"})


def test_several_principals_share_an_agents_invoice_by_their_part_of_the_pool() -> None:
    shares = {"host": "50%", "a-investor": "25%", OWNER: "25%"}
    terms = plain_split()
    split = msgspec.structs.replace(terms.clauses[0], shares=shares)
    terms = msgspec.structs.replace(terms, clauses=(split, RemainderSplit(shares=shares)))
    terms = with_streams(terms, {"spot": OWNER}, position="net")
    amounts = {"spot": "100.03"}
    parts = {party: of(terms, amounts, party=party)[0] for party in PARTIES}
    account = "clause_income:remainder_split"
    # 25.01 of ours: host has 50.01 and the investor 25.01 of 75.02, so 16.67 and 8.34
    assert parts == {"host": {account: "16.67"}, "a-investor": {account: "8.34"}, "b-platform": {}}


def test_a_correction_bills_what_changed_and_may_turn() -> None:
    terms = with_streams(eaas(), {"demand_response": OWNER})
    issued, received = of(terms, {"demand_response": "45678.91"}, {"demand_response": "40000.00"})
    assert (issued, received) == ({}, {"partner_share:host": "-3975.24"})
    assert of(terms, {"demand_response": "1.00"}, {"demand_response": "1.00"}) == ({}, {})


def test_a_share_of_a_loss_is_invoiced_to_who_bears_it() -> None:
    """-1 234.57 of spot: the host bears 864.20, beside both fees; it invoices nothing."""
    issued, received = of(with_streams(eaas(), {"spot": OWNER}), {"spot": "-1234.57"})
    assert (issued["partner_share:host"], received) == ("864.20", {})
    turned = of(with_streams(eaas(), {"spot": OWNER}), {"spot": "-1234.57"}, {"spot": "100.00"})
    assert turned == ({"partner_share:host": "-864.20"}, {"partner_share:host": "70.00"})


def test_nothing_is_billed_to_oneself_or_under_others_contracts() -> None:
    (run,) = runs_of(with_streams(eaas(), {"demand_response": OWNER}), [{"demand_response": "5.00"}])
    for owner, party in ((OWNER, OWNER), ("stranger", "host")):
        found = billing(owner, party, run, None)
        assert (found.issued.amount.minor, found.received.amount.minor) == (0, 0)


def vat_terms(terms: Contract) -> Contract:
    rates = tuple(
        VatRate(
            category=name, taxpayer="general", rate=rate, effective_from=date(2019, 4, 1), source="a notice"
        )
        for name, rate in (("service", "6%"), ("power", "13%"))
    )
    kinds = dict.fromkeys((*terms.pool_streams, *terms.clause_types), "service")
    kinds |= dict.fromkeys(("remainder_split", "loss_split"), "power")
    taxpayers = dict.fromkeys(terms.party_ids, "general")
    return msgspec.structs.replace(terms, vat=VatTerms(taxpayers=taxpayers, categories=kinds, rates=rates))


def test_tax_by_the_contracts_own_rates() -> None:
    """33 333.33 and 9 936.00 at 6 % hold 1 886.79 and 562.42; the host's share at 13 % holds 3 678.57."""
    terms = vat_terms(with_streams(eaas(), {"demand_response": OWNER}))
    (run,) = runs_of(terms, [{"demand_response": "45678.91"}])
    found = billing(OWNER, "host", run, None)
    assert [str(one.tax) for one in found.issued.accounts] == ["1886.79", "562.42"]
    assert (str(found.issued.tax), str(found.received.tax)) == ("2449.21", "3678.57")
    (plain,) = runs_of(with_streams(eaas(), {"demand_response": OWNER}), [{"demand_response": "45678.91"}])
    assert billing(OWNER, "host", plain, None).issued.tax is None


def test_a_run_keeps_the_version_of_the_contract_that_it_was_settled_with() -> None:
    """An amendment recorded before the statement is reviewed changes nothing of it."""
    old, new = with_streams(eaas(), {"spot": OWNER}), with_streams(eaas(), {"spot": OWNER}, position="net")
    (settled,) = runs_of(old, [{"spot": "100.00"}])
    result = msgspec.structs.replace(settled.run.result, inputs={"contract": contract_digest(old)})
    runs = Runs((msgspec.structs.replace(settled.run, result=result),))
    period = Period(old.effective.start)
    history = History[Contract]().with_version(period, old).with_version(period, new)
    assert settled_with(runs, 1, history).contract.owner_position == "gross"
    unnamed = Runs((settled.run,))
    assert settled_with(unnamed, 1, history).contract.owner_position == "net"
    assert (run_before(unnamed, 1), run_before(unnamed, 2)) == (None, 1)


HOLDERS = {"demand_response": OWNER, "spot": "host", "arbitrage": "a-investor", "maintenance": "host"}
amount = st.integers(-200_000_00, 200_000_00).map(lambda minor: decimal_text(minor, 2))
streams = st.fixed_dictionaries(dict.fromkeys(HOLDERS, amount))


@settings(max_examples=100)
@given(
    st.sampled_from([eaas, co_investment, plain_split, agency]),
    st.sampled_from(["gross", "net"]),
    st.lists(streams, min_size=1, max_size=3),
)
def test_what_is_billed_adds_up_to_what_is_earned(make: object, position: str, revisions: object) -> None:
    """Over all runs and parties, invoices are the owner's income by party, less the cost by party."""
    terms = with_streams(make(), HOLDERS, position=position)  # type: ignore[operator]
    runs = runs_of(terms, revisions, JANUARY)  # type: ignore[arg-type]
    billed = 0
    for before, run in zip([None, *runs], runs, strict=False):
        for party in PARTIES:
            found = billing(OWNER, party, run, before)
            billed += found.issued.amount.minor - found.received.amount.minor
    own = {"stream_income", "own_saving"}
    if position == "gross":
        own |= {"stream_cost"}
        held = sum(
            line.amount.minor
            for line in runs[-1].run.result.lines
            if line.kind == "stream" and line.code == "maintenance" and line.party != OWNER
        )
        billed -= held
    earned = -sum(
        effect.minor
        for account, effect in run_effect(OWNER, runs[-1]).items()
        if account.type in ("income", "expense") and account.role not in own
    )
    assert billed == earned
