"""What the finance department asks of the command line: vouchers, invoices, payments, a party's account."""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from adapters.documents.readable import readable_money
from ledger.quantity import Money
from ledger.refusal import Refused
from ledger.signed_contract import RegisterContract
from tests.adapters.cli.terminal import Terminal, terminal_of
from tests.adapters.conftest import Bench
from tests.adapters.http.conftest import CONTRACT, HOST, Api
from tests.adapters.http.test_lives import TERMS
from tests.adapters.test_settling import filled

ACCOUNTS = Path(__file__).parents[3] / "examples" / "accounts"
MAPPING = ACCOUNTS / "voucher_mapping.toml"
VOUCHERS = ("vouchers", "2026-08", "--profile", str(ACCOUNTS / "voucher_kingdee.toml"), "--mapping")
STATEMENT = (CONTRACT.id, "2026-08", HOST)


@pytest.fixture
def settled(bench: Bench) -> Iterator[Api]:
    filled(bench)
    contract = msgspec.structs.replace(CONTRACT, statement_terms=TERMS)
    bench.door.execute(RegisterContract(contract), command_id="with-terms", actor="setup")
    api = Api(bench)
    done = api.post("/v1/settlements", {"month": "2026-08"}, role="finance")
    assert done.status_code == 201, done.text
    api.wait()
    yield api
    api.close()


@pytest.fixture
def run(settled: Api, capsys: pytest.CaptureFixture[str]) -> Terminal:
    return terminal_of(settled.bench, capsys)


def test_vouchers_of_a_month_balance(run: Terminal, tmp_path: Path) -> None:
    out = tmp_path / "vouchers.csv"
    told = run(*VOUCHERS, str(MAPPING), "--out", str(out), "--first-number", "7")
    text = out.read_bytes().decode("utf-8-sig")
    sums: dict[str, int] = defaultdict(int)
    for row in csv.DictReader(io.StringIO(text, newline="")):
        sums[row["凭证号"]] += Money.parse(row["借方"], "CNY").minor - Money.parse(row["贷方"], "CNY").minor
    assert sums == dict.fromkeys(map(str, range(7, 7 + len(sums))), 0)
    assert told.startswith(f"{len(sums)} voucher")
    assert sums
    assert "归属月份 2026-08" in text, "the profile's language"
    english = tmp_path / "english.csv"
    run(*VOUCHERS, str(MAPPING), "--out", str(english), "--language", "en")
    assert "origin month 2026-08" in english.read_bytes().decode("utf-8-sig")


def test_vouchers_are_refused_whole_where_something_is_not_mapped(run: Terminal, tmp_path: Path) -> None:
    mapping, out = tmp_path / "mapping.toml", tmp_path / "vouchers.csv"
    kept = (line for line in MAPPING.read_text(encoding="utf-8").splitlines() if "host-s" not in line)
    mapping.write_text("\n".join(kept), encoding="utf-8")
    with pytest.raises(Refused, match=f"not mapped: {HOST}") as refused:
        run(*VOUCHERS, str(mapping), "--out", str(out))
    assert (refused.value.code, out.exists()) == ("voucher_party", False)


def test_statement_invoice_and_payment_become_one(run: Terminal) -> None:
    for step, who in (("review", "ada"), ("approve", "bob"), ("issue", "ada")):
        run("statements", step, "2026-08", "--as", who)
    register = run("invoices", "2026-08", "--party", HOST)
    (wanted,) = [line for line in register.splitlines() if "to issue" in line]
    gross = Money.parse(wanted.split()[-2].replace(",", ""), "CNY")
    owed = run("account", HOST)
    (closing,) = [line.split()[-1] for line in owed.splitlines() if line.startswith("closing")]
    assert closing == readable_money(gross), "the host keeps its saving, and owes what we invoice"
    assert "differs (payment)" in run("invoices", "--check")

    invoice = ("record", "invoice", *STATEMENT, "--number", "F1", "--direction", "issued", "--as", "ada")
    with pytest.raises(Refused) as refused:
        run(*invoice, "--tax", "0.00", "--net", str(gross + Money(1, "CNY")))
    assert refused.value.code == "invoice_total"
    assert "recorded" in run(*invoice, "--tax", "0.00", "--net", str(gross))
    payment = ("record", "payment", *STATEMENT, "--as", "ada", "--id")
    run(*payment, "b1", "--", "-1.00")
    rest = str(gross - Money(101, "CNY"))
    run(*payment, "b2", "--", f"-{rest}")
    run("record", "write-off", *STATEMENT, "--id", "w1", "--reason", "a cent", "--as", "ada", "--", "-0.01")
    after = run("account", HOST, "2026-09")
    assert [line.split()[1] for line in after.splitlines() if line.startswith("2026-")] == [
        "statement",
        "receipt",
        "receipt",
        "write_off",
    ]
    assert run("invoices", "--check", "--party", HOST) == "statements, invoices and payments agree\n"
    assert "journal: in balance" in run("month", "2026-08")
    with pytest.raises(Refused) as refused:
        run("account", "nobody")
    assert refused.value.code == "unknown_account"


def test_what_is_paid_beyond_a_statement_settles_no_other_by_itself(run: Terminal) -> None:
    for step, who in (("review", "ada"), ("approve", "bob"), ("issue", "ada")):
        run("statements", step, "2026-08", "--as", who)
    run("record", "payment", *STATEMENT, "--as", "ada", "--id", "b1", "--", "-900000.00")
    told = run("account", HOST)
    assert "paid to us beyond its statements" in told
    with pytest.raises(Refused) as refused:
        run(
            "record",
            "credit",
            *STATEMENT,
            "1.00",
            "--to",
            CONTRACT.id,
            "2026-08",
            "--id",
            "k1",
            "--as",
            "ada",
        )
    assert (refused.value.code, refused.value.place) == ("credit", "to")


def test_silence_accepts_what_nobody_queried(settled: Api, run: Terminal) -> None:
    for step, who in (("review", "ada"), ("approve", "bob"), ("issue", "ada")):
        run("statements", step, "2026-08", "--as", who)
    silent = ("statements", "accept-by-silence", "2026-08", "--as", "ada")
    assert run(*silent).startswith("0 statements accepted")
    run("statements", "confirm", *STATEMENT, "--as", "host-clerk")
    settled.bench.now += timedelta(days=40)
    assert run(*silent).startswith("2 statements accepted")
    with pytest.raises(Refused) as refused:
        run(*silent)
    assert refused.value.code == "no_statement"
