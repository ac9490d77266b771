"""Values as registers: what reads back as it was meant, or is refused."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dispatch.devices.point import DIGITS, Point, Positive, Unit, Words
from dispatch.devices.profile import Block, Profile
from dispatch.devices.reading import BlockReader
from dispatch.devices.register_type import TYPES, PointType
from dispatch.devices.writing import (
    absent_words,
    encoded,
    heartbeat_write,
    in_requests,
    nearest_within,
    release_writes,
    setpoint_writes,
    settable_w,
)
from ledger.refusal import Refused
from tests.dispatch.devices.profile_samples import PLAIN, example, parse

SCALE = "s"


def read_back(tested: Point, words: tuple[int, ...], scale: int) -> object:
    """What a reader finds in the words that were written, beside a scale factor."""
    factor = Point(name=SCALE, address=tested.end, count=1, type="sunssf")
    points = (tested, factor)
    block = Block(address=0, count=tested.count + 1)
    profile = Profile(id="m", vendor="v", title="t", kind="model", points=points, blocks=(block,))
    found = BlockReader(profile, block).read([*words, scale % 65_536])[tested.name]
    return None if found.quality == "bad" else found.value


QUANTITIES: tuple[PointType, ...] = (
    "int16", "uint16", "int32", "uint32", "int64", "uint64", "acc16", "acc32", "acc64",
)  # fmt: skip


@given(
    kind=st.sampled_from(QUANTITIES),
    words=st.sampled_from(["high_first", "low_first"]),
    unit=st.sampled_from(["W", "Wh", "%", "Hz", "none"]),
    positive=st.sampled_from([None, "charge", "discharge", "import"]),
    scale=st.integers(-10, 10),
    value=st.integers(-(2**64), 2**64),
    aligned=st.booleans(),
)
@settings(derandomize=True, max_examples=300)
def test_what_is_written_reads_back_or_is_refused(
    kind: PointType,
    words: Words,
    unit: Unit,
    positive: Positive | None,
    scale: int,
    value: int,
    aligned: bool,
) -> None:
    tested = Point(
        name="p",
        address=0,
        count=TYPES[kind].words,
        type=kind,
        words=words,
        unit=unit,
        positive=positive,
        scale_point=SCALE,
    )
    exponent = scale + DIGITS[unit]
    if aligned and exponent > 0:
        value = value // 10**exponent % 2**15 * 10**exponent
    try:
        written = encoded(tested, value, scale)
    except Refused as refused:
        assert refused.code in ("value_range", "value_unrepresentable", "value_sentinel")
        assert not aligned or exponent <= 0 or refused.code != "value_unrepresentable"
        return
    assert read_back(tested, written, scale) == value
    assert encoded(tested, nearest_within(tested, value, scale), scale) == written


@given(value=st.integers(-(2**26), 2**26), unit=st.sampled_from(["W", "%"]))
@settings(derandomize=True, max_examples=150)
def test_floats_read_back_as_the_same_whole_number(value: int, unit: Unit) -> None:
    tested = Point(name="p", address=0, count=2, type="float32", unit=unit)
    try:
        written = encoded(tested, value)
    except Refused as refused:
        assert refused.code == "value_unrepresentable"
        assert abs(value) > 2**23
        return
    assert read_back(tested, written, 0) == value


@pytest.mark.parametrize(
    ("given_", "value", "scale", "code"),
    [
        ({"type": "int16", "unit": "W"}, 32_768, 0, "value_range"),
        ({"type": "int16", "unit": "W"}, -32_768, 0, "value_sentinel"),
        ({"type": "uint16", "unit": "W"}, -1, 0, "value_range"),
        ({"type": "uint16", "unit": "W"}, 65_535, 0, "value_sentinel"),
        ({"type": "int16", "unit": "W", "scale": 2}, 1234, 0, "value_unrepresentable"),
        ({"type": "int16", "unit": "W", "scale_point": "s"}, 1234, 11, "scale_missing"),
        ({"type": "int16", "unit": "W", "minimum": -5}, -6, 0, "value_range"),
        ({"type": "int16", "unit": "W", "maximum": 5}, 6, 0, "value_range"),
        ({"type": "int16", "fixed": 5}, 6, 0, "value_range"),
        ({"type": "acc32", "count": 2, "unit": "Wh"}, 0, 0, "value_sentinel"),
        ({"type": "float32", "count": 2, "unit": "W", "scale": -10}, 10**30, 0, "value_range"),
        ({"type": "string", "count": 2}, "ABCDE", 0, "value_range"),
        ({"type": "string", "count": 2}, "", 0, "value_sentinel"),
        ({"type": "string", "count": 2}, 5, 0, "value_type"),
        ({"type": "int16"}, "5", 0, "value_type"),
        ({"type": "int16"}, True, 0, "value_type"),
        ({"type": "eui48", "count": 4}, "zz", 0, "value_type"),
        ({"type": "eui48", "count": 4}, "00", 0, "value_range"),
    ],
)
def test_what_cannot_be_written_is_refused(
    given_: dict[str, object], value: object, scale: int, code: str
) -> None:
    tested = Point(**{"name": "p", "address": 0, "count": 1} | given_)  # type: ignore[arg-type]
    with pytest.raises(Refused) as refused:
        encoded(tested, value, scale)  # type: ignore[arg-type]
    assert refused.value.code == code
    assert refused.value.place == "p"


def test_no_value_is_written_as_its_own_bits() -> None:
    for kind, form in TYPES.items():
        tested = Point(name="p", address=0, count=form.words or 3, type=kind)
        assert read_back(tested, absent_words(tested), 0) is None
    always = Point(name="p", address=0, count=1, type="int16", not_available=())
    with pytest.raises(Refused) as refused:
        absent_words(always)
    assert refused.value.code == "value_sentinel"


def test_a_setpoint_is_written_before_it_is_enabled() -> None:
    """DEVICES: the value and its revert timer first, then the enable."""
    profile = example("sunspec_bess")
    writes = setpoint_writes(profile, -40_000, 60, {"704.WSet_SF": 1})
    assert [write.point.removeprefix("704.") for write in writes] == [
        "WSetMod",
        "WSetRvrt",
        "WSetEnaRvrt",
        "WSet",
        "WSetRvrtTms",
        "WSetEna",
    ]
    assert writes[3].words == (0xFFFF, 0x10000 - 4000)
    assert [write.function for write in writes] == [6, 16, 6, 16, 16, 6]
    assert writes[4].words == (0, 60)
    assert [(write.point, write.words) for write in release_writes(profile, {})] == [("704.WSetEna", (0,))]


def test_vendors_ways_of_writing() -> None:
    swapped = setpoint_writes(example("bess_swapped"), 100_000, 300, {})
    assert [(write.function, write.words) for write in swapped] == [
        (16, ((0x10000 - 100_000 % 65_536), 0xFFFF - 1)),
        (16, (300, 0)),
        (16, (1,)),
    ]
    (single,) = setpoint_writes(example("bess_single"), 25_000, None, {})
    assert (single.function, single.address, single.words) == (6, 100, (500,))


def test_a_setpoint_that_cannot_be_is_refused() -> None:
    bess, single = example("sunspec_bess"), example("bess_single")
    for profile, power_w, revert_s, scales, code in (
        (bess, 40_000, None, {"704.WSet_SF": 0}, "revert_missing"),
        (bess, 40_000, 60, {}, "scale_missing"),
        (bess, 40_005, 60, {"704.WSet_SF": 1}, "value_unrepresentable"),
        (bess, 100_001, 60, {"704.WSet_SF": 0}, "value_range"),
        (single, -50_001, None, {}, "value_range"),
        (single, 25_001, None, {}, "value_unrepresentable"),
        (example("meter_import_export"), 0, None, {}, "control_missing"),
    ):
        with pytest.raises(Refused) as refused:
            setpoint_writes(profile, power_w, revert_s, scales)
        assert refused.value.code == code


@given(power_w=st.integers(-120_000, 120_000), scale=st.integers(-2, 4))
@settings(derandomize=True, max_examples=80)
def test_the_settable_power_is_never_further_from_zero(power_w: int, scale: int) -> None:
    for name, step in (("sunspec_bess", 10 ** max(scale, 0)), ("bess_single", 50), ("bess_swapped", 1)):
        profile = example(name)
        found = settable_w(profile, power_w, {"704.WSet_SF": scale})
        assert profile.limits is not None
        most = min(abs(power_w), profile.limits.discharge_w_max)
        assert abs(found) == most // step * step
        assert found * power_w >= 0
        setpoint_writes(profile, found, 60, {"704.WSet_SF": scale})


def test_each_heartbeat_is_another_number() -> None:
    profile = parse(PLAIN.replace("timeout_s = 30", "timeout_s = 30, modulus = 4"))
    beats = [heartbeat_write(profile, beat) for beat in range(5)]
    assert [beat.words for beat in beats] == [(1,), (2,), (3,), (1,), (2,)]
    assert {(beat.point, beat.function, beat.address) for beat in beats} == {("beat", 6, 24)}
    with pytest.raises(Refused) as refused:
        heartbeat_write(example("meter_import_export"), 0)
    assert refused.value.code == "control_missing"


def test_steps_side_by_side_are_one_request_where_the_device_applies_them_together() -> None:
    profile = example("bess_swapped")
    writes = setpoint_writes(profile, 5_000, 60, {})
    assert in_requests(profile, writes) == writes, "not unless the profile says so"
    assert profile.control is not None
    control = msgspec.structs.replace(profile.control, together=True)
    together = msgspec.structs.replace(profile, control=control)
    (one,) = in_requests(together, writes)
    assert (one.point, one.function, one.address) == ("setpoint, revert_after, enable", 16, 2000)
    assert one.words == sum((write.words for write in writes), ())
    apart = (writes[0], writes[2], writes[1])
    assert in_requests(together, apart) == apart, "their order is kept, and nothing is written between them"
    with pytest.raises(Refused) as refused:
        msgspec.structs.replace(control, functions=(6,))
    assert refused.value.place == "together"
