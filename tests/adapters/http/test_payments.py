"""One payment over two contracts' statements, and an invoice's number that two recorders give at once."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from typing import Any

import pytest

from adapters.front_door import Wish
from adapters.spreading import Paying, pay
from ledger.quantity import Money
from ledger.refusal import Refused
from ledger.statement.invoice import Invoice
from ledger.statement.life import StatementKey
from ledger.statement.money import RecordInvoice
from tests.adapters.conftest import Bench
from tests.adapters.http.conftest import Api, problem
from tests.adapters.http.test_contract_facts import ok
from tests.adapters.http.test_netting import contract_of, issued_august

ONE, TWO = contract_of("one", "S3", "host"), contract_of("two", "S4", "host")
"""The host holds what both sites save, and owes us 30 per cent of each."""
PATH = "/v1/parties/host/payments"


@pytest.fixture
def api(bench: Bench) -> Iterator[Api]:
    made = issued_august(bench, ONE, TWO)
    yield made
    made.close()


def open_amounts(api: Api) -> dict[str, Money]:
    api.wait()
    items = ok(api.get("/v1/receivables", "finance", party="host"))["items"]
    return {one["contract"]: Money.parse(one["open_amount"], "CNY") for one in items}


def body(amount: Money, name: str = "bank-1") -> dict[str, Any]:
    return {"id": name, "on": "2026-09-01", "currency": "CNY", "amount": str(amount), "reference": "0001"}


def test_one_payment_pays_both_statements(api: Api) -> None:
    before = open_amounts(api)
    assert all(one.minor < 0 for one in before.values())
    asked = body(before["one"] + Money(-100, "CNY"))
    told = ok(api.post(PATH, asked, "finance", key="k1"))
    assert [(part["contract"], part["amount"]) for part in told["parts"]] == [
        ("one", str(before["one"])),
        ("two", "-1.00"),
    ]
    assert open_amounts(api) == {"one": Money(0, "CNY"), "two": before["two"] + Money(100, "CNY")}
    again = api.post(PATH, asked, "finance", key="k1")
    assert (ok(again), again.headers["Idempotency-Replayed"]) == (told, "true")
    assert ok(api.post(PATH, asked, "finance"))["parts"] == told["parts"], "the same payment, once"
    problem(api.post(PATH, body(Money(-1, "CNY")), "finance"), 409, "exists", "id")
    problem(api.post(PATH, body(Money(1, "CNY"), "bank-2"), "finance"), 422, "payment_spread", "party")
    problem(api.post(PATH, {**asked, "amount": "1.234"}, "finance"), 422, "money", "amount")
    for currency in ("ZZZ", ""):
        problem(api.post(PATH, {**asked, "currency": currency}, "finance"), 422, "field_type", "currency")
    assert api.post(PATH, asked, "auditor").status_code == 403
    rest = before["two"] + Money(100, "CNY")
    ok(api.post(PATH, body(rest + Money(-5, "CNY"), "bank-2"), "finance"))
    assert open_amounts(api) == {"one": Money(0, "CNY"), "two": Money(5, "CNY")}, "what is too much stays"


def test_payments_of_one_statement_at_once_are_all_recorded(api: Api) -> None:
    """Each was divided over what stood open before any of the others."""
    bench, before = api.bench, open_amounts(api)
    with bench.database.reading(bench.book) as connection:
        for number in range(5):
            asked = Paying(
                id=f"bank-{number}",
                party="host",
                amount=Money(-100, "CNY") if number else before["one"],
                on=date(2026, 9, 1),
                today=date(2026, 9, 1),
            )
            pay(bench.door, connection, 1 << 62, asked, actor="ada")
    left = before["two"] + Money(400, "CNY")
    assert open_amounts(api) == {"one": Money(0, "CNY"), "two": left}, "what it does not ask for went on"


def test_payments_that_race_are_all_recorded(api: Api) -> None:
    before = open_amounts(api)
    with ThreadPoolExecutor(5) as pool:
        found = list(
            pool.map(
                lambda at: api.post(PATH, body(Money(-100 - at, "CNY"), f"bank-{at}"), "finance"), range(5)
            )
        )
    assert [answer.status_code for answer in found] == [201] * 5, [answer.text for answer in found]
    assert open_amounts(api)["one"] == before["one"] + Money(510, "CNY")


def test_interest_before_anything_is_late_is_recorded_with_a_warning(api: Api) -> None:
    path = "/v1/statements/one/2026-08/host/1/payments"
    interest = {"id": "i1", "on": "2026-09-01", "amount": "-1.00", "kind": "late_interest"}
    told = ok(api.post(path, interest, "finance"))
    (warning,) = told["warnings"]
    assert warning.endswith(": nothing was late yet")
    assert ok(api.post(path, interest, "finance")) == told
    assert "warnings" not in ok(api.post(path, {**interest, "id": "p1", "kind": "payment"}, "finance"))


def test_an_id_names_one_payment_of_the_book(api: Api) -> None:
    """The same content again is the first result, whatever the key; other content is refused on any route."""
    before = open_amounts(api)
    one, two = ("/v1/statements/" + name + "/2026-08/host/1/payments" for name in ("one", "two"))
    asked = {"id": "bank-1", "on": "2026-09-01", "amount": "-5.00", "kind": "payment"}
    first = ok(api.post(one, asked, "finance"))
    assert ok(api.post(one, asked, "finance")) == first, "under another key"
    problem(api.post(two, asked, "finance"), 409, "exists", "id")
    problem(api.post(one, {**asked, "amount": "-6.00"}, "finance"), 409, "exists", "id")
    problem(api.post(one, {**asked, "kind": "late_interest"}, "finance"), 409, "exists", "id")
    problem(api.post(PATH, body(Money(-600, "CNY"), "bank-1"), "finance"), 409, "exists", "id")
    guest = PATH.replace("host", "equipment-owner")
    problem(api.post(guest, body(Money(500, "CNY"), "bank-1"), "finance"), 409, "exists", "id")
    assert open_amounts(api) == {"one": before["one"] + Money(500, "CNY"), "two": before["two"]}


def test_of_two_recorders_of_one_number_one_is_refused(api: Api) -> None:
    """Each has the number for another statement, at the same time, from another process."""
    bench = api.bench
    other = type(bench)(bench.nats, bench.postgres)
    other.log.book, other.log._name = bench.log.book, bench.log._name
    other.door.book = bench.book

    def record(number: int) -> str:
        key = StatementKey((ONE, TWO)[number % 2].id, "2026-08", "host", 1)
        fen = Money(1, "CNY")
        one = Invoice(
            number=f"发票 {number // 2}",
            direction="issued",
            on=date(2026, 9, 1),
            net=fen,
            tax=Money(0, "CNY"),
            gross=fen,
        )
        wishes = [Wish(command, f"i{number}") for command in RecordInvoice(key, one).commands]
        try:
            (bench, other)[number % 2].door.execute_all(wishes, actor="ada")
        except Refused as refused:
            return refused.code
        return "recorded"

    try:
        with ThreadPoolExecutor(8) as pool:
            found = list(pool.map(record, range(24)))
    finally:
        other.close()
    pairs = [sorted(pair) for pair in zip(found[0::2], found[1::2], strict=True)]
    assert pairs == [["invoice_number", "recorded"]] * 12


def test_a_number_is_its_issuers_and_a_part_of_a_later_invoice_shares_it(api: Api) -> None:
    def invoice(contract: str, **changes: Any) -> Any:
        asked = {
            "number": "24417", "direction": "issued", "on": "2026-09-01", "net": "1.00", "tax": "0.00",
            "gross": "1.00", **changes,
        }  # fmt: skip
        return api.post(f"/v1/statements/{contract}/2026-08/host/1/invoices", asked, "finance")

    first = ok(invoice("one"))
    assert "the invoice has gross 1.00, and the statement had gross " in first["warnings"][0]
    assert ok(invoice("one")) == first, "the same, under any key"
    problem(invoice("one", net="0.99", gross="0.99"), 409, "exists", "number")
    problem(invoice("two"), 422, "invoice_number", "number")
    problem(invoice("two", number=" 24418"), 422, "invoice_number", "number")
    ok(invoice("two", in_next_invoice=True))
    ok(invoice("two", number="24418"))


def test_what_is_open_on_a_day_is_what_was_issued_and_paid_by_then(api: Api) -> None:
    """Both statements were issued on 1 September. 1.00 was paid on the 3rd and 2.00 on the 5th, and both were
    recorded on the 10th."""
    before = open_amounts(api)
    api.bench.now += timedelta(days=9)
    for name, amount, day in (("b1", "-1.00", "2026-09-03"), ("b2", "-2.00", "2026-09-05")):
        paid = {"id": name, "on": day, "amount": amount, "kind": "payment"}
        ok(api.post("/v1/statements/one/2026-08/host/1/payments", paid, "finance"))
    api.wait()

    def on(day: str | None, **more: Any) -> list[dict[str, Any]]:
        asked = {"party": "host"} | ({} if day is None else {"effective": day}) | more
        found: list[dict[str, Any]] = ok(api.get("/v1/receivables", "finance", **asked))["items"]
        return found

    def owed(day: str | None) -> dict[str, str]:
        return {one["contract"]: one["open_amount"] for one in on(day)}

    def less(fen: int) -> dict[str, str]:
        return {"one": str(before["one"] + Money(fen, "CNY")), "two": str(before["two"])}

    assert owed("2026-08-31") == {}, "nothing was issued yet"
    assert owed("2026-09-01") == owed("2026-09-02") == less(0)
    assert owed("2026-09-03") == less(100)
    assert owed("2026-09-05") == owed(None) == less(300)
    assert [[one["id"] for one in each["payments"]] for each in on("2026-09-04")] == [["b1"], []]
    assert [one["settled"] for one in on("2026-09-04")] == ["-1.00", "0.00"]
    assert len(on("2026-09-04", limit=1)) == 1
    life = "/v1/statements/one/2026-08/host/1/life"
    then = ok(api.get(life, "finance", effective="2026-09-04"))["life"]
    assert (then["open_amount"], then["standing"]) == (less(100)["one"], "part_paid")
    early = ok(api.get(life, "finance", effective="2026-08-31"))["life"]
    assert (early["status"], early["issued_on"], early["due_on"], early["settled"]) == (
        "approved",
        None,
        None,
        "0.00",
    )
    nets = {
        day: [one["receivable"] for one in ok(api.get("/v1/netting", "auditor", effective=day))["items"]]
        for day in ("2026-08-31", "2026-09-02", "2026-09-05")
    }
    whole = -(before["one"] + before["two"])
    assert nets == {
        "2026-08-31": [],
        "2026-09-02": [str(whole)],
        "2026-09-05": [str(whole - Money(300, "CNY"))],
    }


def test_an_id_names_one_credit(api: Api) -> None:
    """5.00 paid beyond one statement go to the other; given again under another key, nothing moves again."""
    before = open_amounts(api)
    over = str(before["one"] + Money(-500, "CNY"))
    statement = "/v1/statements/one/2026-08/host/1"
    paid = {"id": "b1", "on": "2026-09-01", "amount": over, "kind": "payment"}
    ok(api.post(f"{statement}/payments", paid, "finance"))
    credit = {"id": "k1", "amount": "5.00", "contract": "two", "month": "2026-08", "run": 1}
    told = ok(api.post(f"{statement}/credits", credit, "finance"))
    assert open_amounts(api) == {"one": Money(0, "CNY"), "two": before["two"] + Money(500, "CNY")}
    api.bench.now += timedelta(days=3)
    assert ok(api.post(f"{statement}/credits", credit, "finance")) == told, "another day, the same credit"
    other = {**credit, "amount": "4.00"}
    problem(api.post(f"{statement}/credits", other, "finance"), 409, "exists", "id")
    assert open_amounts(api)["two"] == before["two"] + Money(500, "CNY")
