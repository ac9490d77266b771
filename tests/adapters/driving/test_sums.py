"""Powers whose sums would not fit 64 bits are not believed, and a fleet that does not add up is refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from adapters.driving.device_state import DeviceState, shown_w
from adapters.driving.driven_site import fleet_book
from adapters.driving.fleet_file import FleetDevice, ModbusTcp
from adapters.driving.site_now import SiteNow
from dispatch.devices.control import LIMIT_MAX
from dispatch.devices.profile_file import parse
from dispatch.devices.quality import NUMBER_MAX, Reading
from dispatch.telemetry.sample import Sample
from dispatch.telemetry.settlement_interval import RegisterRead, interval_energies
from ledger.device import Device, RegisterDevice
from ledger.effective import Period
from ledger.readings import WH_MAX
from ledger.refusal import Refused
from tests.adapters import sample
from tests.adapters.conftest import Bench
from tests.dispatch.devices.profile_samples import PLAIN

NOW = datetime(2026, 8, 3, 12, tzinfo=UTC)
MS = int(NOW.timestamp() * 1000)
PROFILE = parse(PLAIN.replace("charge_w_max = 1000", f"charge_w_max = {LIMIT_MAX // 4}")
                .replace("discharge_w_max = 2000", f"discharge_w_max = {LIMIT_MAX // 4}")
                .replace("energy_wh = 5000", f"energy_wh = {LIMIT_MAX}")
                .replace(", minimum = -1000, maximum = 2000", ""))  # fmt: skip


def told(name: str, power_w: int) -> Sample:
    readings = {
        "active_power": Reading(power_w), "meter_power": Reading(power_w), "setpoint": Reading(power_w),
        "enable": Reading(1), "soc": Reading(50_000), "state": Reading(1),
    }  # fmt: skip
    return Sample(device=name, run="r", number=1, at_ms=MS, readings=readings)  # type: ignore[arg-type]


def fleet_device(name: str) -> FleetDevice:
    return FleetDevice(id=name, profile=PROFILE, address=ModbusTcp(host=f"{name}.example"))


@pytest.mark.parametrize(
    ("power_w", "known"), [(LIMIT_MAX, True), (LIMIT_MAX + 1, False), (NUMBER_MAX, False)]
)
def test_a_power_beyond_what_any_device_has_is_not_known(power_w: int, known: bool) -> None:
    for sign in (1, -1):
        one = told("a", sign * power_w)
        state = DeviceState(fleet_device("a"))
        state.take(one)
        snapshot = state.snapshot(NOW)
        wanted = sign * power_w if known else None
        assert (snapshot.power_w, snapshot.setpoint_w, shown_w(fleet_device("a"), one)) == (wanted,) * 3
        site = SiteNow(("G1", "G2"))
        for name in ("G1", "G2"):
            site.take(msgspec.structs.replace(one, device=name))
        assert site.draws_w(MS) == (-2 * sign * power_w if known else None)


def test_a_register_that_leaps_by_more_than_a_reading_may_be_is_missing() -> None:
    for grown, missing in (
        (WH_MAX, None),
        (WH_MAX + 1, "register_leapt"),
        (2 * NUMBER_MAX, "register_leapt"),
    ):
        reads = [RegisterRead(0, -NUMBER_MAX), RegisterRead(60_000, grown - NUMBER_MAX)]
        (found,) = interval_energies(reads, first_ms=0, end_ms=60_000, interval_s=60)
        assert (found.wh, found.missing) == (None if missing else grown, missing)


def test_a_fleet_that_does_not_add_up_is_refused_before_it_drives(bench: Bench) -> None:
    since = Period(sample.AUGUST)
    commands = [sample.found_book(), sample.register_party(), sample.register_site()]
    names = ("a", "b", "c")
    devices = [Device(name, "S1", "battery", LIMIT_MAX // 4, LIMIT_MAX) for name in names]
    for number, command in enumerate([*commands, *(RegisterDevice(since, one) for one in devices)]):
        bench.door.execute(command, command_id=f"c{number}", actor="setup")
    position = bench.project()
    with bench.database.reading(bench.book) as connection:
        at = sample.AUGUST + timedelta(days=1)
        book = fleet_book(connection, position, [fleet_device(name) for name in names[:2]], at)
        assert len(book.storages) == 2
        with pytest.raises(Refused, match=f"at most {LIMIT_MAX // 2} W") as refused:
            fleet_book(connection, position, [fleet_device(name) for name in names], at)
    assert (refused.value.code, refused.value.place) == ("fleet_power", "devices")
