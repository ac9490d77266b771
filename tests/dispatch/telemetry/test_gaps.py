"""What samples do not show is named, and what they show is not."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from dispatch.devices.quality import Reading
from dispatch.devices.role import Role
from dispatch.telemetry.gaps import SKEW_MS, GapWatch, marks
from dispatch.telemetry.sample import Sample
from dispatch.telemetry.stuck import STUCK_MS

T0 = 1_790_000_000_000


def sample(number: int, at_s: float | None = None, *, run: str = "r1", **given: Any) -> Sample:
    at_ms = T0 + int(1000 * (number if at_s is None else at_s))
    return Sample(device="B1", run=run, number=number, at_ms=at_ms, **given)


def valued(number: int, **values: int) -> Sample:
    readings: dict[Role, Reading] = {role: Reading(value) for role, value in values.items()}  # type: ignore[misc]
    return sample(number, readings=readings)


def kinds(samples: Iterable[Sample]) -> list[str]:
    return [mark.kind for mark in marks(samples)]


def test_nothing_is_marked_where_nothing_is_missing() -> None:
    assert marks(sample(number) for number in range(1, 500)) == ()


@settings(derandomize=True, max_examples=50)
@given(st.sets(st.integers(2, 59)))
def test_whatever_did_not_come_is_counted_and_its_span_named(dropped: set[int]) -> None:
    found = marks(sample(number) for number in range(1, 61) if number not in dropped)
    assert sum(mark.count for mark in found) == len(dropped)
    for number in dropped:
        at = T0 + 1000 * number
        assert any(mark.kind == "unseen" and mark.start_ms < at < mark.end_ms for mark in found)


def test_a_run_that_ends_leaves_a_hole_although_no_number_is_missing() -> None:
    (mark,) = marks([sample(7, 7), sample(1, 30, run="r2"), sample(2, 31, run="r2")])
    assert (mark.kind, mark.count, mark.start_ms, mark.end_ms) == ("unseen", 0, T0 + 7000, T0 + 30_000)


def test_a_long_pause_within_a_run_is_a_hole() -> None:
    assert kinds([sample(1, 0), sample(2, 90), sample(3, 181)]) == ["unseen"]


def test_turns_without_an_answer_are_one_span_with_its_reason() -> None:
    lost = {"lost": "timeout"}
    samples = [sample(1), sample(2, **lost), sample(3, **lost), sample(4), sample(5)]
    (mark,) = marks(samples)
    assert (mark.kind, mark.why, mark.start_ms, mark.end_ms) == ("lost", "timeout", T0 + 1000, T0 + 4000)


def test_our_clock_set_back_is_told_and_no_hole_is_invented() -> None:
    (mark,) = marks([sample(1, 10), sample(2, 5), sample(3, 6)])
    assert (mark.kind, mark.start_ms, mark.end_ms) == ("backwards", T0 + 5000, T0 + 10_000)


def test_a_skewed_clock_is_told_once_until_it_was_right_again() -> None:
    def skewed(number: int, apart: int) -> Sample:
        return sample(number, device_ms=T0 + 1000 * number + apart)

    apart = [SKEW_MS, SKEW_MS + 1, 9000, 0, -SKEW_MS, -SKEW_MS - 1]
    found = marks(skewed(number, ms) for number, ms in enumerate(apart, 1))
    assert [(mark.kind, mark.start_ms) for mark in found] == [("skew", T0 + 2000), ("skew", T0 + 6000)]
    assert "ahead" in found[0].why
    assert "behind" in found[1].why


def test_a_number_again_or_a_run_that_was_over_is_a_foreign_order() -> None:
    assert kinds([sample(1), sample(1)]) == ["order"]
    assert kinds([sample(2), sample(1, 3)]) == ["order"]
    interleaved = [sample(1), sample(1, 2, run="r2"), sample(2, 3), sample(2, 4, run="r2")]
    assert kinds(interleaved) == ["unseen", "order"]


def test_a_power_that_stays_when_another_is_asked_for_is_stuck_once() -> None:
    told, stays = 20, STUCK_MS["active_power"] // 1000
    samples = [valued(n, active_power=5000, setpoint=5000 if n < told else 9000) for n in range(1, 200)]
    (mark,) = marks(samples)
    assert (mark.kind, mark.start_ms, mark.end_ms) == ("stuck", T0 + 1000, T0 + 1000 * (told + stays))
    assert mark.why == "active_power is 5000 for 79000 ms though its setpoint moved"


def test_a_power_that_has_no_reason_to_move_is_not_stuck() -> None:
    """As a storage has it that does what it was told, and shows kW."""
    constant = [valued(n, active_power=100_000, setpoint=100_000, grid_voltage=n) for n in range(1, 200)]
    assert marks(constant) == ()
    nearly = [valued(n, active_power=100_000, setpoint=100_000 + n % 2 * 900) for n in range(1, 200)]
    assert marks(nearly) == ()
    soon = [valued(n, active_power=5000, setpoint=5000 if n % 50 else 9000) for n in range(1, 200)]
    assert marks(soon) == (), "it had no time"
    assert marks(valued(n, active_power=0, setpoint=n * 1000) for n in range(1, 200)) == (), "rest"


def test_a_frequency_or_voltage_that_stays_is_not_stuck() -> None:
    still = {"grid_frequency": 50_000, "grid_voltage": 400_000}
    assert marks(valued(n, active_power=n, device_heartbeat=n, **still) for n in range(1, 999)) == ()


def test_what_counts_time_is_stuck_when_it_stands() -> None:
    for role in ("device_heartbeat", "device_clock"):
        (mark,) = marks(valued(n, **{role: 7}) for n in range(1, 60))
        assert (mark.end_ms - mark.start_ms, mark.why) == (
            10_000,
            f"{role} is 7 for 10000 ms though time goes on",
        )


def test_a_state_of_charge_that_stays_while_energy_flows_is_stuck() -> None:
    def charging(power_w: int, hours: int, capacity_wh: int | None = 500_000) -> list[str]:
        told = {} if capacity_wh is None else {"capacity_wh": capacity_wh}
        samples = (valued(n, active_power=-power_w, soc=40_000, **told) for n in range(1, hours * 3600))
        return [f"{mark.kind} {mark.why} {mark.end_ms - mark.start_ms}" for mark in marks(samples)]

    stuck = "stuck soc is 40000 for 1800000 ms though energy flows 1800000"
    assert charging(60_000, 2) == [stuck], "30 kWh of 500"
    assert charging(60_000, 2, None) == [], "nobody knows how much that is of it"
    assert charging(1_000, 2) == [], "it stands by"


def test_a_direction_that_nothing_flows_in_is_not_stuck() -> None:
    hours = 2 * STUCK_MS["meter_import_wh"] // 1000
    taken = (valued(n, meter_import_wh=n, meter_export_wh=77, meter_power=-n) for n in range(1, hours, 20))
    assert "stuck" not in kinds(taken)
    both = (valued(n, meter_import_wh=5, meter_export_wh=77, meter_power=-n) for n in range(1, hours, 20))
    (mark,) = (mark for mark in marks(both) if mark.kind == "stuck")
    assert "meter_import_wh is 5" in mark.why, "nothing flowed out"
    untold = (valued(n, meter_import_wh=5, meter_export_wh=77, grid_voltage=n) for n in range(1, hours, 20))
    assert "stuck" not in kinds(untold), "what flowed nobody knows"


def at_night(power_w: Callable[[int], int], *, hours: int = 10) -> Iterator[Sample]:
    """A meter at the connection whose registers stay while the voltage moves, each 10 s."""
    for n in range(hours * 360):
        values = {"meter_power": power_w(n), "meter_import_wh": 5, "meter_export_wh": 7, "grid_voltage": n}
        yield msgspec.structs.replace(valued(n + 1, **values), at_ms=T0 + 10_000 * n)


def test_a_connection_at_which_nothing_flows_at_night_is_not_stuck() -> None:
    assert marks(at_night(lambda _: 0)) == ()
    assert marks(at_night(lambda n: 20 if n % 2 else -20)) == (), "about 0: 100 Wh each way"


def test_a_connection_that_shows_power_and_counts_nothing_is_stuck() -> None:
    drawn = list(marks(at_night(lambda n: -4000 if n % 2 else 0)))
    assert [(mark.kind, mark.why.split()[0]) for mark in drawn] == [("stuck", "meter_import_wh")]
    assert drawn[0].end_ms - drawn[0].start_ms == STUCK_MS["meter_import_wh"]
    frozen = list(marks(at_night(lambda _: 5000)))
    assert [mark.why.split()[0] for mark in frozen] == ["meter_power", "meter_export_wh"]
    assert frozen[0].why == "meter_power is 5000 for 760000 ms though its registers count otherwise"


def test_a_meters_power_that_its_registers_bear_out_is_not_stuck() -> None:
    def metered(power_w: int, counted_w: int) -> Iterator[Sample]:
        for n in range(3600):
            yield valued(
                n + 1, meter_power=power_w, meter_export_wh=9 + n * counted_w // 3600, meter_import_wh=3
            )

    assert marks(metered(1_000_000, 1_000_000)) == ()
    assert marks(metered(1_000_000, 960_000)) == (), "as exact as it is"
    assert [mark.kind for mark in marks(metered(5_000, 50_000))] == ["stuck"]
    lost = [
        msgspec.structs.replace(one, readings={}, lost="timeout") if 300 < n < 1500 else one
        for n, one in enumerate(metered(500_000, 500_000))
    ]
    assert [mark.kind for mark in marks(lost)] == ["lost"], "what flowed meanwhile nobody saw"


def test_a_watch_tells_as_it_goes() -> None:
    watch = GapWatch("B1")
    assert watch.seen(sample(1)) == ()
    assert [mark.count for mark in watch.seen(sample(4))] == [2]
