"""A gateway's JSON bodies."""

from __future__ import annotations

import json

import pytest

from adapters.meters import read
from tests.adapters.meters.files import METERS, example, refused, values

GATEWAY = example("gateway")
BODY: dict[str, object] = {
    "meter": "M1",
    "register": "import",
    "start": "2026-08-01T00:00:00+08:00",
    "interval_s": 900,
    "values": [1200, 1180, 0],
    "quality": "A",
}


def body(**change: object) -> bytes:
    return json.dumps(BODY | change).encode()


def test_one_body() -> None:
    parsed = read(body(), GATEWAY, METERS)
    assert values(parsed) == [("M1", "import", "07-31T16:00Z", [1200, 1180, 0])]
    assert parsed.rows == 1
    assert parsed.drift_wh == 0


def test_null_is_a_gap() -> None:
    parsed = read(body(values=[1, None, 3, None], quality="ANEN"), GATEWAY, METERS)
    assert [(run.quality, run.values.tolist()) for run in parsed.runs] == [("A", [1]), ("E", [3])]
    assert len(parsed.gaps) == 2
    assert read(body(values=[1, None, 3]), GATEWAY, METERS).readings == 2


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"values": [1.0]}, ("field_type", "values[0]")),
        ({"values": [True]}, ("field_type", "values[0]")),
        ({"values": ["1"]}, ("field_type", "values[0]")),
        ({"values": []}, ("field_type", "values")),
        ({"values": [1, -1]}, ("negative_energy", "values[1]")),
        ({"values": [2**31]}, ("reading_range", "values[0]")),
        ({"values": [2**70]}, ("reading_range", "values[0]")),
        ({"register": "grid"}, ("not_allowed", "register")),
        ({"meter": "M 1"}, ("meter_id", "meter")),
        ({"meter": 1}, ("field_type", "meter")),
        ({"start": "2026-08-01T00:00:00"}, ("naive_time", "start")),
        ({"start": "2026-08-01T00:00:00.5Z"}, ("misaligned_start", "start")),
        ({"start": "yesterday"}, ("field_type", "start")),
        ({"start": 1785513600}, ("field_type", "start")),
        ({"interval_s": 901}, ("interval_length", "interval_s")),
        ({"interval_s": "900"}, ("field_type", "interval_s")),
        ({"quality": "AA"}, ("quality", "quality")),
        ({"quality": "X"}, ("quality", "quality")),
        ({"quality": "N"}, ("quality", "quality")),
        ({"quality": "ANA"}, ("quality", "values[1]")),
        ({"unit": "kWh"}, ("field_unknown", "unit")),
    ],
)
def test_a_wrong_body_is_refused(change: dict[str, object], expected: tuple[str, str]) -> None:
    assert refused(body(**change), GATEWAY, METERS) == expected


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"{", ("json", "")),
        (b"\xff\xfe{", ("json", "")),
        (b'{"meter": "\xff"}', ("json", "")),
        (b"[1]", ("field_type", "")),
        (b"1", ("field_type", "")),
        (b'"x"', ("field_type", "")),
        (b'{"readings": []}', ("field_type", "readings")),
        (b'{"readings": 1}', ("field_type", "readings")),
        (b"{}", ("field_missing", "meter")),
    ],
)
def test_what_is_no_body_is_refused(data: bytes, expected: tuple[str, str]) -> None:
    assert refused(data, GATEWAY, METERS) == expected


def test_a_batch_rejects_the_bodies_that_do_not_hold() -> None:
    bodies = [
        BODY,
        BODY | {"register": "export", "values": [1, -1]},
        BODY | {"start": "2026-08-01T00:45:00+08:00"},
    ]
    parsed = read(json.dumps({"readings": bodies}).encode(), GATEWAY, METERS)
    assert values(parsed) == [("M1", "import", "07-31T16:00Z", [1200, 1180, 0] * 2)]
    assert [(e.place, e.code) for e in parsed.rejected] == [("row 2, values[1]", "negative_energy")]
    assert json.loads(parsed.rejected[0].raw) == bodies[1]


def test_readings_of_a_meter_that_is_not_registered_are_rejected() -> None:
    parsed = read(body(meter="M9"), GATEWAY, METERS)
    assert {e.code for e in parsed.rejected} == {"unknown_meter"}
    assert parsed.runs == ()


def test_bodies_that_overlap_are_rejected() -> None:
    bodies = [BODY, BODY | {"interval_s": 300, "values": [1]}]
    parsed = read(json.dumps({"readings": bodies}).encode(), GATEWAY, None)
    assert {(e.row, e.code) for e in parsed.rejected} <= {
        (1, "overlapping_interval"),
        (2, "overlapping_interval"),
    }
    assert len(parsed.runs) == 1
    assert parsed.rejected


def test_a_meter_may_be_called_readings() -> None:
    assert read(body(meter="readings"), GATEWAY, None).readings == 3
