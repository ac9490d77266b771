"""What markets, customers and trading units paid, altered in a run that is consistent in itself.

The honest book is recomputed whole; each alteration is refused with the site, the stream and the line.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any

import msgspec
import pytest

from ledger.streams.capacity_compensation import AvailabilityMeasured, CapacityCertified, NodeAvailability
from ledger.streams.regulation import PriceKind, RegulationAward, RegulationPerformance, RegulationPrices
from ledger.streams.service_income import ServiceOrdered
from tests.adapters import test_allocating, test_demand_response_year, test_site_markets
from tests.adapters.conftest import Bench
from tests.adapters.test_agc_energy import PJM, point, regulated, under_agc
from tests.adapters.test_allocating import allocated, event, two_sites, vpp
from tests.adapters.test_bundle_dishonest import envelopes, text
from tests.adapters.test_bundle_unlike_contract import SIMPLE, pay, refit, refused, told
from tests.adapters.test_market_settling import (
    MONTH,
    OWN_ACCOUNT,
    does,
    instruction,
    invitation,
    peak_window,
    policy,
    rule,
    spot_prices,
)
from tests.adapters.test_market_settling import told as recorded
from tests.adapters.test_settling import filled, settle
from tests.stack import NatsServer, PostgresServer
from tests.verifier.signed_again import signed_again
from tests.verifier.test_verify_bundle import refusal

Book = list[bytes]


@pytest.fixture(scope="module")
def called(nats_server: NatsServer, migrated: PostgresServer) -> Iterator[Book]:
    """Two programmes call the same hour: the second gives up all of it."""
    bench = Bench(nats_server, migrated)
    _, _, discharge = filled(bench, SIMPLE)
    window = peak_window(discharge)
    first = invitation("e1", window, 200_000, "2")
    second = msgspec.structs.replace(invitation("e2", window, 200_000, "3"), rule="other")
    rules = (rule(OWN_ACCOUNT), rule(OWN_ACCOUNT, id="other"))
    does(bench, policy(), *rules, *recorded(first, instruction(first), second, instruction(second)))
    settle(bench)
    yield envelopes(bench)
    bench.close()


@pytest.fixture(scope="module")
def powered(nats_server: NatsServer, migrated: PostgresServer) -> Iterator[Book]:
    """Regulation's capacity and mileage, a capacity compensation, and a service by throughput."""
    bench = Bench(nats_server, migrated)
    filled(bench, SIMPLE)
    named: dict[str, Any] = {"rule": PJM, "run": "m1", "interval": MONTH, "product": "regulation"}
    performance = RegulationPerformance(
        id="p1",
        site="S1",
        instructions=(1,) * 744,
        mileage_w=(100_000,) * 744,
        score=(9,) * 744,
        score_scale=1,
        charged_wh=(0,) * 744,
        discharged_wh=(0,) * 744,
        **named,
    )
    each: list[tuple[PriceKind, int]] = [("capacity", 2000), ("mileage", 300), ("mileage_ratio", 150)]
    prices = [
        RegulationPrices(
            id=f"x-{kind}", kind=kind, currency="CNY", scale=2, mantissas=(price,) * 744, **named
        )
        for kind, price in each
    ]
    award = RegulationAward(id="a1", site="S1", capacity_w=(100_000,) * 744, **named)
    qinghai = rule("capacity_qinghai", zone="Asia/Shanghai", behind_the_meter="eligible")
    service = rule("service_throughput", zone="Asia/Shanghai")
    of_site: dict[str, Any] = {"site": "S1", "run": "m1", "interval": MONTH}
    certified = CapacityCertified(
        id="c1",
        rule=qinghai.rule.id,
        nameplate_w=250_000,
        certified_w=100_000,
        full_hours="4",
        behind_the_meter=True,
        **of_site,
    )
    node = NodeAvailability(node="n1", energy_wh=500_000, available_min=44_000, unavailable_min=640)
    available = AvailabilityMeasured(id="v1", rule=qinghai.rule.id, nodes=(node,), **of_site)
    order = ServiceOrdered(id="o1", rule=service.rule.id, customer="host-s1", ordered_w=250_000, **of_site)
    pjm = rule("regulation_pjm", currency="CNY", zone="Asia/Shanghai")
    facts = recorded(performance, award, *prices, certified, available, order)
    does(bench, policy(), pjm, qinghai, service, *facts)
    settle(bench)
    yield envelopes(bench)
    bench.close()


@pytest.fixture(scope="module")
def under_signal(nats_server: NatsServer, migrated: PostgresServer) -> Iterator[Book]:
    """Energy under AGC at the real-time price."""
    bench = Bench(nats_server, migrated)
    filled(bench, SIMPLE)
    under_agc(bench)
    does(bench, *regulated(), point(), *spot_prices("real_time", 300_000))
    settle(bench)
    yield envelopes(bench)
    bench.close()


@pytest.fixture(scope="module")
def shared(nats_server: NatsServer, migrated: PostgresServer) -> Iterator[Book]:
    """A unit's payment of 100.00 by what two sites, each with a contract of its own, delivered: 2 to 1."""
    bench = Bench(nats_server, migrated)
    window = two_sites(bench)
    does(bench, vpp(), *recorded(event(window, payment="100.00", amount="100.00")))
    allocated(bench)
    settle(bench)
    yield envelopes(bench)
    bench.close()


def doubled(code: str, at: int = 0) -> Callable[[Any], None]:
    """The line with twice its quantities and its money, and all sums made right again."""

    def change(run: Any) -> None:
        line = [one for one in run["run"]["result"]["lines"] if one["code"] == code][at]
        for term in line["basis"]:
            term["quantity"] = text(Fraction(term["quantity"]) * 2)
            term["exact"] = text(Fraction(term["exact"]) * 2)
        pay(line, Fraction(line["exact"]) * 2)
        refit(run)

    return change


def dropped(code: str, at: int = 0) -> Callable[[Any], None]:
    def change(run: Any) -> None:
        lines = run["run"]["result"]["lines"]
        lines.remove([one for one in lines if one["code"] == code][at])
        refit(run)

    return change


def test_honest_books_are_recomputed_whole(called: Book, powered: Book, shared: Book) -> None:
    for book, count in ((called, 3), (powered, 4), (shared, 2)):
        found = told(book)
        assert "events: demand_response" not in found
        assert not any(f"events: {one}" in found for one in ("ancillary", "capacity", "service"))
        assert f"{count}  lines of markets and services recomputed" in found
        assert "unaltered only: market.fact" not in found
        assert "unaltered only: market.rule" not in found


def test_energy_under_agc_is_recomputed(under_signal: Book) -> None:
    found = told(under_signal)
    assert "events: ancillary" not in found
    assert "events: arbitrage" in found, "what the matrix gave to whom is not"
    assert "energy under AGC of pjm-regulation is -6" in refused(under_signal, doubled("ancillary", 2))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (doubled("demand_response"), "event e1 is 800"),
        (doubled("demand_response", 1), "event e2 is 1200"),
        (dropped("demand_response", 2), "400000 Wh of e1 and those with it are paid, not 200000"),
        (dropped("demand_response"), "event e1 is 600"),
    ],
)
def test_a_response_is_what_it_was_awarded_called_and_metered(
    called: Book, change: Callable[[Any], None], reason: str
) -> None:
    found = refused(called, change)
    assert "site S1, demand_response" in found
    assert reason in found


@pytest.mark.parametrize(
    ("part", "reason"),
    [
        (Fraction(1, 2), "300000 Wh of e1 and those with it are paid, not 200000"),
        (Fraction(-1), "gives up -1 of 600"),
        (Fraction(2), "gives up 2 of 600"),
    ],
)
def test_an_exclusion_raises_no_amount(called: Book, part: Fraction, reason: str) -> None:
    def change(run: Any) -> None:
        line = [one for one in run["run"]["result"]["lines"] if one["code"] == "demand_response"][2]
        line["basis"][0] |= {"quantity": text(part), "exact": text(-part * 600)}
        pay(line, -part * 600)
        refit(run)

    assert reason in refused(called, change)


@pytest.mark.parametrize(
    ("code", "at", "name"),
    [
        ("ancillary", 0, "mileage of regulation under pjm-regulation"),
        ("ancillary", 1, "capacity of regulation under pjm-regulation"),
        ("capacity", 0, "the capacity c1"),
        ("service", 0, "of order m1"),
    ],
)
def test_power_and_services_are_what_was_told_and_metered(
    powered: Book, code: str, at: int, name: str
) -> None:
    for change in (doubled(code, at), dropped(code, at)):
        found = refused(powered, change)
        assert f"site S1, {code}" in found
    assert name in refused(powered, doubled(code, at))


@pytest.mark.parametrize(
    "fill",
    [
        test_allocating.test_regulation_and_capacity_are_allocated_and_hold_their_power,
        test_allocating.test_a_spot_shares_energy_and_deviation_are_a_line_each,
        test_allocating.test_a_site_leaves_by_a_new_version,
        test_site_markets.test_contracts_that_cut_a_month_are_each_paid_for_their_own,
        test_demand_response_year.test_a_year_over_its_cap_corrects_the_months_before,
        test_demand_response_year.test_each_payer_has_its_own_cap,
    ],
)
def test_books_of_units_and_years_are_recomputed_whole(bench: Bench, fill: Callable[[Bench], None]) -> None:
    """Shares of a unit's statements, parts of months, top-ups and cuts of other tests."""
    fill(bench)
    found = told(envelopes(bench))
    assert "lines of markets and services recomputed" in found
    for stream in ("ancillary", "demand_response", "spot", "capacity", "service"):
        assert f"from the events: {stream}" not in found


def test_a_line_that_nothing_was_told_of_is_refused(called: Book) -> None:
    def change(run: Any) -> None:
        lines = run["run"]["result"]["lines"]
        more = next(one for one in lines if one["code"] == "demand_response")
        apart = {"code": "capacity", "pooled": False, "party": "host-s1"}
        lines.insert(0, {**more, **apart, "basis": [{**one} for one in more["basis"]]})
        refit(run)

    assert "site S1, capacity: no fact and no unit's statement gives it" in refused(called, change)


def test_a_sites_share_of_a_unit_is_of_its_statement(shared: Book) -> None:
    """66.67 and 33.33 of 100.00 by largest remainder; of another payment they would be others."""

    def change(fact: Any) -> None:
        fact["fact"] |= {"payment": "200.00", "amount": "200.00"}

    found = refusal(signed_again(shared, {"market.fact_recorded.v1": change}))
    assert "site S1, demand_response" in found
    assert "payment of dr1 is 200/3, 6667 minor, and facts, readings and rules say 400/3, 13333" in found


def test_what_is_not_shared_out_is_rounded_once(powered: Book) -> None:
    """The words of a part of a month let a line have another fen only where it is one."""

    def change(run: Any) -> None:
        line = next(one for one in run["run"]["result"]["lines"] if one["code"] == "capacity")
        line["basis"][0]["label"] += "; 30 of 31 days, 2026-08-01 to 2026-08-30"
        exact, minor = Fraction(line["exact"]), line["amount"]["minor"]
        pay(line, exact, minor + (1 if exact * 100 > minor else -1))
        refit(run)

    found = refused(powered, change)
    assert "site S1, capacity" in found
    assert "the capacity c1 is" in found
