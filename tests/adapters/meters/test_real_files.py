"""Real meter files, each with what it must give; figures counted independently of the readers."""

from __future__ import annotations

import csv
import gzip
import io
from fractions import Fraction

import pytest

from adapters.meters import profile_of, read
from adapters.meters.report import Parsed
from ledger.readings import MeterSpec
from tests.adapters.meters.files import DATA, EXAMPLES, example, rejections

pytestmark = pytest.mark.skipif(
    not DATA.is_dir(), reason=f"the real meter files are not there: {DATA}; nothing of them is tested"
)


def parsed(file: str, profile: str, meters: dict[str, MeterSpec] | None = None) -> Parsed:
    with (DATA / file).open("rb") as stream:
        return read(stream, example(profile), meters)


def table(file: str) -> list[list[str]]:
    data = (DATA / file).read_bytes()
    return list(csv.reader(io.StringIO((gzip.decompress(data) if file.endswith("gz") else data).decode())))


def test_steel_plant_is_a_perfect_series_under_the_midnight_rule() -> None:
    spec = MeterSpec(
        "STEEL-1", ("import", "reactive_lagging", "reactive_leading"), 900, 800_000, "Asia/Seoul"
    )
    result = parsed("steel_plant_15min_2018H1.csv", "steel_plant", {"STEEL-1": spec})
    assert (result.rows, result.rejected, result.gaps, result.duplicates) == (17_376, (), (), ())
    assert result.drift_wh == 0
    assert [(run.register, run.count, int(run.values.sum())) for run in result.runs] == [
        ("import", 17_376, 521_199_760),
        ("reactive_lagging", 17_376, 228_436_050),
        ("reactive_leading", 17_376, 73_405_070),
    ]
    assert {(run.start.isoformat(), run.end.isoformat()) for run in result.runs} == {
        ("2017-12-31T15:00:00+00:00", "2018-06-30T15:00:00+00:00")
    }


def test_steel_plant_without_the_midnight_rule_runs_backwards() -> None:
    profile = (EXAMPLES / "meters" / "steel_plant.toml").read_text().replace("midnight_same_day = true", "")
    with (DATA / "steel_plant_15min_2018H1.csv").open("rb") as stream:
        result = read(stream, profile_of(profile), None)
    assert {code for _, code in rejections(result)} == {"time_goes_back"}
    assert len(result.rejected) == 3 * 181


def test_simbench_keeps_the_hours_of_both_clock_changes() -> None:
    result = parsed("simbench_commercial_15min_2016.csv.gz", "simbench")
    assert (result.rows, result.rejected, result.gaps) == (35_136, (), ())
    assert {(run.start.isoformat(), run.count) for run in result.runs} == {
        ("2015-12-31T23:00:00+00:00", 366 * 96)
    }
    names, *rows = table("simbench_commercial_15min_2016.csv.gz")
    column = names.index("G1-B_p")
    exact = [Fraction(row[column]) * 800 * 250 for row in rows]
    stored = next(run for run in result.runs if (run.meter, run.register) == ("G1-B", "load")).values
    assert stored.tolist() == [int(wh + Fraction(1, 2)) for wh in exact]


def test_nrel_pv_draws_power_at_night() -> None:
    spec = MeterSpec("PV-EAST", ("pv", "load"), 900, 6_000_000, "America/Denver")
    result = parsed("nrel_serf_east_pv_15min.csv", "nrel_pv", {"PV-EAST": spec})
    rows = [row for row in table("nrel_serf_east_pv_15min.csv")[1:] if row]
    exact = [Fraction(row[1]) * 250 for row in rows]
    load, pv = result.runs
    assert (result.rejected, result.gaps, load.count, pv.count) == ((), (), 10_000, 10_000)
    assert (load.register, pv.register) == ("load", "pv")
    assert not (load.values * pv.values).any()
    assert [a - b for a, b in zip(pv.values.tolist(), load.values.tolist(), strict=True)] == [
        int(wh + Fraction(1, 2)) if wh >= 0 else -int(-wh + Fraction(1, 2)) for wh in exact
    ]
    assert (load.values > 0).sum() > 3000


def test_lbnl_missing_values_stay_gaps() -> None:
    result = parsed("lbnl_dr_building/test_kw.csv", "lbnl_building")
    assert (result.rows, result.readings, result.rejected) == (5472, 4729, ())
    missing = sum((gap.end - gap.start).total_seconds() / 900 for gap in result.gaps)
    assert (len(result.gaps), missing) == (10, 743)
    assert all((run.values > 0).all() for run in result.runs)


def test_lbnl_missing_values_that_the_profile_does_not_name_are_rejected() -> None:
    profile = (EXAMPLES / "meters" / "lbnl_building.toml").read_text()
    named = "\n".join(line for line in profile.splitlines() if not line.startswith("missing_values"))
    with (DATA / "lbnl_dr_building" / "test_kw.csv").open("rb") as stream:
        result = read(stream, profile_of(named), None)
    assert [code for _, code in rejections(result)] == ["number"] * 743


NEM12 = {
    "actual_interval": [
        ("VABD000163", "import", 1800, 48, 53_328, "A"),
        ("VABD000163", "reactive_lagging", 1800, 48, 106_656, "A"),
    ],
    "upper_case_units": [
        ("VABD000163", "import", 1800, 48, 53_328, "A"),
        ("VABD000163", "reactive_lagging", 1800, 48, 106_656, "A"),
    ],
    "different_interval_length": [
        ("C123", "import", 1800, 48, 254_000, "A"),
        ("C123-2", "import", 1800, 48, 120_000, "A"),
    ],
    "month_solar": [
        ("NMI1234567", "export", 300, 31 * 288, 589_172, "A"),
        ("NMI1234567", "import", 300, 31 * 288, 270_738, "A"),
    ],
    "multiple_meters": [
        ("NCDE001111", "export", 900, 192, 1920, "A"),
        ("NCDE001111", "import", 900, 192, 1920, "A"),
        ("NCDE001111", "reactive_lagging", 900, 192, 9600, "A"),
        ("NCDE001111-2", "import", 900, 192, 19_200, "A"),
        ("NDDD001888", "export", 900, 192, 3840, "A"),
        ("NDDD001888-2", "reactive_leading", 900, 192, 9600, "A"),
    ],
    "multiple_quality": [("CCCC123456", "import", 1800, 48, 896_990, "F" * 20 + "A" * 4 + "S" * 24)],
    "no_scheduled_read": [("NMI111", "import", 900, 96, 5840, "A")],
    "partialchannel": [
        ("NMI1234567", "export", 300, 288, 23_166, "A"),
        ("NMI1234567", "import", 300, 31 * 288, 270_738, "A"),
    ],
    "substituted_interval": [
        ("VBCD000022", "import", 1800, 48, 110_976, "F"),
        ("VBCD000022", "reactive_lagging", 1800, 48, 47_053_848, "F"),
    ],
}


@pytest.mark.parametrize("name", sorted(NEM12))
def test_nem12_samples(name: str) -> None:
    result = parsed(f"nem12/Example_NEM12_{name}.csv", "nem12")
    assert (result.rejected, result.duplicates) == ((), ())
    assert result.drift_wh == 0
    assert [
        (run.meter, run.register, run.interval_s, run.count, int(run.values.sum()), run.quality)
        for run in result.runs
    ] == NEM12[name]
    assert all(run.start.strftime("%H:%M") == "14:00" for run in result.runs)
    notices = {"different_interval_length": 1}
    assert len(result.notices) == notices.get(name, 0)
    assert len(result.gaps) == (1 if name == "partialchannel" else 0)


def test_the_channel_that_stops_after_a_day_has_a_gap_of_thirty() -> None:
    result = parsed("nem12/Example_NEM12_partialchannel.csv", "nem12")
    assert [(gap.register, (gap.end - gap.start).days) for gap in result.gaps] == [("export", 30)]


def test_every_nem12_sample_is_expected() -> None:
    found = {path.stem.removeprefix("Example_NEM12_") for path in (DATA / "nem12").glob("*NEM12*.csv")}
    assert found == set(NEM12)


def test_western_power_is_two_hours_later() -> None:
    result = parsed("nem12/Example_WesternPower.csv", "nem12_western_australia")
    assert {
        (run.register, run.start.isoformat(), run.count, int(run.values.sum())) for run in result.runs
    } == {
        (register, "2023-03-17T16:00:00+00:00", 48, 0)
        for register in ("import", "export", "reactive_lagging", "reactive_leading")
    }


@pytest.mark.parametrize(
    ("name", "reads", "notices"),
    [
        ("consumption_data", [("VABC005890", "import", 1_312_100, "A")], 1),
        (
            "forward_estimate",
            [("VDEF005890", "import", 111_000, "E64"), ("VDEF005890", "import", 65_000, "E64")],
            2,
        ),
    ],
)
def test_nem13_samples_are_accumulation_reads(
    name: str, reads: list[tuple[str, str, int, str]], notices: int
) -> None:
    result = parsed(f"nem12/Example_NEM13_{name}.csv", "nem12")
    assert result.runs == ()
    assert [(a.meter, a.register, a.wh, a.current_quality) for a in result.accumulated] == reads
    assert len(result.notices) == notices


def test_the_demo_file_is_an_unchanged_cut() -> None:
    names, *rows = table("simbench_commercial_15min_2016.csv.gz")
    with gzip.open(
        EXAMPLES / "demo" / "simbench_2016-08.csv.gz", "rt", encoding="utf-8", newline=""
    ) as stream:
        header, *cut = list(csv.reader(stream))
    columns = [names.index(name) for name in header]
    days = [row for row in rows if "2016-07-30" <= row[0][:10] <= "2016-08-29"]
    assert cut == [[row[column] for column in columns] for row in days]
    assert (len(cut), len(header)) == (31 * 96, 9)
