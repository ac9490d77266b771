"""What is left of a site's storage, as a limit beside those that people impose."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from dispatch.control.interlock import DeviceLimits, DeviceSnapshot
from dispatch.control.site_able import AbleDevice, AbleSince, SiteAble, due_limit, site_able
from dispatch.planning.imposed_limit import ImposedLimit
from ledger.effective import History, Period

NOW = datetime(2026, 8, 3, 8, tzinfo=UTC)
HOUR = timedelta(hours=1)
LIMITS = DeviceLimits(
    charge_w=80, discharge_w=100, soc_floor_millipercent=10_000, soc_ceiling_millipercent=90_000,
    import_w=0, export_w=0, hottest_mc_max=50_000,
)  # fmt: skip
WELL = DeviceSnapshot(mode="remote", soc_millipercent=50_000, hottest_mc=30_000)


def device(name: str, *, lost: bool = False, permitted: bool = True, **seen: Any) -> AbleDevice:
    snapshot = msgspec.structs.replace(WELL, **seen)
    return AbleDevice(device=name, snapshot=snapshot, limits=LIMITS, lost=lost, permitted=permitted)


def history(*imposed: tuple[Period, ImposedLimit]) -> History[ImposedLimit]:
    found = History[ImposedLimit]()
    for period, limit in imposed:
        found = found.with_version(period, limit)
    return found


def test_what_is_lost_or_derated_is_missing_and_what_is_empty_is_not() -> None:
    assert site_able([device("a"), device("b")]) == SiteAble(160, 200)
    assert site_able([device("a", soc_millipercent=5_000), device("b", soc_millipercent=95_000)]) == SiteAble(
        160, 200
    ), "empty and full pass by themselves"
    assert site_able([device("a"), device("b", lost=True)]) == SiteAble(80, 100, "b is lost")
    found = site_able(
        [device("a", mode="local"), device("b", hottest_mc=50_000), device("c", permitted=False)]
    )
    assert (found.charge_w, found.discharge_w) == (0, 0)
    a, b = "a can do 0 W in, 0 W out (device_mode)", "b can do 0 W in, 0 W out (temperature_high)"
    assert found.why == f"{a}, {b}, c is not commissioned"
    for soc in (None, -247_000, 100_001):
        found = site_able([device("a", soc_millipercent=soc)])
        assert found == SiteAble(0, 0, "a can do 0 W in, 0 W out (soc_unknown)"), "nobody knows what it holds"


def test_a_limit_is_imposed_once_and_lifted_when_devices_are_back() -> None:
    less, all_of_it = SiteAble(80, 100, "b is lost"), SiteAble(160, 200)
    assert due_limit(None, all_of_it, NOW) is None
    first = due_limit(None, less, NOW)
    assert first == ImposedLimit(reason="driver: b is lost", charge_w=80, discharge_w=100)
    held = history((Period(NOW), first))
    assert due_limit(held, less, NOW + HOUR) is None, "it holds already"
    lifted = due_limit(held, all_of_it, NOW + HOUR)
    assert lifted == ImposedLimit(reason="driver: all of its devices are back")
    held = held.with_version(Period(NOW + HOUR), lifted)
    assert due_limit(held, all_of_it, NOW + 2 * HOUR) is None
    gone = due_limit(held, SiteAble(0, 0, "a is lost, b is lost"), NOW + 2 * HOUR)
    assert gone is not None
    assert gone.lost, "planned as a lost site"


def test_what_a_person_imposed_is_kept_and_given_back() -> None:
    grid = ImposedLimit(reason="order 7", discharge_w=50, export_w=10)
    held = history((Period(NOW, NOW + 3 * HOUR), grid))
    less = due_limit(held, SiteAble(80, 100, "b is lost"), NOW)
    assert less == ImposedLimit(
        reason="driver: b is lost; order 7", charge_w=80, discharge_w=50, export_w=10
    ), "the lower of both"
    held = held.with_version(Period(NOW), less)
    back = due_limit(held, SiteAble(160, 200), NOW + HOUR)
    assert back == ImposedLimit(
        reason="driver: all of its devices are back; order 7", discharge_w=50, export_w=10
    )
    over = due_limit(held.with_version(Period(NOW + HOUR), back), SiteAble(160, 200), NOW + 4 * HOUR)
    assert over == ImposedLimit(reason="driver: all of its devices are back"), "the order's time is over"
    person = ImposedLimit(reason="order 8", charge_w=0)
    assert due_limit(held.with_version(Period(NOW), person), SiteAble(160, 200), NOW + HOUR) is None


def test_what_is_bad_is_so_since_it_was_looked_at_again() -> None:
    lost, second = SiteAble(0, 0, "a is lost"), timedelta(seconds=1)
    first = AbleSince.of(None, lost, NOW)
    assert AbleSince.of(first, lost, NOW + second).begin == NOW
    assert AbleSince.of(first, lost, NOW + HOUR).begin == NOW + HOUR, "nobody looked for an hour"
    assert AbleSince.of(first, lost, NOW - HOUR).begin == NOW - HOUR, "a clock that was set back"
    assert AbleSince.of(first, SiteAble(0, 0, "b is lost"), NOW + second).begin == NOW + second


def test_what_is_well_stays_so_until_it_is_seen_otherwise() -> None:
    well = SiteAble(80, 100)
    assert AbleSince.of(AbleSince.of(None, well, NOW), well, NOW + HOUR).begin == NOW
