"""A profile with the wrong order of words is told from what its numbers would be the other way round."""

from __future__ import annotations

import msgspec

from dispatch.commissioning.judging import judge_clock, judge_telemetry
from dispatch.commissioning.observed import Observed
from dispatch.commissioning.step_plan import step_plan
from dispatch.devices.point import Point
from dispatch.devices.reading import reading_of, swapped_words
from dispatch.telemetry.sample import Sample
from tests.dispatch.devices.profile_samples import example

PROFILE = example("bess_swapped")
NOW_S = 1_790_000_000


def turned(number: int) -> int:
    return number % 65_536 << 16 | number >> 16


def clock(seconds: int) -> Observed:
    return Observed(at_ms=1000 * NOW_S, power_w=0, device_ms=1000 * seconds)


def test_a_clock_with_its_words_turned_says_so() -> None:
    plan = step_plan(PROFILE)
    wrong = judge_clock([clock(turned(NOW_S)), clock(turned(NOW_S + 1))], plan)
    assert (wrong.verdict, wrong.note) == ("failed", "swapped words?: the other way round it is right")
    for seconds in (NOW_S - 3600, 0, -5):
        off = judge_clock([clock(seconds)], plan)
        assert (off.verdict, off.note) == ("failed", ""), "it is wrong both ways"
    assert judge_clock([clock(NOW_S)], plan).verdict == "passed"


def test_a_number_out_of_range_that_is_within_the_other_way_round_is_named() -> None:
    point = Point(name="p", address=0, count=2, type="int32", unit="W", minimum=-1_000_000, maximum=1_000_000)
    for watts in (50_000, -50_000, 500):
        bits = turned(watts % (1 << 32))
        raw = bits - (1 << 32) if bits >> 31 else bits
        assert swapped_words(point, reading_of(point, raw, 0)), watts
        assert not swapped_words(point, reading_of(point, watts, 0)), "it is within"
    assert not swapped_words(point, reading_of(point, 0x7FFF_7FFF, 0)), "wrong both ways"


def test_the_telemetry_step_names_the_points() -> None:
    point = PROFILE.point_of("active_power")
    assert point is not None
    assert point.count == 2
    narrow = msgspec.structs.replace(point, minimum=-1_000_000, maximum=1_000_000)
    points = tuple(narrow if one is point else one for one in PROFILE.points)
    profile = msgspec.structs.replace(PROFILE, points=points)
    raw = turned(500)
    reading = reading_of(narrow, raw, narrow.scale)
    assert reading.reason == "out_of_range"
    sample = Sample(device="B1", run="r1", number=1, at_ms=0, readings={"active_power": reading})
    seen = Observed.of(sample, None, profile)
    assert judge_telemetry([seen], step_plan(profile)).note.endswith(f"; swapped words?: {point.name}")
