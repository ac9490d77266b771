"""What a substitution may replace, whatever arrives when."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.events import Event
from ledger.approval import Approvable, Propose
from ledger.effective import History, Period
from ledger.interval import Interval
from ledger.meter import Meter
from ledger.metering.coverage import Coverage
from ledger.metering.method import Basis, LinearInterpolation, Method, MultiplierError, quality_of
from ledger.metering.substitution import ReadingsSubstituted, SubstituteReadings
from ledger.readings import Run, run_of
from ledger.refusal import Refused

START = datetime(2026, 8, 1, tzinfo=UTC)
NOW = datetime(2026, 9, 1, tzinfo=UTC)
STEP = timedelta(minutes=15)
METER = Meter("M1", "S1", "storage", ("charge", "discharge"), 900, 250_000, "Asia/Shanghai")
KNOWN: dict[str, object] = {"meter.M1": History[Meter]().with_version(Period(START), METER)}
ERROR = MultiplierError(START, START + timedelta(days=31), 20, 30)


def recorded(slot: int, values: Sequence[int], letters: str = "A") -> Run:
    return run_of("M1", "charge", START + slot * STEP, 900, values, letters)


def substitute(slot: int = 4, values: Sequence[int] = (30, 30), **changes: Any) -> SubstituteReadings:
    method: Method = changes.pop("method", LinearInterpolation())
    run = run_of("M1", "charge", START + slot * STEP, 900, values, quality_of(method))
    command = SubstituteReadings(
        "M1", "charge", Interval(run.start, run.end), method, Basis(total_wh=60), "missing", (run,), 0,
        "the gateway was down", "ada",
    )  # fmt: skip
    return msgspec.structs.replace(command, **changes)


def refused(command: SubstituteReadings, state: Coverage | None = None) -> str:
    with pytest.raises(Refused) as caught:
        command.decide(state, KNOWN)
    return caught.value.code


def test_missing_intervals_are_substituted_with_method_and_reason() -> None:
    command = substitute()
    (event,) = command.decide(Coverage().after([recorded(0, [1] * 4), recorded(6, [1])]), KNOWN)
    assert event == ReadingsSubstituted(
        "M1", "charge", command.interval, LinearInterpolation(), Basis(total_wh=60), "missing",
        command.runs, 0, "the gateway was down", "ada",
    )  # fmt: skip
    assert command.aggregate == "readings.M1_2026-08"
    assert event.apply(None).estimated_in("charge", command.interval) == (command.interval,)
    stored = msgspec.json.encode(event)
    assert msgspec.json.decode(stored, type=Event) == event
    assert b'"method":"linear_interpolation"' in stored


def test_an_estimate_never_replaces_an_actual_value() -> None:
    """One actual interval in it is enough, whatever the command says of what is there."""
    for letter in "AF":
        held = Coverage().after([recorded(5, [9], letter)])
        assert refused(substitute(), held) == "actual_held"
        assert refused(substitute(replaces="estimate"), held) == "actual_held"
    other = Coverage().after([run_of("M1", "discharge", START, 900, [9] * 20, "A")])
    assert substitute().decide(other, KNOWN), "another register's values do not matter"


def test_an_estimate_replaces_another_one_only_when_it_says_so() -> None:
    held = Coverage().after([recorded(5, [9], "E")])
    assert refused(substitute(), held) == "estimate_held"
    assert substitute(replaces="estimate").decide(held, KNOWN)


def test_a_meter_error_replaces_actual_values_and_only_those() -> None:
    command = substitute(method=ERROR, replaces="actual")
    whole = Coverage().after([recorded(0, [20] * 10)])
    (event,) = command.decide(whole, KNOWN)
    assert event.runs[0].quality == "C"
    assert refused(command) == "not_actual"
    assert refused(command, Coverage().after([recorded(4, [20])])) == "not_actual"
    assert refused(command, event.apply(whole)) == "not_actual", "nothing is corrected twice"
    assert refused(substitute(replaces="actual"), whole) == "replaces"
    assert refused(substitute(method=ERROR)) == "replaces"
    late = msgspec.structs.replace(ERROR, since=command.interval.start + STEP)
    assert refused(substitute(method=late, replaces="actual"), whole) == "meter_error_period"


def test_the_runs_are_the_gap_in_their_month() -> None:
    command = substitute()
    (run,) = command.runs
    cases = {
        "interval": Interval(command.interval.start, command.interval.end + STEP),
        "register": "discharge",
        "runs": (run, msgspec.structs.replace(run, start=run.end + STEP)),
        "method": ERROR,
    }
    for name, value in cases.items():
        changed = {name: value} | ({"replaces": "actual"} if name == "method" else {})
        assert refused(msgspec.structs.replace(command, **changed)) == "substitute_runs", name
    assert refused(msgspec.structs.replace(command, runs=())) == "substitute_runs"
    july = run_of("M1", "charge", START - STEP, 900, [1, 1], "E")
    across = msgspec.structs.replace(command, runs=(july,), interval=Interval(july.start, july.end))
    assert refused(across) == "substitute_runs"
    halves = [run_of("M1", "charge", start, 900, [1], "E") for start in (START - STEP, START)]
    parts = [msgspec.structs.replace(across, runs=(half,)) for half in halves]
    assert [part.aggregate for part in parts] == ["readings.M1_2026-07", "readings.M1_2026-08"]
    assert all(part.decide(None, KNOWN) for part in parts)


def test_what_is_refused_besides() -> None:
    assert refused(substitute(reason=" ")) == "reason"
    assert refused(substitute(prepared_by="a b")) == "id"
    assert refused(substitute(replaces="all")) == "replaces"
    assert refused(substitute(values=(70_000, 1))) == "above_device_limit"
    with pytest.raises(Refused, match="no meter 'M1'"):
        substitute().decide(None, {})


def test_it_can_wait_for_a_second_person() -> None:
    command = substitute()
    (made,) = Propose("p1", command, "ada").decide_at(NOW, None, {**KNOWN, command.aggregate: None})
    assert made.command == command
    assert msgspec.json.decode(msgspec.json.encode(command), type=Approvable) == command
    with pytest.raises(Refused) as caught:
        held = Coverage().after([recorded(5, [9])])
        Propose("p2", command, "ada").decide_at(NOW, None, {**KNOWN, command.aggregate: held})
    assert caught.value.code == "actual_held"


SLOTS = 16
TRUE = np.arange(SLOTS) + 100
GUESS = np.arange(SLOTS) + 500
facts = st.lists(
    st.tuples(st.sampled_from(["actual", "guess"]), st.integers(0, SLOTS - 1), st.integers(1, 8)), max_size=10
)


def final_month(arrivals: Sequence[tuple[str, int, int]]) -> list[int]:
    """The newest value of each interval; who estimates fills what is missing then."""
    month = np.full(SLOTS, -1)
    coverage = Coverage()
    for kind, first, count in arrivals:
        end = min(first + count, SLOTS)
        if kind == "actual":
            coverage = coverage.after([recorded(first, TRUE[first:end].tolist())])
            month[first:end] = TRUE[first:end]
            continue
        if (month[first:end] >= 0).any():
            code = refused(substitute(first, GUESS[first:end].tolist()), coverage)
            assert code in {"actual_held", "estimate_held"}, "never silently"
        for slot in range(first, end):
            if month[slot] < 0:
                (event,) = substitute(slot, [int(GUESS[slot])]).decide(coverage, KNOWN)
                coverage = event.apply(coverage)
                month[slot] = GUESS[slot]
    return month.tolist()


@settings(max_examples=120)
@given(facts.flatmap(lambda found: st.tuples(st.just(found), st.permutations(found))))
def test_the_order_of_arrival_does_not_matter(
    orders: tuple[list[tuple[str, int, int]], list[tuple[str, int, int]]],
) -> None:
    """An actual supersedes an estimate, an estimate never an actual: each interval ends as its best."""
    arrived, shuffled = orders
    month = final_month(arrived)
    assert month == final_month(shuffled)
    for slot in range(SLOTS):
        kinds = {kind for kind, first, count in arrived if first <= slot < first + count}
        expected = TRUE[slot] if "actual" in kinds else GUESS[slot] if kinds else -1
        assert month[slot] == expected
