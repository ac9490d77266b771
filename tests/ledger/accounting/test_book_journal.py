"""The book's journal, event by event: in balance after every one, and equal to what its statements say."""

from __future__ import annotations

from collections import defaultdict
from datetime import date
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.accounting.account import Account
from ledger.accounting.party_account import STATED, control_differences
from ledger.accounting.trial_balance import trial_balance
from ledger.contract import Contract
from ledger.quantity import decimal_text
from ledger.refusal import Refused
from tests.ledger.accounting.books import PaperBook
from tests.ledger.accounting.runs import OWNER, with_streams
from tests.ledger.accounting.test_billing import vat_terms
from tests.ledger.contract_samples import eaas, plain_split

HOLDERS = {"demand_response": OWNER, "spot": "host", "arbitrage": "host"}
YEAR = (date(2026, 1, 1), date(2027, 1, 1))
CLEARED = {f"{role}:host" for role in ("receivable", "payable", "advance_received", "advance_paid")}

amount = st.integers(-90_000_00, 90_000_00).map(lambda minor: decimal_text(minor, 2))
streams = st.fixed_dictionaries(dict.fromkeys(HOLDERS, amount))
run = st.integers(1, 4)
step = st.one_of(
    st.tuples(st.just("provisional"), streams),
    st.tuples(st.just("settle"), streams),
    st.tuples(st.just("issue"), run),
    st.tuples(
        st.just("invoice"), st.sampled_from(["issued", "received"]), st.sampled_from([30, 100, 101]), run
    ),
    st.tuples(st.just("credit"), run, run, st.sampled_from([50, 100])),
    st.tuples(
        st.just("pay"),
        st.sampled_from(["payment", "bank_charge", "late_interest", "write_off"]),
        st.sampled_from([40, 100, 130]),
        run,
    ),
)
contracts = st.builds(
    lambda make, position, basis, rated: (vat_terms if rated else lambda terms: terms)(
        _with(with_streams(make(), HOLDERS, position=position), basis)
    ),
    st.sampled_from([eaas, plain_split]),
    st.sampled_from(["gross", "net"]),
    st.sampled_from(["tax_inclusive", "tax_exclusive"]),
    st.booleans(),
)


def _with(terms: Contract, basis: Any) -> Contract:
    return msgspec.structs.replace(terms, split_basis=basis)


def _act(book: PaperBook, number: int, what: str, *arguments: Any) -> None:
    if what in {"settle", "provisional"}:
        through = None if what == "settle" else date(2026, 4, min(number + 1, 29))
        book.settle(arguments[0], through=through)
    elif what == "issue":
        book.issue(run=arguments[0])
    elif what == "invoice":
        direction, percent, of = arguments
        life = book.life(run=of)
        left = life.to_invoice(direction).minor * percent // 100
        tax = (
            abs(left)
            * 13
            // (113 if life.billing.basis == "tax_inclusive" else 100)
            * (1 if left > 0 else -1)
        )
        net = left - tax if life.billing.basis == "tax_inclusive" else left
        texts = decimal_text(net, 2), decimal_text(tax, 2)
        book.invoice(direction, f"F{number}", *texts, run=of, in_next_invoice=left < 0)
    elif what == "credit":
        of, to, percent = arguments
        left = abs(book.life(run=of).open_amount.minor) * percent // 100
        book.credit(f"k{number}", of, to, decimal_text(left, 2))
    else:
        kind, percent, of = arguments
        book.pay(
            f"b{number}", decimal_text(book.life(run=of).open_amount.minor * percent // 100, 2), kind, run=of
        )


@settings(max_examples=150)
@given(
    contracts,
    st.lists(st.tuples(st.just("provisional"), streams), max_size=2),
    streams,
    st.lists(step, max_size=14),
)
def test_every_prefix_of_events_is_in_balance_and_says_what_its_statements_say(
    terms: Contract, early: list[tuple[Any, ...]], first: dict[str, str], later: list[tuple[Any, ...]]
) -> None:
    """Debits are credits, and a party's accounts are what it was told and did not pay."""
    book = PaperBook(terms)
    steps = [*early, ("settle", first), ("issue", 1 + len(early)), *later]
    for number, (what, *arguments) in enumerate(steps):
        try:
            _act(book, number, what, *arguments)
        except (Refused, KeyError):
            continue  # what the ledger refuses is no event, and a statement that is not there has none
        journal = book.journal.journal
        sums: dict[str, int] = defaultdict(int)
        for entry in journal:
            for posting in entry.postings:
                sums[entry.currency] += posting.amount.minor
        assert not any(sums.values())
        assert journal.balanced
        balance = trial_balance(journal, "CNY", *YEAR)
        assert balance.debit == balance.credit
        assert control_differences(journal, book.lives, OWNER, ()) == ()
        assert stated_in_journal(book) == stated_in_lives(book)
        issued = [life for life in book.lives if life.issued_on is not None]
        if all(life.due == life.settled for life in issued):
            closing = balances(book)
            assert not [name for name in closing if name in CLEARED], "what is paid stands open nowhere"


def test_the_random_streams_reach_every_kind_of_entry() -> None:
    """Otherwise the test above says nothing about them."""
    seen: set[str] = set()
    for position, basis, rated in (("gross", "tax_inclusive", True), ("gross", "tax_exclusive", False)):
        terms = _with(with_streams(eaas(), HOLDERS, position=position), basis)
        book = PaperBook(vat_terms(terms) if rated else terms)
        plan: list[tuple[Any, ...]] = [
            ("provisional", dict.fromkeys(HOLDERS, "900.00")),
            ("settle", dict.fromkeys(HOLDERS, "10000.00")),
            ("settle", dict.fromkeys(HOLDERS, "9000.00")),
            ("issue", 2),
            ("issue", 3),
            ("invoice", "issued", 100, 2),
            ("invoice", "received", 100, 2),
            ("pay", "payment", 40, 2),
            ("pay", "late_interest", 40, 2),
            ("pay", "bank_charge", 40, 2),
            ("pay", "write_off", 100, 2),
        ]
        for number, (what, *arguments) in enumerate(plan):
            _act(book, number, what, *arguments)
        seen |= {entry.kind for entry in book.journal.journal}
    assert seen >= {
        "accrual", "reversal", "recognition", "correction", "memo", "statement", "pending_vat", "invoice",
        "supplier_invoice", "receipt", "late_interest", "bank_charge", "write_off",
    }  # fmt: skip


def stated_in_journal(book: PaperBook) -> dict[str, int]:
    """Account by account what a counterparty owes and is owed, and what was paid in advance."""
    rows = trial_balance(book.journal.journal, "CNY", *YEAR).rows
    return {
        str(row.account): row.closing.minor
        for row in rows
        if row.closing.minor and row.account.role in STATED
    }


def stated_in_lives(book: PaperBook) -> dict[str, int]:
    """The same of the open items: each statement asks for something, or has got too much."""
    sums: dict[str, int] = defaultdict(int)
    for life in book.lives:
        left = (life.due - life.settled).minor
        if life.issued_on is None or life.key.party == OWNER or not left:
            continue
        asks = left * life.due.minor > 0
        sides = ("payable", "receivable") if asks else ("advance_received", "advance_paid")
        sums[f"{sides[0] if left > 0 else sides[1]}:{life.key.party}"] -= left
    return {name: minor for name, minor in sums.items() if minor}


def balances(book: PaperBook) -> dict[str, str]:
    rows = trial_balance(book.journal.journal, "CNY", *YEAR).rows
    return {
        str(row.account): str(row.closing) for row in rows if row.closing.minor and not row.account.is_memo
    }


def test_a_provisional_run_is_accrued_reversed_by_the_next_and_gone_with_the_first_that_pays() -> None:
    """Two provisional runs and the initial one: what stands is what the initial run alone would post."""
    terms = with_streams(eaas(), {"demand_response": OWNER})
    book = PaperBook(terms)
    book.settle({"demand_response": "20000.00"}, through=date(2026, 4, 14))
    assert balances(book)["market_receivable:demand_response"] == "20000.00"
    book.settle({"demand_response": "30000.00"}, through=date(2026, 4, 21))
    assert balances(book)["market_receivable:demand_response"] == "30000.00"
    book.settle({"demand_response": "45678.91"})
    alone = PaperBook(terms)
    alone.settle({"demand_response": "45678.91"})
    assert balances(book) == balances(alone)
    kinds = [entry.kind for entry in book.journal.journal]
    assert kinds == ["accrual", "reversal", "accrual", "reversal", "recognition"]
    assert {entry.posted_on for entry in book.journal.journal} == {date(2026, 4, 30)}


def test_an_invoiced_month_shows_net_income_and_the_tax_that_is_due() -> None:
    """Fees of 43 269.33 at 6 % hold 2 449.21; the host's share at 13 % holds 3 678.57 of input tax."""
    book = PaperBook(vat_terms(with_streams(eaas(), {"demand_response": OWNER})))
    book.settle({"demand_response": "45678.91"})
    book.issue()
    assert balances(book)["vat_output_pending"] == "-2449.21"
    assert balances(book)["clause_income:service_fee"] == "-9373.58"
    book.invoice("issued", "F1", "40820.12", "2449.21")
    book.invoice("received", "H1", "28296.67", "3678.57")
    after = balances(book)
    assert "vat_output_pending" not in after
    assert (after["vat_output"], after["vat_input"]) == ("-2449.21", "3678.57")
    assert after["partner_share:host"] == "28296.67"
    assert book.journal.journal.balance(Account("receivable", ("host",)), "CNY").minor == 1129409
