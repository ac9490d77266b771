"""hledger reads our journal, checks it strictly and finds our balances: a second program's opinion."""

from __future__ import annotations

import csv
import io
import os
import shutil
import subprocess
from datetime import date
from pathlib import Path

import pytest

from ledger.accounting.account import Account
from ledger.accounting.hledger_text import hledger_text
from ledger.accounting.journal import JournalEntry, Reference
from ledger.accounting.plain_name import plain_name
from ledger.accounting.posting import Posting
from ledger.accounting.trial_balance import trial_balance
from ledger.quantity import Money
from tests.ledger.accounting.runs import may
from tests.ledger.accounting.test_plain_text import sample

UNPACKED = Path(__file__).parents[3] / ".uv" / "hledger" / "usr" / "bin" / "hledger"
REQUIRED = os.environ.get("HLEDGER_NEEDED") == "required"


@pytest.fixture(scope="module")
def hledger() -> str:
    found = shutil.which("hledger") or shutil.which(UNPACKED)
    if found is None:
        assert not REQUIRED, "hledger is not here, and HLEDGER_NEEDED=required"
        pytest.skip("hledger is not installed: `.ci/hledger` unpacks it, nothing else needs it")
    return found


def asked(hledger: str, text: str, *question: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [hledger, "-f", "-", *question, "--strict"],
        input=text,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={"PATH": os.defpath, "LC_ALL": "C.UTF-8", "HOME": "/nonexistent"},
    )


def balances(hledger: str, text: str) -> dict[tuple[str, str], str]:
    """By account and currency, as decimals; hledger gives an account at zero no currency."""
    answer = asked(hledger, text, "balance", "--flat", "--empty", "--layout=tidy", "--no-total", "-O", "csv")
    assert answer.returncode == 0, answer.stderr
    rows = csv.DictReader(io.StringIO(answer.stdout))
    return {(row["account"], row["commodity"]): row["value"] for row in rows}


def yen() -> JournalEntry:
    postings = (
        Posting(Account("bank"), Money(500, "JPY")),
        Posting(Account("opening_equity"), Money(-500, "JPY")),
    )
    return JournalEntry(may(1), "opening", '开户; "500" | x', Reference(document="a, b: c"), postings)


def test_hledger_accepts_the_file_and_finds_our_balances(hledger: str) -> None:
    entries = [*sample(), yen()]
    text = hledger_text(entries)
    checked = asked(hledger, text, "check")
    assert (checked.returncode, checked.stderr) == (0, "")
    ours: dict[tuple[str, str], str] = {}
    for currency in ("CNY", "JPY"):
        for row in trial_balance(entries, currency, date(2026, 1, 1), date(2027, 1, 1)).rows:
            zero = not row.closing.minor
            ours[plain_name(row.account), "" if zero else currency] = "0" if zero else str(row.closing)
    assert {value == "0" for value in ours.values()} == {True, False}
    assert balances(hledger, text) == ours


@pytest.mark.parametrize(
    ("was", "became", "said"),
    [
        ("  Assets:Bank  100.00 CNY", "  Assets:Bank  100.01 CNY", "could not balance"),
        ("account Assets:Bank\n", "", "undeclared account"),
        ("commodity 1000.00 CNY\n", "", "undeclared commodity"),
    ],
)
def test_hledger_rejects_a_file_that_was_changed(hledger: str, was: str, became: str, said: str) -> None:
    text = hledger_text(sample())
    assert was in text
    answer = asked(hledger, text.replace(was, became, 1), "check")
    assert answer.returncode != 0
    assert said in answer.stderr.lower()
