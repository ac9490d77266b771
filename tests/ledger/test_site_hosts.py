"""One contract over sites of several hosts: each holds what its own sites earned (DOMAIN.md 2.3)."""

from __future__ import annotations

from datetime import date
from fractions import Fraction
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger import contract_file
from ledger.accounting.vat import VatRate
from ledger.contract import Contract, ContractParty, Visibility
from ledger.interval import Month
from ledger.quantity import Money
from ledger.refusal import Refused
from ledger.settlement.line import Line
from ledger.settlement.split_basis import on_basis
from ledger.vat_terms import VatTerms
from ledger.waterfall import Distribution, StreamItem, Throughput, distribute, on_split_basis

EXAMPLES = Path(__file__).parents[2] / "examples/contracts"
TERMS = contract_file.parse((EXAMPLES / "eaas-three-hosts.toml").read_bytes())
APRIL = Month(2026, 4)
LAST = date(2026, 4, 30)
SEES = Visibility(pool_total=True, others_percentages=False, host_bill=False)


def yuan(text: str) -> Money:
    return Money.parse(text, "CNY")


def items(terms: Contract, arbitrage: dict[str, str], response: str = "1000.00") -> list[StreamItem]:
    """As settling makes them: one of each stream and holder."""
    found = [
        StreamItem("arbitrage", yuan(text), terms.holder_of("arbitrage", site))
        for site, text in arbitrage.items()
    ]
    return [*found, StreamItem("demand_response", yuan(response), "operator")]


def settled(terms: Contract, given_items: list[StreamItem]) -> Distribution:
    return distribute(terms, APRIL, given_items, Throughput(21_000_000, 20_000_000), None)


def text_of(amounts: dict[str, Money]) -> dict[str, str]:
    return {party: str(money) for party, money in sorted(amounts.items())}


def test_the_worked_example_of_three_hosts() -> None:
    """The table of docs/contracts-of-many-hosts.md."""
    found = settled(TERMS, items(TERMS, {"S1": "12345.67", "S2": "6789.01", "S3": "-234.50"}))
    assert str(found.pool) == "19900.18"
    assert text_of(found.entitlement) == {
        "host-s1": "6265.06", "host-s2": "3580.04", "host-s3": "2685.03", "operator": "7370.05",
    }  # fmt: skip
    assert text_of(found.held) == {
        "host-s1": "12345.67", "host-s2": "6789.01", "host-s3": "-234.50", "operator": "1000.00",
    }  # fmt: skip
    assert text_of(found.payable) == {
        "host-s1": "-6080.61", "host-s2": "-3208.97", "host-s3": "2919.53", "operator": "6370.05",
    }  # fmt: skip


@settings(derandomize=True, max_examples=60)
@given(st.lists(st.integers(-(10**7), 10**7), min_size=3, max_size=3))
def test_who_holds_moves_cash_and_no_entitlement(minor: list[int]) -> None:
    """DOMAIN.md 2.3: entitlement is not cash. As against one party that held everything."""
    arbitrage = dict(zip(TERMS.sites, (str(Money(value, "CNY")) for value in minor), strict=True))
    one = msgspec.structs.replace(TERMS, cash_holder=dict.fromkeys(TERMS.cash_holder, "operator"))
    split, whole = settled(TERMS, items(TERMS, arbitrage)), settled(one, items(one, arbitrage))
    assert split.entitlement == whole.entitlement
    assert split.pool == whole.pool == sum(split.held.values(), Money(0, "CNY"))
    assert sum(money.minor for money in split.payable.values()) == 0
    assert [split.held[TERMS.hosts[site]].minor for site in TERMS.sites] == minor


def test_a_cost_of_a_site_is_paid_by_its_host() -> None:
    cost = msgspec.structs.replace(
        TERMS,
        pass_through_costs=("penalty",),
        cash_holder=TERMS.cash_holder | {"penalty": "site_host"},
    )
    fined = [
        *items(cost, {"S1": "0.00", "S2": "0.00", "S3": "0.00"}, "0.00"),
        StreamItem("penalty", yuan("7.77"), cost.holder_of("penalty", "S2")),
    ]
    found = settled(cost, fined)
    assert (str(found.held["host-s2"]), str(found.pool)) == ("-7.77", "-7.77")


def test_whose_site_it_is_must_be_told() -> None:
    for holder, code in ((None, "cash_holder"), ("host-s9", "party_unknown")):
        with pytest.raises(Refused) as caught:
            settled(TERMS, [StreamItem("arbitrage", yuan("1.00"), holder)])
        assert caught.value.code == code
    with pytest.raises(Refused) as caught:
        TERMS.holder_of("arbitrage", "S9")
    assert (caught.value.code, caught.value.place) == ("cash_holder", "cash_holder.arbitrage")
    assert TERMS.holder_of("demand_response", None) == "operator"
    assert TERMS.holder_of("spot", "S1") is None, "outside of the pool"


def test_without_named_sites_the_only_host_has_them_all() -> None:
    assert TERMS.hosts == {"S1": "host-s1", "S2": "host-s2", "S3": "host-s3"}
    plain = contract_file.parse((EXAMPLES / "eaas-s1.toml").read_bytes())
    assert plain.hosts == {"S1": "host-s1"}
    assert plain.holder_of("arbitrage", None) == "host-s1"


def party(name: str, role: Any, *sites: str) -> ContractParty:
    return ContractParty(id=name, role=role, sees=SEES, sites=sites)


@pytest.mark.parametrize(
    ("parties", "place"),
    [
        (
            (party("host-s1", "host", "S1"), party("host-s2", "host", "S2"), party("host-s3", "host")),
            "parties",
        ),
        (
            (party("host-s1", "host", "S1", "S9"), party("host-s2", "host"), party("host-s3", "host")),
            "parties[0].sites[1]",
        ),
        (
            (party("host-s1", "host", "S1"), party("host-s2", "host", "S2", "S1"), party("host-s3", "host")),
            "parties[1].sites[1]",
        ),
        ((party("host-s1", "host"), party("host-s2", "host"), party("host-s3", "host")), "parties"),
    ],
)
def test_every_site_has_one_host(parties: tuple[ContractParty, ...], place: str) -> None:
    with pytest.raises(Refused) as caught:
        msgspec.structs.replace(TERMS, parties=(*parties, TERMS.parties[-1]))
    assert (caught.value.code, caught.value.place) == ("host_sites", place)


def test_only_a_host_names_sites_and_nobody_is_called_site_host() -> None:
    for wrong, code in (
        (lambda: party("operator", "operator", "S1"), "host_sites"),
        (lambda: party("site_host", "host"), "party_id"),
    ):
        with pytest.raises(Refused) as caught:
            wrong()
        assert caught.value.code == code


def test_a_contract_of_one_host_is_stored_as_before() -> None:
    stored = msgspec.json.encode(contract_file.parse((EXAMPLES / "eaas-s1.toml").read_bytes()))
    assert b'"sites":["S1"]' in stored
    assert stored.count(b'"sites"') == 1, "parties that name no sites say nothing of them"


# --- the tax in what each host holds -------------------------------------------------------------------


def tax_rate(taxpayer: Any, rate: str) -> VatRate:
    since = date(2019, 4, 1)
    return VatRate(category="power", taxpayer=taxpayer, rate=rate, effective_from=since, source="sample")


TAXED = msgspec.structs.replace(
    TERMS,
    split_basis="tax_exclusive",
    vat=VatTerms(
        taxpayers={
            "host-s1": "general", "host-s2": "general", "host-s3": "small_scale", "operator": "general",
        },
        categories=dict.fromkeys((*TERMS.pool_streams, *TERMS.clause_types), "power"),
        rates=(
            tax_rate("general", "13%"),
            tax_rate("small_scale", "3%"),
        ),
    ),
)  # fmt: skip


def test_each_hosts_tax_is_at_its_own_rate_and_rounded_once() -> None:
    """113.00 at 13 % and 103.00 at 3 % are 100.00 net each; the lines are what the holders hold."""
    given_items = items(TAXED, {"S1": "113.00", "S2": "1.01", "S3": "103.00"}, "0.00")
    net = on_split_basis(TAXED, given_items, LAST)
    assert [str(one.amount) for one in net] == ["100.00", "0.89", "100.00", "0.00"]
    lines = [
        line(number, site, text)
        for number, (site, text) in enumerate({"S1": "113.00", "S2": "1.01", "S3": "103.00"}.items(), 1)
    ]
    shown = on_basis(TAXED, lines, LAST)
    assert {one.party: str(one.amount) for one in shown} == {
        "host-s1": "100.00", "host-s2": "0.89", "host-s3": "100.00",
    }  # fmt: skip
    held = settled(TAXED, list(net)).held
    assert {one.party: one.amount for one in shown} == {name: held[name] for name in TERMS.hosts.values()}


def line(number: int, site: str, text: str) -> Line:
    amount = yuan(text)
    return Line(
        number=number, kind="stream", code="arbitrage", clause="DOMAIN.md 3.1", site=site,
        party=TERMS.hosts[site], quantity="", unit="", price="", exact=str(Fraction(text)), amount=amount,
        rounding="0", basis=(), sources=(), note="",
    )  # fmt: skip
