"""A plan obeys the same matrix as settlement: the rules are read from its policy."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import msgspec
import numpy as np

from dispatch.optimiser.rules import Rules, rules_of
from dispatch.optimiser.solve import solve
from dispatch.plan_check import check_exclusivity
from ledger.exclusivity.conflict import Conflicts
from ledger.exclusivity.policy import Policy
from ledger.exclusivity.policy_file import parse
from tests.dispatch.optimiser.plan_limits import limits_of, markets_of, planned
from tests.dispatch.optimiser.synthetic import portfolio

EXAMPLES = Path(__file__).parents[3] / "examples" / "exclusivity"
START = datetime(2026, 8, 1, tzinfo=UTC)


def policy(name: str) -> Policy:
    return parse((EXAMPLES / f"{name}.toml").read_text(encoding="utf-8"))


def test_the_rules_of_the_published_policies() -> None:
    assert rules_of(policy("rule_based")) == Rules()
    assert rules_of(policy("strict")) == Rules(regulation_alone=True)


def test_switches_change_the_rules() -> None:
    on = msgspec.structs.replace(policy("rule_based"), switches_on={"response_with_spot": "a contract"})
    assert rules_of(on) == Rules(response_bars_spot=False)


def test_plans_are_granted_whole_by_the_matrix() -> None:
    found = policy("rule_based")
    for seed in range(4):
        asked = msgspec.structs.replace(portfolio(seed, 2, "rds", count=24), rules=rules_of(found))
        plan, markets = solve(asked), markets_of(asked)
        for site, one in zip(asked.sites, planned(plan), strict=True):
            limits = limits_of(site, 900)
            assert check_exclusivity(Conflicts(found), limits, markets, one, START) == ()


def test_a_plan_that_mixes_spot_and_tariff_is_not_granted() -> None:
    found = Conflicts(policy("rule_based"))
    asked = portfolio(1, 1, "rs", count=24)
    one = planned(solve(asked))[0]
    setpoint = np.zeros(24, dtype=np.int64)
    setpoint[3], setpoint[9] = 4_000, 8_000
    spot = np.where(np.arange(24) == 9, setpoint, 0)
    mixed = msgspec.structs.replace(one, setpoint_w=setpoint, spot_w=spot, regulation_w=one.regulation_w * 0)
    limits, markets = limits_of(asked.sites[0], 900), markets_of(asked)
    assert [v.interval for v in check_exclusivity(found, limits, markets, mixed, START)] == [3]
    power = int(limits.discharge_w_max[0])
    crowded = msgspec.structs.replace(
        one, setpoint_w=setpoint, spot_w=spot * 0, regulation_w=one.regulation_w * 0 + power
    )
    rules = {v.rule for v in check_exclusivity(found, limits, markets, crowded, START)}
    assert rules == {"exclusivity"}
