"""What somebody who means no good might send: it is refused with a code, quickly, and nothing is stored."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any, Final

import msgspec
import pytest

from adapters.http.bids import decoded_draft
from adapters.http.problem import BadRequest
from ledger.refusal import Refused
from tests.adapters.desk.desk_book import CLOSES, DAY, MW, after, bid
from tests.adapters.desk.pure_desk import PureDesk, furnished
from trading.bid import Bid, Block

_QUICK_S: Final = 3.0


def code_of(call: Callable[[], object]) -> str:
    started = time.monotonic()
    with pytest.raises((Refused, BadRequest)) as refused:
        call()
    assert time.monotonic() - started < _QUICK_S
    code: str = refused.value.code
    return code


def draft(desk: PureDesk, one: Bid, revision: int = 0, key: str = "k") -> None:
    desk.draft(one, revision=revision, command_id=key, actor="eve")


def with_curve(curve: tuple[tuple[int, int, int], ...], **changes: object) -> Bid:
    return bid(curves=(curve, *((),) * 95), schedule_w=None, **changes)


@pytest.mark.parametrize("power", [2**40 + 1, 2**63, 2**64, 2**80, -(2**63) - 1, 10**400])
def test_numbers_beyond_all_measure(power: int) -> None:
    desk = furnished()
    low, high = min(power, 0), max(power, 0)
    assert code_of(lambda: draft(desk, with_curve(((low, high, 0),)))) == "quantity_range"
    assert code_of(lambda: draft(desk, with_curve(((0, MW, power),)))) == "quantity_range"
    assert code_of(lambda: draft(desk, bid(schedule_w=(power,) * 96))) == "quantity_range"
    block = Block(id="k", first=0, profile_w=(power,), price_u=0)
    assert code_of(lambda: draft(desk, bid(blocks=(block,)))) == "quantity_range"
    assert desk.pure.saves == []


@pytest.mark.parametrize("first", [-1, 96, 2**31, 10**30])
def test_a_block_outside_the_day(first: int) -> None:
    block = Block(id="k", first=first, profile_w=(1000,), price_u=0)
    assert code_of(lambda: draft(furnished(), bid(blocks=(block,)))) == "block"


def test_a_hundred_thousand_segments() -> None:
    curve = tuple((n * 1000, (n + 1) * 1000, 0) for n in range(100_000))
    assert code_of(lambda: draft(furnished(), with_curve(curve))) == "segment_count"


def test_a_hundred_thousand_curves() -> None:
    one = bid(curves=(((0, 1000, 0),),) * 100_000, schedule_w=None)
    assert code_of(lambda: draft(furnished(), one)) == "bid_intervals"


@pytest.mark.parametrize(
    ("day", "code"),
    [
        (date(1, 1, 1), "delivery_day"),
        (date(1999, 12, 31), "delivery_day"),
        (date(9999, 12, 31), "delivery_day"),
        (date(2200, 1, 1), "delivery_day"),
        (date(2000, 1, 1), "market_gap"),
        (DAY - timedelta(days=2), "gate_closed"),
    ],
)
def test_days_far_away(day: date, code: str) -> None:
    assert code_of(lambda: draft(furnished(), bid(day=day))) == code


def test_a_schedule_beyond_the_curve() -> None:
    plan = list(bid().schedule_w or ())
    plan[72] = MW + 1
    assert code_of(lambda: draft(furnished(), bid(schedule_w=tuple(plan)))) == "bid_schedule"


@pytest.mark.parametrize(
    "name", ["", "a.b", "a b", "-a", "_", "x" * 65, "b1\n", "*", ">", "b1\u0000", "ｂ１"]
)
def test_names_that_are_none(name: str) -> None:
    for field in ("id", "unit", "market", "product"):
        assert code_of(lambda field=field: bid(**{field: name})) == "id"


def test_the_longest_names_are_kept_apart() -> None:
    desk = furnished()
    long, longer = "b" * 63, "b" * 64
    for number, name in enumerate((long, longer)):
        draft(desk, bid(name), key=f"k{number}")
    assert sorted(desk.bids()) == [long, longer]


def body(**changes: Any) -> bytes:
    """A bid of HTTP, as text."""
    one: dict[str, Any] = msgspec.to_builtins(bid())
    return msgspec.json.encode({"bid": one | changes, "revision": 0})


@pytest.mark.parametrize(
    "text",
    [
        body().replace(b'"curves":[', b'"curves":[[[NaN,0,0]],', 1),
        body().replace(b'"curves":[', b'"curves":[[[1e3,0,0]],', 1),
        body().replace(b'"curves":[', b'"curves":[[[0.5,0,0]],', 1),
        body().replace(b'"curves":[', b'"curves":[[[0,1]],', 1),
        body(schedule_w=["1"]),
        body(schedule_w=[True]),
        body(origin="robot"),
        body(extra=1),
        body(note="two\nlines"),
        body(note="\u0000"),
        body(day="2026-02-30"),
        b"[" * 100_000,
        b'{"bid":',
        b"\xff",
    ],
)
def test_texts_that_are_no_bid(text: bytes) -> None:
    assert code_of(lambda: decoded_draft(text)) in {
        "json",
        "field_type",
        "field_unknown",
        "field_missing",
        "not_allowed",
        "control_character",
    }


def test_a_revision_of_anothers_bid_needs_an_approval_of_its_own() -> None:
    """Whoever may write bids may revise one; what another approved is not what is submitted then."""
    desk = furnished()
    one = bid()
    desk.draft(one, revision=0, command_id="d", actor="anna")
    desk.approve("b1", 1, one.digest, command_id="a", actor="bert")
    draft(desk, bid(note="mine now"), 1)
    assert desk.bids()["b1"].status == "draft"
    assert code_of(lambda: desk.submit("b1", 2, command_id="s", actor="eve")) == "approval_missing"
    digest = bid(note="mine now").digest
    assert code_of(lambda: desk.approve("b1", 2, digest, command_id="e", actor="eve")) == "four_eyes"


def test_two_submissions_under_one_command_id_are_not_one() -> None:
    desk = furnished()
    for name, product in (("b1", "day_ahead"), ("b2", "response")):
        curves = (((0, 1000, 0),),) * 96
        one = bid(name, product=product, curves=curves, schedule_w=None)
        desk.draft(one, revision=0, command_id=f"d{name}", actor="anna")
        desk.approve(name, 1, one.digest, command_id=f"a{name}", actor="bert")
    desk.submit("b1", 1, command_id="same", actor="anna")
    assert code_of(lambda: desk.submit("b2", 1, command_id="same", actor="anna")) == "command_id_reused"
    assert desk.submit("b1", 1, command_id="same", actor="anna").repeated


def test_no_bid_is_in_time_by_being_repeated() -> None:
    desk = furnished(CLOSES - after(10))
    one = bid()
    desk.draft(one, revision=0, command_id="d", actor="anna")
    desk.approve("b1", 1, one.digest, command_id="a", actor="bert")
    desk.pure.now = CLOSES
    assert code_of(lambda: desk.submit("b1", 1, command_id="s", actor="anna")) == "gate_closed"
    assert code_of(lambda: desk.submit("b1", 1, command_id="s", actor="anna")) == "gate_closed"
