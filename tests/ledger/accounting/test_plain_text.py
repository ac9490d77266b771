"""The exports for beancount and hledger; beancount itself checks its file."""

from __future__ import annotations

import re
from datetime import date
from itertools import pairwise

import pytest
from beancount import loader
from beancount.core import data
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.accounting import cash
from ledger.accounting.account import ROLES, Account, Role
from ledger.accounting.beancount_text import beancount_text
from ledger.accounting.chart import ITEMS
from ledger.accounting.hledger_text import hledger_text
from ledger.accounting.journal import JournalEntry, Reference
from ledger.accounting.plain_name import plain_name
from ledger.accounting.posting import Posting
from ledger.accounting.run_entries import run_entries, statement_entry
from ledger.accounting.trial_balance import trial_balance
from ledger.quantity import Money
from tests.ledger.accounting.runs import OWNER, may, runs_of, with_streams
from tests.ledger.contract_samples import eaas, yuan

NAME = re.compile(r"(Assets|Liabilities|Equity|Income|Expenses)(:[A-Z0-9][A-Za-z0-9-]*)+")


def sample() -> list[JournalEntry]:
    terms = with_streams(eaas(), {"arbitrage": "host", "demand_response": OWNER})
    amounts = {"arbitrage": "45678.91", "demand_response": "20000.00"}
    first, second = runs_of(terms, [amounts, amounts | {"arbitrage": "40000.00"}])
    statement = statement_entry(OWNER, first, "host", may(4))
    assert statement is not None
    return [
        *run_entries(OWNER, first, may(3)),
        statement,
        cash.receipt("host", yuan("100.00"), may(10), 'slip "7"; \\ | x'),
        *run_entries(OWNER, second, date(2026, 6, 2), recognised=first),
    ]


GOLDEN = """\
commodity 1000.00 CNY

account Assets:Bank
account Assets:Receivable:P-host

2026-05-10 * (receipt) Receipt from host, slip "7", \\ / x
    ; party:host
    ; document-number:slip "7"; \\ | x
    Assets:Bank  100.00 CNY
    Assets:Receivable:P-host  -100.00 CNY
"""


def test_hledger_journal_as_it_stands() -> None:
    assert hledger_text(sample()[3:4]) == GOLDEN


def test_hledger_postings_name_their_lines_and_origin() -> None:
    text = hledger_text(sample())
    assert "    ; origin-month:2026-04\n    ; run:2\n    ; replaces:1\n" in text
    assert "    Income:ClauseIncome:BaseFee  -33333.33 CNY\n    ; lines:5\n" in text
    assert hledger_text([]) == "\n"


def test_beancount_file_as_it_stands() -> None:
    assert beancount_text(sample()[3:4], 'a "title"') == (
        'option "title" "a \\"title\\""\n'
        'option "operating_currency" "CNY"\n'
        "\n"
        "2026-05-10 open Assets:Bank\n"
        "2026-05-10 open Assets:Receivable:P-host\n"
        "\n"
        '2026-05-10 * "Receipt from host, slip \\"7\\"; \\\\ | x"\n'
        '  kind: "receipt"\n'
        '  party: "host"\n'
        '  document-number: "slip \\"7\\"; \\\\ | x"\n'
        "  Assets:Bank  100.00 CNY\n"
        "  Assets:Receivable:P-host  -100.00 CNY\n"
    )


def test_entries_stand_by_date_and_accounts_open_before_use() -> None:
    text = beancount_text(reversed(sample()), "t")
    days = re.findall(r"^(\d{4}-\d\d-\d\d) \*", text, re.MULTILINE)
    assert all(earlier <= later for earlier, later in pairwise(days))
    opened = {name: day for day, name in re.findall(r"^(\S+) open (\S+)$", text, re.MULTILINE)}
    assert opened["Assets:Receivable:P-host"] == "2026-05-04"
    assert opened["Assets:Bank"] == "2026-05-10"


def test_bean_check_accepts_the_file_and_finds_our_balances() -> None:
    loaded, errors, _ = loader.load_string(beancount_text(sample(), 'a "book" \\'))
    assert errors == []
    sums: dict[str, int] = {}
    for entry in loaded:
        if isinstance(entry, data.Transaction):
            for posting in entry.postings:
                minor = int(posting.units.number.scaleb(2))
                sums[posting.account] = sums.get(posting.account, 0) + minor
    ours = trial_balance(sample(), "CNY", date(2026, 1, 1), date(2027, 1, 1))
    assert sums == {plain_name(row.account): row.closing.minor for row in ours.rows}


def test_beancount_rejects_a_file_that_was_changed() -> None:
    text = beancount_text(sample(), "t").replace("  Assets:Bank  100.00 CNY", "  Assets:Bank  100.01 CNY")
    _, errors, _ = loader.load_string(text)
    assert len(errors) == 1


ids = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_-]{0,6}", fullmatch=True)


def accounts_of(role: Role) -> st.SearchStrategy[Account]:
    keys = [ids if key == "party" else st.sampled_from(ITEMS) for key in ROLES[role].keys]
    return st.tuples(*keys).map(lambda drawn: Account(role, drawn))


@settings(max_examples=200)
@given(st.lists(st.sampled_from(sorted(ROLES)).flatmap(accounts_of), max_size=20))
def test_names_are_valid_and_of_one_account(drawn: list[Account]) -> None:
    for account in drawn:
        assert NAME.fullmatch(plain_name(account))
    assert len({plain_name(account) for account in drawn}) == len(set(drawn))


@pytest.mark.parametrize(("one", "other"), [("a_b", "a-ub"), ("a-b", "a_b"), ("a_-", "a-_"), ("Ab", "ab")])
def test_ids_that_look_alike_keep_apart(one: str, other: str) -> None:
    assert plain_name(Account("payable", (one,))) != plain_name(Account("payable", (other,)))


def test_a_currency_without_decimals() -> None:
    entry = JournalEntry(
        may(1),
        "opening",
        "Opening",
        Reference(),
        (
            Posting(Account("bank"), Money(500, "JPY")),
            Posting(Account("opening_equity"), Money(-500, "JPY")),
        ),
    )
    text = hledger_text([entry])
    assert text.startswith("commodity 1000. JPY\n")
    assert "Assets:Bank  500 JPY\n" in text
