"""The file of addresses: what it says, and where it is wrong."""

from __future__ import annotations

import msgspec
import pytest

from adapters.driving.fleet_file import Group, ModbusRtu, ModbusTcp, Mqtt, load, parse
from adapters.driving.grouped import grouped
from dispatch.control.reallocation import GroupLimit
from ledger.refusal import Refused
from tests.dispatch.devices.profile_samples import EXAMPLES

PLAIN = """\
[[devices]]
id = "B1"
profile = "bess_swapped.toml"
address = { type = "modbus_tcp", host = "10.0.0.1" }
safe_w = -1000
[[devices]]
id = "B2"
profile = "bess_single.toml"
address = { type = "modbus_rtu", path = "/dev/ttyUSB0", parity = "even", unit = 3 }
[[devices]]
id = "G1"
profile = "meter_import_export.toml"
address = { type = "mqtt", host = "broker", topic = "site/meter" }
meter = "M1"
"""


def test_the_example_is_two_storages_and_a_meter() -> None:
    one, two, meter = load(EXAMPLES / "fleet.toml")
    assert [device.id for device in (one, two, meter)] == ["B1", "B2", "G1"]
    assert (one.profile.id, one.unit, one.meter) == ("bess_swapped", 1, "")
    assert (meter.profile.kind, meter.unit, meter.meter) == ("meter", 2, "M1")
    assert isinstance(two.address, ModbusTcp)
    assert (two.address.port, two.address.answer_ms, two.address.turn_ms) == (5021, 500, 2000)


def test_devices_of_one_group_share_its_limit() -> None:
    text = PLAIN.replace("safe_w = -1000", 'group = "F1"')
    stated = '[[groups]]\nid = "F1"\ncharge_w = 300000\ndischarge_w = 200000\n'
    one, two, _ = parse(text + stated, EXAMPLES)
    assert (one.group, two.group) == (Group(id="F1", charge_w=300_000, discharge_w=200_000), None)
    found = grouped((one, two))
    assert (found.names, found.of) == (("F1",), {"B1": 0})
    assert found.limits == (GroupLimit(-300_000, 200_000),)
    for wrong, code, place in (
        (text, "group_unknown", "line 5, devices[0].group"),
        (text + stated * 2, "fleet_duplicate", "line 20, groups[1].id"),
        (text + stated.replace("300000", "-1"), "group_limit", "line 17, groups[0].charge_w"),
    ):
        with pytest.raises(Refused) as refused:
            parse(wrong, EXAMPLES)
        assert (refused.value.code, refused.value.place) == (code, place)


def test_each_kind_of_address() -> None:
    one, two, three = parse(PLAIN, EXAMPLES)
    assert one.address == ModbusTcp(host="10.0.0.1", port=502)
    assert one.safe_w == -1000
    assert two.address == ModbusRtu(path="/dev/ttyUSB0", baud=9600, parity="even", stop_bits=1, unit=3)
    assert two.unit == 3
    assert three.address == Mqtt(host="broker", port=1883, topic="site/meter")


@pytest.mark.parametrize(
    ("before", "after", "code", "place"),
    [
        ('id = "B2"', 'id = "B1"', "fleet_duplicate", "line 7, devices[1].id"),
        ('id = "B2"', 'id = "B 2"', "id", "line 7, devices[1].id"),
        ('"bess_single.toml"', '"none.toml"', "profile_file", "line 8, devices[1].profile"),
        ('"bess_single.toml"', '"README.md"', "toml", "line 8, devices[1].profile"),
        ('"modbus_rtu"', '"modbus"', "not_allowed", "line 9, devices[1].address.type"),
        ('type = "modbus_rtu", ', "", "field_missing", "line 9, devices[1].address.type"),
        ('"even"', '"mark"', "not_allowed", "line 9, devices[1].address.parity"),
        ("unit = 3", "unit = 248", "unit_id", "line 9, devices[1].address.unit"),
        ("unit = 3", "baud = 9601", "device_address", "line 9, devices[1].address.baud"),
        ("unit = 3", "stop_bits = 0", "device_address", "line 9, devices[1].address.stop_bits"),
        ("unit = 3", "answer_ms = 19", "device_address", "line 9, devices[1].address.answer_ms"),
        (
            "unit = 3",
            "answer_ms = 900, turn_ms = 899",
            "device_address",
            "line 9, devices[1].address.turn_ms",
        ),
        ("unit = 3", "port = 3", "field_unknown", "line 9, devices[1].address.port"),
        ('"/dev/ttyUSB0"', '"ttyUSB0"', "device_address", "line 9, devices[1].address.path"),
        ('"10.0.0.1"', '"10.0.0.1 "', "device_address", "line 4, devices[0].address.host"),
        ('"10.0.0.1"', '"h", port = 0', "device_address", "line 4, devices[0].address.port"),
        ('"site/meter"', '"site/#"', "device_address", "line 13, devices[2].address.topic"),
        ("-1000", "-250001", "safe_power", "line 5, devices[0].safe_w"),
        ('meter = "M1"', "safe_w = 1", "safe_power", "line 14, devices[2].safe_w"),
        ('meter = "M1"', 'meter = "M/1"', "id", "line 14, devices[2].meter"),
        (
            'type = "modbus_rtu", path = "/dev/ttyUSB0", parity = "even", unit = 3',
            'type = "modbus_tcp", host = "10.0.0.1", unit = 1',
            "fleet_duplicate",
            "line 9, devices[1].address",
        ),
        (
            'type = "mqtt", host = "broker", topic = "site/meter"',
            'type = "modbus_rtu", path = "/dev/ttyUSB0"',
            "device_address",
            "line 13, devices[2].address",
        ),
        ("safe_w = -1000", 'meter = "M1"', "fleet_duplicate", "line 14, devices[2].meter"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(before: str, after: str, code: str, place: str) -> None:
    assert PLAIN.count(before) == 1
    with pytest.raises(Refused) as refused:
        parse(PLAIN.replace(before, after), EXAMPLES)
    assert (refused.value.code, refused.value.place) == (code, place)


def test_a_fleet_of_nobody_and_a_profile_that_is_wrong() -> None:
    with pytest.raises(Refused) as refused:
        parse("devices = []")
    assert refused.value.code == "empty"
    with pytest.raises(Refused) as refused:
        parse(PLAIN.replace("bess_single.toml", "fleet.toml"), EXAMPLES)
    assert refused.value.code == "field_unknown"
    assert "fleet.toml: line " in refused.value.reason
    assert not msgspec.structs.asdict(Mqtt(host="h", topic="t")).keys() - {"host", "port", "topic"}
