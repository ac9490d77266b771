"""A month with a gap: refused, substituted by two persons, settled, and corrected when the actual comes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import pytest

from adapters import approving, replay
from adapters.approving import Submitted
from adapters.method_choice import Choice, choose
from adapters.queries.meter_month import Key
from adapters.queries.validation import Validated, validated
from adapters.substituting import Wanted, prepare, submit
from ledger.book import Book, FoundBook
from ledger.interval import Interval, Month
from ledger.meter import Meter, RegisterMeter
from ledger.meter_import import RecordReadings
from ledger.metering.estimated_share import EstimatedShare
from ledger.metering.method import (
    EfficiencyFactor,
    HoldFlat,
    LinearInterpolation,
    MultiplierError,
    PvHours,
    ReferenceMeter,
    SimilarDays,
    ZeroError,
)
from ledger.metering.register_read import RecordRegisterReads, RegisterRead
from ledger.metering.substitution import SubstituteReadings
from ledger.readings import run_of
from ledger.refusal import Refused
from tests.adapters import sample
from tests.adapters.conftest import Bench
from tests.adapters.http.conftest import Api, problem
from tests.adapters.test_settling import AUGUST, START, founded, settle

STEP = timedelta(minutes=15)
COUNT = 2976
LOAD = np.full(COUNT, 100_000) + np.arange(COUNT) % 13
CHARGE = np.full(COUNT, 5000) + np.arange(COUNT) % 11
DISCHARGE = np.full(COUNT, 4000) + np.arange(COUNT) % 5
GAP = slice(31, 34)
"""Three quarter-hours across midnight UTC of 1 August, which is 08:00 in Shanghai."""


def at(slot: int) -> datetime:
    return START + slot * STEP


def store(
    bench: Bench, register: str, values: npt.NDArray[np.int64], at_slot: int = 0, meter: str = "S1-STORAGE"
) -> None:
    """Record values from a slot on, cut at UTC months."""
    slots = np.arange(at_slot, at_slot + len(values))
    for month, part in (("2026-07", values[slots < 32]), ("2026-08", values[slots >= 32])):
        if len(part):
            start = at(at_slot if month == "2026-07" else max(32, at_slot))
            run = run_of(meter, register, start, 900, part, "A")
            name = f"{meter}-{register}-{start}-{bench.recorder.max_notification_id()}"
            bench.door.execute(RecordReadings(meter, month, "test", (run,)), command_id=name, actor="gateway")


def with_gap(bench: Bench, gap: slice = GAP) -> Bench:
    """August whole but for the gap in `charge`, and its register's reads around it."""
    founded(bench)
    store(bench, "load", LOAD, meter="S1-LOAD")
    store(bench, "discharge", DISCHARGE)
    store(bench, "charge", CHARGE[: gap.start])
    store(bench, "charge", CHARGE[gap.stop :], gap.stop)
    for month, slot, total in (("2026-07", 0, 70_000), ("2026-08", 96, 70_000 + int(CHARGE[:96].sum()))):
        read = RegisterRead("charge", at(slot), total, 1)
        command = RecordRegisterReads("S1-STORAGE", month, (read,))
        bench.door.execute(command, command_id=f"read-{month}", actor="gateway")
    return bench


def wanted(gap: slice = GAP, **changes: Any) -> Wanted:
    one = Wanted(
        "S1-STORAGE", "charge", at(gap.start), at(gap.stop), LinearInterpolation(), "missing", "gateway down"
    )
    return msgspec.structs.replace(one, **changes)


def prepared(bench: Bench, what: Wanted) -> list[SubstituteReadings]:
    position = bench.project()
    with bench.database.reading(bench.book) as connection:
        return prepare(connection, bench.book, what, position, prepared_by="ada", now=bench.now)


def substituted(bench: Bench, what: Wanted, command_id: str = "s1") -> list[Submitted]:
    return submit(bench.door, prepared(bench, what), command_id=command_id, actor="ada")


def values_of(commands: list[SubstituteReadings]) -> list[int]:
    return [wh for command in commands for run in command.runs for wh in run.values.tolist()]


def checked(bench: Bench) -> Validated:
    position = bench.project()
    with bench.database.reading(bench.book) as connection:
        return validated(connection, bench.book, "S1", AUGUST, position)


def refused(work: Callable[[], object]) -> str:
    with pytest.raises(Refused) as caught:
        work()
    return caught.value.code


@pytest.fixture
def two_persons(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Bench:
    book = FoundBook(Book("Two persons", "operator", "CNY", "Asia/Shanghai", "two_persons"))
    monkeypatch.setattr(sample, "found_book", lambda: book)
    return bench


def test_a_gap_is_substituted_by_two_persons_and_the_late_actual_is_a_correction(two_persons: Bench) -> None:
    bench = with_gap(two_persons)
    missing = [f for f in checked(bench).findings if f.check == "missing"]
    assert [(f.meter, f.register, f.start, f.end) for f in missing] == [
        ("S1-STORAGE", "charge", at(GAP.start), at(GAP.stop))
    ]
    assert refused(lambda: settle(bench)) == "missing_readings"

    commands = prepared(bench, wanted())
    total = int(CHARGE[GAP].sum())
    assert [command.month for command in commands] == ["2026-07", "2026-08"]
    assert values_of(commands) == [5006, 5007, 5006], "15 019 Wh in a straight line"
    assert (total, commands[0].basis.total_wh, commands[0].levelling_wh) == (15_019, 15_019, 0)
    waiting = submit(bench.door, commands, command_id="s1", actor="ada")
    assert [one.proposal is not None for one in waiting] == [True, True]
    bench.project()
    assert refused(lambda: settle(bench)) == "missing_readings"
    for number, one in enumerate(waiting):
        name = one.proposal or ""
        with pytest.raises(Refused, match="another must"):
            approving.approve(bench.door, name, command_id="no", actor="ada")
        approving.approve(bench.door, name, command_id=f"yes{number}", actor="bob")

    (first,) = settle(bench)
    found = checked(bench)
    assert not found.findings
    share = {(one.meter, one.register): one.share for one in found.registers}
    energy = int(CHARGE.sum())
    assert share["S1-STORAGE", "charge"] == EstimatedShare(COUNT, 3, energy, total)
    whole = energy + int(LOAD.sum()) + int(DISCHARGE.sum())
    assert found.share == EstimatedShare(3 * COUNT, 3, whole, total)

    share_shown = {line.estimated for line in first.result.lines}
    assert share_shown == {found.share.text}, "clause lines rest on the site's energy as stream lines do"
    assert found.share.text.endswith(" %")
    store(bench, "charge", CHARGE[GAP], GAP.start)
    (second,) = settle(bench)
    assert {line.estimated for line in second.result.lines} == {""}
    assert (first.run, second.run, second.recorded) == (1, 2, True)
    after = checked(bench)
    assert (after.share.estimated_intervals, after.findings) == (0, ())
    kinds = bench.query("SELECT run_kind FROM ledger.settlement ORDER BY run")
    assert kinds == [("initial",), ("correction 1",)]
    assert refused(lambda: substituted(bench, wanted(), "s2")) == "actual_held"
    assert refused(lambda: substituted(bench, wanted(replaces="estimate"), "s3")) == "actual_held"
    assert replay.replay(bench.log, bench.database).equal


def test_an_actual_that_arrives_before_the_approval_is_kept(two_persons: Bench) -> None:
    bench = with_gap(two_persons)
    july, august = substituted(bench, wanted())
    store(bench, "charge", CHARGE[GAP.start : 32], GAP.start)
    last = bench.recorder.max_notification_id()
    late = july.proposal or ""
    assert refused(lambda: approving.approve(bench.door, late, command_id="y1", actor="bob")) == "actual_held"
    assert bench.recorder.max_notification_id() == last, "neither the approval nor the substitute"
    approving.approve(bench.door, august.proposal or "", command_id="y2", actor="bob")
    assert checked(bench).share.estimated_intervals == 2


def test_the_same_request_again_is_the_same_and_another_needs_to_say_so(bench: Bench) -> None:
    with_gap(bench)
    first = substituted(bench, wanted())
    again = substituted(bench, wanted())
    assert [one.proposal for one in first] == [None, None]
    assert [one.receipt.repeated for one in again] == [True, True], "the reads tell the gap's energy still"
    assert refused(lambda: substituted(bench, wanted(), "s2")) == "estimate_held"
    assert substituted(bench, wanted(replaces="estimate"), "s3")


def test_methods_for_a_long_gap(bench: Bench) -> None:
    """Eight quarter-hours on 12 August: a reference meter, the factor of a week, four similar days."""
    gap = slice(1100, 1108)
    with_gap(bench, gap)
    total = int(CHARGE[gap].sum())
    read = RegisterRead("charge", at(1200), 70_000 + int(CHARGE[:1200].sum()), 1)
    bench.door.execute(
        RecordRegisterReads("S1-STORAGE", "2026-08", (read,)), command_id="read-more", actor="gateway"
    )
    assert refused(lambda: prepared(bench, wanted(gap))) == "too_many_points"

    (by_reference,) = prepared(bench, wanted(gap, method=ReferenceMeter("S1-STORAGE", "discharge")))
    exact = np.cumsum(DISCHARGE[gap]) * total / int(DISCHARGE[gap].sum())
    assert np.cumsum(values_of([by_reference])).tolist() == np.floor(exact + 0.5).astype(int).tolist()
    assert (by_reference.levelling_wh, by_reference.runs[0].quality) == (0, "S")

    (by_factor,) = prepared(bench, wanted(gap, method=EfficiencyFactor("S1-LOAD", "load")))
    week = slice(gap.start - 672, gap.start)
    own, of = int(CHARGE[week].sum()), int(LOAD[week].sum())
    assert (by_factor.basis.own_wh, by_factor.basis.reference_wh) == (own, of)
    assert sum(values_of([by_factor])) == round(int(LOAD[gap].sum()) * own / of)
    assert by_factor.levelling_wh == total - sum(values_of([by_factor])), "the rest is levelled monthly"

    days = tuple(date(2026, 8, day) for day in (5, 6, 7, 10))
    (similar,) = prepared(bench, wanted(gap, method=SimilarDays(days)))
    same = [CHARGE[gap.start - 96 * (12 - day.day) :][:8] for day in days]
    register = np.floor(np.cumsum(np.sum(same, axis=0)) / 4 + 0.5).astype(int)
    assert np.cumsum(values_of([similar])).tolist() == register.tolist()
    assert refused(
        lambda: prepared(bench, wanted(gap, method=SimilarDays((*days[:3], date(2026, 8, 12)))))
    ) == "missing_basis"  # fmt: skip
    assert refused(
        lambda: prepared(bench, wanted(slice(200, 201), method=EfficiencyFactor("S1-LOAD", "load")))
    ) == "missing_basis", "less than a week before is recorded"  # fmt: skip
    assert refused(
        lambda: prepared(bench, wanted(gap, method=ReferenceMeter("S1-STORAGE", "charge")))
    ) == "reference"  # fmt: skip


def chosen(bench: Bench, gap: slice, **more: Any) -> Choice:
    position = bench.project()
    key: Key = ("S1-STORAGE", "charge")
    with bench.database.reading(bench.book) as connection:
        return choose(connection, bench.book, key, Interval(at(gap.start), at(gap.stop)), position, **more)


def test_the_method_is_chosen_in_the_order_of_the_rules(bench: Bench) -> None:
    """Two missing points: a line. A long gap: a reference meter; without one, four similar days."""
    with_gap(bench)
    short = chosen(bench, GAP)
    assert (short.method, short.wh) == (LinearInterpolation(), 15_019)
    assert [one.method for one in short.passed_over] == ["hold_flat"]
    long = chosen(bench, slice(1100, 1108), reference=("S1-STORAGE", "discharge"))
    assert isinstance(long.method, EfficiencyFactor), "no reads around it, so not the reference meter"
    alone = chosen(bench, slice(1100, 1108))
    assert alone.method == SimilarDays(tuple(date(2026, 8, day) for day in (11, 10, 7, 6)))
    assert [one.method for one in alone.passed_over] == [
        "hold_flat", "linear_interpolation", "reference_meter", "efficiency_factor"
    ]  # fmt: skip
    same = [CHARGE[1100 - 96 * back :][:8] for back in (1, 2, 5, 6)]
    assert alone.wh == int(np.floor(np.sum(same) / 4 + 0.5))
    with pytest.raises(Refused) as none:
        chosen(bench, slice(200, 208))
    assert (none.value.code, "similar_days: only" in str(none.value)) == ("no_method", True)


def test_without_an_end_point_no_line_is_drawn(bench: Bench) -> None:
    """Another gap between the reads: nothing says how much of their difference is this one's."""
    with_gap(bench, slice(31, 40))
    store(bench, "charge", CHARGE[34:37], 34)
    assert refused(lambda: prepared(bench, wanted())) == "no_end_point"


def test_a_pv_register_needs_its_hours(bench: Bench) -> None:
    founded(bench)
    meter = Meter("S1-PV", "S1", "pv", ("pv",), 900, 100_000, "Asia/Shanghai")
    bench.door.execute(RegisterMeter(sample.FROM_2026, meter), command_id="pv", actor="ada")
    night = slice(0, 8)
    assert refused(lambda: prepared(bench, wanted(night, meter="S1-PV", register="pv"))) == "pv_hours"
    flat = wanted(night, meter="S1-PV", register="pv", method=HoldFlat(PvHours(time(6), time(19))))
    (command,) = prepared(bench, flat)
    assert (values_of([command]), command.levelling_wh) == ([0] * 8, None)


def test_a_meter_error_is_corrected_once(bench: Bench) -> None:
    founded(bench)
    store(bench, "charge", CHARGE)
    span = slice(100, 110)
    error = MultiplierError(at(50), at(200), 20, 30)
    fix = wanted(span, method=error, replaces="actual", reason="CT 150/5 was taken for 100/5")
    assert refused(lambda: prepared(bench, msgspec.structs.replace(fix, end=at(3000)))) == "not_actual"
    half = msgspec.structs.replace(fix, method=ZeroError(at(50), at(200), "2.5"))
    assert refused(lambda: substituted(bench, half)) == "meter_error_period", (
        "100 to 110 is in the first half"
    )
    substituted(bench, fix, "fix")
    bench.project()
    rows = bench.query(
        "SELECT wh, quality FROM ledger.reading WHERE is_current AND start >= %s AND start < %s",
        [at(span.start), at(span.stop)],
    )
    assert sum(int(str(wh)) for wh, _ in rows) == (int(CHARGE[span].sum()) * 3 + 1) // 2
    assert {quality for _, quality in rows} == {"C"}
    assert refused(lambda: substituted(bench, fix, "again")) == "not_actual"


def test_what_cannot_be_prepared(bench: Bench) -> None:
    with_gap(bench)
    cases = {
        "unknown_meter": wanted(meter="M9"),
        "unknown_register": wanted(register="pv"),
        "interval": wanted(end=at(34) + timedelta(minutes=5)),
        "substitute_length": wanted(end=at(34) + timedelta(days=401)),
        "future_reading": wanted(
            start=datetime(2026, 9, 20, tzinfo=UTC), end=datetime(2026, 9, 20, 1, tzinfo=UTC),
            method=HoldFlat(PvHours(time(10), time(11))),
        ),
    }  # fmt: skip
    for code, what in cases.items():
        assert refused(lambda what=what: prepared(bench, what)) == code  # type: ignore[misc]
    off = wanted(start=at(31) + timedelta(minutes=5), end=at(32) + timedelta(minutes=5))
    flat = msgspec.structs.replace(off, method=HoldFlat(PvHours(time(10), time(11))))
    assert refused(lambda: substituted(bench, flat)) == "misaligned_start"


def test_what_is_received_is_validated(bench: Bench) -> None:
    with_gap(bench)
    store(bench, "discharge", DISCHARGE[200:210], 200)
    found = checked(bench)
    assert [(f.check, f.register, f.start, f.intervals) for f in found.findings] == [
        ("missing", "charge", at(31), 3),
        ("duplicate", "discharge", at(200), 10),
    ]
    position = bench.project()
    with bench.database.reading(bench.book) as connection:
        assert refused(lambda: validated(connection, bench.book, "S9", AUGUST, position)) == "unknown_site"
        early = Month(2020, 1)
        assert refused(lambda: validated(connection, bench.book, "S1", early, position)) == "meter_layout"
        before = validated(connection, bench.book, "S1", AUGUST, position - 1)
    assert [f.check for f in before.findings] == ["missing"], "as it was known then"


def test_reads_that_disagree_with_the_intervals_are_found(bench: Bench) -> None:
    founded(bench)
    store(bench, "charge", CHARGE)
    reads = (RegisterRead("charge", at(40), 900_000, 1), RegisterRead("charge", at(60), 800_000, 1))
    command = RecordRegisterReads("S1-STORAGE", "2026-08", reads)
    bench.door.execute(command, command_id="reads", actor="gateway")
    found = [f for f in checked(bench).findings if f.register == "charge"]
    assert [(f.check, f.start, f.end) for f in found] == [
        ("register_monotone", at(40), at(60)),
        ("interval_sum", at(40), at(60)),
    ]


@pytest.fixture
def api(two_persons: Bench) -> Iterator[Api]:
    made = Api(with_gap(two_persons))
    made.secrets["operator"] = made.grant("operator", actor="ada")
    made.secrets["finance"] = made.grant("finance", actor="bob")
    yield made
    made.close()


def test_over_http(api: Api) -> None:
    api.wait()
    body = {
        "meter": "S1-STORAGE",
        "register": "charge",
        "start": "2026-08-01T07:45:00+08:00",
        "end": "2026-08-01T08:30:00+08:00",
        "method": {"method": "linear_interpolation"},
        "replaces": "missing",
        "reason": "gateway down",
    }
    made = api.post("/v1/substitutions", body, "operator", key="k1")
    assert made.status_code == 201, made.text
    assert [(part["month"], part["wh"]) for part in made.json()["parts"]] == [
        ("2026-07", 5006),
        ("2026-08", 10_013),
    ]
    again = api.post("/v1/substitutions", body, "operator", key="k1")
    assert (again.json(), again.headers["idempotency-replayed"]) == (made.json(), "true")
    asked = "/v1/substitution-methods/S1-STORAGE/charge?start=2026-08-01T07:45:00%2B08:00"
    choice = api.get(f"{asked}&end=2026-08-01T08:30:00%2B08:00", "operator").json()["choice"]
    assert (choice["method"], choice["wh"]) == ({"method": "linear_interpolation", "pv_hours": None}, 15_019)
    problem(api.get(f"{asked}&end=2026-08-01T23:30:00%2B08:00", "operator"), 422, "no_method", "method")
    names = [part["proposal"] for part in made.json()["parts"]]
    shown = api.get(f"/v1/proposals/{names[0]}", "finance").json()
    assert shown["proposal"]["what"] == "meter.substitute"
    for name in names:
        approved = api.post(f"/v1/proposals/{name}/approve", role="finance")
        assert approved.status_code == 201, approved.text
    api.wait()
    answer = api.get("/v1/sites/S1/validations/2026-08", "operator").json()
    assert answer["validation"]["findings"] == []
    assert answer["validation"]["share"]["estimated_intervals"] == 3
    problem(api.get("/v1/sites/S9/validations/2026-08", "operator"), 404, "unknown_site")
    problem(api.post("/v1/substitutions", body, "operator"), 422, "estimate_held", "replaces")

    reads = {
        "meter": "S1-STORAGE",
        "reads": [
            {"register": "charge", "at": "2026-08-01T00:00:00+08:00", "total_wh": 70_000},
            {"register": "charge", "at": "2026-08-02T00:00:00+08:00", "total_wh": 1, "step_wh": 10},
        ],
    }
    stored = api.post("/v1/register-reads", reads, "gateway")
    assert stored.status_code == 201, stored.text
    assert [one["aggregate"] for one in stored.json()["stored"]] == [
        "registers.S1-STORAGE_2026-07",
        "registers.S1-STORAGE_2026-08",
    ]
    api.wait()
    answer = api.get("/v1/sites/S1/validations/2026-08", "operator").json()
    assert [f["check"] for f in answer["validation"]["findings"]] == ["register_monotone", "interval_sum"]
    bad = {**reads, "reads": [{**reads["reads"][0], "register": "pv"}]}  # type: ignore[dict-item]
    problem(api.post("/v1/register-reads", bad, "gateway"), 422, "unknown_register", "reads[0]")
