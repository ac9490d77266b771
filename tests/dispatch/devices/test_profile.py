"""Profiles as files: what each example holds, and every refusal with its field."""

from __future__ import annotations

import msgspec
import pytest

from dispatch.devices.profile_file import parse
from dispatch.devices.profile_text import profile_text
from dispatch.devices.writing import heartbeat_write
from ledger.refusal import Refused
from tests.dispatch.devices.profile_samples import EXAMPLES, NAMES, PLAIN, example

BLOCK = "{ address = 0, count = 10 }"
LIMITS = PLAIN[PLAIN.index("[limits]") : PLAIN.index("[control]")]
FAST = 'id = "plain"\nfast_channel = { address = 0, count = 2, every_ms = '
REFUSALS = [
    # code, place, what is replaced, by what
    ("point_overlap", "points[1].address", '"w_sf", address = 1', '"w_sf", address = 0'),
    ("point_overlap", "points[5].address", "address = 4, count = 4", "address = 17, count = 4"),
    ("point_unread", "points[8].address", '"beat", address = 24', '"beat", address = 28'),
    ("point_split", "points[4].address", "{ address = 0, count = 10 }", "{ address = 0, count = 7 }"),
    ("scale_split", "points[0].address", BLOCK, "{ address = 0, count = 1 }, { address = 1, count = 9 }"),
    ("register_range", "points[8].address", '"beat", address = 24', '"beat", address = 65536'),
    ("register_range", "blocks[1].address", "{ address = 20, count = 8 }", "{ address = 65530, count = 8 }"),
    ("block_count", "blocks[0].count", "{ address = 0, count = 10 }", "{ address = 0, count = 126 }"),
    ("field_unknown", "points[2].unitt", 'unit = "%"', 'unitt = "%"'),
    ("field_unknown", "baud", 'id = "plain"', 'id = "plain"\nbaud = 9600'),
    ("field_missing", "points[3].count", "address = 3, count = 1", "address = 3"),
    ("not_allowed", "points[3].type", '"enum16"', '"enum17"'),
    ("not_allowed", "states.1", '1 = "running"', '1 = "walking"'),
    ("number", "states.01", '1 = "running"', '01 = "running"'),
    ("not_allowed", "roles.engine", 'enable = "on"', 'engine = "on"'),
    ("point_unknown", "roles.soc", 'soc = "soc"', 'soc = "soh"'),
    ("role_unit", "roles.soc", 'soc = "soc"', 'soc = "w"'),
    ("role_access", "roles.setpoint", 'setpoint = "set"', 'setpoint = "w"'),
    ("role_missing", "roles.soc", 'soc = "soc"\nstate', "state"),
    ("role_missing", "states", '1 = "running"', '1 = "standby"'),
    ("role_missing", "limits", LIMITS, ""),
    ("device_limits", "limits.ramp_w_per_s", "ramp_w_per_s = 100", "ramp_w_per_s = 0"),
    ("device_limits", "limits.charge_w_max", "charge_w_max = 1000", "charge_w_max = 250_000_000_000"),
    ("device_limits", "limits.charge_w_max", "charge_w_max = 1000", "charge_w_max = 20_001"),
    ("device_limits", "limits.discharge_w_max", "discharge_w_max = 2000", "discharge_w_max = 10_001"),
    ("device_limits", "limits.energy_wh", "energy_wh = 5000", "energy_wh = 99"),
    ("device_limits", "limits.energy_wh", "energy_wh = 5000", "energy_wh = 2_000_001"),
    ("point_range", "points[5].maximum", "maximum = 2000", "maximum = 1999"),
    ("point_range", "points[5].maximum", "maximum = 2000", "maximum = 4001"),
    ("point_range", "points[5].minimum", "minimum = -1000", "minimum = -999"),
    ("point_range", "points[5].minimum", "minimum = -1000", "minimum = -25_000_000"),
    ("point_range", "points[5].type", '"int32", unit', '"int32", scale = -7, unit'),
    ("write_step", "control.release", 'release = [{ point = "on", gives = "constant", constant = 0 }]\n', ""),
    ("point_count", "points[5].count", "address = 20, count = 2", "address = 20, count = 1"),
    ("point_name", "points[8].name", '"beat", address', '"be at", address'),
    ("point_duplicate", "points[8].name", '"beat", address', '"on", address'),
    ("point_scale", "points[0].scale_point", '"w_sf", unit', '"soc", unit'),
    ("point_scale", "points[1].type", 'type = "sunssf"', 'type = "sunssf", scale = 1'),
    ("point_scale", "points[0].scale_point", '"w_sf", unit', '"w_sf", scale = 1, unit'),
    ("point_range", "points[2].maximum", 'unit = "%"', 'unit = "%", minimum = 2, maximum = 1'),
    ("point_range", "points[3].change_max_per_s", '"enum16"', '"enum16", change_max_per_s = 5'),
    ("point_sentinel", "points[2].not_available[0]", 'unit = "%"', 'unit = "%", not_available = [65536]'),
    ("point_access", "points[5].access", 'type = "int32"', 'type = "int32", table = "input"'),
    ("write_function", "control.steps[0].point", "functions = [6, 16]", "functions = [6]"),
    ("write_function", "control.functions", "functions = [6, 16]", "functions = [5]"),
    ("write_step", "control.steps[0].point", '{ point = "set",', '{ point = "w",'),
    ("write_step", "control.steps[0].point", '{ point = "set",', '{ point = "after",'),
    ("write_step", "control.steps[2].constant", ", constant = 1", ""),
    ("write_order", "control.steps", '{ point = "set", gives = "setpoint" },\n', ""),
    (
        "write_order",
        "control.steps",
        '{ point = "set", gives = "setpoint" },\n  { point = "after", gives = "revert_timer" },',
        '{ point = "after", gives = "revert_timer" },\n  { point = "set", gives = "setpoint" },',
    ),
    (
        "write_order",
        "control.steps",
        "steps = [\n",
        'steps = [\n  { point = "on", gives = "constant", constant = 1 },\n',
    ),
    ("write_order", "control.steps", '  { point = "on", gives = "constant", constant = 1 },\n', ""),
    ("write_order", "control.steps", '  { point = "after", gives = "revert_timer" },\n', ""),
    ("write_budget", "control.watchdog.period_s", "writes_per_day = 9000", "writes_per_day = 8639"),
    ("write_budget", "control.writes_per_day", "writes_per_day = 9000", "writes_per_day = 0"),
    ("watchdog", "control.watchdog.period_s", "period_s = 10", "period_s = 11"),
    ("watchdog", "control.watchdog.timeout_s", "timeout_s = 30", "timeout_s = 61"),
    ("watchdog", "control.watchdog.point", '"beat", period_s', '"soc", period_s'),
    ("watchdog", "control.watchdog.modulus", "timeout_s = 30", "timeout_s = 30, modulus = 65537"),
    ("value_range", "control.steps[2].constant", "constant = 1 }", "constant = 70000 }"),
    ("value_range", "control.release[0].constant", "constant = 0 }", "constant = -1 }"),
    ("value_range", "control.steps[2].constant", '"on", address = 23, count = 1, type = "uint16"',
        '"on", address = 23, count = 1, type = "uint16", minimum = 2'),
    ("value_range", "control.steps[2].constant", '"on", address = 23, count = 1, type = "uint16"',
        '"on", address = 23, count = 1, type = "uint16", fixed = 2'),
    ("value_range", "control.steps[2].constant", '"on", address = 23, count = 1, type = "uint16"',
        '"on", address = 23, count = 1, type = "uint16", scale = -5'),
    ("watchdog", "control.watchdog.modulus", "timeout_s = 30", "timeout_s = 30, modulus = 65536"),
    ("value_range", "control.watchdog.modulus", '"beat", address = 24, count = 1, type = "uint16"',
        '"beat", address = 24, count = 1, type = "uint16", minimum = 2'),
    ("watchdog", "control.watchdog.point", '"beat", address = 24, count = 1, type = "uint16"',
        '"beat", address = 24, count = 1, type = "uint16", maximum = 1'),
    ("value_range", "roles.revert_timer", '"after", address = 22, count = 1, type = "uint16"',
        '"after", address = 22, count = 1, type = "uint16", not_available = [1]'),
    ("unit_id", "unit_id", 'id = "plain"', 'id = "plain"\nunit_id = 248'),
    ("empty", "vendor", '"example"', '" "'),
    ("fast_channel", "fast_channel.every_ms", 'id = "plain"', f"{FAST}10 }}"),
    ("fast_channel", "fast_channel", 'id = "plain"', f"{FAST}100 }}".replace("count = 2", "count = 1")),
    ("block_count", "fast_channel.count", 'id = "plain"', f"{FAST}100 }}".replace("count = 2", "count = 0")),
]  # fmt: skip


@pytest.mark.parametrize(("code", "place", "old", "new"), REFUSALS)
def test_what_is_refused(code: str, place: str, old: str, new: str) -> None:
    assert PLAIN.count(old) == 1 or code in ("write_order", "empty", "point_name", "point_duplicate")
    with pytest.raises(Refused) as refused:
        parse(PLAIN.replace(old, new, 1))
    assert refused.value.code == code
    assert refused.value.place.split(", ")[1] == place


def test_a_fast_channel_is_beside_the_blocks_and_without_one_the_digest_is_what_it_was() -> None:
    plain, fast = parse(PLAIN), parse(PLAIN.replace('id = "plain"', f"{FAST}100 }}"))
    assert b"fast_channel" not in msgspec.json.encode(plain)
    assert fast.fast_channel
    assert fast.fast_channel.every_ms == 100
    assert fast.blocks == plain.blocks
    assert parse(profile_text(fast, "again")) == fast


def test_every_example_reads_back_from_its_own_text() -> None:
    parse(PLAIN)
    assert {"bess_single", "bess_swapped", "meter_import_export", "sunspec_bess", "sunspec_701"} <= set(NAMES)
    for name in NAMES:
        profile = example(name)
        assert profile.id == name
        assert parse(profile_text(profile, "again")) == profile
        assert set(profile.by_name) == {
            point.name for block in profile.blocks for point in profile.read_in(block)
        }


def test_every_example_has_its_row_in_the_readme() -> None:
    rows = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    models = {f"sunspec_{number}" for number in (1, 103, 124, 701, 702, 703, 704, 713, 714, 715, 802, 803)}
    assert models <= set(NAMES)
    assert all(f"`{name}.toml`" in rows for name in set(NAMES) - models)


BEAT = '"beat", address = 24, count = 1, type = "uint16"'


@pytest.mark.parametrize(
    ("point", "modulus"),
    [
        (BEAT, 65_535),
        (f"{BEAT}, not_available = []", 65_536),
        (f"{BEAT}, not_available = [65535, 1000]", 1000),
        (f"{BEAT}, maximum = 255", 256),
        (f"{BEAT}, scale = -1", 6554),
        (BEAT.replace("uint16", "int16"), 32_768),
        (BEAT.replace('count = 1, type = "uint16"', 'count = 2, type = "uint32"'), 65_536),
    ],
)
def test_a_counter_that_is_not_stated_never_reaches_what_its_point_cannot_hold(
    point: str, modulus: int
) -> None:
    profile = parse(PLAIN.replace(BEAT, point))
    assert profile.control is not None
    watchdog = profile.control.watchdog
    assert watchdog is not None
    assert watchdog.modulus == modulus
    held = {heartbeat_write(profile, beat).words for beat in (0, modulus - 3, modulus - 2)}
    assert len(held) == 3, "it counts to its end"
    assert heartbeat_write(profile, modulus - 1) == heartbeat_write(profile, 0)
    assert parse(profile_text(profile, "again")) == profile


def test_a_stated_counter_may_use_all_that_its_point_holds() -> None:
    for modulus in (3, 65_535):
        stated = parse(PLAIN.replace("timeout_s = 30", f"timeout_s = 30, modulus = {modulus}"))
        assert stated.control is not None
        assert stated.control.watchdog is not None
        assert stated.control.watchdog.modulus == modulus
    with pytest.raises(Refused, match="a modulus of at most 65535"):
        parse(PLAIN.replace("timeout_s = 30", "timeout_s = 30, modulus = 65536"))


def test_a_counter_that_fits_leaves_the_digest_of_its_profile_as_it_was() -> None:
    """A pass of a step test is of a digest: it holds on for devices whose counter is the same."""
    profile = example("mqtt_bess")
    assert b'"modulus":65536' in msgspec.json.encode(profile, order="sorted")
