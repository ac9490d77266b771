"""AEMO's NEM12 and NEM13 records."""

from __future__ import annotations

from fractions import Fraction

import pytest

from adapters.meters import profile_of, read
from ledger.refusal import Refused
from tests.adapters.meters.files import example, refused, rejections, values

NEM12 = example("nem12")
HEAD = "100,NEM12,202608010000,MDP1,Ret1\r\n"
END = "900\r\n"


def channel(suffix: str = "E1", unit: str = "kWh", minutes: str = "30", nmi: str = "NMI0000001") -> str:
    return f"200,{nmi},E1B1,1,{suffix},N1,SER1,{unit},{minutes},\r\n"


def day(cells: list[str], flag: str = "A", date: str = "20260801") -> str:
    return f"300,{date},{','.join(cells)},{flag},,,20260802120000,\r\n"


DAY = day(["1.5"] * 48)


def test_a_day_starts_at_midnight_of_the_markets_standard_time() -> None:
    data = (HEAD + channel() + DAY + END).encode()
    parsed = read(data, NEM12, None)
    assert values(parsed) == [("NMI0000001", "import", "07-31T14:00Z", [1500] * 48)]
    west = read(data, example("nem12_western_australia"), None)
    assert values(west)[0][2] == "07-31T16:00Z"


@pytest.mark.parametrize(
    ("suffix", "unit", "register", "meter"),
    [
        ("E1", "kWh", "import", "NMI0000001"),
        ("B1", "KWH", "export", "NMI0000001"),
        ("Q1", "kVArh", "reactive_lagging", "NMI0000001"),
        ("K1", "KVARH", "reactive_leading", "NMI0000001"),
        ("E2", "Wh", "import", "NMI0000001-2"),
        ("BA", "MWh", "export", "NMI0000001-A"),
    ],
)
def test_channels(suffix: str, unit: str, register: str, meter: str) -> None:
    parsed = read((HEAD + channel(suffix, unit) + DAY + END).encode(), NEM12, None)
    assert [(run.meter, run.register) for run in parsed.runs] == [(meter, register)]
    assert parsed.notices == ()


@pytest.mark.parametrize(("unit", "wh"), [("Wh", 2), ("kWh", 1500), ("MWh", 1_500_000)])
def test_units(unit: str, wh: int) -> None:
    parsed = read((HEAD + channel(unit=unit) + DAY + END).encode(), NEM12, None)
    assert values(parsed)[0][3] == [wh] * 48
    assert parsed.drift_wh == (Fraction(24) if unit == "Wh" else 0)


@pytest.mark.parametrize("minutes", ["5", "15", "30"])
def test_interval_lengths(minutes: str) -> None:
    count = 1440 // int(minutes)
    parsed = read((HEAD + channel(minutes=minutes) + day(["1"] * count) + END).encode(), NEM12, None)
    assert [(run.interval_s, run.count) for run in parsed.runs] == [(60 * int(minutes), count)]


def test_other_channels_are_left_out_with_a_notice() -> None:
    data = HEAD + channel() + DAY + channel("V1", "", "10") + day(["239.1"] * 144) + END
    parsed = read(data.encode(), NEM12, None)
    assert len(parsed.runs) == 1
    assert [notice.split(":")[0] for notice in parsed.notices] == ["row 4"]
    assert "V1" in parsed.notices[0]


def test_qualities_of_a_varied_day() -> None:
    cells = ["1"] * 48
    data = HEAD + channel() + day(cells, "V")
    data += "400,1,20,F14,76,\r\n400,21,24,A,,\r\n400,25,30,N,,\r\n400,31,48,E52,1,\r\n" + END
    parsed = read(data.encode(), NEM12, None)
    assert [run.qualities for run in parsed.runs] == ["F" * 20 + "A" * 4, "E" * 18]
    assert [(gap.end - gap.start).seconds for gap in parsed.gaps] == [6 * 1800]


def test_a_day_without_values_is_a_gap_and_never_zero() -> None:
    data = HEAD + channel() + DAY + day(["0"] * 48, "N", "20260802") + day([""] * 48, "N", "20260803")
    data += day(["2"] * 48, "S14", "20260804") + END
    parsed = read(data.encode(), NEM12, None)
    assert [(run.start.day, run.count, run.quality) for run in parsed.runs] == [(31, 48, "A"), (3, 48, "S")]
    assert [(gap.start.day, gap.end.day) for gap in parsed.gaps] == [(1, 3)]


@pytest.mark.parametrize(
    ("records", "expected"),
    [
        ("300,20260801,1.5,1.5,A\r\n", (3, "column_count")),
        (day(["1.5"] * 47), (3, "quality")),
        (day(["1.5"] * 49), (3, "quality")),
        (day(["1.5"] * 48, ""), (3, "quality")),
        (day(["1.5"] * 48, "X"), (3, "quality")),
        (day(["1.5"] * 48, "V"), (3, "quality")),
        (day(["1.5"] * 48, "V") + "400,1,20,A,,\r\n", (3, "quality")),
        (day(["1.5"] * 48, date="20260230"), (3, "time")),
        (day(["1.5"] * 48, date="1/8/26"), (3, "time")),
        (day(["1.5"] * 47 + [""]), (3, "empty_value")),
        (day(["1.5"] * 47 + ["-1"]), (3, "negative_energy")),
        (day(["1.5"] * 47 + ["1e3"]), (3, "number")),
        (day(["1.5"] * 47 + ["9999999"]), (3, "reading_range")),
    ],
)
def test_a_wrong_day_is_rejected_with_its_row(records: str, expected: tuple[int, str]) -> None:
    parsed = read((HEAD + channel() + records + day(["2"] * 48, date="20260802") + END).encode(), NEM12, None)
    assert rejections(parsed) == [expected]
    assert parsed.rejected[0].raw.startswith("300,")
    assert parsed.runs[-1].values.tolist()[-1] == 2000


def test_the_qualities_of_a_rejected_day_go_with_it() -> None:
    varied = day(["1.5"] * 48, "V") + "400,1,48,E,,\r\n"
    wrong = day(["1.5"] * 48, "V", "20260832") + "400,1,48,E,,\r\n"
    parsed = read((HEAD + channel() + varied + wrong + END).encode(), NEM12, None)
    assert rejections(parsed) == [(5, "time")]
    assert [(run.count, run.quality) for run in parsed.runs] == [(48, "E")]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ("time,kwh\r\n", ("nem_record", "row 1")),
        ("100,NEM14,1\r\n", ("nem_record", "row 1")),
        (HEAD + DAY + END, ("nem_record", "row 2")),
        (HEAD + channel() + "400,1,48,A,,\r\n" + END, ("nem_record", "row 3")),
        (HEAD + channel() + DAY + "400,1,48,A,,\r\n" + END, ("nem_record", "row 4")),
        (HEAD + channel() + day(["1"] * 48, "V") + "400,2,48,A,,\r\n" + END, ("nem_record", "row 4")),
        (HEAD + channel() + day(["1"] * 48, "V") + "400,1,49,A,,\r\n" + END, ("nem_record", "row 4")),
        (HEAD + channel() + day(["1"] * 48, "V") + "400,1,48,V,,\r\n" + END, ("quality", "row 4")),
        (HEAD + channel() + day(["1"] * 48, "V") + "400\r\n" + END, ("nem_record", "row 4")),
        (HEAD + "250,x\r\n" + END, ("nem_record", "row 2")),
        (HEAD + channel() + DAY, ("truncated_file", "row 3")),
        (HEAD + channel() + DAY[:40], ("truncated_file", "row 3")),
        (HEAD + END + channel(), ("nem_record", "row 3")),
        (HEAD + channel(unit="kW") + END, ("unit", "row 2, UOM")),
        (HEAD + channel(unit="kVArh") + END, ("unit", "row 2, unit")),
        (HEAD + channel("Q1") + END, ("unit", "row 2, unit")),
        (HEAD + channel(minutes="60") + END, ("interval_length", "row 2, IntervalLength")),
        (HEAD + channel(nmi="N M I") + END, ("meter_id", "row 2, meter")),
        (HEAD + "200,NMI\r\n" + END, ("column_count", "row 2")),
    ],
)
def test_a_file_whose_records_do_not_fit_is_refused(data: str, expected: tuple[str, str]) -> None:
    assert refused(data, NEM12) == expected


def test_overlapping_days_of_different_interval_lengths_are_rejected() -> None:
    data = HEAD + channel() + DAY + channel(minutes="15") + day(["1"] * 96) + END
    parsed = read(data.encode(), NEM12, None)
    assert {code for _, code in rejections(parsed)} == {"overlapping_interval"}
    assert len(parsed.runs) == 1
    assert parsed.readings + len(parsed.rejected) == 48 + 96


def test_the_same_day_twice_counts_once() -> None:
    parsed = read((HEAD + channel() + DAY + DAY + END).encode(), NEM12, None)
    assert (parsed.readings, len(parsed.duplicates)) == (48, 48)
    other = read((HEAD + channel() + DAY + day(["2"] * 48) + END).encode(), NEM12, None)
    assert (other.readings, len(other.rejected)) == (0, 96)


def test_a_channel_without_days_is_noticed() -> None:
    parsed = read((HEAD + channel() + channel("B1") + DAY + END).encode(), NEM12, None)
    assert parsed.notices == ("row 2: channel E1 of NMI0000001 has no 300 record",)


def nem13(**change: str) -> str:
    cells = {
        "direction": "E",
        "before": "006342.8",
        "at": "20260704093055",
        "after": "007654.9",
        "quantity": "1312.1",
        "unit": "kWh",
    } | change
    return (
        "100,NEM13,202608010000,MDP1,Ret1\r\n"
        f"250,NMI0000001,11,1,11,11,SER1,{cells['direction']},{cells['before']},{cells['at']},A,,,"
        f"{cells['after']},20260801100333,E64,,,{cells['quantity']},{cells['unit']},20260901,"
        " 20260802100333,\r\n"
        "550,N,,E,\r\n900\r\n"
    )


def test_accumulation_reads_are_no_interval_data() -> None:
    parsed = read(nem13().encode(), NEM12, None)
    assert parsed.runs == ()
    assert "not interval data" in parsed.notices[0]
    [read_] = parsed.accumulated
    assert (read_.register, read_.wh, read_.previous_quality, read_.current_quality) == (
        "import",
        1_312_100,
        "A",
        "E64",
    )
    assert read_.previous_at.isoformat() == "2026-07-03T23:30:55+00:00"
    assert len(parsed.notices) == 1


def test_a_quantity_that_is_not_the_difference_is_noticed() -> None:
    assert (
        "1312.2 is not 007654.9 - 006342.8" in read(nem13(quantity="1312.2").encode(), NEM12, None).notices[1]
    )


def test_directions_of_accumulation_reads() -> None:
    for direction, unit, register in (("I", "kWh", "export"), ("I", "kVArh", "reactive_leading")):
        [entry] = read(nem13(direction=direction, unit=unit).encode(), NEM12, None).accumulated
        assert entry.register == register


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"direction": "X"}, "register"),
        ({"unit": "kW"}, "unit"),
        ({"quantity": "-1"}, "negative_energy"),
        ({"quantity": ""}, "number"),
        ({"at": "2026070409305"}, "time"),
        ({"at": "20260732093055"}, "time"),
    ],
)
def test_a_wrong_accumulation_read_refuses_the_file(change: dict[str, str], code: str) -> None:
    assert refused(nem13(**change), NEM12)[0] == code


def test_a_wrong_offset_is_refused() -> None:
    with pytest.raises(Refused) as caught:
        profile_of('format = "nem12"\nutc_offset = "10"\n')
    assert (caught.value.code, caught.value.place) == ("utc_offset", "line 2, utc_offset")
