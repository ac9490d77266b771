"""Every point of every SunSpec model that pysunspec2 ships, and the profiles made of them."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
import sunspec2.mb as peer
from hypothesis import given, settings
from hypothesis import strategies as st

from dispatch.devices.point import DIGITS, Point
from dispatch.devices.profile import Profile
from dispatch.devices.quality import fits
from dispatch.devices.reading import BlockReader, reading_of, value_max
from dispatch.devices.register_type import SCALE_MAX, TYPES
from dispatch.devices.sunspec import blocks_of, model_points
from dispatch.devices.writing import absent_words, encoded
from ledger.refusal import Refused
from tests.dispatch.devices.profile_samples import EXAMPLES

FOLDER = files("sunspec2").joinpath("models", "json")
NUMBERS = sorted(
    int(file.name.removeprefix("model_").removesuffix(".json"))
    for file in FOLDER.iterdir()
    if file.name.startswith("model_")
)


def definition(number: int) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(FOLDER.joinpath(f"model_{number}.json").read_text(encoding="utf-8"))
    return read


def written(group: dict[str, Any], repeats: int) -> int:
    """How many points and pads a group has, counted another way."""
    times = group.get("count")
    count = 1 if times is None else times if isinstance(times, int) and times else repeats
    inner = sum(written(each, repeats) for each in group.get("groups", ()))
    return count * (sum(point["type"] != "pad" for point in group["points"]) + inner)


def test_there_are_as_many_models_as_the_package_ships() -> None:
    assert len(NUMBERS) == 112


@pytest.mark.parametrize("number", NUMBERS)
def test_every_point_of_the_model_round_trips(number: int) -> None:
    """What is written reads back, by our reader and by pysunspec2's own conversion; so does its absence."""
    given_ = definition(number)
    points = model_points(given_, 40_000, 2)
    assert len(points) == written(given_["group"], 2)
    for point in points:
        if point.fixed is not None:
            assert read(point, encoded(point, point.fixed)) == point.fixed
            continue
        for value, scale in samples(point):
            words = encoded(point, value, scale)
            assert read(point, words, scale) == value
            check_with_peer(point, words, value, scale)
        assert read(point, absent_words(point)) is None
        data = b"".join(word.to_bytes(2, "big") for word in absent_words(point))
        info = peer.point_type_info[point.type]
        if point.type != "string":
            told = info.data_to(data)
            assert told is None or not info.is_impl(told)


def samples(point: Point) -> list[tuple[int | str, int]]:
    """Values at both ends of what the registers hold and in between, each with an exponent."""
    if point.type == "string":
        return [("W", 0), ("储" * (point.count * 2 // 3) or "é", 0), ("x" * point.count * 2, 0)]
    if point.text:
        return [("0000a1b2c3d4e5f6" * (point.count // 4), 0)]
    form = TYPES[point.type]
    if form.form == "float":
        return [(0, 0), (-12_345, 0), (2**20, 0)]
    scales = (0, 2, -DIGITS[point.unit]) if point.scale_point else (point.scale,)
    if point.type == "sunssf":
        return [(raw, 0) for raw in (-SCALE_MAX, 0, SCALE_MAX)]
    ends = (form.lowest, form.lowest + 1, 0, 1, 7, form.highest - 1, form.highest)
    raws = [raw for raw in ends if raw % (1 << form.bits) not in form.absent]
    exponents = [(scale + DIGITS[point.unit], scale) for scale in scales]
    every = [
        (raw * 10**exponent if exponent >= 0 else (abs(raw) // 10**-exponent) * (1 if raw > 0 else -1), scale)
        for raw in raws
        if fits(raw)
        for exponent, scale in exponents
    ]
    return [(value, scale) for value, scale in every if abs(value) <= value_max(point)]


def read(point: Point, words: tuple[int, ...], scale: int = 0) -> object:
    alone = Point(
        name="p",
        address=0,
        count=point.count,
        type=point.type,
        scale=scale if point.scale_point else point.scale,
        unit=point.unit,
        fixed=point.fixed,
    )
    if alone.count > 125:  # Harmonics of a laboratory's source, model 64411: more than one request reads.
        return reading_of(alone, b"".join(word.to_bytes(2, "big") for word in words), scale).value
    profile = Profile(
        id="m", vendor="v", title="t", kind="model", points=(alone,), blocks=blocks_of((alone,), "slow")
    )
    return BlockReader(profile, profile.blocks[0]).read(words)["p"].value


def check_with_peer(point: Point, words: tuple[int, ...], value: int | str, scale: int) -> None:
    if point.type in ("eui48", "ipv6addr"):
        return  # It writes them otherwise, as AA:BB and so on.
    told = peer.point_type_info[point.type].data_to(b"".join(word.to_bytes(2, "big") for word in words))
    if isinstance(value, str):
        assert told == value
        return
    if point.type == "ipaddr":
        return
    exponent = (scale if point.scale_point else point.scale) + DIGITS[point.unit]
    assert (round(told * 10**exponent) == value) if exponent >= 0 else (told == value * 10**-exponent)


POWER = next(point for point in model_points(definition(701), 0) if point.name == "701.W")


@given(raw=st.integers(-32_767, 32_767), scale=st.integers(-3, 3))
@settings(derandomize=True, max_examples=80)
def test_powers_of_model_701(raw: int, scale: int) -> None:
    value = raw * 1000 // 10 ** (3 - scale)
    try:
        words = encoded(POWER, value, scale)
    except Refused as refused:
        assert refused.code in ("value_unrepresentable", "value_range")
        return
    assert words == (raw % 65_536,) or scale < 0


def test_the_models_are_where_pysunspec2_finds_them() -> None:
    """Addresses by its own layout of model 714 with two ports."""
    import sunspec2.modbus.client as client

    points = model_points(definition(714), 0, 2)
    by_name = {point.name: point.address for point in points}
    data = b"".join(value.to_bytes(2, "big") for value in (714, 68, 0, 0, 2)) + bytes(2 * 65)
    model = client.SunSpecModbusClientModel(714, model_len=68, data=data, mb_device=None)
    assert not model.error_info
    for name, its in model.points.items():
        assert by_name[f"714.{name}"] == its.offset
    for number, port in enumerate(model.groups["Prt"], 1):
        for name, its in port.points.items():
            assert by_name[f"714.Prt{number}.{name}"] == its.offset
    assert next(point for point in points if point.name == "714.NPrt").fixed == 2


def test_the_files_are_as_they_are_generated(tmp_path: Path) -> None:
    root = EXAMPLES.parents[1]
    subprocess.run(
        [sys.executable, str(EXAMPLES / "sunspec.py"), str(tmp_path)],
        check=True,
        timeout=60,
        env={"PYTHONPATH": str(root)},
    )
    made = {file.name: file.read_text(encoding="utf-8") for file in tmp_path.glob("*.toml")}
    kept = {file.name: file.read_text(encoding="utf-8") for file in EXAMPLES.glob("sunspec_*.toml")}
    assert made == kept


@pytest.mark.parametrize(
    "broken", [{}, {"id": 1, "group": {"points": [{"name": "A", "type": "int8", "size": 1}]}}]
)
def test_what_is_no_model_is_refused(broken: dict[str, Any]) -> None:
    with pytest.raises(Refused) as refused:
        model_points(broken, 0)
    assert refused.value.code == "sunspec_model"
