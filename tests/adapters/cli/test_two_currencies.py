"""A book of two currencies at a terminal: what is in euro stays in euro, and nothing adds it to yuan."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from beancount import loader
from beancount.core.data import Transaction

from ledger import tariff_file
from ledger.command import Command
from ledger.contract_file import parse
from ledger.demand import ActualDemand
from ledger.grid_account import Account
from ledger.meter import Meter, RegisterMeter
from ledger.published_tariff import PublishTariff
from ledger.refusal import Refused
from ledger.signed_contract import RegisterContract
from ledger.site import RegisterSite, Site
from tests.adapters import sample
from tests.adapters.cli.terminal import Terminal, terminal_of
from tests.adapters.conftest import Bench
from tests.adapters.documents.sample import Workbook, pdf_pages
from tests.adapters.http.conftest import Api, problem
from tests.adapters.test_settling import CONTRACT, EXAMPLES, filled, record
from tests.ledger.accounting.test_hledger import REQUIRED, UNPACKED, asked

MONTH = "2026-08"
HOST = "host-e1"
EURO = parse(
    (EXAMPLES / "contracts/eaas-s1.toml")
    .read_text()
    .replace("eaas-s1", "eaas-e1")
    .replace('["S1"]', '["E1"]')
    .replace("host-s1", HOST)
    .replace('"CNY"', '"EUR"')
    .encode()
)


def site_in_euro(bench: Bench) -> None:
    text = (EXAMPLES / "tariffs/shanghai_two_part_1-10kv.toml").read_text()
    text = text.replace('"CNY"', '"EUR"').replace('id = "shanghai-two-part-1-10kv"', 'id = "in-euro"')
    account = Account(
        id="A-E1", zone="Asia/Shanghai", parts="two_part", demand=ActualDemand(), power_factor=None,
        export_price=None,
    )  # fmt: skip
    site = Site("E1", "Werk", "Asia/Shanghai", 500_000, 250_000, "in-euro", account)
    meters = (
        Meter("E1-STORAGE", "E1", "storage", ("charge", "discharge"), 900, 250_000, "Asia/Shanghai"),
        Meter("E1-LOAD", "E1", "load", ("load",), 900, 2_000_000, "Asia/Shanghai"),
    )
    commands: tuple[Command, ...] = (
        PublishTariff(tariff_file.parse_tariff(text, name="in-euro.toml")),
        RegisterSite(sample.FROM_2026, site),
        sample.register_party(HOST),
        *(RegisterMeter(sample.FROM_2026, meter) for meter in meters),
        RegisterContract(EURO),
    )
    for number, command in enumerate(commands):
        bench.door.execute(command, command_id=f"euro{number}", actor="ada")
    hours = np.arange(2976) % 96
    record(bench, "E1-LOAD", "load", np.full(2976, 200_000), "euro-load")
    record(bench, "E1-STORAGE", "charge", np.where(hours < 20, 20_000, 0), "euro-charge")
    record(bench, "E1-STORAGE", "discharge", np.where(hours // 8 == 9, 45_000, 0), "euro-discharge")


@pytest.fixture
def api(bench: Bench) -> Iterator[Api]:
    """August at a site in yuan and at one in euro."""
    filled(bench, CONTRACT)
    site_in_euro(bench)
    found = Api(bench)
    yield found
    found.close()


@pytest.fixture
def run(api: Api, capsys: pytest.CaptureFixture[str]) -> Terminal:
    """August settled and issued."""
    told = terminal_of(api.bench, capsys)
    told("settle", MONTH)
    for step, who in (("review", "ada"), ("approve", "bob"), ("issue", "ada")):
        told("statements", step, MONTH, "--as", who)
    return told


def test_an_account_has_a_balance_of_its_own_in_each_currency(run: Terminal) -> None:
    """Nobody names a currency: the owner of the equipment has 8,333.33 of either, its hosts one of them."""
    told = run("account", "equipment-owner")
    assert [line for line in told.splitlines() if line.startswith("account of")] == [
        "account of equipment-owner in CNY; above zero it owes us",
        "account of equipment-owner in EUR; above zero it owes us",
    ]
    assert [line.split()[-1] for line in told.splitlines() if line.startswith("closing")] == ["-8,333.33"] * 2
    of_host = run("account", HOST)
    assert "in EUR" in of_host
    assert "CNY" not in of_host
    assert "CNY" not in run("account", "equipment-owner", "--currency", "EUR")
    with pytest.raises(Refused, match="nothing was stated to nobody"):
        run("account", "nobody")


def test_each_currency_is_in_balance_and_other_programs_agree(run: Terminal) -> None:
    told = run("trial-balance", "2026-09")
    heads = [line for line in told.splitlines() if line.startswith("trial balance")]
    assert [line.rsplit(" ", 1)[-1] for line in heads] == ["CNY", "EUR"]
    totals = [line.split() for line in told.splitlines() if line.startswith("total")]
    assert all(debit == credit for _, debit, credit in totals)
    assert f"P-{HOST}" not in run("trial-balance", "2026-09", "--currency", "CNY")
    entries, errors, _ = loader.load_string(run("journal", "--format", "beancount"))
    assert errors == []
    units = {
        (posting.account.rpartition(":")[2], posting.units.currency)
        for entry in entries
        if isinstance(entry, Transaction)
        for posting in entry.postings
        if posting.units is not None
    }
    assert {currency for name, currency in units if name == f"P-{HOST}"} == {"EUR"}
    assert {currency for name, currency in units if name == "P-equipment-owner"} == {"CNY", "EUR"}
    found = shutil.which("hledger") or shutil.which(UNPACKED)
    assert found or not REQUIRED, "hledger is not here, and HLEDGER_NEEDED=required"
    if found:
        assert asked(found, run("journal", "--format", "hledger"), "check").returncode == 0


def test_a_statement_in_euro_is_invoiced_paid_and_closed_in_euro(run: Terminal, tmp_path: Path) -> None:
    statement = run("statement", MONTH, "--party", HOST)
    assert "EUR" in statement
    assert "CNY" not in statement
    for kind in ("pdf", "xlsx"):
        run("statement", MONTH, "--party", HOST, "--format", kind, "--out", str(tmp_path))
    (paper,) = tmp_path.glob("*.pdf")
    text = "".join(pdf_pages(paper.read_bytes()))
    assert "8,192.59 EUR" in text
    assert not [one for one in ("CNY", "元", "¥") if one in text]
    (book,) = tmp_path.glob("*.xlsx")
    assert not [one for one in ("CNY", "元", "¥") if one in str(Workbook(book.read_bytes()).sheets)]
    kept = ("eaas-e1", MONTH, HOST, "--as", "ada")
    made = ("--number", "F1", "--direction", "issued", "--net", "8192.59", "--tax", "0.00")
    run("record", "invoice", *kept, *made)
    assert run("record", "payment", *kept, "--id", "b1", "--", "-8192.59").startswith(
        "payment b1: -8,192.59 EUR over 1 statement"
    )
    assert [line.split()[-1] for line in run("account", HOST).splitlines() if "closing" in line] == ["0.00"]
    with pytest.raises(Refused, match="nothing in CNY"):
        run("record", "payment", "--spread", HOST, "--id", "b2", "--as", "ada", "--", "-1.00")
    assert "journal: in balance" in run("month", MONTH)
    run("finalise", MONTH, "--as", "ada")
    run("close", MONTH, "--as", "ada")
    assert run("month", MONTH).startswith(f"{MONTH} is closed")


@pytest.mark.parametrize("profile", ["yonyou", "kingdee"])
def test_vouchers_are_in_the_books_currency_and_say_what_they_leave_out(
    run: Terminal, tmp_path: Path, profile: str
) -> None:
    """The euro have no amount in accounts that are kept in yuan, and host-e1 needs no code in them."""
    out = tmp_path / "vouchers.csv"
    layout, mapping = (EXAMPLES / f"accounts/voucher_{name}.toml" for name in (profile, "mapping"))
    told = run("vouchers", "2026-09", "--profile", str(layout), "--mapping", str(mapping), "--out", str(out))
    total = next(
        line
        for line in run("trial-balance", "2026-09", "--currency", "EUR").splitlines()
        if line.startswith("total")
    )
    journal = run("journal", "2026-09", "--format", "beancount")
    (euro,) = [line for line in told.splitlines() if line.startswith("left out")]
    assert re.fullmatch(r"left out: \d+ entries in EUR, [0-9,.]+ on the debit side", euro), total
    debits = [Decimal(amount) for amount in re.findall(r"^ .* (-?[0-9.]+) EUR$", journal, re.MULTILINE)]
    assert euro.split()[-5].replace(",", "") == str(sum(one for one in debits if one > 0))
    assert told.splitlines()[2].endswith("wattledger journal 2026-09 lists them")
    text = out.read_bytes().decode("gb18030" if profile == "yonyou" else "utf-8-sig")
    assert not [one for one in ("EUR", "eaas-e1", HOST) if one in text]
    assert text.count("\n") > 1


def test_a_report_is_of_one_currency(run: Terminal) -> None:
    for scope in ((), ("--party", "equipment-owner")):
        with pytest.raises(Refused, match="contracts in CNY and EUR, which do not add") as refused:
            run("report", MONTH, *scope)
        assert (refused.value.code, refused.value.place) == ("currency", "currency")
        assert "name one currency, or one contract" in refused.value.reason
        of_contract = run("report", MONTH, *scope, "--contract", "eaas-e1")
        told = run("report", MONTH, *scope, "--currency", "EUR")
        assert "Currency: EUR" in told
        assert "eaas-e1" in told
        assert "CNY" not in told + of_contract
        yuan = run("report", MONTH, *scope, "--currency", "CNY")
        assert CONTRACT.id in yuan
        assert not [one for one in ("EUR", "eaas-e1", HOST) if one in yuan]
        with pytest.raises(Refused, match="no contract is in JPY; there are contracts in CNY and EUR"):
            run("report", MONTH, *scope, "--currency", "JPY")
    with pytest.raises(Refused, match="a site has one currency"):
        run("report", MONTH, "--site", "E1", "--currency", "EUR")
    assert "CNY" not in run("report", MONTH, "--site", "E1")


@pytest.mark.usefixtures("run")
def test_the_api_reports_one_currency(api: Api) -> None:
    path = f"/v1/reports/{MONTH}"
    scopes: tuple[dict[str, str], ...] = ({}, {"party": "equipment-owner"})
    for scope in scopes:
        problem(api.get(path, "finance", **scope), 422, "currency", "currency")
        found = api.get(path, "finance", currency="EUR", **scope).json()
        assert found["currency"] == "EUR"
        assert found == api.get(path, "finance", contract="eaas-e1", **scope).json() | {
            "position": found["position"], "subject": found["subject"],
        }  # fmt: skip
    problem(api.get(path, "finance", site="E1", currency="EUR"), 422, "scope", "site")


def test_netting_adds_no_currency_to_another(run: Terminal) -> None:
    told = run("netting", "show", "equipment-owner").splitlines()
    assert [line.rsplit(" ", 1)[-1] for line in told if line.startswith("equipment-owner")] == ["CNY", "EUR"]
