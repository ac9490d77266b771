"""What a message's fields mean, and how ours are written: exact, in the device's unit and sign."""

from __future__ import annotations

import json
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.mqtt.message import (
    Command,
    answer_of,
    beat_fields,
    check_profile,
    field_of,
    number_of,
    object_of,
    reading_of,
    readings_of,
    release_fields,
    setpoint_fields,
)
from dispatch.devices.point import Point
from dispatch.devices.profile_file import parse
from dispatch.devices.quality import TEXT_MAX, Reading
from ledger.refusal import Refused

EXAMPLES = Path(__file__).parents[3] / "examples" / "devices"
PROFILE = parse((EXAMPLES / "mqtt_bess.toml").read_bytes())
POINTS = PROFILE.by_name


def test_fields_are_points_and_what_is_null_or_wrong_is_no_value() -> None:
    fields = object_of(
        b'{"power_kw": -12.5, "soc": 155, "state": "on", "beat": true, "extra": 1,'
        b' "meter": {"import_kwh": 1234.5678, "export_kwh": null}}'
    )
    found = readings_of(PROFILE, fields, 7)
    assert {name: (one.value, one.quality, one.reason) for name, one in found.items()} == {
        "power_kw": (-12_500, "good", None),
        "soc": (None, "bad", "out_of_range"),
        "state": (None, "bad", "not_a_number"),
        "beat": (None, "bad", "not_a_number"),
        "meter.import_kwh": (1_234_568, "good", None),
        "meter.export_kwh": (None, "bad", "not_available"),
    }
    assert all(one.at_ms == 7 for one in found.values())


@settings(derandomize=True, max_examples=150)
@given(st.integers(-100_000, 100_000), st.integers(-3, 3), st.sampled_from(["discharge", "charge"]))
def test_what_is_written_is_read_back_exactly(watts: int, scale: int, positive: str) -> None:
    plain = msgspec.structs.replace(POINTS["power_kw"], scale=scale, positive=positive)
    number = number_of(plain, watts)
    sent = Command("c", 5, {"power_kw": number}).encoded()
    again = field_of(object_of(sent)["set"], "power_kw")
    assert again == Fraction(number)
    assert reading_of(plain, again, 0).value == watts


def test_a_setpoint_is_its_value_then_its_end_then_the_enable() -> None:
    fields = setpoint_fields(PROFILE, -12_345, 60)
    assert list(fields.items()) == [("setpoint_kw", Decimal("-12.345")), ("revert_s", 60), ("enabled", 1)]
    sent = json.loads(Command("c1", 9, fields).encoded())
    assert sent == {"id": "c1", "until_ms": 9, "set": {"setpoint_kw": -12.345, "revert_s": 60, "enabled": 1}}
    assert release_fields(PROFILE) == {"enabled": 0}
    assert [beat_fields(PROFILE, number)["beat"] for number in (0, 1, 65_534, 65_535)] == [1, 2, 65_535, 1]
    with pytest.raises(Refused, match="beyond"):
        setpoint_fields(PROFILE, 100_001, 60)
    with pytest.raises(Refused, match="reverts"):
        setpoint_fields(PROFILE, 1000, None)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[1]",
        b"nan",
        b'{"a": NaN}',
        b"\xff",
        b"[" * 100_000,
        b'{"a": 1e9999999}',
        b'{"a": ' + b"1" * 99 + b"}",
    ],
)
def test_what_is_no_message_is_refused_quickly(content: bytes) -> None:
    with pytest.raises(Refused):
        object_of(content)


def test_an_answer_names_its_command() -> None:
    assert answer_of(b'{"id": "c", "ok": false, "why": "local"}').why == "local"
    for content in (b'{"ok": true}', b'{"id": 1, "ok": true}', b'{"id": "c"}', b'{"id": "c", "ok": 1}'):
        with pytest.raises(Refused):
            answer_of(content)


def test_a_number_beyond_64_bits_is_no_value_and_nothing_of_it_is_kept() -> None:
    fields = object_of(b'{"power_kw": 1e99, "meter": {"import_kwh": 1e17, "export_kwh": 1e15}, "time": 1e18}')
    found = readings_of(PROFILE, fields, 7)
    for name in ("power_kw", "meter.import_kwh", "time"):
        assert found[name] == Reading(None, "bad", "out_of_range", None, 7)
    assert found["meter.export_kwh"] == Reading(10**18, "good", None, 10**15, 7)


def test_what_a_device_says_steers_no_terminal_and_is_cut() -> None:
    said = answer_of(b'{"id": "c", "ok": false, "why": "no <b>\\u001b[31m\\ud800\\u202e"}').why
    assert said == "no <b>\ufffd[31m\ufffd\ufffd"
    assert len(answer_of(b'{"id": "c", "ok": false, "why": "' + b"x" * 9000 + b'"}').why) == TEXT_MAX
    assert answer_of(b'{"id": "c", "ok": false, "why": 17}').why == "17"
    assert answer_of(b'{"id": "c", "ok": false, "why": ' + b"[" * 90 + b"]" * 90 + b"}").why == ""
    text = Point(name="version", address=0, count=8, type="string")
    assert reading_of(text, "v1\x1b[2J\ud800", 7).value == "v1\ufffd[2J\ufffd"
    assert len(str(reading_of(text, "x" * 900_000, 7).value)) == TEXT_MAX


def test_scale_factors_are_stated() -> None:
    check_profile(PROFILE)
    with pytest.raises(Refused, match="scale"):
        check_profile(parse((EXAMPLES / "sunspec_bess.toml").read_bytes()))
