"""Why a run was corrected: every part of the inputs has a label and, where it has one, a class."""

from __future__ import annotations

from typing import get_args

import msgspec
import pytest

from ledger.settlement.cause import _CLASSES, TERMS, Cause, causes, classes
from ledger.settlement.inputs import Part
from ledger.settlement.line import Source
from ledger.settlement.result import Result
from tests.ledger.statement.test_life import result

BEFORE: dict[Part, str] = {"rule": "a", "contract": "a", "price": "a", "meter": "a"}


def of_contract(sequence: int, **changed: str) -> Result:
    """A result whose contract version was recorded as event `sequence`."""
    source = Source("contract.c1", ((sequence, sequence),))
    inputs: dict[Part, str] = {**BEFORE, **changed}  # type: ignore[dict-item]
    return msgspec.structs.replace(result(1), sources=(source,), inputs=inputs)


def test_every_cause_has_its_line() -> None:
    named = {name for kind in get_args(Cause) for name in (get_args(kind) or (kind,))}
    assert set(_CLASSES) == named


def test_what_changed_is_the_label() -> None:
    assert causes(of_contract(3), BEFORE, 5) == ()
    assert causes(of_contract(3, price="b", meter="b"), BEFORE, 5) == ("price", "meter")
    assert causes(of_contract(3, service="b"), BEFORE, 5) == ("service",), "new beside the others"


USED: dict[Part, str] = {**BEFORE, "market": "a", "market_rule": "dr:1 spot:2", "exclusivity": "a"}


@pytest.mark.parametrize(
    ("changed", "labels"),
    [
        ({"market": "b", "market_rule": "dr:1 pjm:7 spot:2"}, ("market",)),
        ({"market": "b", "market_rule": "dr:1"}, ("market",)),
        ({"market": "b", "market_rule": "dr:9 spot:2"}, ("market", "market_rule")),
        (
            {"market": "b", "market_rule": "dr:9", "exclusivity": "b"},
            ("market", "market_rule", "exclusivity"),
        ),
        ({"market": "b", "market_rule": None, "exclusivity": None}, ("market",)),
        ({"market_rule": "dr:1 spot:3"}, ("market_rule",)),
        ({"exclusivity": "b"}, ("exclusivity",)),
        ({"exclusivity": None}, ("exclusivity",)),
    ],
)
def test_what_comes_into_use_or_falls_out_of_it_has_not_changed(
    changed: dict[str, str | None], labels: tuple[str, ...]
) -> None:
    """What a market told has a label of its own: by it alone no rule changed. With nothing told, a policy
    that decides where the one before did not is another policy."""
    after = {part: digest for part, digest in {**USED, **changed}.items() if digest is not None}
    result_of = msgspec.structs.replace(of_contract(3), inputs=after)
    assert sorted(causes(result_of, USED, 5)) == sorted(labels)


def test_the_first_that_a_market_told_is_data_and_a_policy_that_decides_the_bill_is_a_rule() -> None:
    first = {"market": "b", "market_rule": "dr:1", "exclusivity": "a"}
    assert causes(of_contract(3, **first), {**BEFORE, "market": "a"}, 5) == ("market",)
    assert causes(of_contract(3, exclusivity="a"), BEFORE, 5) == ("exclusivity",)


@pytest.mark.parametrize(
    ("recorded", "label"), [(4, "contract"), (5, "contract"), (6, "retroactive_amendment")]
)
def test_a_version_that_the_first_run_could_not_know_is_a_retroactive_amendment(
    recorded: int, label: str
) -> None:
    """DOMAIN.md 2.3: each month with the version in force for it, except a labelled retroactive amendment."""
    assert causes(of_contract(recorded, contract="b"), BEFORE, 5) == (label,)


def test_data_errors_and_rule_or_price_changes_are_told_apart() -> None:
    """DOMAIN.md 3.10: 退补 = meter, archive, contract, clearing; 清算 = rule or price."""
    for cause in ("meter", "site", "contract", "retroactive_amendment", "market"):
        assert [TERMS[one] for one in classes([cause])] == ["退补"]  # type: ignore[list-item]
    for cause in ("rule", "price", "market_rule", "exclusivity"):
        assert [TERMS[one] for one in classes([cause])] == ["清算"]  # type: ignore[list-item]
    assert classes(["price", "meter", "meter"]) == ("data_error", "rule_or_price_change")
    assert classes(["earlier_month"]) == ()
