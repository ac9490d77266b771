"""A limit that is removed and put back counts what stands still of what it counted, in any order."""

from __future__ import annotations

from fractions import Fraction
from typing import Final

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.refusal import Refused
from tests.adapters.desk.desk_book import DAY, MW, POLICY, bid, flat, submitted
from tests.adapters.desk.pure_desk import PureDesk, furnished
from trading.bid import Bid
from trading.risk import ApprovePolicy, Limit, PreparePolicy, RiskPolicy
from trading.usage import Usage, aggregate_of

LIMIT: Final = Limit(id="volume", measure="volume_wh", each="unit", span="day", most="600000")
WITH: Final = msgspec.structs.replace(POLICY, limits=(LIMIT,))
WITHOUT: Final = msgspec.structs.replace(POLICY, limits=())
VOLUME_WH: Final = 250_000


def floor() -> PureDesk:
    desk = furnished()
    in_force(desk, WITH, 0)
    return desk


def in_force(desk: PureDesk, policy: RiskPolicy, number: int) -> None:
    desk.door.execute(PreparePolicy(policy, "anna"), command_id=f"prepare-{number}", actor="anna")
    desk.door.execute(ApprovePolicy(policy, "bert"), command_id=f"approve-{number}", actor="bert")


def one(name: str, product: str = "day_ahead", *, power_w: int = MW) -> Bid:
    """250 kWh in a quarter-hour of its own."""
    slot = 40 if product == "day_ahead" else 44
    curves = tuple(flat(0, power_w, 500_000) if at == slot else () for at in range(96))
    return bid(name, product=product, curves=curves, schedule_w=None)


def used(desk: PureDesk) -> dict[str, Fraction]:
    state = desk.door.state(aggregate_of(LIMIT, "vpp", DAY))
    return {part.bid: part.exact for part in state.parts} if isinstance(state, Usage) else {}


def refused_by_market(desk: PureDesk, name: str) -> None:
    desk.send(name, 1, command_id=f"send-{name}", actor="gateway")
    desk.refuse(name, 1, "no", command_id=f"no-{name}", actor="gateway")


def test_what_stands_is_counted_as_before() -> None:
    desk = floor()
    submitted(desk, one("b1"))
    in_force(desk, WITHOUT, 1)
    in_force(desk, WITH, 2)
    assert used(desk) == {"b1": VOLUME_WH}
    with pytest.raises(Refused) as refused:
        submitted(desk, one("b2", "response", power_w=3 * MW // 2))
    assert refused.value.code == "limit_volume"


def test_what_ended_meanwhile_is_given_back() -> None:
    desk = floor()
    submitted(desk, one("b1"))
    in_force(desk, WITHOUT, 1)
    refused_by_market(desk, "b1")
    in_force(desk, WITH, 2)
    assert used(desk) == {}


def test_a_revision_meanwhile_gives_back_what_the_limit_counted_of_the_one_before() -> None:
    """The limit is not in force, and does not count the revision either."""
    desk = floor()
    submitted(desk, one("b1"))
    in_force(desk, WITHOUT, 1)
    submitted(desk, one("b1", power_w=MW // 2), revision=1)
    in_force(desk, WITH, 2)
    assert used(desk) == {}


def test_what_was_submitted_meanwhile_is_not_counted() -> None:
    desk = floor()
    in_force(desk, WITHOUT, 1)
    submitted(desk, one("b1"))
    in_force(desk, WITH, 2)
    assert used(desk) == {}


@settings(derandomize=True, max_examples=40, deadline=None)
@given(st.lists(st.sampled_from(("remove", "put", "submit", "end")), max_size=8))
def test_in_any_order_the_use_is_that_of_what_stands(acts: list[str]) -> None:
    """Of each bid that was submitted while the limit was in force and has not ended: its volume, once."""
    desk, there, standing, expected, number = floor(), True, "", set(), 10
    for act in acts:
        number += 1
        if act in ("remove", "put"):
            there = act == "put"
            in_force(desk, WITH if there else WITHOUT, number)
        elif act == "submit" and not standing:
            standing = f"b{number}"
            submitted(desk, one(standing))
            expected |= {standing} if there else set()
        elif act == "end" and standing:
            refused_by_market(desk, standing)
            expected -= {standing}
            standing = ""
        assert used(desk) == dict.fromkeys(expected, Fraction(VOLUME_WH))
