"""A back-test beside what it leaves alone: other sites of the contract, and meters at the grid."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest

from adapters.backtest.backtest import backtest
from adapters.backtest.backtest_text import as_json, text
from adapters.backtest.case_file import load as load_file
from adapters.backtest.value_text import text as value_text
from adapters.backtest.way_readings import readings_files
from adapters.documents.readable import readable_money
from dispatch.value.losses import Way, losses
from dispatch.value.report import ValueReport, ValueRow
from ledger.meter import Meter
from ledger.quantity import Money
from ledger.refusal import Refused
from ledger.settlement.result import Result
from tests.adapters.conftest import Bench
from tests.adapters.test_backtest import CASE, PORTFOLIO, PROFILE, case_of, read, rows, run_of_book
from tests.adapters.test_settling import START, filled


def with_another_site(result: Result, minor: int) -> Result:
    """The pool with so much more in it, of which one party has all."""
    party, own = next(iter(result.entitlement.items()))
    shared = result.entitlement | {party: Money(own.minor + minor, "CNY")}
    return msgspec.structs.replace(
        result, pool=Money(result.pool.minor + minor, "CNY"), entitlement=shared, held={}, payable={}
    )


def test_the_part_of_perfect_is_what_the_storage_earns_and_no_other_site(bench: Bench) -> None:
    """The pool has 1,000.00 of another site by every way: doing nothing is none of the perfect."""
    filled(bench)
    found = run_of_book(bench)
    total = found.report.total
    other = {run: with_another_site(one, 100_000) for run, one in found.results.items()}
    beside = text(found._replace(results=other)).splitlines()
    (idle,) = [line for line in beside if line.startswith("doing nothing")]
    assert idle.split()[2:] == ["0.00", "0.0", "%", "1,000.00"]
    (plan,) = [line for line in beside if line.startswith("the plan")]
    permille = round(1000 * total.worth["delivered"] / total.worth["perfect"])
    assert plan.split()[3:6] == [
        readable_money(Money(total.worth["delivered"], "CNY")),
        str(permille / 10),
        "%",
    ]
    told = msgspec.json.decode(as_json(found._replace(results=other)))["results"]
    assert told["idle"]["storage"] == "0.00"


def test_the_plan_is_worth_what_it_is_under_the_guard(bench: Bench) -> None:
    """Nothing is sent out where nothing may be, and devices that do as they are told lose nothing."""
    load, _, _ = filled(bench)
    found = run_of_book(bench)
    total = found.report.total
    lost = {loss.parts: loss.minor for loss in total.lost}
    best, plan = (found.results[run].pool.minor for run in ("perfect", "plan"))
    assert lost == {
        ("forecast",): best - plan, ("bid",): 0, ("availability",): 0, ("dispatch",): 0, ("contract",): 0,
    }  # fmt: skip
    assert total.worth["plan"] == total.worth["settled"] == plan
    way = found.readings["plan"]["S1"]
    assert (load + way.charge_wh - way.discharge_wh >= 0).all()
    assert any(row.plan_wh != row.delivered_wh for row in found.report.energy), "the guard corrected it"


GRID = (
    PORTFOLIO.replace('id = "S1-LOAD"', 'id = "S1-GRID"')
    .replace('"load"', '"grid"', 1)
    .replace('["load"]', '["import", "export"]')
    + """
[[meters]]
id = "S1-B"
site = "S1"
position = "storage"
registers = ["charge", "discharge"]
interval_s = 900
power_w_max = 250000
zone = "Asia/Shanghai"
"""
)


def test_a_grid_meter_reads_otherwise_where_the_storage_ran_otherwise(tmp_path: Path) -> None:
    """What was written of a way is a case again, whose site without its storage is the same."""
    file = case_of(tmp_path, rows(np.arange(2976) % 90 * 1000, START))
    grid = PROFILE.replace('"load"', '"import"').replace("S1-LOAD", "S1-GRID")
    more = 'negative = "export"\n'
    (tmp_path / "portfolio.toml").write_text(GRID)
    (tmp_path / "profile.toml").write_text(grid + more)
    case = load_file(file, read)
    answer = backtest(*case)
    for name, text_of in readings_files(answer, case.inputs, case.known).items():
        (tmp_path / name).write_text(text_of)
    for run in ("plan", "perfect"):
        file.write_text(CASE.replace('"load.csv"', f'"S1_{run}.csv"').replace("profile.toml", "S1.toml"))
        again = load_file(file, read).inputs.sites[0]
        assert again.load_wh is not None
        assert again.load_wh.tolist() == (np.arange(2976) % 90 * 1000).tolist()
    told = (tmp_path / "S1_perfect.csv").read_text()
    assert {line.split(",")[1] for line in told.splitlines()[1:]} == {
        "charge", "discharge", "import", "export",
    }  # fmt: skip
    second = Meter("S1-GRID-2", "S1", "grid", ("import",), 900, 2_000_000, "Asia/Shanghai")
    known = {"S1": case.known["S1"]._replace(meters=(*case.known["S1"].meters, second))}
    with pytest.raises(Refused) as refused:
        readings_files(answer, case.inputs, known)
    assert refused.value.code == "backtest_readings"


def test_a_part_that_gained_says_of_what() -> None:
    """Unable to follow an award of -700.00, the storage had 50.00: 750.00 gained, in words."""
    worth: dict[Way, int] = {
        "perfect": 90_000, "plan": -70_000, "award": -70_000, "available": 5_000, "delivered": 5_000,
        "settled": 5_000,
    }  # fmt: skip
    row = ValueRow("S1", "demand_charge", "", worth, {"rule": 0, "idle": 0}, losses(worth))
    report = ValueReport(
        contract="c", month="2026-08", through="", currency="CNY", rows=(row,), energy=(), notes=()
    )
    lines = value_text(report, days=False).splitlines()
    at = next(number for number, line in enumerate(lines) if line.startswith("  availability"))
    assert lines[at].split() == ["availability", "-750.00"]
    assert lines[at + 1].strip().startswith("a gain: what it could not follow")
    assert sum("a gain" in line for line in lines) == 1
