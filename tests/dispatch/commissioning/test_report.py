"""A pass is of one profile at one address, and the newest test counts."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest

from dispatch.commissioning.report import (
    BeginCommissioning,
    Commissioning,
    CommissioningReport,
    RecordCommissioning,
    address_sha256,
    profile_sha256,
)
from dispatch.commissioning.report_text import report_text
from dispatch.commissioning.step_plan import step_plan
from dispatch.commissioning.step_result import STEPS, StepName, StepResult, StepVerdict
from ledger.device import Device
from ledger.effective import History, Period
from ledger.refusal import Refused
from tests.adapters.sample import AUGUST
from tests.dispatch.devices.profile_samples import example

PROFILE = example("bess_swapped")
PLAN = step_plan(PROFILE)
OTHERS = {
    "device.B1": History[Device]().with_version(
        Period(AUGUST), Device("B1", "S1", "battery", 250_000, 500_000)
    )
}
NOW = AUGUST + timedelta(hours=1)
ADDRESS = address_sha256(("10.0.0.1", 502, 1))


def report(**verdicts: StepVerdict) -> CommissioningReport:
    return CommissioningReport(
        device="B1",
        profile=PROFILE.id,
        profile_sha256=profile_sha256(PROFILE),
        address_sha256=ADDRESS,
        meter="",
        started_at=AUGUST,
        ended_at=AUGUST + timedelta(minutes=2),
        plan=PLAN,
        results=tuple(StepResult(step=step, verdict=verdicts.get(step, "passed")) for step in STEPS),
    )


def proven(state: Commissioning | None, one: CommissioningReport) -> Commissioning:
    (begun,) = BeginCommissioning("B1", "ada", one.profile_sha256, PLAN).decide_at(NOW, state, OTHERS)
    state = begun.apply(state)
    assert not state.permits(profile_sha256(PROFILE), ADDRESS), "not while it is tested"
    (event,) = RecordCommissioning(one, "ada").decide_at(NOW, state, OTHERS)
    assert event.passed == one.passed
    return event.apply(state)


def test_a_pass_permits_its_profile_at_its_address() -> None:
    state = proven(None, report())
    assert state.permits(profile_sha256(PROFILE), ADDRESS)
    changed = msgspec.structs.replace(PROFILE, unit_id=3)
    assert not state.permits(profile_sha256(changed), ADDRESS)
    assert not state.permits(profile_sha256(PROFILE), address_sha256(("10.0.0.1", 502, 2)))


def test_a_later_failure_takes_the_pass_away() -> None:
    state = proven(proven(None, report()), report(sign="failed"))
    assert state.count == 2
    assert not state.permits(profile_sha256(PROFILE), ADDRESS)
    assert proven(state, report()).permits(profile_sha256(PROFILE), ADDRESS)


@pytest.mark.parametrize(
    ("verdicts", "step"),
    [
        ({}, ""),
        ({"clock": "flagged", "watchdog": "flagged"}, ""),
        ({"clock": "not_run"}, "clock"),
        ({"heartbeat": "not_run"}, "heartbeat"),
        ({"revert": "not_run"}, "revert"),
        ({"watchdog": "not_run"}, "watchdog"),
        ({"ramp": "not_run"}, "ramp"),
        ({"left_safe": "failed"}, "left_safe"),
        ({"sign": "failed", "ramp": "failed"}, "sign"),
    ],
)
def test_the_step_that_failed_is_named(verdicts: dict[StepName, StepVerdict], step: str) -> None:
    one = report(**verdicts)
    assert (one.failed_step, one.passed) == (step, not step)
    assert ("PASSED" if not step else f"FAILED at {step}") in report_text(one)


def test_what_the_profile_does_not_have_is_not_needed_but_one_of_timer_and_watchdog() -> None:
    """Something must end a setpoint by itself."""
    bare = msgspec.structs.replace(PLAN, clock=False, counter=False, reverts=False)
    one = report(clock="not_run", heartbeat="not_run", revert="not_run")
    assert msgspec.structs.replace(one, plan=bare).passed
    nothing = msgspec.structs.replace(bare, watchdog_s=None, beat_s=None)
    both = report(revert="not_run", watchdog="not_run")
    assert msgspec.structs.replace(both, plan=nothing).failed_step == "watchdog"


def test_a_test_that_was_not_begun_is_not_recorded() -> None:
    with pytest.raises(Refused, match="has begun"):
        RecordCommissioning(report(), "ada").decide_at(NOW, None, OTHERS)
    begun = BeginCommissioning("B1", "ada", "0" * 64, PLAN).decide_at(NOW, None, OTHERS)[0].apply(None)
    with pytest.raises(Refused) as refused:
        RecordCommissioning(report(), "ada").decide_at(AUGUST, begun, OTHERS)
    assert refused.value.code == "time_ahead"


def test_steps_are_each_there_once_in_order() -> None:
    with pytest.raises(Refused) as refused:
        msgspec.structs.replace(report(), results=report().results[::-1])
    assert refused.value.code == "commissioning_steps"


def test_a_step_that_drowns_in_its_tolerance_is_refused() -> None:
    for step_w in (0, 2_000, 300_000):
        with pytest.raises(Refused) as refused:
            step_plan(PROFILE, step_w=step_w)
        assert refused.value.code == "step_power"
    assert PLAN.step_w == 50_000
    assert step_plan(PROFILE, discharge_w=100_000).step_w == 20_000
