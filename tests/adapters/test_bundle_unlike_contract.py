"""Runs of real books that are consistent in themselves and give the parties what their contract does not.

Each attack makes every sum, digest, chain and signature right again, as the operator can whose key it is.
What the contract, the tariff and the readings say is all that is left to refuse it by.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from datetime import date
from fractions import Fraction
from typing import Any

import msgspec
import pytest

from ledger.accounting.vat import VatRate
from ledger.clauses import Clause
from ledger.contract import Contract
from tests.adapters.conftest import Bench
from tests.adapters.http.test_vat import TERMS
from tests.adapters.test_bundle_dishonest import RUN, envelopes, text
from tests.adapters.test_market_settling import told_spot
from tests.adapters.test_settling import CONTRACT, filled, record, settle
from tests.stack import NatsServer, PostgresServer
from tests.verifier.signed_again import signed_again
from tests.verifier.small_book import key_text
from tests.verifier.test_verify_bundle import refusal, verifier

SHARES = {"host-s1": "70%", "operator": "30%"}
HALVES = {"host-s1": "50%", "operator": "50%"}


def splitting(shares: dict[str, str]) -> tuple[Clause, ...]:
    loss = {"type": "loss_split", "shares": shares, "carry_forward": False}
    return msgspec.convert([loss, {"type": "remainder_split", "shares": shares}], tuple[Clause, ...])


SIMPLE = msgspec.structs.replace(CONTRACT, clauses=splitting(SHARES), effective_from=date(2026, 8, 1))
SHARED = VatRate(
    category="share", taxpayer="general", rate="6%", effective_from=date(2019, 4, 1), source="law"
)
VAT = msgspec.structs.replace(
    TERMS,
    categories={one: "supply" for one in TERMS.categories if "fee" not in one}
    | dict.fromkeys(SIMPLE.clause_types, "share"),
    rates=(*TERMS.rates, SHARED),
)
TAXED = msgspec.structs.replace(SIMPLE, vat=VAT, split_basis="tax_exclusive", owner_position="net")


def a_month(nats: NatsServer, postgres: PostgresServer, *contracts: Contract) -> Iterator[list[bytes]]:
    bench = Bench(nats, postgres)
    filled(bench, *contracts)
    settle(bench)
    yield envelopes(bench)
    bench.close()


@pytest.fixture(scope="module")
def simple(nats_server: NatsServer, migrated: PostgresServer) -> Iterator[list[bytes]]:
    """A month of one site: 70 % and 30 % of what its bill is lower, of the contract's second version."""
    older = msgspec.structs.replace(SIMPLE, clauses=splitting(HALVES))
    yield from a_month(nats_server, migrated, older, SIMPLE)


@pytest.fixture(scope="module")
def taxed(nats_server: NatsServer, migrated: PostgresServer) -> Iterator[list[bytes]]:
    """The same without the tax in its amounts; an agent's, whose part the parties are invoiced."""
    yield from a_month(nats_server, migrated, TAXED)


@pytest.fixture(scope="module")
def at_spot(nats_server: NatsServer, migrated: PostgresServer) -> Iterator[list[bytes]]:
    bench = Bench(nats_server, migrated)
    told_spot(bench)
    settle(bench)
    yield envelopes(bench)
    bench.close()


# ------------------------------------------------------------------ a run that is made consistent again


def line_of(run: Any, code: str) -> Any:
    return next(one for one in run["run"]["result"]["lines"] if one["code"] == code)


def pay(line: Any, exact: Fraction, minor: int | None = None) -> None:
    line["amount"]["minor"] = verifier().rounded(exact * 100) if minor is None else minor
    line["exact"], line["rounding"] = text(exact), text(Fraction(line["amount"]["minor"], 100) - exact)


def refit(run: Any, shares: dict[str, str] = SHARES) -> None:
    """Number, pool, the split of it, totals and delta, as the altered streams make them."""
    result = run["run"]["result"]
    streams = [one for one in result["lines"] if one["kind"] == "stream"]
    split = [one for one in result["lines"] if one["kind"] == "clause"]
    pool = sum(one["amount"]["minor"] for one in streams if one["pooled"])
    parts = {party: Fraction(share[:-1]) / 100 for party, share in shares.items()}
    amounts = verifier().largest_remainder(pool, parts)
    code, clause = ("remainder_split", 2) if pool > 0 else ("loss_split", 1)
    for one in split:
        one.update(basis=[], quantity="", price="", code=code, clause=f"clause {clause}, {code}")
        pay(one, parts[one["party"]] * Fraction(pool, 100), amounts[one["party"]])
    result["lines"] = [*streams, *split]
    result["pool"]["minor"] = pool
    totals(run)


def totals(run: Any) -> None:
    result = run["run"]["result"]
    for at, one in enumerate(result["lines"], 1):
        one["number"] = at
    for party in result["payable"]:
        own = [one for one in result["lines"] if one["party"] == party]
        entitled = sum(one["amount"]["minor"] for one in own if one["kind"] == "clause")
        held = sum(one["amount"]["minor"] for one in own if one["kind"] == "stream" and one["pooled"])
        for name, minor in (("entitlement", entitled), ("held", held), ("payable", entitled - held)):
            result[name][party]["minor"] = minor
        run["run"]["delta"][party]["minor"] = entitled - held


def refused(book: list[bytes], change: Callable[[Any], None], **more: Any) -> str:
    return refusal(signed_again(book, {RUN: change}, **more))


def told(book: list[bytes], **more: Any) -> str:
    bundle = signed_again(book, {RUN: lambda _: None}, **more)
    return "\n".join(verifier().checked(io.BytesIO(bundle), verifier().key_of(key_text(), "key"), None))


def test_honest_books_are_recomputed_whole(simple: list[bytes], taxed: list[bytes]) -> None:
    for book in (simple, taxed):
        found = told(book)
        assert "not recomputed" not in found
        assert "older than events" not in found
    assert "lines' VAT" in told(taxed)


def test_a_run_made_consistent_again_is_the_honest_one(simple: list[bytes]) -> None:
    signed_again(simple, {RUN: refit})
    assert verifier().checked(
        io.BytesIO(signed_again(simple, {RUN: refit})), verifier().key_of(key_text(), "key"), None
    )


# ------------------------------------------------------------------ what is in the pool, and whose it is


def _unpooled(code: str) -> Callable[[Any], None]:
    def change(run: Any) -> None:
        line_of(run, code)["pooled"] = False
        refit(run)

    return change


def _another_holder(run: Any) -> None:
    line_of(run, "arbitrage")["party"] = "operator"
    refit(run)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (_unpooled("arbitrage"), "line 1: arbitrage is in the pool by the contract"),
        (_unpooled("interaction"), "interaction is in the pool by the contract"),
        (_another_holder, "line 1: arbitrage is held by host-s1"),
    ],
)
def test_a_stream_is_in_the_pool_as_the_contract_says(
    simple: list[bytes], change: Callable[[Any], None], reason: str
) -> None:
    assert reason in refused(simple, change)


# ------------------------------------------------------------------ numbers and signs


def _shifted(run: Any, by: Fraction) -> None:
    """That much more of arbitrage and less of interaction, which is what the sum of two bills leaves."""
    for code, more in (("arbitrage", by), ("interaction", -by)):
        line = line_of(run, code)
        pay(line, Fraction(line["exact"]) + more)


def _underscored(run: Any) -> None:
    term = line_of(run, "arbitrage")["basis"][0]
    term["quantity"] = f"{int(term['quantity']):_}"
    term["exact"] = text(Fraction(term["exact"]) + 1000)
    _shifted(run, Fraction(1000))


def _both_ways(run: Any) -> None:
    """A megawatt-hour more and one less, and both are paid."""
    basis = line_of(run, "arbitrage")["basis"]
    worth = 1000 * Fraction(basis[0]["price"])
    basis += [{**basis[0], "quantity": one, "exact": text(worth)} for one in ("1000000", "-1000000")]
    _shifted(run, 2 * worth)


def _charge_that_earns(run: Any) -> None:
    basis = line_of(run, "arbitrage")["basis"]
    worth = Fraction(basis[-1]["exact"])
    basis[-1]["exact"] = text(-worth)
    _shifted(run, -2 * worth)


def _moved_to_interaction(run: Any) -> None:
    """A term of arbitrage that stands in the interaction: the meters' sum stays."""
    term = line_of(run, "arbitrage")["basis"].pop()
    rest = line_of(run, "interaction")
    left = Fraction(rest["exact"])
    rest["basis"] = [
        term,
        {"label": "rest", "quantity": "1", "unit": "", "price": text(left), "exact": text(left)},
    ]
    line = line_of(run, "arbitrage")
    for one, by in ((line, -1), (rest, 1)):
        pay(one, Fraction(one["exact"]) + by * Fraction(term["exact"]))


def _two_lines(run: Any) -> None:
    lines = run["run"]["result"]["lines"]
    half = {**lines[0], "basis": lines[0]["basis"][:1], "amount": {**lines[0]["amount"]}}
    lines[0]["basis"] = lines[0]["basis"][1:]
    for one in (lines[0], half):
        pay(one, sum((Fraction(term["exact"]) for term in one["basis"]), Fraction(0)))
    lines.insert(1, half)
    refit(run)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (_underscored, "is not an exact number"),
        (_both_ways, "-1000000 is no energy"),
        (_charge_that_earns, "and its energy is worth -"),
        (_moved_to_interaction, "it is no term of its line"),
        (_two_lines, "it has 2 lines of arbitrage"),
    ],
)
def test_energy_is_worth_what_its_price_makes_of_it(
    simple: list[bytes], change: Callable[[Any], None], reason: str
) -> None:
    def whole(run: Any) -> None:
        change(run)
        refit(run)

    found = refused(simple, whole)
    assert "site S1" in found
    assert reason in found


def test_a_spot_line_has_no_term_of_a_tax(at_spot: list[bytes]) -> None:
    def change(run: Any) -> None:
        line = next(one for one in run["run"]["result"]["lines"] if one["code"] == "spot" and one["basis"])
        free = {"label": "with tax", "quantity": "", "unit": "", "price": "", "exact": "0"}
        line["basis"].append(free)

    assert "with tax: '' is not an exact number" in refused(at_spot, change)


# ------------------------------------------------------------------ the contract's version, its end


def _older_version(run: Any) -> None:
    source = next(one for one in run["run"]["result"]["sources"] if one["aggregate"].startswith("contract."))
    ((at, _),) = source["sequences"]
    source["sequences"] = [[at - 1, at - 1]]
    refit(run, HALVES)


def _ended(run: Any) -> None:
    run["run"]["result"]["warnings"].append({"code": "contract_ended", "message": "over", "clause": None})
    refit(run, HALVES)


@pytest.mark.parametrize(
    ("change", "reason"),
    [(_older_version, "is in force"), (_ended, "whether its contract ended before the month")],
)
def test_a_run_rests_on_the_version_in_force(
    simple: list[bytes], change: Callable[[Any], None], reason: str
) -> None:
    assert reason in refused(simple, change)


# ------------------------------------------------------------------ sites without arbitrage, bills, lines


def _no_arbitrage(run: Any) -> None:
    lines = run["run"]["result"]["lines"]
    lines[:] = [one for one in lines if one["code"] not in ("arbitrage", "interaction")]
    refit(run)


@pytest.mark.parametrize(
    ("sells", "since"), [("spot", "2030-01-01T00:00:00Z"), ("capacity", "2026-01-01T00:00:00Z")]
)
def test_a_unit_that_does_not_sell_the_month_takes_no_arbitrage(
    simple: list[bytes], sells: str, since: str
) -> None:
    event = {"kind": "unit.registered.v1", "period": {"start": since, "end": None}}
    event |= {"unit": {"id": "u9", "members": [{"site": "S1"}], "terms": [{"type": sells}]}}
    found = refused(simple, _no_arbitrage, instead=("trading_unit.u9", event))
    assert "it has no arbitrage line, and no spot market told" in found


def _second_bill(run: Any) -> None:
    bills = run["run"]["result"]["bills"]
    nothing = {"minor": 0, "currency": "CNY"}
    empty = {"without_storage": nothing, "with_storage": nothing, "items_without": [], "items_with": []}
    bills.insert(0, {**bills[0], **empty})


def test_a_site_has_one_bill(simple: list[bytes]) -> None:
    assert "a site has two bills" in refused(simple, _second_bill)


def test_a_clause_is_not_cut_into_slices(simple: list[bytes]) -> None:
    """Each slice is a largest remainder of one fen, all of which fall to the same party."""

    def change(run: Any) -> None:
        refit(run)
        result, sliced = run["run"]["result"], []
        split = [one for one in result["lines"] if one["code"] == "remainder_split"]
        for _ in range(4):
            for one, part in zip(split, (Fraction(7, 1000), Fraction(3, 1000)), strict=True):
                piece = {**one, "amount": {**one["amount"]}}
                pay(piece, part, int(one["party"] == "host-s1"))
                sliced.append(piece)
        pool = result["pool"]["minor"] - 4
        left = verifier().largest_remainder(pool, {"host-s1": Fraction(7), "operator": Fraction(3)})
        for one, share in zip(split, (Fraction(7, 10), Fraction(3, 10)), strict=True):
            pay(one, share * Fraction(pool, 100), left[one["party"]])
        result["lines"] += sliced
        totals(run)

    assert "has more than 1 lines of host-s1" in refused(simple, change)


# ------------------------------------------------------------------ taxes


def _tax_left_out(run: Any) -> None:
    for line in run["run"]["result"]["lines"]:
        kept = [one for one in line["basis"] if one.get("of") != "tax"]
        if line["kind"] == "stream" and kept != line["basis"]:
            line["basis"] = kept
            pay(line, sum((Fraction(one["exact"]) for one in kept), Fraction(0)))
    refit(run)


def _tax_at_another_rate(run: Any) -> None:
    for line in run["run"]["result"]["lines"]:
        for term in (one for one in line["basis"] if one.get("of") == "tax"):
            whole = Fraction(term["quantity"])
            tax = Fraction(verifier().rounded(whole * Fraction(6, 106) * 100), 100)
            term.update(price="0.06", exact=text(-tax))
            pay(line, sum((Fraction(one["exact"]) for one in line["basis"]), Fraction(0)))
    refit(run)


def vat_of(amount: int, rate: str, supplier: str) -> dict[str, Any]:
    tax = verifier().rounded(amount * Fraction(rate))
    sums = {"net": amount, "tax": tax, "gross": amount + tax}
    return {"supplier": supplier, "rate": rate} | {
        name: {"minor": one, "currency": "CNY"} for name, one in sums.items()
    }


def _vat_of_another_amount(run: Any) -> None:
    for one in run["run"]["result"]["lines"]:
        if one["vat"] is not None:
            one["vat"] = vat_of(50_000_000, one["vat"]["rate"], one["vat"]["supplier"])


def _part_of_another_amount(run: Any) -> None:
    (part,) = run["run"]["result"]["agent_parts"]
    part["vat"] = vat_of(-50_000_000, part["vat"]["rate"], part["vat"]["supplier"])


def _part_of_no_line(run: Any) -> None:
    parts = run["run"]["result"]["agent_parts"]
    parts.append({**parts[0], "line": 99})


def _another_vat_rate(run: Any) -> None:
    (part,) = run["run"]["result"]["agent_parts"]
    (own,) = [one for one in run["run"]["result"]["lines"] if one["vat"]]
    own["vat"] = vat_of(own["vat"]["net"]["minor"], "0.13", own["vat"]["supplier"])
    part["vat"] = vat_of(part["vat"]["net"]["minor"], "0.13", part["vat"]["supplier"])


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (_tax_left_out, "line 1, tax: it says None, and the contract"),
        (_tax_at_another_rate, "3/50 -"),
        (_vat_of_another_amount, "50000000 is invoiced of a line of"),
        (_part_of_another_amount, "and an agent's parts are [-50000000]"),
        (_part_of_no_line, "an agent's part is of line 99"),
        (_another_vat_rate, "0.13 is not the contract's rate of it, which is 3/50"),
    ],
)
def test_a_tax_is_of_its_line_at_the_rate_that_the_contract_states(
    taxed: list[bytes], change: Callable[[Any], None], reason: str
) -> None:
    assert reason in refused(taxed, change)


# ------------------------------------------------------------------ void runs, later readings


def void(run: int, aggregate: str = "voided_run.eaas-s1_2026-08_1") -> tuple[str, dict[str, Any]]:
    named = {"contract": "eaas-s1", "month": "2026-08", "run": run, "reason": "x", "prepared_by": "ada"}
    return aggregate, {"kind": "settlement.voided.v1", "void": named}


def test_a_void_run_is_shown_as_such_and_without_amounts(simple: list[bytes]) -> None:
    found = told(simple, added=void(1))
    assert "eaas-s1, 2026-08, run 1 (initial), CNY, DECLARED VOID" in found
    assert "payable" not in found


def test_a_run_is_declared_void_where_that_is_recorded_and_after_it(simple: list[bytes]) -> None:
    assert "it is of another run" in refused(simple, lambda _: None, added=void(1, "anything.at_all"))
    later = void(2, "voided_run.eaas-s1_2026-08_2")
    assert "there is no run 2 yet" in refused(simple, lambda _: None, added=later)
    assert "there is no run 1 yet" in refused(simple, lambda _: None, instead=void(1))


def test_a_run_that_later_readings_bear_on_is_named(bench: Bench) -> None:
    """Nobody settled again: the amounts are shown as older than what the book knows."""
    load, _, _ = filled(bench, SIMPLE)
    settle(bench)
    before = told(envelopes(bench))
    record(bench, "S1-LOAD", "load", load, "again")
    bench.project()
    same = told(envelopes(bench))
    record(bench, "S1-LOAD", "load", load + 1000, "revised")
    bench.project()
    found = told(envelopes(bench))
    name = "older than events that bear on it"
    assert name not in before
    assert name not in same, "the same values again change nothing"
    assert f"eaas-s1, 2026-08, run 1 (initial), CNY, {name}" in found
    assert " 1  runs older than events that bear on them, not corrected" in found
