"""Money beside statements, by API and at a terminal: recorded once, posted, and never ahead of time."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import msgspec
import pytest

from ledger.refusal import Refused
from tests.adapters.cli.terminal import terminal_of
from tests.adapters.conftest import Bench
from tests.adapters.http.conftest import Api, problem
from tests.adapters.http.test_contract_facts import ok
from tests.adapters.http.test_netting import OURS, THEIRS, issued_august
from tests.adapters.http.test_trading_units import unit
from tests.adapters.test_allocating import event, two_sites

RECEIPT = {
    "document": "对账单 08",
    "stream": "demand_response",
    "on": "2026-09-01",
    "currency": "CNY",
    "amount": "612.35",
}
PAYMENT = {
    "document": "P-1", "cost": "insurance", "on": "2026-09-01", "currency": "CNY", "amount": "40.00",
}  # fmt: skip


@pytest.fixture
def api(bench: Bench) -> Iterator[Api]:
    made = issued_august(bench, OURS, THEIRS)
    yield made
    made.close()


def closing(api: Api) -> dict[str, Decimal]:
    api.wait()
    answer = ok(api.get("/v1/trial-balance", "auditor", month="2026-09"))
    assert answer["debit"] == answer["credit"]
    return {row["account"]: Decimal(row["closing"]) for row in answer["rows"]}


def test_receipts_payments_and_handovers_are_posted_once(api: Api) -> None:
    before = closing(api).get("Assets:Bank", Decimal(0))
    first = ok(api.post("/v1/market-receipts", RECEIPT | {"rounding": "0.01"}, "finance", key="m"))
    again = api.post("/v1/market-receipts", RECEIPT | {"rounding": "0.01"}, "finance", key="m")
    assert (again.json(), again.headers["idempotency-replayed"]) == (first, "true")
    problem(api.post("/v1/market-receipts", RECEIPT, "finance"), 409, "exists", "document")
    paid = ok(api.post("/v1/supplier-payments", PAYMENT, "finance"))
    assert ok(api.post("/v1/supplier-payments", PAYMENT, "finance")) == paid, "the same, under any key"
    other = PAYMENT | {"amount": "40.01"}
    problem(api.post("/v1/supplier-payments", other, "finance"), 409, "exists", "document")
    handover = {"document": "H-1", "on": "2026-09-01", "currency": "CNY", "amount": "150.00"}
    ok(api.post("/v1/parties/host/handovers", handover, "finance"))
    after = closing(api)
    assert after["Assets:Bank"] - before == Decimal("422.35")
    assert after["Assets:MarketReceivable:DemandResponse"] == Decimal("-612.34")
    assert after["Expenses:AllocationRounding:DemandResponse"] == Decimal("-0.01")
    assert after["Liabilities:SupplierPayable:Insurance"] == Decimal("40.00")
    assert after["Liabilities:CollectedFor:P-host"] == Decimal("150.00")
    entries = ok(api.get("/v1/journal", "auditor", month="2026-09"))["entries"]
    (received,) = [one for one in entries if one["kind"] == "market_receipt"]
    assert (received["document"], received["value_date"]) == (RECEIPT["document"], "2026-09-01")


def test_what_is_wrong_names_its_field_and_others_may_not(api: Api) -> None:
    for path, body, code, place in (
        ("/v1/market-receipts", RECEIPT | {"on": "2026-09-02"}, "future_date", "on"),
        ("/v1/supplier-payments", PAYMENT | {"on": "2030-01-01"}, "future_date", "on"),
        ("/v1/market-receipts", RECEIPT | {"amount": "0.00"}, "payment_amount", "amount"),
        ("/v1/market-receipts", RECEIPT | {"amount": "1.001"}, "money", "amount"),
        ("/v1/market-receipts", RECEIPT | {"rounding": "0.001"}, "money", "rounding"),
        ("/v1/market-receipts", RECEIPT | {"rounding": "-613.00"}, "market_rounding", "rounding"),
        ("/v1/market-receipts", RECEIPT | {"stream": "arbitrage"}, "market_stream", "stream"),
        ("/v1/market-receipts", RECEIPT | {"stream": "rain"}, "not_allowed", "stream"),
        ("/v1/supplier-payments", PAYMENT | {"cost": "spot"}, "not_allowed", "cost"),
    ):
        answer = api.post(path, body, "finance")
        assert answer.status_code in {400, 422}, answer.text
        found = problem(answer, answer.status_code, code)
        assert place in found["place"], found
    unknown = PAYMENT | {"document": "H"}
    del unknown["cost"]
    problem(api.post("/v1/parties/nobody/handovers", unknown, "finance"), 404, "unknown_party", "party")
    api.secrets["partner"] = api.grant("partner", "host")
    for role in ("auditor", "market_desk", "operator", "partner"):
        for path in ("/v1/market-receipts", "/v1/supplier-payments", "/v1/parties/host/handovers"):
            problem(api.post(path, {}, role), 403, "forbidden")


def test_what_has_not_happened_is_not_recorded(api: Api) -> None:
    """It is 1 September where the book is kept; what the bank books tomorrow is recorded tomorrow."""
    path, tomorrow = f"/v1/statements/{OURS.id}/2026-08/host/1", "2026-09-02"
    payment = {"id": "b1", "on": tomorrow, "amount": "-1.00", "kind": "payment"}
    found = problem(api.post(f"{path}/payments", payment, "finance"), 422, "future_date", "on")
    assert found["detail"].endswith("the last day allowed is 2026-09-01")
    invoice = {
        "number": "F1", "direction": "issued", "on": tomorrow, "net": "1.00", "tax": "0.00", "gross": "1.00",
    }  # fmt: skip
    problem(api.post(f"{path}/invoices", invoice, "finance"), 422, "future_date", "on")
    spread = {"id": "s1", "on": tomorrow, "currency": "CNY", "amount": "-1.00"}
    problem(api.post("/v1/parties/host/payments", spread, "finance"), 422, "future_date", "on")
    for body, to in ((payment, f"{path}/payments"), (spread, "/v1/parties/host/payments")):
        ok(api.post(to, body | {"on": "2026-09-01"}, "finance"))
        api.wait()


def test_a_terminal_records_the_same(api: Api, capsys: pytest.CaptureFixture[str]) -> None:
    run = terminal_of(api.bench, capsys)
    told = run(
        "record", "market-receipt", "demand_response", "612.35", "2026-09-01", "08", "--rounding", "0.01",
        "--as", "ada",
    )  # fmt: skip
    assert told.startswith("market receipt 08: recorded, event ")
    told = run("record", "supplier-payment", "insurance", "40.00", "2026-09-01", "P-1", "--as", "ada")
    assert told.startswith("supplier payment P-1: recorded, event ")
    told = run("record", "handover", "host", "150.00", "2026-09-01", "H-1", "--as", "ada")
    assert told.startswith("handover H-1: recorded, event ")
    taken = ("record", "market-receipt", "spot", "-5.00", "2026-09-01", "09", "--as", "ada")
    assert run(*taken).startswith("market receipt 09: recorded, event ")
    after = closing(api)
    assert after["Assets:MarketReceivable:DemandResponse"] == Decimal("-612.34")
    assert after["Assets:MarketReceivable:Spot"] == Decimal("5.00")
    refusals: tuple[tuple[tuple[str, ...], str], ...] = (
        (("record", "supplier-payment", "insurance", "1.00", "2026-09-02", "P-2"), "future_date"),
        (("record", "market-receipt", "spot", "-5.01", "2026-09-01", "09"), "exists"),
        (("record", "handover", "host", "1.001", "2026-09-01", "H-2"), "money"),
        (payment("b1", "-1.00", "--on", "2026-09-02"), "future_date"),
        (
            ("record", "payment", "--spread", "host", "-1.00", "--id", "s", "--on", "2026-09-02"),
            "future_date",
        ),
    )
    for arguments, code in refusals:
        with pytest.raises(Refused) as refused:
            run(*arguments, "--as", "ada")
        assert refused.value.code == code


def payment(name: str, amount: str, *more: str) -> tuple[str, ...]:
    return ("record", "payment", OURS.id, "2026-08", "host", amount, "--id", name, *more)


def test_a_units_operator_line_and_its_sites_are_the_markets_statement(bench: Bench) -> None:
    """600.01 of the market: 400.00 and 200.00 are the sites', one fen is rounding; paid, nothing is left."""
    window = two_sites(bench)
    api = Api(bench)
    try:
        ok(api.post("/v1/trading-units", unit(id="vpp"), "finance"))
        api.wait()
        ok(api.post("/v1/market/facts", {"facts": [msgspec.to_builtins(event(window))]}, "market_desk"))
        ok(api.post("/v1/allocations", {"month": "2026-08"}, "finance"))
        api.wait()
        entries = ok(api.get("/v1/journal", "auditor", month="2026-08"))["entries"]
        assert [(one["kind"], one["posted_on"], one["document"]) for one in entries] == [
            ("unit_operator", "2026-08-31", "dr1")
        ]
        ok(api.post("/v1/settlements", {"month": "2026-08"}, "finance"))
        ok(api.post("/v1/market-receipts", RECEIPT | {"amount": "600.01"}, "finance"))
        after = closing(api)
        assert after["Assets:MarketReceivable:DemandResponse"] == Decimal(0), after
        assert after["Expenses:AllocationRounding:DemandResponse"] == Decimal("-0.01")
    finally:
        api.close()
