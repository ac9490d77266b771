"""The desk's rules: how many persons an exposure needs, who may change them, and the switch."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Final

import pytest

from ledger.refusal import Refused
from tests.adapters.desk.desk_book import OPEN, POLICY
from trading.product import Kind
from trading.risk import (
    ApprovalRule,
    ApprovePolicy,
    Desk,
    Limit,
    PreparePolicy,
    ResumeTrading,
    RiskPolicy,
    StopTrading,
    check_running,
    policy_of,
)
from trading.risk_file import parse

EXAMPLE: Final = Path(__file__).parents[2] / "examples/risk/desk.toml"


def code_of(call: Callable[[], object]) -> str:
    with pytest.raises(Refused) as refused:
        call()
    return refused.value.code


def prepared(by: str = "anna", policy: RiskPolicy = POLICY, state: Desk | None = None) -> Desk:
    (event,) = PreparePolicy(policy, by).decide(state, {})
    return event.apply(state)


def stopped(by: str = "anna", state: Desk | None = None) -> Desk:
    (event,) = StopTrading(by, "look").decide_at(OPEN, state, {})
    return event.apply(state)


@pytest.mark.parametrize(
    ("kind", "exposure", "persons"),
    [
        ("energy", "99999.99", 1),
        ("energy", "100000", 2),
        ("demand_response", "1000000", 1),
        ("capacity", "0", 1),
    ],
)
def test_persons_by_exposure(kind: Kind, exposure: str, persons: int) -> None:
    """examples/risk/desk.toml: two from 100,000 CNY on for energy, else one."""
    assert parse(EXAMPLE.read_bytes()).persons(kind, Fraction(exposure)) == persons


def test_the_largest_number_of_all_rules_counts_and_no_rule_means_one() -> None:
    rules = (
        ApprovalRule(kinds=("energy",), persons=0),
        ApprovalRule(kinds=("energy",), above="10", persons=3),
        ApprovalRule(kinds=("energy",), above="20", persons=2),
    )
    policy = RiskPolicy(exclusivity="rule_based", approvals=rules)
    found = [policy.persons("energy", Fraction(text)) for text in ("9.99", "10", "20")]
    assert (found, policy.persons("capacity", Fraction(0))) == ([0, 3, 3], 1)


def test_a_policy_is_put_in_force_by_another_person_who_has_read_it() -> None:
    state = prepared()
    other = RiskPolicy(exclusivity="strict")
    assert code_of(lambda: policy_of(state)) == "risk_policy_missing"
    assert code_of(lambda: ApprovePolicy(POLICY, "anna").decide(state, {})) == "four_eyes"
    assert code_of(lambda: ApprovePolicy(other, "bert").decide(state, {})) == "risk_policy"
    (event,) = ApprovePolicy(POLICY, "bert").decide(state, {})
    approved = event.apply(state)
    assert policy_of(approved) == POLICY
    assert code_of(lambda: ApprovePolicy(POLICY, "bert").decide(approved, {})) == "risk_policy"
    exchanged = prepared("bert", other, prepared("anna", POLICY, approved))
    assert policy_of(exchanged) == POLICY, "what waits is not in force"
    assert code_of(lambda: ApprovePolicy(POLICY, "carl").decide(exchanged, {})) == "risk_policy"
    assert code_of(lambda: ApprovePolicy(other, "bert").decide(exchanged, {})) == "four_eyes"


def test_the_switch_is_pulled_by_one_and_put_back_by_another() -> None:
    state = stopped()
    assert code_of(lambda: check_running(state)) == "kill_switch"
    assert code_of(lambda: ResumeTrading("anna", "on").decide(state, {})) == "four_eyes"
    assert code_of(lambda: ResumeTrading("bert", " ").decide(state, {})) == "reason"
    (event,) = ResumeTrading("bert", "on").decide(state, {})
    check_running(event.apply(state))
    assert code_of(lambda: ResumeTrading("bert", "on").decide(event.apply(state), {})) == "kill_switch"


def test_nobody_who_stopped_it_puts_it_back_and_all_reasons_stay() -> None:
    state = stopped("bert", stopped("anna"))
    for name in ("anna", "bert"):
        assert code_of(lambda name=name: ResumeTrading(name, "on").decide(state, {})) == "four_eyes"
    with pytest.raises(Refused, match=r"anna stopped trading: look; bert stopped trading: look"):
        check_running(state)
    (event,) = ResumeTrading("carl", "on").decide(state, {})
    assert event.apply(state) == Desk()


def test_each_pull_is_one_of_its_own() -> None:
    """The same words at another time are another stop: what stands is asked back again."""
    first = stopped()
    (later,) = StopTrading("anna", "look").decide_at(OPEN.replace(hour=2), first, {})
    assert first.pulled != later.apply(first).pulled


def test_a_stop_says_why() -> None:
    for reason in ("", "  ", "x" * 2001):
        assert (
            code_of(lambda reason=reason: StopTrading("anna", reason).decide_at(OPEN, None, {})) == "reason"
        )


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"measure": "exposure", "currency": None}, "currency"),
        ({"measure": "volume_wh", "currency": "CNY"}, "limit"),
        ({"most": "0.5"}, "limit"),
        ({"most": "NaN"}, "amount"),
        ({"most": "1e9"}, "amount"),
        ({"id": "x" * 25}, "id"),
        ({"id": "a.b"}, "id"),
        ({"only": ("a b",)}, "id"),
        ({"each": "desk"}, "not_allowed"),
    ],
)
def test_a_limit_that_contradicts_itself_is_refused(changes: dict[str, object], code: str) -> None:
    terms: dict[str, object] = {
        "id": "v",
        "measure": "volume_wh",
        "each": "user",
        "span": "day",
        "most": "1",
    }
    assert code_of(lambda: Limit(**(terms | changes))) == code  # type: ignore[arg-type]
