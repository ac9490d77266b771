"""The demo's two portfolios: the whole story on real servers, then the figures that must hold."""

from __future__ import annotations

import csv
import gzip
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from adapters.demo.four_sites import shanghai_tariffs
from adapters.demo.roster import FOLDER, roster
from adapters.demo.site_month import CHARGE_PERMILLE, DISCHARGE_PERMILLE, RESERVED_PERCENT, site_months
from adapters.demo.spot_prices import prices_csv
from adapters.queries import statements
from adapters.queries.journal import journal
from adapters.settings import Settings
from adapters.settling import settle_month
from adapters.stack import Stack, running
from ledger.accounting.journal import JournalEntry
from ledger.interval import Month
from ledger.quantity import Money
from ledger.settlement.result import Result
from ledger.settlement.run import Runs
from ledger.stream import STREAMS

pytestmark = [pytest.mark.fault, pytest.mark.long]

ROOT = Path(__file__).parents[2]
DATA = ROOT.parent / "shared" / "data" / "meters"
BOOK = "demo-portfolios"
AUGUST = Month(2026, 8)
CONTRACTS = ("nantong-eaas", "pudong-co-investment")


def demo(state: Path, part: str) -> str:
    """Run the demo to its end."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("WATTLEDGER_")}
    done = subprocess.run(
        [sys.executable, "-m", "adapters.main", "demo", "--exit", "--part", part],
        check=False,
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=420,
        env=environment | {"WATTLEDGER_STATE": str(state)},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A data folder after the whole demo, and what it printed."""
    state = tmp_path_factory.mktemp("demo")
    return state, demo(state, "all")


@pytest.fixture(scope="module")
def stack(told: tuple[Path, str]) -> Iterator[Stack]:
    with running(Settings(state=told[0], book=BOOK), lambda: datetime.now(UTC), founding=False) as found:
        yield found


def runs(stack: Stack, contract: str) -> Runs:
    found = stack.door.state(f"settlement.{contract}_{AUGUST}")
    assert isinstance(found, Runs)
    return found


def results(stack: Stack) -> list[Result]:
    return [run.result for contract in CONTRACTS for run in runs(stack, contract).runs]


def test_every_stream_earns_and_what_is_payable_adds_up_to_nothing(stack: Stack) -> None:
    """DOMAIN.md 2.3: cash due over all parties, holders included, is 0; entitlement is the pool."""
    earned = set()
    for result in results(stack):
        assert sum(money.minor for money in result.payable.values()) == 0
        assert any(money.minor for money in result.payable.values())
        assert sum(money.minor for money in result.entitlement.values()) == result.pool.minor
        streams = [line for line in result.lines if line.kind == "stream"]
        assert sum(line.amount.minor for line in streams) == result.pool.minor, "all streams are pooled"
        earned |= {line.code for line in streams if line.amount.minor}
    assert earned == set(STREAMS)
    assert [len({line.site for line in result.lines} - {None}) for result in results(stack)] == [
        20,
        20,
        50,
        50,
    ]


def test_the_second_programme_is_refused_the_kwh_that_the_first_one_paid_for(stack: Stack) -> None:
    """DOMAIN.md 4: each kWh that a market pays for carries one tag."""
    refused = [span for name in CONTRACTS for span in runs(stack, name).runs[0].result.refused]
    assert {span.site for span in refused} == {"N02", "P18"}
    assert all("own_account" in span.claim and "day_ahead_peak" in span.reason for span in refused)
    assert all(0 <= span.granted < span.asked for span in refused)
    months = {site.site: month for site, month in site_months(roster(), shanghai_tariffs())}
    for span in refused:
        day = span.interval.start.astimezone(UTC) + timedelta(hours=8)
        first = (day.day - 1) * 96 + day.hour * 4
        metered = int(months[span.site].discharge[first : first + span.interval.seconds // 900].sum())
        assert span.asked <= metered


def test_a_late_file_moves_one_site_s_money_and_nothing_else(stack: Stack) -> None:
    """Statement plus delta is what a fresh settlement says, and only the revised site's lines changed."""
    fresh = settle_month(stack.door, stack.database, AUGUST, actor="test").runs
    assert [one.recorded for one in fresh] == [False, False]
    for contract, revised, now in zip(CONTRACTS, ("N03", "P07"), fresh, strict=True):
        first, second = runs(stack, contract).runs
        assert (second.kind, second.causes) == ("correction 1", ("meter",))
        for party, payable in now.result.payable.items():
            assert first.result.payable[party] + second.delta[party] == payable
        assert any(delta.minor for delta in second.delta.values())
        before, after = by_site(first.result), by_site(second.result)
        assert {site for site, code in before if before[site, code] != after[site, code]} == {revised}


def by_site(result: Result) -> dict[tuple[str | None, str], Money]:
    return {(line.site, line.code): line.amount for line in result.lines if line.kind == "stream"}


def test_what_is_found_after_the_close_is_posted_in_the_next_month(stack: Stack) -> None:
    entries = posted(stack)
    found = {(one.reference.contract, one.kind, str(Month.of(one.posted_on))) for one in entries}
    runs_of = {one for one in found if one[1] in {"recognition", "correction"}}
    assert runs_of == {
        (CONTRACTS[0], "recognition", "2026-08"),
        (CONTRACTS[1], "recognition", "2026-08"),
        (CONTRACTS[1], "correction", "2026-08"),
        (CONTRACTS[0], "correction", "2026-09"),
    }
    assert {one.reference.month for one in entries} == {AUGUST}


def posted(stack: Stack) -> list[JournalEntry]:
    with stack.database.reading(BOOK) as connection:
        return list(journal(connection, stack.caught_up()).journal)


def test_two_disputes_end_in_a_delta_and_in_a_refusal(stack: Stack) -> None:
    upheld = stack.door.state(f"statement.{CONTRACTS[1]}_{AUGUST}_host-pudong_1")
    rejected = stack.door.state(f"statement.{CONTRACTS[0]}_{AUGUST}_equipment-owner_1")
    (one,) = upheld.disputes  # type: ignore[attr-defined]
    assert (one.status, one.corrected_by_run, one.decided_by) == ("corrected", 2, "ada")
    (other,) = rejected.disputes  # type: ignore[attr-defined]
    assert (other.status, bool(other.answer)) == ("rejected", True)


def test_the_books_hold_what_the_statements_say(stack: Stack) -> None:
    """Every entry balances, and what each partner owes or is owed is the sum of its statements."""
    entries = posted(stack)
    with stack.database.reading(BOOK) as connection:
        found = statements.latest(connection, stack.caught_up(), month=str(AUGUST))
    owed: dict[str, int] = {}
    for entry in entries:
        assert sum(posting.amount.minor for posting in entry.postings) == 0
        for posting in entry.postings:
            if posting.account.role in {"payable", "receivable"}:
                (party,) = posting.account.keys
                owed[party] = owed.get(party, 0) - posting.amount.minor
    stated: dict[str, int] = {}
    for one in found:
        if one.party != "operator":
            stated[one.party] = stated.get(one.party, 0) + one.payable.minor
    assert owed == stated
    assert len(stated) == 3


def test_the_files_are_there(told: tuple[Path, str]) -> None:
    state, out = told
    assert "bean-check finds nothing wrong" in out
    assert "chains whole" in out
    folder = state / "portfolios"
    pdfs = sorted((folder / "statements").glob("*.pdf"))
    assert len(pdfs) == 12
    assert all(file.read_bytes().startswith(b"%PDF") for file in pdfs)
    assert len(list((folder / "statements").glob("*.xlsx"))) == 6
    assert (folder / "journal.hledger").stat().st_size > 1000


def test_a_second_demo_records_nothing(told: tuple[Path, str], stack: Stack) -> None:
    before = stack.client.run(stack.log.last_sequence())
    again = demo(told[0], "close")
    assert stack.client.run(stack.log.last_sequence()) == before
    assert again.count("known already") == 2 + 6 + 1 + 2 + 2
    assert " stored" not in again
    assert " recorded:" not in again


def test_the_portfolios_have_the_sizes_of_the_business_documents() -> None:
    """DOMAIN.md 2.1 Q11 and Q13."""
    for name, count, kw, kwh, smallest, largest in (
        ("nantong", 20, 15_000, 30_000, 500, 2000),
        ("pudong", 50, 25_000, 50_000, 200, 1000),
    ):
        sites = [one for one in roster() if one.portfolio == name]
        assert len(sites) == count
        assert sum(one.storage_kw for one in sites) == kw
        assert sum(one.storage_kwh for one in sites) == kwh
        assert all(smallest <= one.storage_kwh <= largest for one in sites)


def test_every_simulated_storage_stays_within_its_nameplate() -> None:
    """Stored energy, from the registers and the losses, never leaves 0..nameplate; power neither; nor does
    it export what the site does not use."""
    for site, month in site_months(roster(), shanghai_tariffs()):
        steps = month.charge * CHARGE_PERMILLE - month.discharge * 1_000_000 // DISCHARGE_PERMILLE
        stored = np.cumsum(steps) / 1000
        slack = len(steps)
        assert stored.min() >= -slack, site.site
        assert stored.max() <= site.storage_kwh * 1000 + slack, site.site
        share = 100 - RESERVED_PERCENT if "regulation" in site.roles else 100
        assert max(month.charge.max(), month.discharge.max()) <= site.storage_kw * 250 * share // 100
        assert not (month.charge * month.discharge).any()
        assert month.discharge.sum() > 10 * site.storage_kwh * 1000 * share // 100
        if month.load is not None:
            own = month.load if month.pv is None else month.load - month.pv
            assert (month.discharge <= np.maximum(own, 0)).all(), site.site


def test_august_s_spot_prices_are_published_ones_of_the_same_weekday() -> None:
    rows = list(csv.reader(prices_csv().decode().splitlines()))
    with (ROOT / "examples/prices/shandong_spot_2026.csv").open(encoding="utf-8") as file:
        published = {row[0]: row[1:] for row in list(csv.reader(file))[1:]}
    assert len(rows) == 1 + 744
    for at, *prices in rows[1:]:
        moved = datetime.fromisoformat(at)
        days = (moved + timedelta(hours=8)).date() - date(2026, 8, 1)
        same = date(2026, 1, 25) + timedelta(days=(days.days // 7 % 3) * 7 + ((days.days + 6) % 7))
        source = datetime.combine(same, (moved + timedelta(hours=8)).time()) - timedelta(hours=8)
        assert source.weekday() == moved.replace(tzinfo=None).weekday()
        assert prices == published[f"{source:%Y-%m-%dT%H:%M:%SZ}"]
    assert Fraction(rows[1][1]) > 0


@pytest.mark.parametrize(
    ("cut", "whole", "column", "count"),
    [
        ("simbench_2016-08.csv.gz", "simbench_commercial_15min_2016.csv.gz", "local_start", 21),
        ("nrel_pv_2016-08.csv.gz", "nrel_serf_east_pv_15min.csv", "measured_on", 2),
    ],
)
def test_the_shipped_data_are_unchanged_cuts(cut: str, whole: str, column: str, count: int) -> None:
    if not DATA.is_dir():
        pytest.skip(f"the reference data are not at {DATA}")
    header, *rows = table(FOLDER / cut)
    names, *everything = table(DATA / whole)
    chosen = [names.index(name) for name in header]
    days = [row for row in everything if row and "2016-07-30" <= row[chosen[0]][:10] <= "2016-08-29"]
    assert rows == [[row[index] for index in chosen] for row in days]
    assert (header[0], len(header), len(rows)) == (column, count, 31 * 96)


def table(file: Path) -> list[list[str]]:
    data = file.read_bytes()
    text = (gzip.decompress(data) if file.suffix == ".gz" else data).decode()
    return [row for row in csv.reader(text.splitlines()) if row]
