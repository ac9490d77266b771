"""A statement against a settled book: what the ledger knows of the lines that only one side has."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import pytest

from adapters import reconciling
from adapters.reconciling import File
from ledger.reconciliation.line_report import LineReport
from ledger.site import RegisterSite, Site
from tests.adapters import sample
from tests.adapters.conftest import Bench
from tests.adapters.test_allocating import (
    AUGUST,
    CONTRACT,
    allocated,
    event,
    projecting,
    settle_of,
    two_sites,
    vpp,
)
from tests.adapters.test_market_settling import does, told
from tests.stack import NatsServer, PostgresServer

PROFILE = b"""\
operator = "SIMULATED operator"
currency = "CNY"

[columns]
reference = "no"
site = "site"
item = "item"
period = "month"
amount = "amount"

[period]
kind = "month"
pattern = "%Y-%m"
zone = "Asia/Shanghai"

[items]
"""
FAR = datetime(2040, 1, 1, tzinfo=UTC)


class Book(NamedTuple):
    """S1 and S2 under a contract each, a unit of both whose response is paid 600.01; S1's August settled."""

    bench: Bench

    def compared(self, *rows: str, cut_off: datetime | None = None, name: str) -> LineReport:
        data = "\n".join(["no,site,item,month,amount", *rows, ""]).encode()
        with projecting(self.bench):
            done = reconciling.compare_statement(
                self.bench.door,
                self.bench.database,
                File("august.csv", data),
                PROFILE,
                CONTRACT.id,
                AUGUST,
                "stream",
                id=name,
                actor="finance",
                cut_off=cut_off,
            )
        assert isinstance(done.report, LineReport)
        return done.report


@pytest.fixture(scope="module")
def book(nats_server: NatsServer, migrated: PostgresServer) -> Iterator[Book]:
    bench = Bench(nats_server, migrated)
    window = two_sites(bench)
    third: Any = bench.door.state("site.S2")
    alone = Site("S3", "Third", "Asia/Shanghai", 500_000, 250_000, third.latest.document.tariff,
                 third.latest.document.account)  # fmt: skip
    does(bench, RegisterSite(sample.FROM_2026, alone), vpp(), *told(event(window)))
    allocated(bench)
    settle_of(bench, CONTRACT.id)
    yield Book(bench)
    bench.close()


def causes(report: LineReport) -> dict[str, str]:
    lone = {line.item: line.cause for line in report.ours_only}
    return lone | {line.reference: line.cause for line in report.operator_only}


def test_a_units_statement_is_explained_to_the_fen(book: Book) -> None:
    """600.01 of the unit, known by the operator's code, is 400.00 of S1, 200.00 of S2 under another contract
    and the operator's rounding of 0.01."""
    report = book.compared("1,ZJ-vpp,demand_response,2026-08,600.01", name="unit")
    (match,) = report.matched
    assert (str(match.operator_amount), str(match.our_amount)) == ("600.01", "400.00")
    assert [(part.kind, str(part.amount)) for part in match.parts] == [
        ("rounding", "0.01"),
        ("allocation", "200.00"),
    ]
    assert "S2" in match.parts[1].reason
    assert str(report.unexplained) == "0.00"


def test_rows_that_only_the_operator_has(book: Book) -> None:
    report = book.compared(
        "1,ZJ-vpp,demand_response,2026-08,600.01",
        "2,S9,spot,2026-08,1.00",
        "3,S3,spot,2026-08,2.00",
        "4,S2,demand_response,2026-08,3.00",
        "5,S1,spot,2026-08,4.00",
        "6,S1,demand_response,2025-08,5.00",
        name="theirs",
    )
    found = causes(report)
    assert {number: found[number] for number in "23456"} == {
        "2": "unknown_site",
        "3": "no_contract",
        "4": "other_contract",
        "5": "not_told",
        "6": "other_period",
    }
    assert sum(money.minor for money in report.by_cause.values()) == 1500 - sum(
        line.amount.minor for line in report.ours_only
    )


def test_rows_that_only_we_have(book: Book) -> None:
    """The operator states another site's day: of the saving on the bill it pays nothing, and the response is
    the unit's."""
    found = causes(book.compared("1,S1,capacity,2026-08,1.00", name="ours"))
    assert found["arbitrage"] == "bill_effect"
    assert found["demand_response"] == "unit"


def test_what_was_recorded_after_the_cut_off_came_late(book: Book) -> None:
    """Of the response by its site, and a unit that the operator does not know, only the time is left."""
    settlement: Any = book.bench.door.state("settlement.eaas-s1_2026-08")
    assert len(settlement.runs) == 1
    past = datetime(2000, 1, 1, tzinfo=UTC)
    rows = ("1,S1,demand_charge,2026-08,1.00",)
    early = book.compared(*rows, cut_off=past, name="early")
    late = {line.item: line for line in early.ours_only}["arbitrage"]
    assert late.cause == "late"
    assert "after the cut-off 2000-01-01" in late.reason
    after = book.compared(*rows, cut_off=FAR - timedelta(days=1), name="after")
    found = {line.item: line for line in after.ours_only}["arbitrage"]
    assert found.cause == "unknown", "the operator states the bill, and could know of all of it"
    assert "ask SIMULATED operator" in found.ask
