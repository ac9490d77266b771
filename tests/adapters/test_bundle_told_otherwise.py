"""Runs that pay what is due and tell somebody something else, events that no ledger writes, and runs of a
site that two contracts pay: each is signed all the same, and refused with its place."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any

import pytest

from tests.adapters.test_bundle_dishonest import RUN
from tests.adapters.test_bundle_unlike_contract import SIMPLE, TAXED, a_month, line_of, pay, refit, refused
from tests.stack import NatsServer, PostgresServer
from tests.verifier.signed_again import digest, signed_again
from tests.verifier.test_verify_bundle import refusal

Book = list[bytes]
Change = Callable[[Any], None]


@pytest.fixture(scope="module")
def simple(nats_server: NatsServer, migrated: PostgresServer) -> Iterator[Book]:
    yield from a_month(nats_server, migrated, SIMPLE)


@pytest.fixture(scope="module")
def taxed(nats_server: NatsServer, migrated: PostgresServer) -> Iterator[Book]:
    yield from a_month(nats_server, migrated, TAXED)


def _result(**fields: Any) -> Change:
    return lambda run: run["run"]["result"].update(fields)


def _halves(run: Any) -> None:
    for one in run["run"]["result"]["percentages"]:
        one["share"] = "50%"


def _own_quantity(run: Any) -> None:
    line_of(run, "demand_charge").update(quantity="999", unit="kW")


def _part_of_a_month(run: Any) -> None:
    line = line_of(run, "interaction")
    line["basis"] = [{"label": "x; 1 of 2 days, ", "quantity": "", "unit": "", "price": "", "exact": "0.004"}]
    pay(line, Fraction("0.004"), 1)
    refit(run)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (_halves, "its percentages are"),
        (_result(sees_bill={"equipment-owner": ["S1"]}), "sees_bill is"),
        (_result(sees_sites={}), "sees_sites is {}"),
        (_result(sees_percentages=["host-s1"]), "sees_percentages is ['host-s1']"),
        (_result(opened={"S1": {"pv_wh": 5, "grid_wh": 1}}), "site S1: it opened with"),
        (lambda run: run["run"].update(causes=["rule"]), "it corrects nothing, and says why"),
        (_own_quantity, "it states a quantity or a price beside its terms"),
        (_part_of_a_month, "its amount is not 1/250 rounded once"),
    ],
)
def test_what_is_told_is_the_contracts(simple: Book, change: Change, reason: str) -> None:
    assert reason in refused(simple, change)


# ------------------------------------------------------------------ invoices


def _no_vat(run: Any) -> None:
    run["run"]["result"]["agent_parts"] = []
    for line in run["run"]["result"]["lines"]:
        line["vat"] = None


def _vats(run: Any) -> list[Any]:
    result = run["run"]["result"]
    return [one["vat"] for one in (*result["lines"], *result["agent_parts"]) if one["vat"]]


def _one_fen(run: Any) -> None:
    for vat in _vats(run):
        sign = 1 if vat["net"]["minor"] > 0 else -1
        for name, minor in (("net", sign), ("tax", 0), ("gross", sign)):
            vat[name]["minor"] = minor


def _a_fen_more(run: Any) -> None:
    for vat in _vats(run):
        sign = 1 if vat["net"]["minor"] > 0 else -1
        for name in ("tax", "gross"):
            vat[name]["minor"] += sign


def _another_buyer(run: Any) -> None:
    run["run"]["result"]["agent_parts"][0]["party"] = "equipment-owner"


def _another_supplier(run: Any) -> None:
    for vat in _vats(run):
        vat["supplier"] = "equipment-owner"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (_no_vat, "VAT: it is not invoiced"),
        (_one_fen, "and the pool gives {'host-s1': "),
        (_a_fen_more, "which is not rounded once"),
        (_another_buyer, "its agent's parts are {'equipment-owner': "),
        (_another_supplier, "is of host-s1, invoiced by equipment-owner"),
    ],
)
def test_an_agents_service_is_invoiced_to_those_whom_the_pool_pays(
    taxed: Book, change: Change, reason: str
) -> None:
    assert reason in refused(taxed, change)


# ------------------------------------------------------------------ events that no ledger writes


def _last(book: Book, kind: str) -> tuple[str, Any]:
    envelope = next(one for one in reversed(book) if f'"{kind}"'.encode() in one)
    first, _, second = envelope.partition(b"\n")
    return json.loads(first)["aggregate"], json.loads(second)["events"][-1]


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        ("meter.registered.v1", lambda event: event["meter"].pop("registers")),
        ("site.registered.v1", lambda event: event["site"].pop("account")),
        ("site.registered.v1", lambda event: event["site"].pop("tariff")),
        ("site.registered.v1", lambda event: event["site"].update(zone=5)),
        ("contract.registered.v1", lambda event: event["contract"].pop("clauses")),
        ("contract.registered.v1", lambda event: event["contract"].update(effective_from="x")),
    ],
)
def test_an_event_after_the_last_run_that_is_malformed_is_refused(
    simple: Book, kind: str, change: Change
) -> None:
    aggregate, event = _last(simple, kind)
    change(event)
    found = refused(simple, lambda _: None, added=(aggregate, event))
    assert "eaas-s1 2026-08, and what came after it: not as the format says" in found


def _scales(event: Any) -> None:
    for table in event["tariff"]["tables"]:
        for price in table["prices"].values():
            if price:
                price["scale"] = 10**8


def _long(run: Any) -> None:
    line_of(run, "demand_charge")["basis"][0]["price"] = " x ".join(["9" * 300] * 3000)


@pytest.mark.parametrize(("kind", "change"), [("tariff.published.v1", _scales), (RUN, _long)])
def test_no_number_is_larger_than_a_ledger_writes(simple: Book, kind: str, change: Change) -> None:
    found = refusal(signed_again(simple, {kind: change}))
    assert "digits are not 0 to 9" in found or "has more than 8 factors" in found


def test_a_site_is_settled_under_one_contract(simple: Book) -> None:
    """The operator's registration makes room for another contract of the site, which is settled first."""
    other = json.loads(json.dumps(_last(simple, "contract.registered.v1")[1]).replace("eaas-s1", "again"))
    run = json.loads(json.dumps(_last(simple, RUN)[1]).replace("eaas-s1", "again"))
    place = next(at for at, one in enumerate(simple, 1) if b'"party.operator"' in one)
    run["run"]["result"]["position"] = len(simple)
    for source in run["run"]["result"]["sources"]:
        if source["aggregate"] == "contract.again":
            source["sequences"] = [[place, place]]
    run["run"]["outputs_digest"] = digest(run["run"]["result"])
    found = refused(
        simple,
        lambda _: None,
        instead=("contract.again", other),
        added=("settlement.again_2026-08", run),
    )
    assert "S1 is under contract eaas-s1 on the same days" in found
