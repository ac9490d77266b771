"""A month of the finance department at a terminal: from a provisional run to the close, with nothing left."""

from __future__ import annotations

import csv
import io
import shutil
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from beancount import loader

from ledger.quantity import Money
from ledger.refusal import Refused
from tests.adapters.cli.terminal import Terminal, terminal_of
from tests.adapters.conftest import Bench
from tests.adapters.http.conftest import HOST, Api
from tests.adapters.http.test_lives import TERMS
from tests.adapters.http.test_vat import TERMS as VAT
from tests.adapters.test_provisional import record_days
from tests.adapters.test_settling import CONTRACT, founded
from tests.ledger.accounting.test_hledger import REQUIRED, UNPACKED, asked, balances

ACCOUNTS = Path(__file__).parents[3] / "examples" / "accounts"
MONTH = "2026-08"
OWNERS = "equipment-owner"
ACCOUNTED = ("Receivable:", "Payable:", "AdvanceReceived:", "AdvancePaid:", "AccruedReceivable:", "Pending")


@pytest.fixture
def run(bench: Bench, capsys: pytest.CaptureFixture[str]) -> Iterator[Terminal]:
    """Half of August is measured; a principal's contract with VAT terms holds."""
    founded(bench, msgspec.structs.replace(CONTRACT, statement_terms=TERMS, vat=VAT))
    record_days(bench, 0, 14, "first")
    api = Api(bench)
    yield terminal_of(bench, capsys)
    api.close()


def refused(code: str, run: Terminal, *arguments: str) -> None:
    with pytest.raises(Refused) as caught:
        run(*arguments)
    assert caught.value.code == code


def settled_and_issued(run: Terminal, kind: str) -> None:
    assert kind in run("settle", MONTH)
    for step, who in (("review", "ada"), ("approve", "bob"), ("issue", "ada")):
        run("statements", step, MONTH, "--as", who)


def wanted(run: Terminal, status: str) -> list[str]:
    """Net, tax and gross that the register names for the one row of a status."""
    rows = [line for line in run("invoices", MONTH).splitlines() if line.startswith(MONTH)]
    (row,) = [line for line in rows if f" {status} " in line]
    words = row.replace(",", "").split()
    end = words.index("CNY")
    return words[end - 3 : end]


def invoice(run: Terminal, party: str, number: str, net: str, tax: str, *more: str) -> str:
    direction = "issued" if party == HOST else "received"
    return run(
        "record", "invoice", CONTRACT.id, MONTH, party, "--number", number, "--direction", direction,
        "--net", net, "--tax", tax, "--as", "ada", *more,
    )  # fmt: skip


def pay(run: Terminal, name: str, amount: str, *more: str) -> str:
    return run(
        "record", "payment", CONTRACT.id, MONTH, HOST, "--id", name, "--as", "ada", *more, "--", amount
    )


def open_with_host(run: Terminal) -> str:
    """The closing balance of the host's account, without separators; above zero it owes us."""
    (closing,) = [line for line in run("account", HOST).splitlines() if line.startswith("closing")]
    return closing.split()[-1].replace(",", "")


def test_a_month_from_its_provisional_run_to_its_close(run: Terminal, bench: Bench, tmp_path: Path) -> None:
    first_run_and_its_payments(run, bench)
    corrections_credit_and_red_letter(run, bench)
    netted_and_paid(run)
    every_book_agrees(run, tmp_path)


def test_without_a_run_named_the_one_that_asks_is_meant(run: Terminal, bench: Bench) -> None:
    """The equipment owner's fee is fixed: the correction of the month, issued too, asks nothing of it."""
    record_days(bench, 14, 17, "second")
    settled_and_issued(run, "run 1 recorded")
    record_days(bench, 2, 1, "more", discharge_wh=60_000)
    settled_and_issued(run, "run 2 recorded")
    invoice(run, OWNERS, "F1", *wanted(run, "to receive")[:2])
    (row,) = [line for line in run("invoices", MONTH, "--party", OWNERS).splitlines() if "F1" in line]
    assert row.split()[2:5] == [OWNERS, "1", "received"], "run 1, not the correction"
    asked_pay = ("record", "payment", CONTRACT.id, MONTH, OWNERS, "--as", "ada")
    run(*asked_pay, "--id", "b1", "--", "8333.33")
    assert run("invoices", "--party", OWNERS, "--check") == "statements, invoices and payments agree\n"
    with pytest.raises(Refused, match=r"run 1 has 0\.00 open; run 2 has 0\.00 open") as refusal:
        run(*asked_pay, "--id", "b2", "--", "1.00")
    assert refusal.value.code == "run_needed"
    assert "over 1 statement" in run(*asked_pay, "--id", "b2", "--run", "1", "--", "1.00")
    run(*asked_pay, "--id", "b3", "--", "-1.00")
    assert run("netting", "show", "nobody") == "nothing is open with nobody\n"
    assert run("invoices", "--party", OWNERS, "--check") == "statements, invoices and payments agree\n"


def first_run_and_its_payments(run: Terminal, bench: Bench) -> None:
    run("settle", MONTH, "--through", "2026-08-13")
    refused("no_statement", run, "statements", "review", MONTH, "--as", "ada")
    record_days(bench, 14, 17, "second")
    settled_and_issued(run, "run 2 recorded")
    told = run("statement", MONTH, "--party", HOST)
    run("statements", "confirm", CONTRACT.id, MONTH, HOST, "--as", "host-clerk")
    refused("statement_status", run, "statements", "confirm", CONTRACT.id, MONTH, HOST, "--as", "host-clerk")

    net, tax, gross = wanted(run, "to issue")
    assert (net, tax, gross) == ("40693.82", "5290.20", "45984.02")
    assert (
        "of the lines, VAT 13%: net -40,693.82, tax -5,290.20, gross -45,984.02, invoiced by operator" in told
    )
    assert "payable by you" in told
    invoice(run, HOST, "F1", net, tax)
    invoice(run, OWNERS, "F1", *wanted(run, "to receive")[:2])
    pay(run, "b1", "-1000.00")
    assert open_with_host(run) == "44984.02"
    pay(run, "b2", "-45034.02")
    pay(run, "b3", "12.00", "--kind", "bank_charge")
    pay(run, "b4", "-3.21", "--kind", "late_interest")
    assert open_with_host(run) == "-50.00", "paid too much"


def corrections_credit_and_red_letter(run: Terminal, bench: Bench) -> None:
    record_days(bench, 2, 1, "more", discharge_wh=60_000)
    settled_and_issued(run, "run 3 recorded")
    net, tax, gross = wanted(run, "to issue")
    refused("invoice_number", run, *_second("F1", net, tax))
    invoice(run, HOST, "F2", net, tax)
    of_run = (CONTRACT.id, MONTH, HOST, "50.00", "--run", "2", "--to", CONTRACT.id, MONTH, "--to-run", "3")
    run("record", "credit", *of_run, "--id", "k1", "--as", "ada")
    write_off = ("record", "write-off", CONTRACT.id, MONTH, HOST, "--id", "w1", "--reason", "a cent")
    run(*write_off, "--as", "ada", "--", "-0.01")
    assert open_with_host(run) == str(Money.parse(gross, "CNY") - Money(5001, "CNY"))

    record_days(bench, 2, 1, "less", discharge_wh=30_000)
    settled_and_issued(run, "run 4 recorded")
    net, tax, _ = wanted(run, "to take back")
    assert Money.parse(net, "CNY").minor < 0
    assert Money.parse(tax, "CNY").minor < 0
    invoice(run, HOST, "R1", net, tax, "--reverses", "F1")
    whole = ("record", "invoice", CONTRACT.id, MONTH, HOST, "--number", "R2", "--direction", "issued")
    rest = ("--net", "-40693.82", "--tax", "-5290.20", "--reverses", "F1", "--run", "2", "--as", "ada")
    refused("red_letter", run, *whole, *rest)


def _second(number: str, net: str, tax: str) -> tuple[str, ...]:
    """The number that F1 has, on the statement of another run."""
    start = ("record", "invoice", CONTRACT.id, MONTH, HOST, "--number", number, "--direction", "issued")
    return (*start, "--net", net, "--tax", tax, "--as", "ada")


def netted_and_paid(run: Terminal) -> None:
    run("netting", "agree", HOST, "--from", "2026-01-01", "--evidence", "letter 7", "--as", "ada")
    assert "CNY each way" in run("netting", "set-off", HOST, "n1", "--as", "ada")
    left = open_with_host(run).removeprefix("-")
    told = run("record", "payment", "--spread", HOST, left, "--id", "b5", "--as", "ada")
    assert told.replace(",", "").startswith(f"payment b5: {left} CNY over 1 statement")
    spread = ("record", "payment", "--spread", OWNERS, "8333.33", "--id", "b6", "--as", "ada")
    assert run(*spread) == run(*spread), "given again it is the same payment"
    refused("exists", run, *spread[:4], "8333.34", *spread[5:])
    refused("payment_spread", run, *spread[:6], "b7", *spread[7:])
    refused("arguments", run, "record", "payment", HOST, "1.00", "--id", "b8", "--as", "ada")


def every_book_agrees(run: Terminal, tmp_path: Path) -> None:
    assert run("invoices", "--check") == "statements, invoices and payments agree\n"
    for party in (HOST, OWNERS):
        lines = run("account", party).splitlines()
        assert [line.split()[-1] for line in lines if line.startswith("closing")] == ["0.00"]
    rows = run("trial-balance", "2026-09").splitlines()
    open_accounts = [row for row in rows if any(name in row for name in ACCOUNTED)]
    assert open_accounts
    assert {row.split()[-1] for row in open_accounts} == {"0.00"}, "what is settled stands open nowhere"
    total = rows[-1].split()
    assert total[0] == "total"
    assert total[-2] == total[-1]
    kinds = {line.split()[1] for line in run("journal").splitlines() if line.startswith("2026-")}
    assert kinds == {
        "accrual", "reversal", "memo", "recognition", "correction", "statement", "pending_vat", "invoice",
        "supplier_invoice", "receipt", "payment", "bank_charge", "late_interest", "netting", "write_off",
    }  # fmt: skip
    _, errors, _ = loader.load_string(run("journal", "--format", "beancount"))
    assert errors == []
    check_hledger(run("journal", "--format", "hledger"))
    for month in (MONTH, "2026-09"):
        check_vouchers(run, month, tmp_path / f"{month}.csv")
    run("finalise", MONTH, "--as", "ada")
    run("close", MONTH, "--as", "ada")
    assert run("month", MONTH).splitlines() == [
        f"{MONTH} is closed",
        f"  {CONTRACT.id:<24} run 4 final",
        "  journal: in balance",
    ]


def check_hledger(text: str) -> None:
    """Where hledger is: it takes our journal, and finds nothing open with a counterparty either."""
    found = shutil.which("hledger") or shutil.which(UNPACKED)
    assert found or not REQUIRED, "hledger is not here, and HLEDGER_NEEDED=required"
    if found:
        assert asked(found, text, "check").returncode == 0
        left = {name: value for (name, _), value in balances(found, text).items() if value != "0"}
        assert not [name for name in left if any(part in name for part in ACCOUNTED)], left


def check_vouchers(run: Terminal, month: str, out: Path) -> None:
    mapping, profile = (str(ACCOUNTS / name) for name in ("voucher_mapping.toml", "voucher_kingdee.toml"))
    run("vouchers", month, "--profile", profile, "--mapping", mapping, "--out", str(out))
    sums: dict[str, int] = defaultdict(int)
    for row in csv.DictReader(io.StringIO(out.read_bytes().decode("utf-8-sig"), newline="")):
        sums[row["凭证号"]] += Money.parse(row["借方"], "CNY").minor - Money.parse(row["贷方"], "CNY").minor
    assert sums
    assert not any(sums.values())
