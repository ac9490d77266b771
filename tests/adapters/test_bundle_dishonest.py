"""Runs of real books that a dishonest operator recorded, consistent in themselves and signed by its own key.

The stand-alone verifier computes them again from the contract, the tariff, the prices and the readings, and
names what does not follow from these.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from datetime import date
from fractions import Fraction
from typing import Any

import msgspec
import pytest

from ledger.clauses import Clause
from ledger.published_tariff import PublishTariff
from tests.adapters.conftest import Bench
from tests.adapters.test_market_settling import does, told_spot
from tests.adapters.test_settling import CONTRACT, TARIFF, filled, settle
from tests.stack import NatsServer, PostgresServer
from tests.verifier.signed_again import signed_again
from tests.verifier.small_book import key_text
from tests.verifier.test_verify_bundle import refusal, verifier

RUN = "settlement.recorded.v1"
SHARES = {"host-s1": "70%", "operator": "30%"}
FEE = {"payer": "pool", "payee": "operator", "timing": "before_split"}
CLAUSES: list[dict[str, Any]] = [
    {"type": "service_fee", "rate": "0.1", "basis": "both", **FEE},
    {"type": "loss_split", "shares": SHARES, "carry_forward": False},
    {
        "type": "hurdle",
        "shares": SHARES,
        "capital": "900000000",
        "annual_rate": "8%",
        "proration": "days",
        "carry_forward": True,
    },
    {"type": "remainder_split", "shares": SHARES},
]


def envelopes(bench: Bench) -> list[bytes]:
    rows = bench.query("SELECT payload FROM ledger.envelope WHERE book = %s ORDER BY sequence", [bench.book])
    return [bytes(payload) for (payload,) in rows]  # type: ignore[call-overload]


@pytest.fixture(scope="module")
def billed(nats_server: NatsServer, migrated: PostgresServer) -> Iterator[list[bytes]]:
    """A month of one site with both bills; no pool can pay its hurdle, and its tariff was published twice."""
    bench = Bench(nats_server, migrated)
    clauses = msgspec.convert(CLAUSES, tuple[Clause, ...])
    filled(bench, msgspec.structs.replace(CONTRACT, clauses=clauses, effective_from=date(2026, 8, 1)))
    does(bench, PublishTariff(TARIFF))
    settle(bench)
    yield envelopes(bench)
    bench.close()


@pytest.fixture(scope="module")
def at_spot(nats_server: NatsServer, migrated: PostgresServer) -> Iterator[list[bytes]]:
    """A month in which the metered energy settled at real-time prices."""
    bench = Bench(nats_server, migrated)
    told_spot(bench)
    settle(bench)
    yield envelopes(bench)
    bench.close()


def refused(book: list[bytes], kind: str, change: Callable[[Any], None]) -> str:
    return refusal(signed_again(book, {kind: change}))


def told(book: list[bytes]) -> str:
    bundle = signed_again(book, {RUN: lambda _: None})
    return "\n".join(verifier().checked(io.BytesIO(bundle), verifier().key_of(key_text(), "key"), None))


def test_an_honest_book_is_recomputed_whole(billed: list[bytes]) -> None:
    found = told(billed)
    for count in (
        "4  clauses recomputed from the contract",
        "1  accounts handed on, recomputed",
        "2  bills recomputed from readings and tariffs",
        "2  storage energies recomputed from readings",
        "1  savings that are the difference of two bills",
        "1  events proven unaltered only: tariff.published.v1",
    ):
        assert f" {count}\n" in found, (count, found)
    assert "not recomputed" not in found
    assert "state no product" not in found


def test_an_honest_spot_month_is_recomputed(at_spot: list[bytes]) -> None:
    found = told(at_spot)
    assert " 62  days' energies and prices of spot markets recomputed\n" in found
    assert "lines not recomputed from the events: spot" not in found


# ------------------------------------------------------------------ bills and tariffs


def _of(run: Any, code: str) -> Any:
    return next(one for one in run["run"]["result"]["lines"] if one["code"] == code)


def text(value: Fraction) -> str:
    return f"{value.numerator}/{value.denominator}"


def made_right(run: Any) -> None:
    """The arbitrage line is the sum of its terms again, and the interaction is less by what that adds:
    the pool, the bills and all that follows stay as they were."""
    arbitrage, rest = _of(run, "arbitrage"), _of(run, "interaction")
    for term in arbitrage["basis"]:
        sign = 1 if term["label"].startswith("discharged") else -1
        term["exact"] = text(sign * Fraction(int(term["quantity"]), 1000) * Fraction(term["price"]))
    exact = sum((Fraction(term["exact"]) for term in arbitrage["basis"]), Fraction(0))
    minor = int(exact * 100 + Fraction(1, 2))
    rest["amount"]["minor"] -= minor - arbitrage["amount"]["minor"]
    rest["exact"] = text(Fraction(rest["amount"]["minor"], 100))
    arbitrage["amount"]["minor"] = minor
    arbitrage["exact"], arbitrage["rounding"] = text(exact), text(Fraction(minor, 100) - exact)


def _moved_to_peak(run: Any) -> None:
    basis = _of(run, "arbitrage")["basis"]
    peak = {**basis[0], "label": "discharged, peak", "price": "1.144372", "quantity": "1000000"}
    basis[0]["quantity"] = str(int(basis[0]["quantity"]) - 1_000_000)
    basis.insert(1, peak)
    made_right(run)


def _another_price(run: Any) -> None:
    _of(run, "arbitrage")["basis"][0]["price"] = "1.510412"
    made_right(run)


def _renamed_period(run: Any) -> None:
    term = _of(run, "arbitrage")["basis"][-1]
    assert term["label"] == "charged, valley"
    term["label"] = "charged, flat"


def in_both_bills(change: Callable[[list[Any]], None]) -> Callable[[Any], None]:
    """The items say something else, and the two totals differ by as much as before."""

    def apply(run: Any) -> None:
        (bill,) = run["run"]["result"]["bills"]
        for total, name in (("without_storage", "items_without"), ("with_storage", "items_with")):
            change(bill[name])
            for item in bill[name]:
                product = Fraction(item["quantity"]) * Fraction(item["price"]) * Fraction(item["rate"]) / 1000
                item["amount"]["minor"] = int(product * 100 + Fraction(1, 2))
            bill[total]["minor"] = sum(item["amount"]["minor"] for item in bill[name])

    return apply


def _at_peak_not_in_valley(items: list[Any]) -> None:
    peak, valley = (next(one for one in items if one["period"] == name) for name in ("peak", "valley"))
    peak["quantity"] = str(int(peak["quantity"]) + 7_000_000)
    valley["quantity"] = str(int(valley["quantity"]) - 7_000_000)


def _higher_demand(items: list[Any]) -> None:
    demand = next(one for one in items if one["item"] == "demand")
    demand["quantity"] = str(Fraction(demand["quantity"]) + 10_000)


def _dearer_demand(items: list[Any]) -> None:
    next(one for one in items if one["item"] == "demand")["price"] = "48.8"


def _demand_for_interaction(run: Any) -> None:
    """Ten yuan more of demand charge, and less of interaction: the sum of both stays."""
    demand, rest = _of(run, "demand_charge"), _of(run, "interaction")
    for one, by in ((demand, 1000), (rest, -1000)):
        one["amount"]["minor"] += by
        one["exact"] = text(Fraction(one["exact"]) + Fraction(by, 100))
    term = {**demand["basis"][0], "quantity": "1", "price": "10", "exact": "10", "label": "more"}
    demand["basis"].append(term)


def _older_tariff(run: Any) -> None:
    source = next(one for one in run["run"]["result"]["sources"] if one["aggregate"].startswith("tariff."))
    source["sequences"] = [[2, 2]]


def _no_arbitrage(run: Any) -> None:
    """As if its energy had been settled on a spot market: what it saved is all interaction."""
    arbitrage, rest = _of(run, "arbitrage"), _of(run, "interaction")
    rest["amount"]["minor"] += arbitrage["amount"]["minor"]
    rest["exact"] = text(Fraction(rest["amount"]["minor"], 100))
    arbitrage.update(code="interaction", basis=[], exact="0", rounding="0", note="")
    arbitrage["amount"]["minor"] = 0


def _taxed(run: Any) -> None:
    """The interaction pays a tax that the contract does not take out of it."""
    line = _of(run, "interaction")
    whole = f"{line['amount']['minor'] / 100:.2f}"
    tax = {"label": "tax", "quantity": "1.13", "unit": "CNY", "price": "0.13", "exact": "-0.13", "of": "tax"}
    kept = {"label": "with tax", "quantity": whole, "unit": "CNY", "price": "1", "exact": whole}
    back = {"label": "more", "quantity": "0.13", "unit": "CNY", "price": "1", "exact": "0.13"}
    line["basis"] = [kept, back, tax]


def _no_bill(run: Any) -> None:
    run["run"]["result"]["bills"] = []


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (_moved_to_peak, "Wh discharged in sharp, and its meters read"),
        (_another_price, "discharged, sharp: 1.510412 is not the tariff's"),
        (_renamed_period, "charged, flat: 0.316694 is not the tariff's"),
        (in_both_bills(_at_peak_not_in_valley), "bill without storage, energy peak: its quantity is"),
        (in_both_bills(_higher_demand), "bill without storage, demand: its quantity is"),
        (in_both_bills(_dearer_demand), "bill without storage, demand: its price is 48.8|244/5"),
        (_demand_for_interaction, "in demand_charge, and its lines say"),
        (_older_tariff, "it rests on tariff.shanghai-two-part-1-10kv by"),
        (_no_arbitrage, "it has 2 lines of interaction"),
        (_no_bill, "it has a bill without meters of a load, or none with"),
    ],
)
def test_a_bill_that_does_not_follow_from_readings_and_tariff_is_refused(
    billed: list[bytes], change: Callable[[Any], None], reason: str
) -> None:
    found = refused(billed, RUN, change)
    assert "site S1" in found
    assert any(one in found for one in reason.split("|")), found


def test_a_tax_that_the_contract_does_not_take_out_is_refused(billed: list[bytes]) -> None:
    assert "tax: it says 113/100 13/100 -13/100, and the contract None" in refused(billed, RUN, _taxed)


def test_a_tariff_that_says_something_else_is_refused(billed: list[bytes]) -> None:
    def change(event: Any) -> None:
        for rule in event["tariff"]["schedules"][-1]["periods"]["rules"]:
            for hours in rule["hours"] if rule["period"] == "valley" else ():
                if hours["end"] == 1440:
                    hours["end"] = 1425
                    event["tariff"]["schedules"][-1]["periods"]["otherwise"] = "peak"

    assert "energy peak: its quantity is" in refused(billed, "tariff.published.v1", change)


# ------------------------------------------------------------------ spot


def test_a_day_at_another_spot_price_is_refused(at_spot: list[bytes]) -> None:
    """A yuan more on one day and less on the next: the line's sum stays."""

    def change(run: Any) -> None:
        line = next(one for one in run["run"]["result"]["lines"] if one["code"] == "spot" and one["basis"])
        for term, by in ((line["basis"][0], 1), (line["basis"][1], -1)):
            term["exact"] = text(Fraction(term["exact"]) + by)

    found = refused(at_spot, RUN, change)
    assert "site S1, real-time deviation, injected, 2026-08-01" in found
    assert "and the facts, readings and prices say" in found


def test_a_spot_price_that_says_something_else_is_refused(at_spot: list[bytes]) -> None:
    def change(event: Any) -> None:
        event["mantissas"] = [one + 1 for one in event["mantissas"]]

    assert "and the facts, readings and prices say" in refused(at_spot, "market.prices_recorded.v1", change)


def test_a_cleared_quantity_that_says_something_else_is_refused(at_spot: list[bytes]) -> None:
    def change(event: Any) -> None:
        event["fact"]["injected_wh"][7] = 5

    found = refused(at_spot, "market.fact_recorded.v1", change)
    assert "day-ahead energy, injected" in found


# ------------------------------------------------------------------ clauses


def _account(run: Any) -> None:
    run["run"]["result"]["carry"]["accounts"]["hurdle#1"]["amount"]["minor"] -= 100


def _account_left_out(run: Any) -> None:
    run["run"]["result"]["carry"]["accounts"] = {}


def _settled_to(run: Any) -> None:
    run["run"]["result"]["carry"]["settled_to"] = "2026-08-31"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (_account, "it hands on hurdle#1 as"),
        (_account_left_out, "it hands on hurdle#1 as None"),
        (_settled_to, "it is settled to 2026-08-31, not to 2026-09-01"),
    ],
)
def test_an_account_that_the_contract_does_not_hand_on_is_refused(
    billed: list[bytes], change: Callable[[Any], None], reason: str
) -> None:
    assert reason in refused(billed, RUN, change)


@pytest.mark.parametrize(
    ("clause", "terms", "reason"),
    [
        (0, {"rate": "0.11"}, "clause 1, service_fee gives operator"),
        (0, {"basis": "discharge"}, "clause 1, service_fee gives operator"),
        (2, {"capital": "1200"}, "clause 3, hurdle gives host-s1"),
        (2, {"annual_rate": "9%"}, "it hands on hurdle#1"),
    ],
)
def test_a_clause_that_the_contract_does_not_state_is_refused(
    billed: list[bytes], clause: int, terms: dict[str, str], reason: str
) -> None:
    def change(event: Any) -> None:
        event["contract"]["clauses"][clause].update(terms)

    assert reason in refused(billed, "contract.registered.v1", change)


def test_readings_that_say_something_else_are_refused(billed: list[bytes]) -> None:
    """A watt-hour more in the first interval of the last readings, which are the storage's discharge."""

    def change(event: Any) -> None:
        event["runs"][0]["wh"] = "AQAA" + event["runs"][0]["wh"][4:]

    assert "and its readings and its tariff say" in refused(billed, "meter.readings_recorded.v1", change)
