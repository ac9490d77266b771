"""Where the clocks are half an hour off UTC's, hourly intervals begin at the local hours."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from msgspec import structs

from adapters.planning.planner import Planner
from adapters.planning.portfolio import Horizon, boundary, fits, portfolio_of
from adapters.planning.site_cases import Asked, site_cases
from adapters.planning.solver_process import SolverProcess
from adapters.settling import lowest_position
from ledger.calendars import calendar
from ledger.demand import ActualDemand
from ledger.grid_account import Account
from ledger.interval import midnight
from ledger.meter import Meter, RegisterMeter
from ledger.meter_import import RecordReadings
from ledger.published_tariff import PublishTariff
from ledger.readings import run_of
from ledger.site import RegisterSite, Site
from tests.adapters import sample
from tests.adapters.conftest import Bench
from tests.adapters.planning.plan_book import TERMS, projecting, stated
from tests.adapters.test_settling import TARIFF

ZONES = ("Asia/Kolkata", "Australia/Adelaide")
HOUR = timedelta(hours=1)
DAY = date(2026, 8, 20)


def local(zone: str, day: int, hour: int, minute: int = 0) -> datetime:
    return datetime(2026, 8, day, hour, minute, tzinfo=ZoneInfo(zone)).astimezone(UTC)


def founded(bench: Bench, zone: str) -> None:
    """A site whose demand is averaged by the hour, read by the hour through 18 August: each day 300 kW, in
    its last three hours 600."""
    tariff = structs.replace(TARIFF, calendar=calendar("none", zone))
    account = Account(
        id="A-S1", zone=zone, parts="two_part", demand=ActualDemand(interval_s=3600), power_factor=None,
        export_price=None,
    )  # fmt: skip
    since = sample.FROM_2026
    site = Site("S1", "Plant", zone, 500_000, 250_000, TARIFF.id, account)
    meter = Meter("S1-LOAD", "S1", "load", ("load",), 3600, 2_000_000, zone)
    for number, command in enumerate(
        [
            sample.found_book(),
            PublishTariff(tariff),
            RegisterSite(since, site),
            RegisterMeter(since, meter),
        ]
    ):
        bench.door.execute(command, command_id=f"c{number}", actor="ada")
    day = np.array([300_000] * 21 + [600_000] * 3)
    stated(bench, TERMS)
    # Cut at the UTC month: the local month begins in July there.
    begin = midnight(date(2026, 8, 2), ZoneInfo(zone))
    run = run_of("S1-LOAD", "load", begin, 3600, np.tile(day, 17), "A")
    bench.door.execute(
        RecordReadings("S1-LOAD", "2026-08", "test", (run,)), command_id="readings", actor="gateway"
    )
    bench.project()


@pytest.mark.parametrize("zone", ZONES)
def test_hourly_plans_begin_at_local_hours(bench: Bench, zone: str) -> None:
    """A whole day, the rest of one, and one from an instant on; its load is that of the same hours."""
    founded(bench, zone)
    asked: list[tuple[datetime, date | datetime, datetime, int]] = [
        (local(zone, 19, 12), DAY, local(zone, 20, 0), 24),
        (local(zone, 20, 9, 10), DAY, local(zone, 20, 10), 14),
        (local(zone, 20, 9, 40), local(zone, 20, 9, 40), local(zone, 20, 9), 24),
    ]
    for now, at, start, count in asked:
        bench.now = now
        with projecting(bench), SolverProcess() as solver:
            made = Planner(bench.door, bench.database, solver, lambda: bench.now).plan("S1", at)
        assert (made.head.start, made.head.interval_s, made.head.count) == (start, 3600, count)
        assert (made.head.basis, made.head.violations) == ("optimised", ())
        horizon = Horizon(start, 3600, count)
        with bench.database.reading(bench.book) as connection:
            position = lowest_position(connection)
            portfolio = portfolio_of(connection, position, "S1", start)
            found = site_cases(connection, bench.book, Asked(portfolio, horizon, position))
        hours = horizon.local(zone)
        assert {one.minute for one in hours} == {0}
        expected = [600_000 if one.hour >= 21 else 300_000 for one in hours]
        assert found.cases[0].limits.load_w.tolist() == expected, "of the same hours a week before"
        assert found.cases[0].peak_w == 600_000


def test_hours_that_fit_no_common_clock_are_quarter_hours() -> None:
    now = datetime(2026, 8, 20, tzinfo=UTC)
    assert fits(3600, ("Asia/Kolkata", "Australia/Adelaide"), now)
    assert fits(3600, ("Asia/Shanghai", "Europe/Berlin", "America/New_York"), now)
    assert not fits(3600, ("Asia/Kolkata", "Asia/Shanghai"), now)
    assert not fits(1800, ("Asia/Kathmandu", "Asia/Kolkata"), now)
    assert not fits(3600, ("Australia/Lord_Howe",), now), "its clocks change by half an hour"
    assert fits(900, ("Asia/Kathmandu", "Asia/Kolkata", "Australia/Lord_Howe"), now)


@pytest.mark.parametrize(
    ("zone", "before", "after"),
    [("UTC", 4, 5), ("Asia/Shanghai", 4, 5), ("Asia/Kolkata", 3.5, 4.5), ("Asia/Kathmandu", 4.25, 5.25)],
)
def test_an_interval_begins_on_its_own_clock(zone: str, before: float, after: float) -> None:
    midnight_utc = datetime(2026, 8, 20, tzinfo=UTC)
    now = midnight_utc + timedelta(hours=4, minutes=20)
    assert boundary(now, 3600, zone, after=False) == midnight_utc + before * HOUR
    assert boundary(now, 3600, zone, after=True) == midnight_utc + after * HOUR
    whole = boundary(now, 3600, zone, after=True)
    assert boundary(whole, 3600, zone, after=True) == boundary(whole, 3600, zone, after=False) == whole
