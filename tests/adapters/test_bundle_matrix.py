"""What is in a line although another stream has it, and runs that later events bear on.

An honest book counts by name what the exclusivity matrix decided; a run cannot make that count go away.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import pytest

from tests.adapters import test_allocating, test_corrections, test_market_settling
from tests.adapters.conftest import Bench
from tests.adapters.test_agc_energy import point, regulated, under_agc
from tests.adapters.test_bundle_dishonest import RUN, envelopes, text
from tests.adapters.test_bundle_unlike_contract import SIMPLE, line_of, pay, told, totals
from tests.adapters.test_market_settling import does, spot_prices, told_spot
from tests.adapters.test_market_settling import told as recorded
from tests.adapters.test_settling import filled, settle
from tests.verifier.signed_again import signed_again
from tests.verifier.test_verify_bundle import refusal, verified

ARBITRAGE = "lines not recomputed from the events: arbitrage"
OLDER = "older than events that bear on it"


def test_a_sites_pv_energy_cannot_be_left_out(bench: Bench) -> None:
    test_market_settling.test_pv_energy_is_shifted_at_its_feed_in_price(bench)
    book = envelopes(bench)
    assert ARBITRAGE in told(book)

    def change(run: Any) -> None:
        """All of it is arbitrage, and what that is more or less is the interaction's."""
        shift, arbitrage, rest = (line_of(run, one) for one in ("pv_time_shift", "arbitrage", "interaction"))
        run["run"]["result"]["lines"].remove(shift)
        terms = [*arbitrage["basis"], *shift["basis"]]
        for term in terms:
            if "feed-in" in term["label"]:
                exact = -Fraction(term["quantity"]) / 1000 * Fraction("0.316694")
                term.update(label="charged, valley", price="0.316694", exact=text(exact))
        before = sum(one["amount"]["minor"] for one in (arbitrage, rest))
        arbitrage["basis"] = terms
        pay(arbitrage, sum((Fraction(one["exact"]) for one in terms), Fraction(0)))
        pay(rest, Fraction(before - arbitrage["amount"]["minor"], 100))
        totals(run)

    found = refusal(signed_again(book, {RUN: change}))
    assert "site S1: its PV energy is there, and its lines say otherwise" in found


def test_energy_under_agc_cannot_be_called_arbitrage(bench: Bench) -> None:
    filled(bench, SIMPLE)
    under_agc(bench)
    does(bench, *regulated(), point(), *spot_prices("real_time", 300_000))
    settle(bench)
    book = envelopes(bench)

    def change(run: Any) -> None:
        arbitrage, rest = line_of(run, "arbitrage"), line_of(run, "interaction")
        before = sum(one["amount"]["minor"] for one in (arbitrage, rest))
        for term in (one for one in rest["basis"] if ": " in one["label"]):
            arbitrage["basis"].append({**term, "label": term["label"].partition(": ")[0]})
        rest["basis"] = []
        pay(arbitrage, sum((Fraction(one["exact"]) for one in arbitrage["basis"]), Fraction(0)))
        arbitrage["quantity"] = str(
            sum(int(one["quantity"]) for one in arbitrage["basis"] if one["label"].startswith("discharged"))
        )
        pay(rest, Fraction(before - arbitrage["amount"]["minor"], 100))
        totals(run)

    assert ARBITRAGE in "\n".join(verified(signed_again(book, {RUN: change})))


def test_a_spot_month_has_no_arbitrage(bench: Bench) -> None:
    told_spot(bench)
    settle(bench)

    def change(run: Any) -> None:
        lines = run["run"]["result"]["lines"]
        spot = line_of(run, "spot")
        more = {
            **spot,
            "code": "arbitrage",
            "basis": [],
            "note": "",
            "quantity": "0",
            "price": "",
            "unit": "",
        }
        more |= {"amount": {**spot["amount"]}, "pooled": True, "party": "host-s1"}
        pay(more, Fraction(0))
        lines.insert(0, more)
        totals(run)

    found = refusal(signed_again(envelopes(bench), {RUN: change}))
    assert "site S1: it has an arbitrage line in a spot month" in found


def test_what_a_unit_and_a_programme_pay_at_once_is_counted(bench: Bench) -> None:
    """The payments too, so that a run cannot leave out that one of them was given up."""
    test_allocating.test_kwh_that_another_programme_had_first_are_not_paid_twice(bench)
    assert " 3  lines not recomputed from the events: demand_response\n" in told(envelopes(bench))


# ------------------------------------------------------------------ what came after a run


def _last(book: list[bytes], kind: str, contains: str = "") -> tuple[str, Any]:
    found = (one for one in reversed(book) if f'"{kind}"'.encode() in one and contains.encode() in one)
    first, _, second = next(found).partition(b"\n")
    return json.loads(first)["aggregate"], json.loads(second)["events"][-1]


def _again(book: list[bytes], kind: str, change: Callable[[Any], None], contains: str = "") -> str:
    aggregate, event = _last(book, kind, contains)
    assert OLDER not in told(book, added=(aggregate, event)), "the same again changes nothing"
    change(event)
    return told(book, added=(aggregate, event))


def test_prices_and_rules_that_came_late_are_named(bench: Bench) -> None:
    told_spot(bench)
    settle(bench)
    book = envelopes(bench)

    def dearer(event: Any) -> None:
        event["mantissas"] = [2 * one for one in event["mantissas"]]

    assert OLDER in _again(book, "market.prices_recorded.v1", dearer)
    rule = _again(book, "market.rule_published.v1", lambda event: event["rule"].update(title="another"))
    assert OLDER in rule


@pytest.mark.parametrize("kind", ["market.fact_recorded.v1", "unit.registered.v1"])
def test_a_units_statement_or_version_that_came_late_is_named(bench: Bench, kind: str) -> None:
    window = test_allocating.two_sites(bench)
    statement = test_allocating.event(window, payment="100.00", amount="100.00")
    does(bench, test_allocating.vpp(), *recorded(statement))
    test_allocating.allocated(bench)
    settle(bench)

    def change(event: Any) -> None:
        if "unit" in event:
            event["unit"]["members"] = event["unit"]["members"][:1]
        else:
            event["fact"] |= {"payment": "900.00", "amount": "900.00"}

    assert OLDER in _again(envelopes(bench), kind, change)


def test_a_month_after_one_that_was_corrected_is_named(bench: Bench) -> None:
    """July hands on another account by its correction; August and September were not corrected."""
    test_corrections.test_a_revised_month_corrects_the_months_that_follow_it(bench)
    book = envelopes(bench)
    assert OLDER not in told(book)
    later = [one for one in book if b'"correction 1"' in one and b"_2026-07" not in one.partition(b"\n")[0]]
    found = told([one for one in book if one not in later])
    assert len(later) == 2
    for month in ("08", "09"):
        assert f"agency-s3, 2026-{month}, run 1 (initial), CNY, {OLDER}" in found
