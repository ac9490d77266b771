"""Every market scenario, settled by the product and compared with what was worked out independently."""

from __future__ import annotations

import ast
import tomllib
from collections import Counter
from datetime import date, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from ledger.interval import midnight
from ledger.settlement.result import RefusedSpan
from ledger.settlement.settle import check_line
from ledger.stored_energy import Stored
from tests.scenarios import market_folder
from tests.scenarios.market_facts import ZONE, minutes
from tests.scenarios.market_inputs import Scenario

MARKETS = Path(__file__).parent / "markets"
SCENARIOS = sorted(folder.parent.name for folder in MARKETS.glob("*/given"))
SHOWN_AT_ZERO = {"demand_response", "ancillary", "capacity", "service"}
"""An event that earned nothing is an item of 0.00, and not left out."""


RELATIONS = {"W": "same_power"}
"""The matrix's letters as the product names them."""


def at(day: str, clock: str) -> datetime:
    return midnight(date.fromisoformat(day), ZONE) + timedelta(minutes=minutes(clock))


def refusal(span: RefusedSpan) -> tuple[str, datetime, datetime, int, int, str]:
    """A refused span as the folder tells it; the reason without the id of the claim that has the kW."""
    assert (span.stream, span.site, span.quantity) == ("demand_response", "S", "up_w")
    reason = "(" + span.reason.partition(" (")[2]
    return span.claim, span.interval.start, span.interval.end, span.asked, span.granted, reason


def expected(name: str) -> dict[str, Any]:
    return tomllib.loads((MARKETS / name / "expected.toml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_month_is_what_was_worked_out(name: str) -> None:
    """Item by item: the exact amount and the rounded one, the refused claims, and what each party gets."""
    result, worked = Scenario(MARKETS / name).result(), expected(name)
    ours: Counter[tuple[str, Fraction, str]] = Counter()
    for line in result.lines:
        check_line(line)
        if line.kind == "stream" and (line.code in SHOWN_AT_ZERO or line.amount.minor):
            rest = line.code == "interaction" and line.pooled
            exact = Fraction(0) if rest else Fraction(line.exact)
            ours[line.code, exact, str(line.amount)] += 1
    theirs = Counter(
        (item["stream"], Fraction(item["exact"] or 0), item["amount"])
        for item in worked.get("item", [])
        if item["stream"] in SHOWN_AT_ZERO or item["amount"] != "0.00"
    )
    assert ours == theirs
    assert [refusal(span) for span in result.refused] == [
        (
            row["claim"],
            at(row["date"], row["from"]),
            at(row["date"], row["until"]),
            row["asked_w"],
            row["granted_w"],
            f"({row['against']}): {RELATIONS[row['relation']]}",
        )
        for row in worked.get("refused", [])
    ]
    left = worked.get("stored", {"pv_wh": "0", "grid_wh": "0"})
    stored = result.stored.get("S", Stored())
    assert (str(stored.pv_wh), str(stored.grid_wh)) == (left["pv_wh"], left["grid_wh"])
    for party, row in worked["split"].items():
        got = (result.entitlement[party], result.held[party], result.payable[party])
        assert tuple(map(str, got)) == (row["entitlement"], row["already_held"], row["payable"]), party


def test_the_worked_out_figures_are_those_of_the_oracle() -> None:
    """`expected.toml` was not edited by hand: the oracle, which shares no code with the product, agrees."""
    assert SCENARIOS, "there are market scenarios"
    problems = [problem for name in SCENARIOS for problem in market_folder.check(MARKETS / name)]
    assert not problems


def test_the_oracle_shares_no_code_with_the_product() -> None:
    """Its worth is that it was written without the product."""
    for name in ("oracle.py", "market_oracle.py", "market_given.py", "market_month.py", "market_folder.py"):
        tree = ast.parse((MARKETS.parent / name).read_text(encoding="utf-8"))
        imported = {
            (node.module or "") if isinstance(node, ast.ImportFrom) else node.names[0].name
            for node in ast.walk(tree)
            if isinstance(node, ast.Import | ast.ImportFrom)
        }
        roots = {module.partition(".")[0] for module in imported}
        assert not roots & {"ledger", "adapters", "trading", "dispatch", "msgspec", "numpy"}, name
