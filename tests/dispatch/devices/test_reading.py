"""Registers as values: what is there, what is not, and what is of two moments."""

from __future__ import annotations

import struct

import pytest
from hypothesis import example as case
from hypothesis import given, settings
from hypothesis import strategies as st

from dispatch.devices.float_bits import FLOAT32, FLOAT64, bits_of, number_of
from dispatch.devices.point import Point, Unit
from dispatch.devices.profile import Block, Profile
from dispatch.devices.quality import Reading, fits, last_valued
from dispatch.devices.reading import BlockReader, reading_of
from dispatch.devices.register_type import TYPES, PointType
from ledger.refusal import Refused
from tests.dispatch.devices.profile_samples import example


def point(kind: PointType, **given: object) -> Point:
    words = TYPES[kind].words or 4
    return Point(name="p", address=0, count=words, type=kind, **given)  # type: ignore[arg-type]


def read(tested: Point, words: list[int]) -> Reading:
    profile = Profile(
        id="one",
        vendor="example",
        title="One",
        kind="model",
        points=(tested,),
        blocks=(Block(address=0, count=tested.count),),
    )
    return BlockReader(profile, profile.blocks[0]).read(words)["p"]


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("int16", [0x8000]),
        ("sunssf", [0x8000]),
        ("uint16", [0xFFFF]),
        ("enum16", [0xFFFF]),
        ("bitfield16", [0xFFFF]),
        ("count", [0xFFFF]),
        ("int32", [0x8000, 0]),
        ("uint32", [0xFFFF, 0xFFFF]),
        ("enum32", [0xFFFF, 0xFFFF]),
        ("bitfield32", [0xFFFF, 0xFFFF]),
        ("int64", [0x8000, 0, 0, 0]),
        ("uint64", [0xFFFF] * 4),
        ("acc16", [0]),
        ("acc32", [0, 0]),
        ("acc64", [0] * 4),
        ("float32", [0x7FC0, 0]),
        ("float64", [0x7FF8, 0, 0, 0]),
        ("ipaddr", [0, 0]),
        ("ipv6addr", [0] * 8),
        ("eui48", [0, 0xFFFF, 0xFFFF, 0xFFFF]),
        ("string", [0] * 4),
    ],
)
def test_not_implemented_is_none_and_never_zero(kind: PointType, words: list[int]) -> None:
    """DEVICES: 0x8000, 0xFFFF ...; accumulators 0. A vendor's map may say that there are no such values."""
    assert read(point(kind), words) == Reading(None, "bad", "not_available")
    if kind not in ("float32", "float64"):
        always = read(point(kind, not_available=()), words)
        assert always.quality in ("good", "bad")
        assert (always.value is None) == (always.reason in ("text", "out_of_range"))
        assert always.reason != "not_available"


@pytest.mark.parametrize("bits", [0x7F80_0000, 0xFF80_0000, 0x7FC0_0001, 0xFFFF_FFFF])
def test_what_is_no_number_is_no_value(bits: int) -> None:
    found = read(point("float32", unit="W"), [bits >> 16, bits & 0xFFFF])
    assert (found.value, found.quality, found.reason) == (None, "bad", "not_a_number")


def test_a_state_of_charge_of_minus_247_percent_is_no_value() -> None:
    soc = point("int16", scale=-1, unit="%", minimum=0, maximum=100_000)
    assert read(soc, [0x10000 - 2470]) == Reading(None, "bad", "out_of_range", -2470)
    assert read(soc, [1001]).value is None
    assert read(soc, [1000]).value == 100_000
    assert read(soc, [0]) == Reading(0, "good", None, 0)


def test_units_are_whole_and_signs_are_ours() -> None:
    assert read(point("int16", scale=1, unit="W", positive="charge"), [123]).value == -1230
    assert read(point("int16", scale=1, unit="W", positive="discharge"), [123]).value == 1230
    assert read(point("int16", scale=-1, unit="W"), [15]).value == 2
    assert read(point("int16", scale=-1, unit="W"), [0x10000 - 15]).value == -2
    assert read(point("uint16", scale=-2, unit="Hz"), [4998]).value == 49_980
    assert read(point("uint32", words="low_first", unit="Wh"), [0x0001, 0x0002]).value == 0x2_0001
    assert read(point("string"), [0x4142, 0x4300, 0, 0]).value == "ABC"
    assert read(point("string"), [0xFF42, 0x4300, 0, 0]).reason == "text"


@pytest.mark.parametrize("sf", [0x8000, 11, 0x10000 - 11])
def test_a_value_without_its_scale_factor_is_no_value(sf: int) -> None:
    profile = example("sunspec_713")
    reader = BlockReader(profile, profile.blocks[0])
    words = [713, 7, 2000, 1500, 755, 0xFFFF, 1, sf, 0x10000 - 1]
    found = reader.read(words)
    assert found["713.WHAvail"].value is None
    assert found["713.WHAvail"].reason == "scale_missing"
    assert found["713.WH_SF"].value is None
    assert found["713.SoC"].value == 75_500
    assert found["713.SoH"].reason == "not_available"
    words[7] = 2
    assert reader.read(words)["713.WHAvail"].value == 150_000


def test_devices_with_other_scale_factors_share_a_reader() -> None:
    profile = example("sunspec_713")
    reader = BlockReader(profile, profile.blocks[0])
    for number in range(100):
        words = [713, 7, 2000, 1500, 755, 0xFFFF, 1, number % 50, 0x10000 - 1]
        found = reader.read(words)["713.WHAvail"]
        assert found.value == (1500 * 10 ** (number % 50) if number % 50 <= 10 else None)


def test_another_model_in_its_place_is_told() -> None:
    profile = example("sunspec_713")
    found = BlockReader(profile, profile.blocks[0]).read([714, 7, 2000, 1500, 755, 0xFFFF, 1, 2, 0])
    assert found["713.ID"] == Reading(None, "bad", "not_expected", 714)


def test_a_block_of_another_length_is_refused() -> None:
    profile = example("sunspec_713")
    reader = BlockReader(profile, profile.blocks[0])
    for words in ([713] * 8, [713] * 10, []):
        with pytest.raises(Refused) as refused:
            reader.read(words)
        assert refused.value.code == "block_length"
    for wrong in (65_536, -1):
        with pytest.raises(Refused) as refused:
            reader.read([wrong] * 9)
        assert refused.value.code == "register_word"


METER = point("uint32", unit="Wh", change_max_per_s=100)


def reader_of(tested: Point) -> BlockReader:
    block = Block(address=0, count=tested.count)
    profile = Profile(id="m", vendor="v", title="t", kind="model", points=(tested,), blocks=(block,))
    return BlockReader(profile, block)


def test_words_of_two_moments_are_torn() -> None:
    """65 530 Wh becomes 65 540: the answer has the new high word and the old low one, or the other way."""
    reader = reader_of(METER)
    before = reader.read([0, 65_530])
    assert reader.read([1, 4], 1000, before)["p"] == Reading(65_540, "good", None, 65_540, 1000)
    assert reader.read([1, 65_530], 1000, before)["p"] == Reading(None, "bad", "torn", 131_066, 1000)
    assert reader.read([0, 4], 1000, before)["p"] == Reading(None, "bad", "torn", 4, 1000)


def test_what_follows_a_torn_value_is_held_against_the_last_good_one() -> None:
    reader = reader_of(METER)
    before = reader.read([0, 65_500])
    torn = reader.read([1, 65_530], 1000, before)
    kept = last_valued(before, torn)
    assert kept == before
    after = reader.read([1, 150], 2000, kept)
    assert after["p"] == Reading(65_686, "good", None, 65_686, 2000)
    assert last_valued(kept, after) == after


def test_a_jump_that_no_carry_explains_is_suspect() -> None:
    reader = reader_of(METER)
    before = reader.read([0, 1000])
    assert reader.read([0, 1100], 1000, before)["p"].quality == "good"
    jumped = reader.read([0, 1102], 1000, before)["p"]
    assert (jumped.value, jumped.quality, jumped.reason) == (1102, "suspect", "jump")
    assert reader.read([0, 1102], 2000, before)["p"].quality == "good"


@given(
    before=st.integers(0, 2**32 - 200),
    change=st.integers(0, 100),
    which=st.sampled_from(["new high", "new low"]),
)
@case(before=65_535, change=1, which="new low")
@settings(derandomize=True, max_examples=300)
def test_a_torn_pair_is_never_read_as_a_value(before: int, change: int, which: str) -> None:
    """Whatever word is old: either the carry did not happen, and both words are right, or it is found."""
    reader = reader_of(METER)
    now = before + change
    high, low = (now, before) if which == "new high" else (before, now)
    words = [high >> 16, low & 0xFFFF]
    start = reader.read([before >> 16, before & 0xFFFF])
    found = reader.read(words, 1000, start)["p"]
    if before >> 16 == now >> 16 and found.value is not None:
        assert before <= found.value <= now  # type: ignore[operator]
    else:
        assert found.value is None


@given(bits=st.integers(0, 2**32 - 1))
@settings(derandomize=True, max_examples=200)
def test_float32_is_what_the_machine_says(bits: int) -> None:
    (told,) = struct.unpack(">f", bits.to_bytes(4, "big"))
    found = number_of(bits, FLOAT32)
    assert (found is None) == (told != told or told in (float("inf"), float("-inf")))
    if found is not None:
        assert found == told
        assert bits_of(found, FLOAT32) in (bits, 0 if told == 0 else bits)


@given(number=st.fractions(min_value=-(10**15), max_value=10**15))
@settings(derandomize=True, max_examples=150)
def test_the_nearest_float_is_what_the_machine_rounds_to(number: object) -> None:
    double = float(number)  # type: ignore[arg-type]
    told = (struct.pack(">d", double), struct.pack(">d", abs(double)))
    assert bits_of(number, FLOAT64).to_bytes(8, "big") in told  # type: ignore[arg-type]


@given(
    kind=st.sampled_from(["int16", "uint16", "int32", "uint32", "int64", "uint64", "acc32", "acc64"]),
    scale=st.integers(-10, 10),
    unit=st.sampled_from(["W", "Wh", "%", "V", "none"]),
    data=st.data(),
)
@settings(derandomize=True, max_examples=120)
def test_rounding_is_by_at_most_half_a_unit(
    kind: PointType, scale: int, unit: Unit, data: st.DataObject
) -> None:
    form = TYPES[kind]
    raw = data.draw(
        st.integers(form.lowest, form.highest).filter(lambda raw: raw % 2**form.bits not in form.absent)
    )
    found = reading_of(point(kind, unit=unit, scale=scale), raw, scale)
    digits = 3 if unit in ("%", "V") else 0
    if not fits(raw * 10 ** max(scale + digits, 0)):
        assert found == Reading(None, "bad", "out_of_range")
        return
    assert found.quality == "good"
    assert abs(2 * (found.value * 10**10 - raw * 10 ** (10 + scale + digits))) <= 10**10  # type: ignore[operator]


@given(
    data=st.data(),
    name=st.sampled_from(["bess_single", "bess_swapped", "meter_import_export", "sunspec_bess"]),
)
@settings(derandomize=True, max_examples=60)
def test_the_short_way_of_plain_numbers_leads_where_the_long_one_does(data: st.DataObject, name: str) -> None:
    """Every point of every block, whatever its words: what a block's reader answers is `reading_of`."""
    word = st.one_of(st.sampled_from([0, 1, 0x7FFF, 0x8000, 0xFFFF, 0xFFFE, 10]), st.integers(0, 0xFFFF))
    profile = example(name)
    block = data.draw(st.sampled_from(profile.blocks))
    words = data.draw(st.lists(word, min_size=block.count, max_size=block.count))
    reader = BlockReader(profile, block)
    raws: dict[str, int | bytes] = {}
    for tested in reader.points:
        own = words[tested.address - block.address : tested.end - block.address]
        packed = struct.pack(f">{len(own)}H", *(own[::-1] if tested.words == "low_first" else own))
        raws[tested.name] = (
            packed if tested.text else int.from_bytes(packed, "big", signed=tested.kind.signed)
        )
    found = reader.read(words, 7)
    for tested in reader.points:
        scale = tested.scale if tested.scale_point is None else raws[tested.scale_point]
        assert isinstance(scale, int)
        assert found[tested.name] == reading_of(tested, raws[tested.name], scale, 7)


def test_a_number_beyond_64_bits_is_no_value_and_nothing_of_it_is_kept() -> None:
    beyond = Reading(None, "bad", "out_of_range")
    words = [0x7FFF, 0xFFFF, 0xFFFF, 0xFFFF]
    assert read(point("uint64", scale=1, unit="Wh"), words) == beyond
    assert read(point("uint64", scale=1, unit="Wh", minimum=0, maximum=10**30), words) == beyond
    assert read(point("uint64", unit="Wh"), words) == Reading(2**63 - 1, "good", None, 2**63 - 1)
    assert read(point("uint64", scale=-3, unit="Wh"), [0x8000, 0, 0, 0]) == beyond
    assert read(point("int64", scale=3, unit="W", positive="charge"), [0x8000, 0, 0, 1]) == beyond
    assert read(point("uint64", unit="s"), words) == beyond, "a clock is kept in milliseconds"
    largest = read(point("float32", unit="W"), [0x7F7F, 0xFFFF])
    assert largest == Reading(None, "bad", "out_of_range", 0x7F7F_FFFF)
    assert read(point("float64", unit="W"), [0xC059, 0, 0, 0]).value == -100


def test_a_text_that_steers_a_terminal_is_shown_without_that() -> None:
    assert read(point("string"), [0x411B, 0x5B33, 0x316D, 0x0A42]).value == "A\ufffd[31m\ufffdB"
