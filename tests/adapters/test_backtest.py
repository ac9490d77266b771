"""A backtest's money is the ledger's: its readings, imported into a real book and settled there, give it."""

from __future__ import annotations

import csv
import io
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import msgspec
import numpy as np
import pytest

from adapters import meters
from adapters.backtest.backtest import COMPARED, Backtest, backtest
from adapters.backtest.backtest_text import as_json, text
from adapters.backtest.book import Question, load, meters_of
from adapters.backtest.case_file import load as load_file
from adapters.backtest.priced_day import Timing
from adapters.backtest.value import value
from adapters.backtest.value_text import table
from adapters.backtest.value_text import text as value_text
from adapters.backtest.way_readings import readings_files
from adapters.importing import import_file
from dispatch.plan_check import PlannedSite
from dispatch.planning.imposed_limit import ImposedLimit, ImposeLimit
from dispatch.planning.plan_record import PlanHead, commands_of
from dispatch.planning.storage_terms import StateStorage, StorageTerms
from dispatch.value.losses import PARTS
from ledger.effective import Period
from ledger.interval import Month
from ledger.refusal import Refused
from ledger.settlement.result import Result
from ledger.tariff import prices_of_month
from tests.adapters import sample
from tests.adapters.conftest import Bench
from tests.adapters.test_settling import AUGUST, CONTRACT, START, TARIFF, filled, founded, record, settle
from tests.stack import NatsServer, PostgresServer

EXAMPLES = Path(__file__).parents[2] / "examples"
TERMS = StorageTerms(
    charge_w=250_000,
    discharge_w=250_000,
    floor_wh=25_000,
    ceiling_wh=500_000,
    end_wh=25_000,
    charge_ppm=950_000,
    discharge_ppm=950_000,
    import_w=100_000_000,
    export_w=0,
)


def read(file: Path, _: str) -> bytes:
    return file.read_bytes()


def run_of_book(bench: Bench) -> Backtest:
    bench.door.record(StateStorage("S1", sample.FROM_2026, TERMS), actor="ada")
    bench.project()
    before = bench.recorder.max_notification_id()
    with bench.database.reading(bench.book) as connection:
        found = load(connection, bench.book, Question("S1", AUGUST, before))
        answer = backtest(found.inputs, {"S1": found.known}, Timing())
    assert bench.recorder.max_notification_id() == before, "nothing is appended"
    return answer


def streams(result: Result) -> dict[tuple[str | None, str], int]:
    return {(line.site, line.note + line.code): line.amount.minor for line in result.lines}


def test_every_way_settles_in_a_real_book_to_the_same_fen(
    bench: Bench, nats_server: NatsServer, migrated: PostgresServer
) -> None:
    """From the files that are written of it, by the importer that reads everyone's."""
    load_wh, _, _ = filled(bench)
    answer = run_of_book(bench)
    with bench.database.reading(bench.book) as connection:
        found = load(connection, bench.book, Question("S1", AUGUST, bench.recorder.max_notification_id()))
        known = {"S1": found.known._replace(meters=meters_of(connection, found))}
    files = readings_files(answer, found.inputs, known)
    assert set(files) == {"S1.toml", *(f"S1_{run}.csv" for run in COMPARED)}
    pools = [answer.results[run].pool.minor for run in COMPARED]
    assert pools[0] > pools[1] > pools[2] > pools[3] == 0
    for run in ("perfect", "plan", "rule"):
        other = Bench(nats_server, migrated)
        founded(other)
        record(other, "S1-LOAD", "load", load_wh, "load")
        import_file(
            other.door,
            files[f"S1_{run}.csv"].encode(),
            file_name=run,
            profile=meters.profile_of(files["S1.toml"]),
            actor="ada",
        )
        other.project()
        (booked,) = settle(other)
        assert booked.result.pool == answer.results[run].pool
        assert streams(booked.result) == streams(answer.results[run])
        assert booked.result.payable == answer.results[run].payable
        other.close()


def test_the_first_day_stands_still_where_nothing_was_known(bench: Bench) -> None:
    filled(bench)
    answer = run_of_book(bench)
    assert answer.report.notes[0].endswith("stood still, on 2026-08-01")
    way = answer.readings["plan"]["S1"]
    assert not way.charge_wh[:96].any()
    assert way.charge_wh[96:].any()


def test_a_site_without_terms_is_refused(bench: Bench) -> None:
    filled(bench)
    with bench.database.reading(bench.book) as connection:
        at = bench.recorder.max_notification_id()
        for site, code in (("S1", "storage_unstated"), ("S9", "no_contract")):
            with pytest.raises(Refused) as refused:
                load(connection, bench.book, Question(site, AUGUST, at))
            assert refused.value.code == code


# ------------------------------------------------------------------------------ value


def planned_day(bench: Bench, day: int, setpoint_w: np.ndarray) -> None:
    """A plan of a day on record, made at its midnight."""
    start = START + timedelta(days=day)
    head = PlanHead(
        portfolio="S1", day=date(2026, 8, 1) + timedelta(days=day), start=start, interval_s=900, count=96,
        trigger="day_ahead", inputs=f"made up {day}", basis="optimised", reason="by hand", objective="cost",
        objective_micro=None, bound_micro=None, gap_ppm=None, solver_ms=0,
    )  # fmt: skip
    none = np.zeros(0, dtype=np.int64)
    still = np.zeros(96, dtype=np.int64)
    site = PlannedSite(
        id="S1", setpoint_w=setpoint_w, stored_wh=still, curtailed_w=still, spot_w=still, regulation_w=none,
        response_w=none,
    )  # fmt: skip
    for number, command in enumerate(commands_of(head, 1, (site,))):
        bench.door.execute(command, command_id=f"plan-{day}-{number}", actor="planner")


def value_of(bench: Bench):  # type: ignore[no-untyped-def]
    bench.project()
    with bench.database.reading(bench.book) as connection:
        return value(connection, bench.book, Question("S1", AUGUST, bench.recorder.max_notification_id()))


def test_a_site_that_stood_still_loses_to_dispatch_or_availability(bench: Bench) -> None:
    """The plan is the perfect one: nothing is lost to forecast. Then nobody could, or did, follow it."""
    load_wh = np.full(2976, 100_000, dtype=np.int64)
    founded(bench)
    record(bench, "S1-LOAD", "load", load_wh, "load")
    for register in ("charge", "discharge"):
        record(bench, "S1-STORAGE", register, np.zeros(2976, dtype=np.int64), register)
    best = run_of_book(bench)
    way = best.readings["perfect"]["S1"]
    setpoint = 4 * (way.discharge_wh - way.charge_wh)
    for day in range(31):
        planned_day(bench, day, setpoint[day * 96 : (day + 1) * 96])
    report = value_of(bench)
    perfect = best.results["perfect"].pool.minor
    assert perfect > 0
    lost = {one.parts: one.minor for one in report.total.lost}
    assert lost == {
        ("forecast",): 0,
        ("bid",): 0,
        ("availability",): 0,
        ("dispatch",): perfect,
        ("contract",): 0,
    }
    bench.door.record(
        ImposeLimit("S1", sample.FROM_2026, ImposedLimit(reason="lost", charge_w=0, discharge_w=0)),
        actor="ada",
    )
    report = value_of(bench)
    lost = {one.parts: one.minor for one in report.total.lost}
    assert lost == {
        ("forecast",): 0,
        ("bid",): 0,
        ("availability",): perfect,
        ("dispatch",): 0,
        ("contract",): 0,
    }


def test_the_report_by_hand(bench: Bench) -> None:
    """One planned day of 31: 250 kW for an hour at its cheapest price, 225 kW for one at its dearest; metered
    are 200 and 180 kW of it. On the others what was metered stands in, which is nothing."""
    founded(bench)
    record(bench, "S1-LOAD", "load", np.full(2976, 100_000, dtype=np.int64), "load")
    bench.door.record(StateStorage("S1", sample.FROM_2026, TERMS), actor="ada")
    prices = prices_of_month(TARIFF, AUGUST, 900)
    day = prices.mantissa[9 * 96 : 10 * 96]
    low, high = int(np.argmin(day)), int(np.argmax(day))
    assert len(set(day[low : low + 4].tolist())) == len(set(day[high : high + 4].tolist())) == 1
    plan = np.zeros(96, dtype=np.int64)
    plan[low : low + 4], plan[high : high + 4] = -250_000, 225_000
    charge, discharge = (np.zeros(2976, dtype=np.int64) for _ in range(2))
    charge[9 * 96 + low : 9 * 96 + low + 4] = 50_000
    discharge[9 * 96 + high : 9 * 96 + high + 4] = 45_000
    record(bench, "S1-STORAGE", "charge", charge, "charge")
    record(bench, "S1-STORAGE", "discharge", discharge, "discharge")
    planned_day(bench, 9, plan)
    report = value_of(bench)
    cheap, dear = (int(day[at]) for at in (low, high))
    assert prices.scale == 6
    expected = {"plan": (225 * dear - 250 * cheap), "delivered": (180 * dear - 200 * cheap)}
    (row,) = [one for one in report.rows if one.stream == "arbitrage" and one.day == "2026-08-10"]
    for way, micro in expected.items():
        assert row.worth[way] == round(micro / 10_000), way  # type: ignore[index]
    assert row.worth["settled"] == row.worth["delivered"]
    assert {one.parts: one.minor for one in row.lost}["dispatch",] == row.worth["plan"] - row.worth[
        "delivered"
    ]
    (energy,) = [one for one in report.energy if one.day == "2026-08-10"]
    assert energy.plan_wh == (250_000, 225_000)
    assert energy.delivered_wh == (200_000, 180_000)
    assert "no plan is on record of 2026-08-01, 2026-08-02" in report.notes[1]
    total = report.total
    assert sum(one.minor for one in total.lost) == total.worth["perfect"] - total.worth["settled"]
    told = list(csv.DictReader(io.StringIO(table(report))))
    for line in told:
        parts = sum(round(100 * float(line[f"lost_{part}"])) for part in PARTS)
        assert parts == round(100 * float(line["perfect"])) - round(100 * float(line["settled"]))
    assert "dispatch" in value_text(report)


def test_without_a_plan_forecast_is_not_told_apart(bench: Bench) -> None:
    filled(bench)
    bench.door.record(StateStorage("S1", sample.FROM_2026, TERMS), actor="ada")
    report = value_of(bench)
    assert [one.parts for one in report.total.lost] == [PARTS[:4], PARTS[4:]]
    assert "there is no plan on record of any day" in " ".join(report.notes)
    assert "not known" in value_text(report)
    (settled,) = settle(bench)
    assert report.total.worth["settled"] == settled.result.pool.minor


# ------------------------------------------------------------------------------ files


def test_a_spot_week_from_files() -> None:
    """No book is needed; the plan sees only what was published, and whoever knows all is never below it."""
    case = load_file(EXAMPLES / "backtest/shandong_week.toml", read)
    told: list[tuple[int, int]] = []
    answer = backtest(*case, lambda at, of: told.append((at, of)))
    assert told == [(day, len(told)) for day in range(len(told))] != []
    pools = {run: answer.results[run].pool.minor for run in COMPARED}
    assert pools["perfect"] > pools["plan"] > pools["rule"] > pools["idle"] == 0
    assert {row.stream for row in answer.report.rows} == {"spot"}
    assert sum(row.worth["settled"] for row in answer.report.rows) == pools["plan"]
    assert [one.parts for one in answer.report.total.lost] == [(part,) for part in PARTS]
    assert answer.report.total.lost[1].minor == 0, "a plan that is sold as it is loses nothing to the bid"
    assert "perfect foresight" in text(answer)
    assert msgspec.json.decode(as_json(answer))["results"]["plan"]["pool"] == str(answer.results["plan"].pool)


def test_later_prices_change_no_plan(tmp_path: Path) -> None:
    """Prices of 29 January on are told on 28 January at 17:30: plans up to 29 January cannot have them."""
    source = (EXAMPLES / "prices/shandong_spot_2026.csv").read_text().splitlines()
    other = [
        line if line < "2026-01-28T16" or line.startswith("start") else f"{line.partition(',')[0]},0.9,0.1"
        for line in source
    ]
    (tmp_path / "prices.csv").write_text("\n".join(other) + "\n")
    whole = (EXAMPLES / "backtest/shandong_week.toml").read_text()
    case = whole.replace("../prices/shandong_spot_2026.csv", str(tmp_path / "prices.csv"))
    case = case.replace('"../', f'"{EXAMPLES}/').replace('"shandong_W', f'"{EXAMPLES}/backtest/shandong_W')
    (tmp_path / "case.toml").write_text(case)
    one = backtest(*load_file(EXAMPLES / "backtest/shandong_week.toml", read))
    two = backtest(*load_file(tmp_path / "case.toml", read))
    told = 28 * 96
    for site in ("W1", "W4"):
        before, after = (answer.readings["plan"][site].sold[1] for answer in (one, two))
        assert np.array_equal(before[: told + 96], after[: told + 96])
        perfect = [answer.readings["perfect"][site].discharge_wh[told:] for answer in (one, two)]
        assert not np.array_equal(*perfect)


PORTFOLIO = """
effective_from = 2026-01-01
[book]
name = "Files"
owner = "operator"
currency = "CNY"
zone = "Asia/Shanghai"
approvals = "one_person"
[[sites]]
id = "S1"
name = "S1"
zone = "Asia/Shanghai"
storage_energy_wh = 500000
storage_power_w = 250000
tariff = "shanghai-two-part-1-10kv"
account = { id = "A", zone = "Asia/Shanghai", parts = "two_part", demand = { mode = "actual" } }
[[meters]]
id = "S1-LOAD"
site = "S1"
position = "load"
registers = ["load"]
interval_s = 900
power_w_max = 2000000
zone = "Asia/Shanghai"
"""
PROFILE = """
format = "csv_long"
interval_s = 900
[time]
column = "start"
zone = "Asia/Shanghai"
stamp = "interval_start"
[[values]]
column = "kw"
unit = "kW"
register = "load"
meter = "S1-LOAD"
"""
CASE = f"""
month = "2026-08"
portfolio = "portfolio.toml"
contract = "{EXAMPLES}/contracts/eaas-s1.toml"
tariffs = ["{EXAMPLES}/tariffs/shanghai_two_part_1-10kv.toml"]
[storage]
S1 = "terms.json"
[[readings]]
file = "load.csv"
profile = "profile.toml"
"""


def case_of(folder: Path, lines: list[str], case: str = CASE) -> Path:
    (folder / "portfolio.toml").write_text(PORTFOLIO)
    (folder / "profile.toml").write_text(PROFILE)
    (folder / "terms.json").write_bytes(msgspec.json.encode(TERMS))
    (folder / "load.csv").write_text("\n".join(["start,kw", *lines]) + "\n")
    (folder / "case.toml").write_text(case)
    return folder / "case.toml"


def rows(load_wh: np.ndarray, since: datetime) -> list[str]:
    local = since + timedelta(hours=8)
    return [
        f"{local + timedelta(minutes=15 * at):%Y-%m-%dT%H:%M},{wh * 4 / 1000:.3f}"
        for at, wh in enumerate(load_wh.tolist())
    ]


def test_files_and_book_give_the_same_money(bench: Bench, tmp_path: Path) -> None:
    load_wh, _, _ = filled(bench)
    from_book = run_of_book(bench)
    from_files = backtest(*load_file(case_of(tmp_path, rows(load_wh, START.astimezone(UTC))), read))
    for run in COMPARED:
        assert from_files.results[run].pool == from_book.results[run].pool
        assert from_files.results[run].entitlement == from_book.results[run].entitlement
    assert from_files.report.rows == from_book.report.rows


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (lambda lines: lines[:100] + lines[101:], "missing_readings"),
        (lambda lines: [*lines[:7], "2026-08-01T01:45,nan", *lines[8:]], "number"),
        (lambda lines: [*lines[:7], "2026-08-01T01:45,", *lines[8:]], ""),
    ],
)
def test_gaps_and_no_numbers_are_refused(tmp_path: Path, spoil, code: str) -> None:  # type: ignore[no-untyped-def]
    lines = rows(np.full(2976, 100_000), START)
    with pytest.raises(Refused) as refused:
        backtest(*load_file(case_of(tmp_path, spoil(lines)), read))
    assert refused.value.code
    assert not code or refused.value.code == code


def test_what_a_case_lacks_is_refused(tmp_path: Path) -> None:
    lines = rows(np.full(2976, 100_000), START)
    for old, new, code in (
        ('S1 = "terms.json"', "", "storage_unstated"),
        ('month = "2026-08"', 'month = "2026-08"\nissued = "9 am"', "backtest_clock"),
        ('month = "2026-08"', 'month = "2026-08"\nmonths = 2', "field_unknown"),
        ("shanghai_two_part_1-10kv", "shanghai_two_part_35kv", "unknown_tariff"),
        ('unit = "kW"', 'unit = "MWh/d"', ""),
    ):
        file = case_of(tmp_path, lines, CASE.replace(old, new))
        if old.startswith("unit"):
            (tmp_path / "profile.toml").write_text(PROFILE.replace(old, new))
        with pytest.raises(Refused) as refused:
            load_file(file, read)
        assert not code or refused.value.code == code, old


def test_question_of_another_month_is_refused(bench: Bench) -> None:
    filled(bench)
    bench.door.record(StateStorage("S1", Period(START), TERMS), actor="ada")
    bench.project()
    with bench.database.reading(bench.book) as connection, pytest.raises(Refused) as refused:
        load(connection, bench.book, Question("S1", Month(2026, 9), bench.recorder.max_notification_id()))
    assert refused.value.code == "missing_readings"
    assert CONTRACT.sites == ("S1",)
