"""An event as a call: what the User Guide says of times, exact values, and what is refused."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openadr3.entities.models import Event as TheirEvent

from adapters.gateway.openadr3 import wire
from adapters.gateway.openadr3.event_watch import KnownEvent, ProgrammeRules, Seen, compared
from adapters.gateway.openadr3.payload import Payload
from adapters.gateway.openadr3.response_call import CallTarget, ResponseCall, call_of, is_cancelled
from ledger.refusal import Refused

NOW = datetime(2026, 8, 1, 8, tzinfo=UTC)
START = "2026-08-01T10:00:00Z"
LENGTH = "intervals[0].intervalPeriod.duration"


def told(**changes: Any) -> dict[str, Any]:
    return {
        "id": "event-1",
        "createdDateTime": "2026-08-01T07:00:00Z",
        "modificationDateTime": "2026-08-01T07:00:00Z",
        "objectType": "EVENT",
        "programID": "program-1",
        "intervalPeriod": {"start": START, "duration": "PT1H"},
        "intervals": [level(0), level(1)],
    } | changes


def level(number: int, value: int = 1, **period: str) -> dict[str, Any]:
    found: dict[str, Any] = {"id": number, "payloads": [{"type": "SIMPLE", "values": [value]}]}
    return found | ({"intervalPeriod": period} if period else {})


def asking(kind: str, *values: Any) -> dict[str, Any]:
    return {"intervals": [{"id": 0, "payloads": [{"type": kind, "values": list(values)}]}]}


def event_of(data: dict[str, Any]) -> wire.Event:
    return wire.decoded(json.dumps(data).encode(), wire.Event)


def call(**changes: Any) -> ResponseCall:
    return call_of(event_of(told(**changes)), NOW)


def hours(found: ResponseCall) -> list[tuple[str, str]]:
    return [(f"{one.start:%H:%M}", "" if one.end is None else f"{one.end:%H:%M}") for one in found.intervals]


def test_intervals_follow_each_other_from_the_events_start() -> None:
    found = call()
    assert hours(found) == [("10:00", "11:00"), ("11:00", "12:00")]
    assert (found.programme, found.event, found.received) == ("program-1", "event-1", NOW)
    assert found.intervals[0].payloads == (Payload("SIMPLE", (Fraction(1),)),)


def test_an_interval_has_its_own_length_or_start() -> None:
    """User Guide 7.4: the second interval of two hours; a third with a gap before it."""
    intervals = [level(0), level(1, duration="PT2H"), level(2, start="2026-08-01T15:00:00Z")]
    assert hours(call(intervals=intervals)) == [("10:00", "11:00"), ("11:00", "13:00"), ("15:00", "16:00")]


@settings(derandomize=True, max_examples=60)
@given(st.lists(st.tuples(st.booleans(), st.integers(1, 240)), min_size=1, max_size=6))
def test_times_agree_with_the_openadr3_package(parts: list[tuple[bool, int]]) -> None:
    intervals = [
        level(number, **({"duration": f"PT{minutes}M"} if own else {}))
        for number, (own, minutes) in enumerate(parts)
    ]
    data = told(intervals=intervals)
    theirs = TheirEvent.from_raw(data).resolved_intervals()
    periods = [one.interval_period.period for one in theirs if one.interval_period is not None]
    ours = [(one.start, one.end) for one in call_of(event_of(data), NOW).intervals]
    assert ours == [(period[0], period[1]) for period in periods if period is not None]


def test_now_is_when_we_heard_and_no_end_is_no_end() -> None:
    found = call(intervals=[level(0)], intervalPeriod={"start": "0001-01-01", "duration": "P9999Y"})
    assert (found.start, found.end) == (NOW, None)


def test_the_beginning_of_time_in_a_later_interval_follows_the_one_before() -> None:
    intervals = [level(0), level(1, start="0001-01-01T00:00:00", duration="PT30M")]
    assert hours(call(intervals=intervals)) == [("10:00", "11:00"), ("11:00", "11:30")]


def test_the_events_own_duration_cuts_or_repeats() -> None:
    assert hours(call(duration="PT90M")) == [("10:00", "11:00"), ("11:00", "11:30")]
    assert len(call(duration="PT5H").intervals) == 5
    assert hours(call(duration="PT5H"))[-1] == ("14:00", "15:00")


@pytest.mark.parametrize(
    ("version", "targets", "found"),
    [
        ("3.1", ["north"], (CallTarget("", "north"),)),
        (
            "3.0",
            [{"type": "GROUP", "values": ["north", "south"]}],
            (CallTarget("GROUP", "north"), CallTarget("GROUP", "south")),
        ),
        ("none", None, ()),
    ],
)  # fmt: skip
def test_targets_of_both_versions(version: str, targets: Any, found: tuple[CallTarget, ...]) -> None:
    assert call(targets=targets).targets == found


def test_values_are_exact_with_their_units() -> None:
    descriptors = [
        {"payloadType": "IMPORT_CAPACITY_LIMIT", "units": "KW"},
        {"payloadType": "PRICE", "units": "KWH", "currency": "USD"},
    ]
    body = json.dumps(told(payloadDescriptors=descriptors, intervals=[level(0)])).replace(
        '{"type": "SIMPLE", "values": [1]}',
        '{"type": "IMPORT_CAPACITY_LIMIT", "values": [1.25e2]},{"type": "PRICE", "values": [0.1000001, 0.1]}',
    )
    limit, price = call_of(wire.decoded(body.encode(), wire.Event), NOW).intervals[0].payloads
    assert limit.power_w == 125_000
    assert price.values == (Fraction(1_000_001, 10_000_000), Fraction(1, 10))
    assert (price.price(0).mantissa, price.price(0).scale, price.price(1).mantissa) == (1_000_001, 7, 100_000)
    with pytest.raises(Refused) as caught:
        _ = price.power_w
    assert caught.value.code == "payload_units"


def test_a_trial_is_marked_as_the_programme_says() -> None:
    event = event_of(told(targets=["TEST"]))
    assert call_of(event, NOW, frozenset({"TEST"})).test
    assert not call_of(event, NOW).test


@pytest.mark.parametrize(
    ("changes", "code", "place"),
    [
        ({"intervals": []}, "event_intervals", "intervals"),
        ({"intervals": None}, "event_intervals", "intervals"),
        ({"intervals": [level(0), level(1, start=START)]}, "event_overlap", "intervals[1]"),
        ({"intervalPeriod": {"start": START[:-1], "duration": "PT1H"}}, "event_time", "intervalPeriod.start"),
        ({"intervalPeriod": {"duration": "PT1H"}}, "event_time", "intervals[0].intervalPeriod.start"),
        ({"intervalPeriod": {"start": START}}, "duration", LENGTH),
        ({"intervalPeriod": {"start": START, "duration": "P1M"}}, "duration", LENGTH),
        ({"intervals": [level(0, duration="PT0S")]}, "event_time", "intervalPeriod.duration"),
        ({"duration": "P9999Y"}, "event_repeats", "duration"),
        ({"duration": "P3000D"}, "event_repeats", "duration"),
        ({"intervals": [level(0, 4)]}, "payload_value", "intervals[0].payloads values[0]"),
        (asking("SIMPLE"), "payload_value", "intervals[0].payloads values"),
        (asking("SIMPLE", None), "payload_value", "intervals[0].payloads SIMPLE[0]"),
        (asking("SIMPLE", 1, 2), "payload_value", "intervals[0].payloads values"),
        (asking("SIMPLE", "1"), "payload_value", "intervals[0].payloads values[0]"),
        (asking("SIMPLE", 1.5), "payload_value", "intervals[0].payloads values[0]"),
        (asking("IMPORT_CAPACITY_LIMIT", -1), "payload_value", "intervals[0].payloads values[0]"),
        (asking("PRIVATE", {"x": 1}), "payload_value", "intervals[0].payloads PRIVATE[0]"),
        ({"modificationDateTime": "noon"}, "event_time", "modificationDateTime"),
    ],
)  # fmt: skip
def test_what_cannot_be_followed_is_refused_with_its_place(
    changes: dict[str, Any], code: str, place: str
) -> None:
    with pytest.raises(Refused) as caught:
        call(**changes)
    assert (caught.value.code, caught.value.place) == (code, place)


@settings(derandomize=True, max_examples=80)
@given(st.integers(0, len(json.dumps(told())) - 1))
def test_a_message_cut_anywhere_is_refused(at: int) -> None:
    with pytest.raises(Refused) as caught:
        wire.decoded(json.dumps(told()).encode()[:at], wire.Event)
    assert caught.value.code == "json"


def watch(
    known: dict[str, KnownEvent],
    *events: dict[str, Any],
    gone: frozenset[str] = frozenset(),
    at: datetime = NOW,
) -> Seen:
    return compared(known, [event_of(one) for one in events], gone, at, ProgrammeRules(gate_s=3600))


def test_an_event_is_new_then_unchanged_then_changed_then_withdrawn() -> None:
    first = watch({}, told())
    assert [(one.kind, one.after_gate) for one in first.changes] == [("new", False)]
    assert watch(dict(first.known), told()).changes == ()
    later = told(modificationDateTime="2026-08-01T07:30:00Z", intervals=[level(0)])
    changed = watch(dict(first.known), later)
    (change,) = changed.changes
    assert change.kind == "changed" and change.call is not None and len(change.call.intervals) == 1
    assert change.before == datetime(2026, 8, 1, 7, tzinfo=UTC)
    gone = watch(dict(changed.known), gone=frozenset({"event-1"}))
    assert [(one.kind, one.call) for one in gone.changes] == [("withdrawn", None)]
    assert gone.known == {}


@pytest.mark.parametrize(("minutes", "late"), [(59, False), (60, True)])
def test_a_change_after_the_gate_says_so(minutes: int, late: bool) -> None:
    """The gate is an hour before 10:00; moving the event to noon does not open it again."""
    known = dict(watch({}, told()).known)
    period = {"start": "2026-08-01T12:00:00Z", "duration": "PT1H"}
    moved = told(modificationDateTime="2026-08-01T09:00:00Z", intervalPeriod=period)
    (change,) = watch(known, moved, at=NOW + timedelta(minutes=minutes)).changes
    assert change.after_gate is late
    (gone,) = watch(known, gone=frozenset({"event-1"}), at=NOW + timedelta(minutes=minutes)).changes
    assert gone.after_gate is late


def test_an_event_that_is_over_is_forgotten_not_withdrawn() -> None:
    known = dict(watch({}, told()).known)
    seen = watch(known, gone=frozenset({"event-1"}), at=NOW + timedelta(hours=4))
    assert (seen.changes, seen.known) == ((), {})


def test_a_cancelled_window_withdraws() -> None:
    known = dict(watch({}, told()).known)
    period = {"start": "0001-01-01", "duration": "PT0S"}
    cancelled = told(modificationDateTime="2026-08-01T07:30:00Z", intervalPeriod=period)
    assert is_cancelled(event_of(cancelled)) and not is_cancelled(event_of(told()))
    seen = watch(known, cancelled)
    assert [one.kind for one in seen.changes] == ["withdrawn"]
    assert watch({}, cancelled).changes == ()


@pytest.mark.parametrize(
    "changes",
    [{"eventName": "other"}, {"modificationDateTime": "2026-08-01T06:00:00Z", "eventName": "older"}],
)
def test_other_content_without_a_newer_version_is_refused_and_the_old_stays(changes: dict[str, Any]) -> None:
    known = dict(watch({}, told()).known)
    seen = watch(known, told(**changes))
    assert [one.code for one in seen.refused] == ["event_version"]
    assert (seen.changes, dict(seen.known)) == ((), known)


def test_one_wrong_event_does_not_keep_others_back() -> None:
    seen = watch({}, told(id="bad", intervals=[]), told())
    assert [one.event for one in seen.refused] == ["bad"]
    assert [one.event for one in seen.changes] == ["event-1"]
