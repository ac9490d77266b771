"""What moved further than it can have is doubted until it has stayed, and both are marked."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dispatch.devices.profile import Profile
from dispatch.devices.quality import Reading
from dispatch.devices.role import Role
from dispatch.telemetry.belief import HELD_MS, Belief
from dispatch.telemetry.gaps import marks
from dispatch.telemetry.sample import Sample
from tests.dispatch.devices.profile_samples import example

T0 = 1_790_000_000_000


@pytest.fixture(scope="module")
def profile() -> Profile:
    """50 kW and 100 kWh: 27.8 thousandths of a percent in a second at twice its rating."""
    return example("bess_single")


def sample(at_s: float, number: int, **values: int) -> Sample:
    at_ms = T0 + int(1000 * at_s)
    readings: dict[Role, Reading] = {
        role: Reading(value, raw=value, at_ms=at_ms)  # type: ignore[misc]
        for role, value in values.items()
    }
    return Sample(device="B1", run="r1", number=number, at_ms=at_ms, readings=readings)


def read(profile: Profile, socs: list[int], every_s: float = 1.0) -> list[Sample]:
    belief = Belief(profile)
    return [belief.judged(sample(number * every_s, number + 1, soc=soc)) for number, soc in enumerate(socs)]


def believed(samples: list[Sample]) -> list[int | None]:
    return [one.value("soc") for one in samples]


def test_a_torn_value_that_stays_is_believed_after_a_minute_and_no_sample_sooner(profile: Profile) -> None:
    found = read(profile, [50_000] * 3 + [12_000] * 80)
    assert believed(found) == [50_000] * 3 + [None] * 60 + [12_000] * 20
    assert found[3].readings["soc"] == Reading(12_000, "suspect", "jump", 12_000, T0 + 3000)
    first, last = marks(found)
    assert (first.kind, first.start_ms, first.end_ms) == ("jump", T0 + 3000, T0 + 3000)
    assert first.why == "soc is 12000 after 50000: it cannot have moved so far, and is not believed"
    assert (last.kind, last.start_ms, last.end_ms) == ("jump", T0 + 3000, T0 + 3000 + HELD_MS)
    assert last.why == "soc is believed again after 60000 ms: 12000"


def test_a_torn_value_that_goes_leaves_what_it_was(profile: Profile) -> None:
    found = read(profile, [50_000, 12_000, 50_000, 50_010])
    assert believed(found) == [50_000, None, 50_000, 50_010]
    assert [one.why for one in marks(found)][1] == "soc is believed again after 1000 ms: 50000"


def test_what_jumps_on_never_is_believed(profile: Profile) -> None:
    assert set(believed(read(profile, [50_000] + [12_000, 30_000] * 100))[1:]) == {None}


def test_a_value_that_is_seldom_read_stays_five_readings(profile: Profile) -> None:
    found = believed(read(profile, [50_000] + [12_000] * 6, every_s=30))
    assert found == [50_000, None, None, None, None, 12_000, 12_000]


def test_a_storage_may_correct_its_count_and_may_have_moved_while_nobody_looked(profile: Profile) -> None:
    assert believed(read(profile, [94_900, 99_800])) == [94_900, 99_800]
    belief = Belief(profile)
    assert belief.judged(sample(0, 1, soc=50_000)).value("soc") == 50_000
    assert belief.judged(sample(3600, 2, soc=12_000)).value("soc") == 12_000


@settings(derandomize=True, max_examples=100)
@given(st.integers(0, 100_000), st.lists(st.integers(-27, 27), max_size=200))
def test_what_a_storage_can_do_is_never_doubted(start: int, steps: list[int]) -> None:
    """Each second at most twice what its rating moves: 2 x 50 kW / 100 kWh."""
    socs = [start]
    for step in steps:
        socs.append(min(max(socs[-1] + step, 0), 100_000))
    single = example("bess_single")
    assert believed(read(single, socs)) == socs


def test_other_values_move_as_their_profile_says(profile: Profile) -> None:
    points = tuple(
        msgspec.structs.replace(point, change_max_per_s=10_000) if point.name == "power" else point
        for point in profile.points
    )
    belief = Belief(msgspec.structs.replace(profile, points=points))
    powers = [0, 10_000, 45_000, 45_000, 45_000, 45_000]
    found = [belief.judged(sample(number, number + 1, active_power=w)) for number, w in enumerate(powers)]
    assert [one.value("active_power") for one in found] == [0, 10_000, None, None, None, 45_000]


def test_the_first_value_and_what_has_none_are_not_judged(profile: Profile) -> None:
    belief = Belief(profile)
    torn = msgspec.structs.replace(sample(0, 1), readings={"soc": Reading(None, "bad", "torn")})
    assert belief.judged(torn) is torn
    assert belief.judged(sample(1, 2, soc=12_000)).value("soc") == 12_000
