"""Calls without servers: their versions, what is asked of each interval, and why one is declined."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.refusal import Refused
from tests.adapters.desk.desk_book import MARKET, RESPONSE_CALL, market
from trading.bid import Bid
from trading.call_answer import Slot, answer, in_force, slots_of
from trading.response_call import (
    AnswerCall,
    Call,
    CalledInterval,
    CallState,
    DecideCall,
    HearCall,
    RefuseCall,
    ResponseCallDecided,
    ResponseCallHeard,
    ResponseCallWithdrawn,
    Unreadable,
    WithdrawCall,
    call_id,
)

DAY = date(2026, 9, 3)
MIDNIGHT = datetime(2026, 9, 2, 16, tzinfo=UTC)
"""In Shanghai."""
RULES = market()
QUARTER = timedelta(minutes=15)
STEPS = tuple(range(64, 72))


def at(quarter: int, seconds: int = 0) -> datetime:
    return MIDNIGHT + QUARTER * quarter + timedelta(seconds=seconds)


def call(first: int = 64, count: int = 4, power_w: int = 1000, **changes: Any) -> Call:
    intervals = tuple(
        CalledInterval(at(first + number), at(first + number + 1), power_w) for number in range(count)
    )
    fields: dict[str, Any] = {
        "gateway": "dr", "market": MARKET, "product": "response", "unit": "vpp", "programme": "p",
        "event": "e1", "version": at(40), "digest": "d", "received": at(40, 1),
        "start": at(first), "end": at(first + count), "intervals": intervals,
    }  # fmt: skip
    return Call(**(fields | changes))


def bid(power_w: int = 2000, day: date = DAY) -> Bid:
    return Bid(
        id="b1", unit="vpp", market=MARKET, product="response", day=day,
        curves=(((0, power_w, 100_000),),) * 96,
    )  # fmt: skip


def heard(*calls: Call) -> CallState:
    state: CallState | None = None
    for one in calls:
        (event,) = HearCall("c", one).decide(state, {})
        state = event.apply(state)
    assert state is not None
    return state


def accepted(state: CallState, day: date = DAY) -> CallState:
    one = state.steps[-1].call
    assert one is not None
    return ResponseCallDecided(one.version, "accepted", "", "", {day: "b1"}).apply(state)


def asked(state: CallState) -> dict[int, int]:
    return {slot.number: one.power_w for slot, one in in_force(RULES, RESPONSE_CALL, state).items()}


def declined(state: CallState, **changes: Any) -> str:
    how: dict[str, Any] = {"standing": {DAY: bid()}, "others": (), "notice_s": 0}
    found = answer(RULES, RESPONSE_CALL, state, **(how | changes))
    assert (found.decision == "declined") == bool(found.code) == bool(found.reason)
    return found.code


def test_a_call_within_the_bid_is_accepted_for_its_bids() -> None:
    found = answer(RULES, RESPONSE_CALL, heard(call()), {DAY: bid()}, (), 0)
    assert (found.decision, found.bids) == ("accepted", {DAY: "b1"})


@pytest.mark.parametrize(
    ("made", "how", "code"),
    [
        (call(wrong="call_payload", why="no power", intervals=()), {}, "call_payload"),
        (call(trial=True), {}, "call_trial"),
        (call(received=at(68)), {}, "call_past"),
        (call(received=at(64, 1)), {}, "call_late"),
        (call(), {"notice_s": 24 * 900}, "call_late"),
        (call(), {"standing": {}}, "call_without_bid"),
        (call(), {"others": (Slot(DAY, 67),)}, "call_overlap"),
        (call(power_w=2001), {}, "call_beyond_bid"),
        (call(power_w=-1), {}, "call_beyond_bid"),
        (call(intervals=(CalledInterval(at(64, 1), at(65, 1), 5),)), {}, "call_interval"),
        (call(intervals=(CalledInterval(at(64), at(65, 1), 5),)), {}, "call_interval"),
    ],
)
def test_each_reason_to_decline(made: Call, how: dict[str, Any], code: str) -> None:
    assert declined(heard(made), **how) == code


def test_just_in_time_and_just_what_was_offered() -> None:
    assert declined(heard(call(received=at(64)))) == ""
    assert declined(heard(call(power_w=2000)), notice_s=int((at(64) - at(40, 1)).total_seconds())) == ""


def test_a_call_over_midnight_needs_a_bid_for_each_day() -> None:
    over = heard(call(first=94))
    assert declined(over) == "call_without_bid"
    after = DAY + timedelta(days=1)
    found = answer(
        RULES,
        RESPONSE_CALL,
        over,
        {DAY: bid(), after: msgspec.structs.replace(bid(day=after), id="b2")},
        (),
        0,
    )
    assert found.bids == {DAY: "b1", after: "b2"}
    state = ResponseCallDecided(at(40), "accepted", "", "", found.bids).apply(over)
    slots = in_force(RULES, RESPONSE_CALL, state)
    assert [(slot, one.bid) for slot, one in slots.items()] == [
        (Slot(DAY, 94), "b1"), (Slot(DAY, 95), "b1"), (Slot(after, 0), "b2"), (Slot(after, 1), "b2"),
    ]  # fmt: skip


def test_intervals_are_counted_by_time_on_the_day_of_the_clock_change() -> None:
    """In Berlin 25 October 2026 has 100 quarter-hours; 01:00 UTC is its second 02:00."""
    rules = msgspec.structs.replace(RULES, zone="Europe/Berlin", calendar="none")
    begins = datetime(2026, 10, 25, 1, tzinfo=UTC)
    last = datetime(2026, 10, 25, 22, 45, tzinfo=UTC)
    intervals = tuple(CalledInterval(start, start + QUARTER, 1000) for start in (begins, last))
    found = slots_of(rules, RESPONSE_CALL, call(intervals=intervals))
    day = date(2026, 10, 25)
    assert list(found) == [Slot(day, 12), Slot(day, 99)]


def test_nothing_is_asked_before_it_is_decided() -> None:
    assert asked(heard(call())) == {}
    assert asked(accepted(heard(call()))) == {64: 1000, 65: 1000, 66: 1000, 67: 1000}


def test_what_had_begun_when_it_changed_stays_as_it_was() -> None:
    first = accepted(heard(call()))
    changed = call(power_w=500, version=at(65), received=at(65, 1))
    (event,) = HearCall("c", changed).decide(first, {})
    assert event.change == "changed"
    state = event.apply(first)
    assert declined(state, notice_s=3600) == "", "a change of what is followed needs no notice"
    assert asked(accepted(state)) == {64: 1000, 65: 1000, 66: 500, 67: 500}
    no = ResponseCallDecided(at(65), "declined", "call_beyond_bid", "too much", {}).apply(state)
    assert asked(no) == {64: 1000, 65: 1000}, "the operator asks for the earlier one no more"
    back = ResponseCallWithdrawn("dr", "e1", at(65), at(67, 1), after_gate=True).apply(accepted(state))
    assert asked(back) == {64: 1000, 65: 1000, 66: 500, 67: 500}
    early = ResponseCallWithdrawn("dr", "e1", at(65), at(67), after_gate=True).apply(accepted(state))
    assert asked(early) == {64: 1000, 65: 1000, 66: 500}


@settings(derandomize=True, max_examples=60)
@given(
    st.lists(
        st.tuples(
            st.integers(60, 70), st.integers(1, 8), st.sampled_from(["accepted", "declined", "withdrawn"])
        ),
        min_size=1,
        max_size=6,
    )
)
def test_an_interval_is_asked_what_the_version_of_its_beginning_asks(history: list[Any]) -> None:
    """A second, plain reading: for each interval the last step that was heard by its beginning decides."""
    state: CallState | None = None
    told: list[tuple[datetime, dict[int, int]]] = []
    for number, (first, power, what) in enumerate(history):
        when = at(58 + 2 * number, 1)
        if what == "withdrawn" and state is not None and state.steps[-1].call is not None:
            before = state.steps[-1].call.version
            state = ResponseCallWithdrawn("dr", "e1", before, when, after_gate=False).apply(state)
            told.append((when, {}))
            continue
        one = call(first=first, power_w=power, version=when, received=when)
        state = ResponseCallHeard(one, "changed").apply(state)
        yes = what == "accepted"
        state = ResponseCallDecided(
            when, "accepted" if yes else "declined", "" if yes else "x", "", {DAY: "b1"} if yes else {}
        ).apply(state)
        told.append((when, dict.fromkeys(range(first, first + 4), power) if yes else {}))
    assert state is not None
    wanted: dict[int, int] = {}
    for quarter in range(96):
        by_then = [slots for when, slots in told if when <= at(quarter)]
        if by_then and quarter in by_then[-1]:
            wanted[quarter] = by_then[-1][quarter]
    assert dict(sorted(asked(state).items())) == wanted


def code_of(command: Any, state: CallState | None) -> str:
    with pytest.raises(Refused) as refused:
        if isinstance(command, WithdrawCall):
            command.decide_at(at(41), state, {})
        else:
            command.decide(state, {})
    return refused.value.code


def test_each_step_is_recorded_once_and_in_order() -> None:
    state = heard(call())
    assert code_of(HearCall("c", call(received=at(41))), state) == "call_known"
    assert code_of(HearCall("c", call(digest="other")), state) == "call_version"
    assert code_of(HearCall("c", call(version=at(39), digest="old")), state) == "call_version"
    assert code_of(AnswerCall("c", at(40), "r"), state) == "call_decided"
    assert code_of(DecideCall("c", at(39), "declined", "x", "y"), state) == "call_version"
    assert code_of(DecideCall("c", at(40), "declined"), state) == "call_decision"
    assert code_of(DecideCall("c", at(40), "accepted"), state) == "call_decision"
    assert code_of(WithdrawCall("c", "dr", "e1", at(39), after_gate=False), state) == "call_version"
    done = accepted(state)
    assert code_of(DecideCall("c", at(40), "declined", "x", "y"), done) == "call_decided"
    (told,) = AnswerCall("c", at(40), "r1").decide(done, {})
    assert code_of(AnswerCall("c", at(40), "r2"), told.apply(done)) == "call_decided"
    (gone,) = WithdrawCall("c", "dr", "e1", at(40), after_gate=False).decide_at(at(41), done, {})
    assert code_of(WithdrawCall("c", "dr", "e1", at(40), after_gate=False), gone.apply(done)) == "call_known"
    for command in (AnswerCall("c", at(40), "r"), WithdrawCall("c", "dr", "e1", at(40), after_gate=False)):
        assert code_of(command, None) == "unknown_call"


def test_what_cannot_be_read_is_said_once_until_something_else_was_heard() -> None:
    wrong = Unreadable("duration", "P1M is of the calendar", "duration")
    (event,) = RefuseCall("c", "dr", "e1", wrong).decide(None, {})
    state = event.apply(None)
    assert (
        code_of(RefuseCall("c", "dr", "e1", msgspec.structs.replace(wrong, reason="later")), state)
        == "call_known"
    )
    (again,) = HearCall("c", call()).decide(state, {})
    mended = again.apply(state)
    assert again.change == "new"
    assert mended.unreadable is None
    assert RefuseCall("c", "dr", "e1", wrong).decide(mended, {})


def test_a_name_that_is_none_becomes_a_digest() -> None:
    assert call_id("dr", "vpp", "events[0]").startswith("call-")
    assert call_id("dr", "vpp", "a") != call_id("dr", "vpp", "b")


def test_an_interval_lasts_and_a_call_has_intervals_or_a_fault() -> None:
    with pytest.raises(Refused, match="lasts no time"):
        CalledInterval(at(1), at(1), 5)
    for changes in ({"intervals": ()}, {"wrong": "call_payload"}):
        with pytest.raises(Refused) as refused:
            call(**changes)
        assert refused.value.code == "call_intervals"
