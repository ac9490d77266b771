"""A line names every fact that it was computed from: a fact that it does not name can be anything."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest

from ledger import contract_file, tariff_file
from ledger.demand import ActualDemand
from ledger.grid_account import Account, PowerFactorTerms
from ledger.interval import Month
from ledger.metering.estimated_share import EstimatedShare
from ledger.power_factor import Reactive
from ledger.settlement.inputs import Inputs, SiteInputs
from ledger.settlement.line import Line, Source
from ledger.settlement.line_sources import line_sources
from ledger.settlement.result import Result
from ledger.settlement.settle import settle_all
from ledger.site import Site

EXAMPLES = Path(__file__).parents[3] / "examples"
CONTRACT = contract_file.parse((EXAMPLES / "contracts/eaas-s1.toml").read_bytes())
FILE = EXAMPLES / "tariffs/shanghai_two_part_1-10kv.toml"
TARIFF = tariff_file.parse_tariff(FILE.read_text(encoding="utf-8"), name=FILE.name)
ZONE = "Asia/Shanghai"
ACCOUNT = Account(
    id="A", zone=ZONE, parts="two_part", demand=ActualDemand(), export_price=None,
    power_factor=PowerFactorTerms(standard="0.90", fund_in_base=False),
)  # fmt: skip
SITE = Site("S1", "Plant", ZONE, 1_000_000, 500_000, TARIFF.id, ACCOUNT)
NAMES = (
    "site.S1", "tariff.T", "readings.G/import", "readings.G/reactive_lagging", "readings.G/reactive_leading",
    "readings.B/charge", "readings.B/discharge",
)  # fmt: skip
SOURCES = tuple(Source(name, ((number, number),)) for number, name in enumerate(NAMES, 1))
WAVE = np.arange(2976, dtype=np.int64)
CHARGE, DISCHARGE = (WAVE % 96 < 20) * 5_000, (WAVE % 96 > 70) * 4_000
LOAD = 60_000 + WAVE % 7 * 1_000


def settled(lagging: int, estimated: EstimatedShare | None = None, charge: int = 1) -> Result:
    site = SiteInputs(
        SITE, TARIFF, 900, LOAD, CHARGE * charge, DISCHARGE, Reactive(lagging, 0), SOURCES,
        estimated=estimated or EstimatedShare(10, 0, 10, 0),
    )  # fmt: skip
    inputs = Inputs(CONTRACT, Month(2026, 8), 12, (site,), None, Source("contract.eaas-s1", ((9, 9),)))
    (result,) = settle_all([inputs])
    return result


def rests_on(result: Result, line: Line) -> set[str]:
    return {result.sources[at].aggregate for at in line.sources}


def differing(one: Result, other: Result) -> set[str]:
    """The streams of which a line says something else."""
    pairs = zip(one.lines, other.lines, strict=True)
    return {mine.code for mine, theirs in pairs if mine != theirs and mine.kind == "stream"}


def test_a_line_that_does_not_name_reactive_energy_is_the_same_whatever_it_is() -> None:
    """DOMAIN.md 3.3: it is read for the power factor alone; the rest of the bill effect is kept with it."""
    result, other = settled(20_000_000), settled(90_000_000)
    naming = {
        line.code for line in result.lines
        if line.kind == "stream" and "readings.G/reactive_lagging" in rests_on(result, line)
    }  # fmt: skip
    assert naming == {"power_factor", "interaction"}
    assert "power_factor" in differing(result, other)
    assert differing(result, other) <= naming
    for line in result.lines:
        kept = {"site.S1", "tariff.T", "readings.G/import", "readings.B/charge", "readings.B/discharge"}
        assert kept <= rests_on(result, line)
        if line.kind == "clause":
            assert rests_on(result, line) == {*NAMES, "contract.eaas-s1"}


def test_every_line_names_the_readings_that_change_it() -> None:
    assert {"arbitrage", "demand_charge"} <= differing(settled(20_000_000), settled(20_000_000, charge=2))


def test_where_something_was_estimated_each_line_names_all_that_its_share_counts() -> None:
    result = settled(20_000_000, EstimatedShare(10, 1, 10, 0))
    assert {line.estimated for line in result.lines} == {"0.0 %"}
    for line in result.lines:
        assert set(NAMES) <= rests_on(result, line)


@pytest.mark.parametrize(
    ("stream", "named"),
    [
        ("arbitrage", False),
        ("demand_response", False),
        ("capacity", False),
        ("spot", True),
        ("ancillary", True),
    ],
)
def test_published_prices_are_named_by_what_is_valued_at_them(stream: str, named: bool) -> None:
    sources = (Source("site.S1", ((1, 1),)), Source("prices.shandong_n1_real_time", ((2, 3),)))
    found = line_sources(msgspec.convert(stream, str), sources, 5, estimated=False)  # type: ignore[arg-type]
    assert found == ((5, 6) if named else (5,))
