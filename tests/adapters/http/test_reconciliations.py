"""Operators' and banks' statements by the API, on a month that was settled twice."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

import httpx
import msgspec
import numpy as np
import pytest

from adapters import lives
from ledger.accounting.market_receipt import MarketReceipt, RecordMarketReceipt
from ledger.clauses.flow import exact_text
from ledger.effective import Period
from ledger.interval import zone_of
from ledger.market_fact import PublishMarketRule
from ledger.quantity import Money, round_half_away
from ledger.reconciliation.difference import CLASSES
from ledger.reconciliation.our_line import OurLine, our_lines
from ledger.settlement.run import Runs
from ledger.statement.issue import ApproveStatement, IssueStatement, ReviewStatement
from ledger.statement.life import StatementKey
from ledger.statement.terms import Terms
from ledger.streams.service_income import ServiceOrdered
from tests.adapters.conftest import Bench
from tests.adapters.http.conftest import HOST, Api, problem
from tests.adapters.test_market_settling import MONTH, policy, rule, told
from tests.adapters.test_settling import CONTRACT, filled, record, settle
from tests.stack import NatsServer, PostgresServer

EXAMPLES = Path(__file__).parents[3] / "examples/reconciliation"
ZONE = zone_of("Asia/Shanghai")
PROFILE = b"""\
operator = "SIMULATED exchange"
format = "csv"
currency = "CNY"

[columns]
reference = "no"
site = "site"
item = "item"
period = "month"
quantity = "quantity"
unit = "unit"
price = "price"
amount = "amount"

[period]
kind = "month"
pattern = "%Y-%m"
zone = "Asia/Shanghai"

[items]
"""


def twice_settled(bench: Bench) -> None:
    """August from first readings, then from revised ones, with a service's rule in two versions."""
    terms = Terms(
        calendar="CN",
        query_working_days=15,
        answer_working_days=5,
        due_working_days=20,
        late_interest_per_day="0",
    )
    _, _, discharge = filled(bench, msgspec.structs.replace(CONTRACT, statement_terms=terms))
    service = rule("service_throughput", zone="Asia/Shanghai")
    (payment,) = service.rule.payments  # type: ignore[union-attr]
    dearer = msgspec.structs.replace(payment, rate="0.15")
    later = PublishMarketRule(
        Period(datetime(2027, 1, 1, tzinfo=UTC)), msgspec.structs.replace(service.rule, payments=(dearer,))
    )
    order = ServiceOrdered(
        id="o1", site="S1", rule=service.rule.id, run="o1", interval=MONTH, customer=HOST,
        ordered_w=250_000,
    )  # fmt: skip
    for number, command in enumerate((policy(), service, later, *told(order))):
        bench.door.execute(command, command_id=f"market-{number}", actor="desk")
    settle(bench)
    record(bench, "S1-STORAGE", "discharge", np.maximum(discharge - 120, 0), "revised")
    settle(bench)


class Settled(Api):
    """A book whose August was settled twice."""

    def lines(self, run: int, rate: str | None = None) -> list[OurLine]:
        runs = self.bench.door.state("settlement.eaas-s1_2026-08")
        assert isinstance(runs, Runs)
        found = list(our_lines(runs.runs[run - 1], ZONE, items="term"))
        return found if rate is None else [_at_rate(line, rate) for line in found]

    def reconcile(self, lines: list[OurLine], *, cut_off: str = "", **more: Any) -> httpx.Response:
        words = "".join(f'"{item}" = "{item}"\n' for item in dict.fromkeys(line.item for line in lines))
        query = "contract=eaas-s1&month=2026-08&items=term" + (f"&cut_off={cut_off}" if cut_off else "")
        files = {"file": ("august.csv", _csv(lines)), "profile": ("p.toml", PROFILE + words.encode())}
        return self.post(f"/v1/reconciliations?{query}", role="finance", files=files, **more)


def _at_rate(line: OurLine, rate: str) -> OurLine:
    if not line.item.startswith("service"):
        return line
    (term,) = line.terms
    amount = Money.round(term.quantity.exact * Fraction(rate), "CNY")
    return msgspec.structs.replace(line, terms=(msgspec.structs.replace(term, price=rate),), amount=amount)


def _csv(lines: list[OurLine]) -> bytes:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["no", "site", "item", "month", "quantity", "unit", "price", "amount"])
    for number, line in enumerate(lines, 1):
        (term,) = line.terms or (None,)
        figures = ["", "", ""] if term is None else [term.quantity.value, term.quantity.unit, term.price]
        writer.writerow([number, line.site, line.item, "2026-08", *figures, str(line.amount)])
    return out.getvalue().encode()


@pytest.fixture(scope="module")
def api(nats_server: NatsServer, migrated: PostgresServer) -> Iterator[Settled]:
    bench = Bench(nats_server, migrated)
    twice_settled(bench)
    made = Settled(bench)
    yield made
    made.close()
    bench.close()


def changed(lines: list[OurLine], item: str, change: Callable[[OurLine], OurLine]) -> list[OurLine]:
    assert any(line.item.startswith(item) for line in lines)
    return [change(line) if line.item.startswith(item) else line for line in lines]


def more_energy(line: OurLine) -> OurLine:
    (term,) = line.terms
    quantity = msgspec.structs.replace(term.quantity, value=exact_text(term.quantity.exact + 1000))
    amount = Money.round(quantity.exact * Fraction(term.price), "CNY")
    return msgspec.structs.replace(
        line, terms=(msgspec.structs.replace(term, quantity=quantity),), amount=amount
    )


def dearer(line: OurLine) -> OurLine:
    return _at_rate(line, "0.103")


def first_run_s(api: Settled) -> OurLine:
    (line,) = [line for line in api.lines(1) if line.item.startswith("service")]
    return line


def one_yuan(line: OurLine) -> OurLine:
    return msgspec.structs.replace(line, amount=line.amount + Money(100, "CNY"))


def test_a_statement_that_agrees_leaves_nothing(api: Settled) -> None:
    done = api.reconcile(api.lines(2))
    assert done.status_code == 201, done.text
    (one,) = done.json()["items"]
    assert one["settled"]
    assert set(one["operator"]["by_class"]) == set(CLASSES)
    assert {Fraction(amount) for amount in one["operator"]["by_class"].values()} == {0}


@pytest.mark.parametrize(
    ("kind", "statement"),
    [
        ("volume", lambda api: changed(api.lines(2), "service", more_energy)),
        ("price", lambda api: changed(api.lines(2), "service", dearer)),
        ("rule", lambda api: api.lines(2, rate="0.15")),
        ("run", lambda api: changed(api.lines(2), "service", lambda _: first_run_s(api))),
        ("unexplained", lambda api: changed(api.lines(2), "service", one_yuan)),
    ],
)
def test_one_fault_is_named_and_nothing_is_left_over(
    api: Settled, kind: str, statement: Callable[[Settled], list[OurLine]]
) -> None:
    """`rule` is the service at the rate of 2027, which no run of ours ever had; `run` the first readings.

    (A shift between sites, `allocation`, needs two of them: tests/ledger/reconciliation.)"""
    lines = statement(api)
    (one,) = api.reconcile(lines).json()["items"]
    report = one["operator"]
    off = sum((line.amount.exact for line in lines), Fraction(0)) - sum(
        line.amount.exact for line in api.lines(2)
    )
    assert off, "the fault is in the money"
    found = {name: Fraction(amount) for name, amount in report["by_class"].items() if Fraction(amount)}
    assert found == {kind: off}
    assert not one["settled"]
    assert Fraction(report["operator_total"]) - Fraction(report["our_total"]) == off
    assert not report["operator_only"]
    assert not report["ours_only"]
    assert not report["doubtful"]


def test_a_row_that_is_left_out_gets_its_cause_or_a_question(api: Settled) -> None:
    """Without a cut-off both runs had the line: somebody must ask. Its readings came after an early one."""
    lines = [line for line in api.lines(2) if not line.item.startswith("service")]
    off = -sum(line.amount.exact for line in api.lines(2) if line.item.startswith("service"))
    (one,) = api.reconcile(lines).json()["items"]
    report = one["operator"]
    (left,) = report["ours_only"]
    assert (left["cause"], left["reason"]) == ("unknown", "cause unknown")
    assert "ask SIMULATED exchange" in left["ask"]
    assert {name: Fraction(amount) for name, amount in report["by_cause"].items()} == {"unknown": off}
    assert Fraction(report["unexplained"]) == off
    (late,) = api.reconcile(lines, cut_off="2000-01-01T00:00:00Z").json()["items"]
    (left,) = late["operator"]["ours_only"]
    assert (left["cause"], left["ask"]) == ("late", "")
    assert Fraction(late["operator"]["unexplained"]) == 0
    problem(api.reconcile(lines, cut_off="yesterday"), 400, "instant", "cut_off")


def test_megawatt_hours_with_three_decimals_leave_nothing_unexplained(api: Settled) -> None:
    """DOMAIN.md 3.0: whole kWh, and the amount that follows; each row is off by less than a kWh."""

    def rounded(line: OurLine) -> OurLine:
        if len(line.terms) != 1 or line.terms[0].quantity.unit != "kWh":
            return line
        (term,) = line.terms
        whole = Fraction(round_half_away(term.quantity.exact))
        quantity = msgspec.structs.replace(term.quantity, value=exact_text(whole))
        amount = Money.round(whole * Fraction(term.price), "CNY")
        terms = (msgspec.structs.replace(term, quantity=quantity),)
        return msgspec.structs.replace(line, terms=terms, amount=amount)

    ours = api.lines(2)
    lines = [rounded(line) for line in ours]
    (one,) = api.reconcile(lines).json()["items"]
    off = sum((line.amount.exact for line in lines), Fraction(0)) - sum(line.amount.exact for line in ours)
    found = {name: Fraction(money) for name, money in one["operator"]["by_class"].items() if Fraction(money)}
    assert off
    assert found == {"rounding": off}
    assert Fraction(one["operator"]["unexplained"]) == 0


def test_what_was_found_is_read_again(api: Settled) -> None:
    lines = changed(api.lines(2), "service", one_yuan)
    done = api.reconcile(lines, key="again")
    assert api.reconcile(lines, key="again").json() == done.json(), "the same request, the first answer"
    (one,) = done.json()["items"]
    api.wait()
    assert api.get(f"/v1/reconciliations/{one['id']}", "auditor").json()["reconciliation"] == one
    page = api.get("/v1/reconciliations", "finance", limit=1).json()
    seen = [item["id"] for item in page["items"]]
    while page["next_cursor"]:
        page = api.get("/v1/reconciliations", "finance", limit=1, cursor=page["next_cursor"]).json()
        seen += [item["id"] for item in page["items"]]
    assert one["id"] in seen
    assert seen == sorted(set(seen))
    problem(api.get("/v1/reconciliations/nothing", "finance"), 404, "unknown_reconciliation")
    problem(api.get("/v1/reconciliations", "partner"), 403, "forbidden")


def test_what_cannot_be_compared_is_refused(api: Settled) -> None:
    files = {"file": ("a.csv", b"no\n1\n"), "profile": ("p.toml", PROFILE)}
    wrong = api.post("/v1/reconciliations?contract=eaas-s1&month=2026-08", role="finance", files=files)
    assert wrong.status_code == 422, wrong.text
    unknown = {"file": ("a.csv", _csv(api.lines(2))), "profile": ("p.toml", PROFILE)}
    answer = api.post("/v1/reconciliations?contract=eaas-s1&month=2026-07", role="finance", files=unknown)
    assert answer.status_code in (404, 422)
    for role in ("partner", "auditor"):
        refused = api.post("/v1/reconciliations?contract=eaas-s1&month=2026-08", role=role, files=files)
        problem(refused, 403, "forbidden")


BANK = b"""\
format = "csv"
encoding = "gb18030"
currency = "CNY"
date_pattern = "%Y-%m-%d"
row_order = "oldest_first"

[columns]
date = "\xe6\x97\xa5\xe6\x9c\x9f"
amount = "\xe9\x87\x91\xe9\xa2\x9d"
reference = "\xe6\xb5\x81\xe6\xb0\xb4\xe5\x8f\xb7"
counterparty_name = "\xe5\xaf\xb9\xe6\x96\xb9\xe6\x88\xb7\xe5\x90\x8d"
"""


def bank_file(*rows: tuple[str, str, str, str]) -> bytes:
    lines = ["日期,金额,流水号,对方户名", *(",".join(row) for row in rows)]
    return ("\n".join(lines) + "\n").encode("gb18030")


def test_a_bank_statement_is_matched_once(api: Settled) -> None:
    key = StatementKey("eaas-s1", "2026-08", HOST, 2)
    door = api.bench.door
    day = lives.today(door, api.bench.clock)
    for number, (command, actor) in enumerate(
        (
            (ReviewStatement(key, "ada"), "ada"),
            (ApproveStatement(key, "bob"), "bob"),
            (IssueStatement(key, day, lives.terms(door, key)), "ada"),
        )
    ):
        door.execute(command, command_id=f"life-{number}", actor=actor)  # type: ignore[arg-type]
    api.wait()
    runs = door.state("settlement.eaas-s1_2026-08")
    assert isinstance(runs, Runs)
    owed = -runs.runs[1].delta[HOST]
    rows = [(str(day), str(owed), "B1", "某厂"), (str(day), "12.34", "B2", "另一家")]
    query = "/v1/bank-statements?account=bank-1&party=%E6%9F%90%E5%8E%82%3Dhost-s1"

    def sent(*given: tuple[str, str, str, str]) -> dict[str, Any]:
        files = {"file": ("bank.csv", bank_file(*given)), "profile": ("bank.toml", BANK)}
        done = api.post(query, role="finance", files=files)
        assert done.status_code == 201, done.text
        api.wait()
        (one,) = done.json()["items"]
        report: dict[str, Any] = one["bank"]
        return report

    first = sent(*rows)
    assert [one["bookings"][0]["reference"] for one in first["matched"]] == ["B1"]
    assert [one["reference"] for one in first["payments_only"]] == ["B2"]
    assert "某厂" not in str(first), "who paid stays in the bank's file"
    again = sent(*rows)
    assert (again["matched"], again["repeated"]) == (first["matched"], 0), "it is not recorded yet"
    assert [one["reference"] for one in again["payments_only"]] == ["B2"], (
        "what was not matched is tried again"
    )
    other = {"file": ("b.csv", bank_file((str(day), "1.00", "B1", "某厂"))), "profile": ("b.toml", BANK)}
    problem(api.post(query, role="finance", files=other), 422, "reference_reused")


def test_what_the_bank_lacks_is_told_with_its_amount_and_id(api: Settled) -> None:
    door, on = api.bench.door, lives.today(api.bench.door, api.bench.clock)
    receipt = MarketReceipt(stream="spot", amount=Money(700, "CNY"), on=on, document="m-ghost")
    door.execute(RecordMarketReceipt(receipt), command_id="m-ghost", actor="ada")
    api.wait()
    files = {"file": ("bank.csv", bank_file((str(on), "55.55", "Z1", "nobody"))), "profile": ("b.toml", BANK)}
    first, again = (
        api.post("/v1/bank-statements?account=bank-9", role="finance", files=files).json() for _ in range(2)
    )
    (one,) = first["items"]
    report = one["bank"]
    assert (report["first_day"], report["last_day"]) == (str(on), str(on))
    ghost = dict(report["recorded_not_at_bank"][0])
    assert ghost.pop("reason").startswith(f"no booking of {on} to {on} is this")
    assert ghost == {
        "document": "m-ghost",
        "on": str(on),
        "amount": "7.00",
        "kind": "market_receipt",
        "payer": "market:spot",
    }
    assert report["recorded_not_at_bank_total"] == "7.00"
    assert report["by_class"] == {"pays_nothing": "55.55"}, "of bookings alone"
    assert not one["settled"]
    assert again == first, "the same file with the same result, under the id it has"


def test_what_another_statement_of_the_file_answers_is_not_missed(api: Settled) -> None:
    """Both statements are of the receipt's day, and the second one has it."""
    text = (EXAMPLES / "camt053.xml").read_text().replace("EUR", "CNY")
    start, end = text.index("<Stmt>"), text.index("</Stmt>") + len("</Stmt>")
    first = text[start:end].replace("SIM-REF-", "P-")
    second = text[start:end].replace("SIM-REF-", "Q-").replace("500.10", "577.10").replace("1480.1", "1557.1")
    on = lives.today(api.bench.door, api.bench.clock)
    days = f"<FrToDt><FrDtTm>{on}T00:00:00</FrDtTm><ToDtTm>{on}T23:59:59</ToDtTm></FrToDt><Acct>"
    receipt = MarketReceipt(stream="spot", amount=Money(57710, "CNY"), on=on, document="Q-1")
    api.bench.door.execute(RecordMarketReceipt(receipt), command_id="q-1", actor="ada")
    api.wait()

    def missing(*statements: str) -> list[list[str]]:
        data = (text[:start] + "".join(statements).replace("<Acct>", days) + text[end:]).encode()
        query = "/v1/bank-statements?account=bank-7&number=DE00000000000000000001"
        done = api.post(query, role="finance", files={"file": ("camt.xml", data)})
        assert done.status_code == 201, done.text
        reports = [one["bank"]["recorded_not_at_bank"] for one in done.json()["items"]]
        return [[one["document"] for one in report if one["document"] == "Q-1"] for report in reports]

    assert missing(first) == [["Q-1"]]
    assert missing(first, second) == [[], []]


def test_an_operator_s_statement_compared_again_is_recorded_once(api: Settled) -> None:
    lines = changed(api.lines(2), "service", one_yuan)
    first, again = (api.reconcile(lines).json()["items"] for _ in range(2))
    assert again == first


def test_camt_without_a_profile(api: Settled) -> None:
    data = (EXAMPLES / "camt053.xml").read_bytes()
    done = api.post(
        "/v1/bank-statements?account=bank-2&number=DE00000000000000000001",
        role="finance",
        files={"file": ("c.xml", data)},
    )
    assert done.status_code == 201, done.text
    assert done.json()["items"][0]["bank"]["account"] == "bank-2"


def test_of_a_refused_bank_file_nothing_is_recorded(api: Settled) -> None:
    """Its second statement gives a reference of the first, or of an earlier file, other contents."""
    text = (EXAMPLES / "camt053.xml").read_text()
    start, end = text.index("<Stmt>"), text.index("</Stmt>") + len("</Stmt>")

    def statement(references: str, month: str = "August") -> str:
        return text[start:end].replace("SIM-REF-", references).replace("share August", f"share {month}")

    def sent(*statements: str) -> httpx.Response:
        data = (text[:start] + "".join(statements) + text[end:]).encode()
        query = "/v1/bank-statements?account=bank-3&number=DE00000000000000000001"
        return api.post(query, role="finance", files={"file": ("camt.xml", data)})

    def recorded() -> set[str]:
        api.wait()
        return {one["id"] for one in api.get("/v1/reconciliations", "auditor", limit=100).json()["items"]}

    assert sent(statement("A-")).status_code == 201
    before = recorded()
    problem(sent(statement("B-"), statement("A-", "July")), 422, "reference_reused")
    problem(sent(statement("B-"), statement("B-", "July")), 422, "reference_reused")
    assert recorded() == before
    done = sent(statement("B-"), statement("C-"))
    assert done.status_code == 201, done.text
    names = [one["id"] for one in done.json()["items"]]
    assert [name[-2:] for name in names] == ["-1", "-2"]
    assert recorded() == before | set(names)
