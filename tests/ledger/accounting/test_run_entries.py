"""Settlement runs as journal entries: the examples of DOMAIN.md 2.3 from the book owner's side."""

from __future__ import annotations

from datetime import date

import pytest

from ledger.accounting.journal import Journal, JournalEntry
from ledger.accounting.run_effect import run_effect
from ledger.accounting.run_entries import run_entries, statement_entry
from ledger.contract import Contract
from ledger.interval import Month
from ledger.quantity import decimal_text
from ledger.refusal import Refused
from tests.ledger.accounting.runs import (
    OWNER,
    may,
    provisional,
    renumbered,
    result_of,
    runs_of,
    with_streams,
)
from tests.ledger.contract_samples import agency, co_investment, eaas, plain_split

APRIL_POOL = "45678.91"


def shown(entries: tuple[JournalEntry, ...] | list[JournalEntry]) -> dict[str, str]:
    """Balances of all accounts but the memo ones, as text; those of zero are left out."""
    sums: dict[str, int] = {}
    for entry in entries:
        for posting in entry.postings:
            if not posting.account.is_memo:
                name = str(posting.account)
                sums[name] = sums.get(name, 0) + posting.amount.minor
    return {name: decimal_text(minor, 2) for name, minor in sums.items() if minor}


def posted(terms: Contract, amounts: dict[str, str]) -> tuple[JournalEntry, ...]:
    (settled,) = runs_of(terms, [amounts])
    return run_entries(OWNER, settled, may(3))


# Energy storage as a service: N = 45 678.91, base fee 33 333.33, service fee 9 936.00, 70/30


def test_principal_with_the_hosts_saving_shows_only_what_the_host_hands_on() -> None:
    """The host holds all of N and keeps its 70 %; it owes 30 % and both fees: 56 973.00 in all."""
    assert shown(posted(with_streams(eaas(), {"arbitrage": "host"}), {"arbitrage": APRIL_POOL})) == {
        "accrued_receivable:host": "56973.00",
        "saving_share_income:host": "-13703.67",
        "clause_income:base_fee": "-33333.33",
        "clause_income:service_fee": "-9936.00",
    }


def test_agent_shows_its_own_lines() -> None:
    terms = with_streams(eaas(), {"arbitrage": "host"}, position="net")
    assert shown(posted(terms, {"arbitrage": APRIL_POOL})) == {
        "accrued_receivable:host": "56973.00",
        "clause_income:remainder_split": "-13703.67",
        "clause_income:base_fee": "-33333.33",
        "clause_income:service_fee": "-9936.00",
    }


def test_principal_shows_the_markets_money_whole_and_the_share_as_cost() -> None:
    terms = with_streams(eaas(), {"demand_response": OWNER})
    assert shown(posted(terms, {"demand_response": APRIL_POOL})) == {
        "market_receivable:demand_response": "45678.91",
        "stream_income:demand_response": "-45678.91",
        "accrued_payable:host": "-31975.24",
        "partner_share:host": "31975.24",
        "accrued_receivable:host": "43269.33",
        "clause_income:base_fee": "-33333.33",
        "clause_income:service_fee": "-9936.00",
    }


def test_agent_passes_the_markets_money_on() -> None:
    terms = with_streams(eaas(), {"demand_response": OWNER}, position="net")
    balances = shown(posted(terms, {"demand_response": APRIL_POOL}))
    assert balances["market_receivable:demand_response"] == APRIL_POOL
    assert "stream_income:demand_response" not in balances
    assert "partner_share:host" not in balances
    assert balances["clause_income:remainder_split"] == "-13703.67"


def test_the_memo_entry_records_the_saving_that_the_host_holds() -> None:
    entries = posted(with_streams(eaas(), {"arbitrage": "host"}), {"arbitrage": APRIL_POOL})
    assert [entry.kind for entry in entries] == ["recognition", "memo"]
    memo = {str(posting.account): str(posting.amount) for posting in entries[1].postings}
    assert memo == {"memo_saving:host:arbitrage": APRIL_POOL, "memo_contra": f"-{APRIL_POOL}"}


def test_a_stream_outside_the_pool_is_memo_only() -> None:
    terms = with_streams(plain_split(), {"demand_response": OWNER})
    entries = posted(terms, {"demand_response": "100.00", "arbitrage": "50.00", "spot": "7.00"})
    assert set(shown(entries)) == {
        "market_receivable:demand_response",
        "stream_income:demand_response",
        "accrued_payable:host",
        "partner_share:host",
    }
    assert {str(p.account): str(p.amount) for p in entries[1].postings} == {
        "memo_saving:host:arbitrage": "50.00",
        "memo_saving:host:spot": "7.00",
        "memo_contra": "-57.00",
    }


def test_a_negative_saving_is_borne_as_the_contract_says() -> None:
    """Storage raised the host's bill by 1 234.57; the operator bears 370.37 and owes it to the host."""
    balances = shown(
        posted(with_streams(plain_split(), {"demand_charge": "host"}), {"demand_charge": "-1234.57"})
    )
    assert balances == {"accrued_payable:host": "-370.37", "saving_share_income:host": "370.37"}


def test_savings_in_the_owners_own_bill_are_no_second_income() -> None:
    """The owner holds the saving as its lower bill: its result is the share it gives."""
    for position, cost in (("gross", {"partner_share:host": "70.00"}), ("net", None)):
        terms = with_streams(plain_split(), {"arbitrage": OWNER}, position=position)
        (entry,) = posted(terms, {"arbitrage": "100.00"})
        balances = shown([entry])
        net = {"own_saving:arbitrage": "100.00", "clause_income:remainder_split": "-30.00"}
        assert balances == {"accrued_payable:host": "-70.00"} | (cost or net)


def test_costs_are_due_to_suppliers_or_to_the_party_that_paid() -> None:
    holders = {"demand_response": OWNER, "insurance": OWNER, "maintenance": "host"}
    terms = with_streams(plain_split(), holders)
    amounts = {"demand_response": "1000.00", "insurance": "100.00", "maintenance": "200.00"}
    assert shown(posted(terms, amounts)) == {
        "market_receivable:demand_response": "1000.00",
        "stream_income:demand_response": "-1000.00",
        "supplier_payable:insurance": "-100.00",
        "stream_cost:insurance": "100.00",
        "stream_cost:maintenance": "200.00",
        "accrued_payable:host": "-690.00",
        "partner_share:host": "490.00",
    }


# Co-investment: 640 666.67 / 668 666.67 / 357 333.33


def test_co_investment_as_agent_of_three() -> None:
    terms = with_streams(co_investment(), {"spot": OWNER}, position="net")
    assert shown(posted(terms, {"spot": "1666666.67"})) == {
        "market_receivable:spot": "1666666.67",
        "accrued_payable:a-investor": "-640666.67",
        "accrued_payable:b-platform": "-668666.67",
        "accrued_payable:host": "-357333.33",
    }


def test_co_investment_from_the_books_of_the_platform() -> None:
    """The platform holds 400 000 of spot money, the host saved the rest: it hands on 909 333.34."""
    terms = with_streams(co_investment(), {"spot": "b-platform", "arbitrage": "host"})
    (settled,) = runs_of(terms, [{"spot": "400000.00", "arbitrage": "1266666.67"}])
    assert shown(run_entries("b-platform", settled, may(3))) == {
        "market_receivable:spot": "400000.00",
        "stream_income:spot": "-400000.00",
        "accrued_receivable:host": "909333.34",
        "saving_share_income:host": "-909333.34",
        "accrued_payable:a-investor": "-640666.67",
        "partner_share:a-investor": "640666.67",
    }


# Agency: pay user 100 000.00 / 118 000.00 / 82 000.00


def test_agency_second_month_pays_only_what_the_host_does_not_hold() -> None:
    """Entitlement 118 000; the host holds 110 000 as bill saving, so 8 000 is due in cash."""
    terms = with_streams(agency(), {"spot": OWNER, "arbitrage": "host"})
    january, february = Month(2026, 1), Month(2026, 2)
    prior = result_of(terms, {"spot": "80000.00", "arbitrage": "0.00"}, january).carry
    (settled,) = runs_of(terms, [{"spot": "40000.00", "arbitrage": "110000.00"}], february, prior)
    assert shown(run_entries(OWNER, settled, date(2026, 3, 3))) == {
        "market_receivable:spot": "40000.00",
        "stream_income:spot": "-40000.00",
        "accrued_payable:host": "-8000.00",
        "partner_share:host": "8000.00",
    }


def test_agency_as_agent_shows_a_top_up_as_cost_and_the_rest_as_income() -> None:
    terms = with_streams(agency(), {"spot": OWNER}, position="net")
    january = result_of(terms, {"spot": "80000.00"}, Month(2026, 1))
    (first,) = runs_of(terms, [{"spot": "80000.00"}], Month(2026, 1))
    (second,) = runs_of(terms, [{"spot": "150000.00"}], Month(2026, 2), january.carry)
    assert shown(run_entries(OWNER, first, may(3)))["clause_cost:guarantee"] == "20000.00"
    assert shown(run_entries(OWNER, second, may(3)))["clause_income:guarantee"] == "-32000.00"


# Runs in time


def test_a_provisional_accrual_is_reversed_by_the_recognition() -> None:
    terms = with_streams(eaas(), {"arbitrage": "host"})
    early = provisional(terms, {"arbitrage": "50000.00"})
    (final,) = [renumbered(run, 2, "initial") for run in runs_of(terms, [{"arbitrage": APRIL_POOL}])]
    accrued = run_entries(OWNER, early, date(2026, 4, 30))
    recognised = run_entries(OWNER, final, may(3), accrued=early)
    assert [entry.kind for entry in accrued] == ["accrual", "memo"]
    assert [entry.kind for entry in recognised] == ["reversal", "memo", "recognition", "memo"]
    assert recognised[0].postings == tuple(posting.reversed() for posting in accrued[0].postings)
    assert shown([*accrued, *recognised]) == shown(run_entries(OWNER, final, may(3)))


def test_a_correction_posts_the_change_under_its_origin_month() -> None:
    terms = with_streams(plain_split(), {"spot": OWNER})
    first, second = runs_of(terms, [{"spot": "1000.00"}, {"spot": "900.00"}])
    (entry,) = run_entries(OWNER, second, may(20), recognised=first)
    assert entry.kind == "correction"
    assert entry.posted_on == may(20)
    assert (str(entry.reference.month), entry.reference.run, entry.reference.replaces) == ("2026-04", 2, 1)
    assert shown([entry]) == {
        "market_receivable:spot": "-100.00",
        "stream_income:spot": "100.00",
        "accrued_payable:host": "70.00",
        "partner_share:host": "-70.00",
    }
    assert "origin month 2026-04" in entry.description


def test_a_correction_without_change_posts_nothing() -> None:
    first, second = runs_of(with_streams(plain_split(), {"spot": OWNER}), [{"spot": "10.00"}] * 2)
    assert run_entries(OWNER, second, may(20), recognised=first) == ()


def test_every_posting_names_lines_that_add_up_to_it() -> None:
    """Of the market's money, costs and fees; a share against a saving rests on both."""
    holders = {"demand_response": OWNER, "spot": "host", "insurance": OWNER}
    terms = with_streams(eaas(), holders)
    (settled,) = runs_of(terms, [{"demand_response": "900.00", "spot": "50.00", "insurance": "20.00"}])
    owed = {
        line.number: line.amount.minor if line.kind == "stream" else -line.amount.minor
        for line in settled.run.result.lines
    }
    entry = run_entries(OWNER, settled, may(3))[0]
    assert len(entry.postings) == 10
    for posting in entry.postings:
        total = sum(owed[number] for number in posting.lines)
        assert abs(total) == abs(posting.amount.minor) > 0, posting


def test_a_line_that_only_the_old_run_had_is_named_as_replaced() -> None:
    terms = with_streams(plain_split(), {"spot": OWNER, "capacity": OWNER})
    first, second = runs_of(terms, [{"spot": "10.00", "capacity": "5.00"}, {"spot": "10.00"}])
    (entry,) = run_entries(OWNER, second, may(20), recognised=first)
    gone = next(p for p in entry.postings if str(p.account) == "market_receivable:capacity")
    assert (gone.lines, gone.replaced_lines) == ((), (2,))


def test_a_statement_moves_what_was_accrued() -> None:
    terms = with_streams(eaas(), {"demand_response": OWNER})
    first, second = runs_of(terms, [{"demand_response": APRIL_POOL}, {"demand_response": "40000.00"}])
    journal = Journal().posted(run_entries(OWNER, first, may(3)))
    issued = statement_entry(OWNER, first, "host", may(4))
    assert issued is not None
    after = shown([*journal, issued])
    assert after["receivable:host"] == "11294.09", "43 269.33 of fees less its share of 31 975.24"
    assert not [name for name in after if name.startswith(("accrued", "payable"))]
    corrected = run_entries(OWNER, second, may(20), recognised=first)
    again = statement_entry(OWNER, second, "host", may(21), before=first)
    assert again is not None
    after = shown([*journal, issued, *corrected, again])
    assert after["receivable:host"] == "15269.33", "its share is 28 000.00 by now"
    assert not [name for name in after if name.startswith("accrued")]
    assert statement_entry(OWNER, second, "a-investor", may(21), before=first) is None


def test_an_owner_outside_the_contract_is_refused() -> None:
    (settled,) = runs_of(with_streams(plain_split(), {"spot": OWNER}), [{"spot": "1.00"}])
    with pytest.raises(Refused) as refused:
        run_effect("stranger", settled)
    assert refused.value.code == "owner_not_party"


def test_runs_come_in_order() -> None:
    terms = with_streams(plain_split(), {"spot": OWNER})
    first, second = runs_of(terms, [{"spot": "1.00"}, {"spot": "2.00"}])
    early = renumbered(first, 3, "provisional")
    other_month = runs_of(terms, [{"spot": "1.00"}], Month(2026, 3))[0]
    for settled, before in (
        (first, {"recognised": second}),
        (second, {"accrued": first}),
        (early, {"recognised": first}),
        (second, {"recognised": other_month}),
        (first, {"recognised": first}),
    ):
        with pytest.raises(Refused) as refused:
            run_entries(OWNER, settled, may(3), **before)
        assert refused.value.code == "run_order"
    with pytest.raises(Refused, match="accrued, not stated"):
        statement_entry(OWNER, early, "host", may(3))
    with pytest.raises(Refused, match="no counterparty"):
        statement_entry(OWNER, first, OWNER, may(3))
