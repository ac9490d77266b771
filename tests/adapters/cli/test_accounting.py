"""What the finance department asks of the command line, on the demo's book."""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from pathlib import Path

import pytest

from ledger.quantity import Money
from tests.adapters.cli.test_cli import wattledger

ACCOUNTS = Path("examples/accounts")
MAPPING = ACCOUNTS / "voucher_mapping.toml"
VOUCHERS = ("vouchers", "2026-08", "--profile", str(ACCOUNTS / "voucher_kingdee.toml"), "--mapping")


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state folder with the demo's book, that these tests go on with."""
    state = tmp_path_factory.mktemp("accounting")
    done = wattledger(state, "demo", "--exit", "--part", "verify")
    assert done.returncode == 0, done.stderr
    return state


def test_vouchers_of_a_month_balance(book: Path, tmp_path: Path) -> None:
    out = tmp_path / "vouchers.csv"
    done = wattledger(book, *VOUCHERS, str(MAPPING), "--out", str(out), "--first-number", "7")
    assert done.returncode == 0, done.stderr
    assert "is not closed" in done.stderr
    text = out.read_bytes().decode("utf-8-sig")
    sums: dict[str, int] = defaultdict(int)
    for row in csv.DictReader(io.StringIO(text, newline="")):
        sums[row["凭证号"]] += Money.parse(row["借方"], "CNY").minor - Money.parse(row["贷方"], "CNY").minor
    assert sums == dict.fromkeys(map(str, range(7, 7 + len(sums))), 0)
    assert done.stdout.startswith(f"{len(sums)} vouchers with ")


def test_vouchers_are_refused_whole_where_something_is_not_mapped(book: Path, tmp_path: Path) -> None:
    mapping, out = tmp_path / "mapping.toml", tmp_path / "vouchers.csv"
    kept = (line for line in MAPPING.read_text(encoding="utf-8").splitlines() if "host-s" not in line)
    mapping.write_text("\n".join(kept), encoding="utf-8")
    done = wattledger(book, *VOUCHERS, str(mapping), "--out", str(out))
    assert (done.returncode, out.exists()) == (2, False)
    assert "refused (voucher_party)" in done.stderr
    assert "host-s1" in done.stderr


@pytest.fixture(scope="module")
def issued(book: Path) -> Path:
    """The same book with August's statements of eaas-s1 issued by their steps."""
    for step, who in (("review", "ada"), ("approve", "bob"), ("issue", "ada")):
        done = wattledger(book, "statements", step, "2026-08", "--as", who)
        assert done.returncode == 0, done.stderr
    return book


HOST = ("eaas-s1", "2026-08", "host-s1")


def test_invoices_payments_and_the_account(issued: Path) -> None:
    register = wattledger(issued, "invoices", "2026-08", "--party", "host-s1").stdout
    (wanted,) = [line for line in register.splitlines() if "to issue" in line and "eaas-s1" in line]
    gross = Money.parse(wanted.split()[-2], "CNY")
    assert wattledger(issued, "invoices", "--check").returncode == 1

    def record(*arguments: str, ok: bool = True) -> str:
        done = wattledger(issued, "record", *arguments, "--as", "ada")
        assert (done.returncode == 0) == ok, done.stderr + done.stdout
        return done.stdout + done.stderr

    invoice = ("invoice", *HOST, "--number", "F1", "--direction", "issued", "--tax", "0.00", "--net")
    beyond = str(gross + Money(1, "CNY"))
    assert "refused (invoice_total)" in record(*invoice, beyond, ok=False)
    assert "recorded" in record(*invoice, str(gross))
    owed = wattledger(issued, "account", "host-s1").stdout
    (closing,) = [line.split()[-1] for line in owed.splitlines() if line.startswith("closing")]
    assert closing == str(gross), "the host keeps its saving, and owes what we invoice"
    assert "recorded" in record("payment", *HOST, f"-{gross}", "--id", "b1")
    after = wattledger(issued, "account", "host-s1").stdout
    assert "receipt" in after
    assert after.splitlines()[-7].split()[-1] == "0.00", after
    check = wattledger(issued, "invoices", "--check", "--party", "host-s1")
    assert (check.returncode, check.stdout) == (0, "statements, invoices and payments agree\n")
    assert "journal: in balance" in wattledger(issued, "month", "2026-08").stdout
    unknown = wattledger(issued, "account", "nobody")
    assert (unknown.returncode, "refused (unknown_account)" in unknown.stderr) == (2, True)
