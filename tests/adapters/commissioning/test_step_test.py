"""The step test at the storage peer: a sound device passes, and each fault fails the step that names it."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from adapters.bess_peer.fault import (
    AcknowledgeOnly,
    ClockOff,
    Fault,
    HeartbeatStopped,
    IgnoreWrites,
    SignFlipped,
    Unavailable,
)
from adapters.bess_peer.storage import Storage
from adapters.commissioning.step_test import StepTest, Subject
from adapters.driving.port import Unreachable
from dispatch.commissioning.report import CommissioningReport
from dispatch.commissioning.step_plan import step_plan
from dispatch.devices.profile import Profile
from ledger.refusal import Refused
from tests.adapters.commissioning.storage_port import START, StoragePort, Time
from tests.dispatch.devices.profile_samples import example

REAL = example("bess_swapped")
METER = example("meter_import_export")


class Rig:
    def __init__(self, believed: Profile = REAL, real: Profile = REAL, *, metered: bool = True) -> None:
        self.time = Time()
        self.storage = Storage(real, METER, START, load_w=40_000)
        self.port = StoragePort(self.storage, believed, self.time)
        self.meter = StoragePort(self.storage, METER, self.time) if metered else None
        self.tested = Subject(
            device="bess-1",
            profile=believed.id,
            profile_sha256="0" * 64,
            address_sha256="1" * 64,
            meter="S1-STORAGE" if metered else "",
        )

    def run(self, **more: object) -> CommissioningReport:
        test = StepTest(
            self.port,
            self.tested,
            step_plan(self.port.profile),
            clock_ms=self.time,
            sleep=self.time.sleep,
            meter=self.meter,
            **more,  # type: ignore[arg-type]
        )
        return asyncio.run(test.run())

    def fault(self, fault: Fault) -> CommissioningReport:
        self.port.wrong(fault)
        return self.run()


def of(report: CommissioningReport) -> dict[str, tuple[str, int | None]]:
    return {one.step: (one.verdict, one.measured) for one in report.results}


def with_limits(profile: Profile, **limits: int) -> Profile:
    assert profile.limits is not None
    return msgspec.structs.replace(profile, limits=msgspec.structs.replace(profile.limits, **limits))


def with_watchdog(profile: Profile, timeout_s: int) -> Profile:
    assert profile.control is not None
    watchdog = msgspec.structs.replace(profile.control.watchdog, timeout_s=timeout_s)  # type: ignore[type-var]
    return msgspec.structs.replace(
        profile, control=msgspec.structs.replace(profile.control, watchdog=watchdog)
    )


def test_a_sound_device_passes_with_its_figures() -> None:
    rig = Rig()
    report = rig.run()
    assert report.passed, report
    found = of(report)
    assert {verdict for verdict, _ in found.values()} == {"passed"}
    by_step = {one.step: one for one in report.results}
    signed = by_step["sign"]
    assert (signed.commanded_w, signed.read_w, signed.metered_w) == (-50_000, -50_000, -100_000)
    full = by_step["capability"]
    assert (full.commanded_w, full.read_w, full.metered_w) == (250_000, 250_000, 250_000)
    ramp = found["ramp"][1]
    assert ramp is not None
    assert abs(ramp - 50_000) <= 1_000, "the peer ramps 50 kW a second"
    assert found["revert"][1] in range(5_000, 7_500)
    assert found["watchdog"][1] in range(30_000, 32_500)
    assert rig.port.commanded == [50_000, -50_000, 0, 250_000, -250_000, 0, 50_000, 50_000, 0]
    assert (rig.storage.battery.power_w, rig.storage.enabled) == (0, False)


@pytest.mark.parametrize(
    ("fault", "step"),
    [
        (SignFlipped(), "sign"),
        (AcknowledgeOnly(), "latency"),
        (IgnoreWrites(), "latency"),
        (Unavailable(), "latency"),
        (Unavailable(permille=500), "capability"),
        (Unavailable(permille=100), "scale"),
        (ClockOff(), "clock"),
        (HeartbeatStopped(), "heartbeat"),
    ],
    ids=lambda one: one if isinstance(one, str) else type(one).__name__,
)
def test_each_fault_fails_the_step_that_names_it(fault: Fault, step: str) -> None:
    rig = Rig()
    report = rig.fault(fault)
    assert report.failed_step == step, report.results
    after = list(of(report))[list(of(report)).index(step) + 1 : -1]
    assert {of(report)[name][0] for name in after} <= {"not_run"}
    assert rig.storage.battery.power_w == 0
    assert rig.port.commanded[-1] == 0


def test_a_wrong_sign_is_told_from_the_meter() -> None:
    told = next(one for one in Rig().fault(SignFlipped()).results if one.step == "sign")
    assert "meter goes the right way" in told.note
    blind = Rig(metered=False)
    assert "meter" not in next(one for one in blind.fault(SignFlipped()).results if one.step == "sign").note


def test_nothing_is_commanded_of_a_device_whose_clock_or_counter_is_wrong() -> None:
    for fault in (ClockOff(), HeartbeatStopped()):
        rig = Rig()
        rig.fault(fault)
        assert set(rig.port.commanded) == {0}


def without(profile: Profile, *roles: str) -> Profile:
    left = {role: name for role, name in profile.roles.items() if role not in roles}
    return msgspec.structs.replace(profile, roles=left)


def test_a_clock_that_tells_nothing_is_no_pass_where_the_profile_has_one() -> None:
    """Its register is out of the range that the profile gives it."""
    points = tuple(
        msgspec.structs.replace(one, maximum=1) if one.name == REAL.roles["device_clock"] else one
        for one in REAL.points
    )
    rig = Rig(believed=msgspec.structs.replace(REAL, points=points))
    report = rig.run()
    told = next(one for one in report.results if one.step == "clock")
    assert (report.failed_step, told.verdict, told.note) == ("clock", "failed", "the clock has no value")
    assert set(rig.port.commanded) == {0}


def test_what_the_profile_does_not_have_is_not_run_and_passes() -> None:
    report = Rig(believed=without(REAL, "device_clock", "device_heartbeat")).run()
    found = {one.step: one for one in report.results}
    assert {found["clock"].verdict, found["heartbeat"].verdict} == {"not_run"}
    assert found["clock"].note == "the profile has none"
    assert found["heartbeat"].note == "the profile has none: no counter of the device's own"
    assert report.passed, report


def test_a_clock_seconds_off_is_flagged_and_passes() -> None:
    report = Rig().fault(ClockOff(seconds=10))
    assert of(report)["clock"][0] == "flagged"
    assert report.passed


def test_a_ramp_that_is_not_the_profiles_fails() -> None:
    slow = Rig(real=with_limits(REAL, ramp_w_per_s=20_000)).run()
    assert slow.failed_step == "ramp"
    assert abs((of(slow)["ramp"][1] or 0) - 20_000) <= 1_000
    fast = Rig(real=with_limits(REAL, ramp_w_per_s=100_000)).run()
    assert fast.failed_step == "ramp"


def test_a_scale_that_is_not_the_profiles_fails() -> None:
    """A map that counts tens of W where the device counts W."""
    points = tuple(
        msgspec.structs.replace(one, scale=1, minimum=None, maximum=None, change_max_per_s=None)
        if one.name == "power"
        else one
        for one in REAL.points
    )
    report = Rig(believed=msgspec.structs.replace(REAL, points=points)).run()
    assert report.failed_step == "scale"


def test_a_watchdog_slower_than_the_profile_says_fails() -> None:
    report = Rig(real=with_watchdog(REAL, 60)).run()
    assert report.failed_step == "watchdog"
    assert Rig(real=with_watchdog(REAL, 30), believed=with_watchdog(REAL, 30)).run().passed


def test_a_device_that_is_lost_fails_the_step_it_was_lost_in() -> None:
    rig = Rig()
    rig.port.refuses = Unreachable("the line is down")
    report = rig.run()
    found = {one.step: one for one in report.results}
    assert report.failed_step == "latency"
    assert "the line is down" in found["latency"].note
    assert found["left_safe"].verdict == "failed"


def test_a_lease_that_is_lost_ends_the_test_and_leaves_the_device_safe() -> None:
    rig = Rig()
    writes = 0

    async def held() -> None:
        nonlocal writes
        writes += 1
        if writes == 3:
            raise Refused("lease_lost", "another has it")

    with pytest.raises(Refused, match="another has it"):
        rig.run(before_write=held)
    assert rig.port.commanded == [50_000, -50_000, 0, 0]
    assert rig.storage.battery.power_w == 0


def test_a_full_or_driven_device_is_not_tested() -> None:
    rig = Rig()
    rig.storage.battery.soc = 95_000
    assert rig.run().failed_step == "telemetry"
    driven = Rig()
    asyncio.run(driven.port.write_setpoint(100_000, 600))
    driven.time.ms += 5_000
    report = driven.run()
    assert report.failed_step == "telemetry"
