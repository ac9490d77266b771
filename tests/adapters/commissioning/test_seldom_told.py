"""A storage that tells its power by itself, each five seconds as its profile says, can be commissioned."""

from __future__ import annotations

import asyncio
from collections.abc import Collection

import msgspec
import pytest

from adapters.bess_peer.fault import AcknowledgeOnly
from adapters.commissioning.connection import Bearing, bounded, lacking
from adapters.commissioning.step_test import StepTest, _why
from adapters.driving.port import TellingPort, WriteRefused, WriteUncertain, WrongAnswer
from dispatch.commissioning.report import CommissioningReport
from dispatch.commissioning.report_text import report_text
from dispatch.commissioning.step_plan import step_plan
from dispatch.commissioning.step_result import StepResult
from dispatch.devices.profile import Period, Profile
from dispatch.telemetry.sample import Sample
from ledger.refusal import Refused
from tests.adapters.commissioning.storage_port import StoragePort, Time
from tests.adapters.commissioning.test_step_test import REAL, Rig, with_limits


class Telling(StoragePort):
    """Its message comes each `every_ms`, and is kept until it is read; a silent one tells nothing."""

    every_ms = 5_000
    silent = False

    def __init__(self, storage: object, profile: Profile, time: Time) -> None:
        super().__init__(storage, profile, time)  # type: ignore[arg-type]
        self.told_ms = time.ms
        self.kept: Sample | None = None

    @property
    def unread(self) -> bool:
        return self.kept is not None

    def early(self, sample: Sample) -> bool:
        return False

    async def look(self) -> None:
        """Time went on."""
        if not self.silent and self.time.ms - self.told_ms >= self.every_ms:
            self.told_ms += self.every_ms
            self.kept = await super().read(("fast", "normal", "slow"))

    async def told(self) -> None:
        while not self.unread:
            if self.silent:
                raise WrongAnswer("no message within 6.0 s")
            await asyncio.sleep(0)

    async def read(self, periods: Collection[Period]) -> Sample:
        assert self.kept is not None
        sample, self.kept = self.kept, None
        return sample


class TellingRig(Rig):
    def __init__(self, believed: Profile = REAL, real: Profile = REAL) -> None:
        super().__init__(believed, real, metered=False)
        self.port: Telling = Telling(self.storage, believed, self.time)

    async def sleep(self, seconds: float) -> None:
        await self.time.sleep(seconds)
        await self.port.look()
        await asyncio.sleep(0)

    def tell(self, told_ms: int = 5_000) -> CommissioningReport:
        plan = msgspec.structs.replace(step_plan(self.port.profile), told_ms=told_ms)
        test = StepTest(self.port, self.tested, plan, clock_ms=self.time, sleep=self.sleep)
        return asyncio.run(test.run())


def results(report: CommissioningReport) -> dict[str, StepResult]:
    return {one.step: one for one in report.results}


def test_it_passes_and_the_report_says_what_its_messages_could_show() -> None:
    rig = TellingRig()
    assert isinstance(rig.port, TellingPort)
    report = rig.tell()
    assert report.passed, report.results
    assert rig.port.commanded == [50_000, -50_000, 0, 250_000, -250_000, 0, 50_000, 50_000, 0]
    found = results(report)
    latency = found["latency"]
    assert latency.measured == 0, "its peer answers at once"
    assert latency.note.startswith("to its answer: messages 5000 ms apart showed its effect after ")
    assert (found["ramp"].verdict, found["ramp"].note.endswith(", by messages 5000 ms apart")) == (
        "flagged",
        True,
    )
    assert found["revert"].measured in range(25_000, 30_001)
    assert found["watchdog"].measured in range(30_000, 35_001)
    assert rig.storage.battery.power_w == 0


def test_a_ramp_of_many_messages_is_measured() -> None:
    slow = with_limits(REAL, ramp_w_per_s=5_000)
    rig = TellingRig(slow, slow)
    ramp = results(rig.tell())["ramp"]
    assert (ramp.verdict, ramp.note) == ("passed", "by messages 5000 ms apart")
    rig = TellingRig(slow, with_limits(REAL, ramp_w_per_s=3_000))
    ramp = results(rig.tell())["ramp"]
    assert (ramp.verdict, ramp.note) == ("failed", "slower than the profile says, by messages 5000 ms apart")


def test_messages_that_come_often_show_as_much_as_readings_do() -> None:
    rig = TellingRig()
    rig.port.every_ms = 250
    found = results(rig.tell())
    assert {one.verdict for one in found.values()} == {"passed"}
    assert found["latency"].note == ""


def test_one_that_does_not_move_in_time_fails_though_it_tells_seldom() -> None:
    rig = TellingRig()
    rig.port.wrong(AcknowledgeOnly())
    assert rig.tell().failed_step == "latency"


def test_a_message_of_before_the_stop_does_not_say_that_it_stands_still() -> None:
    rig = TellingRig()
    stopped_ms: list[int] = []

    async def stopped(power_w: int, revert_s: int) -> None:
        if not power_w:
            rig.port.kept = await StoragePort.read(rig.port, ("fast", "normal", "slow"))
            stopped_ms.append(rig.time.ms)
            rig.time.ms += 1
            rig.port.told_ms = rig.time.ms
        await StoragePort.write_setpoint(rig.port, power_w, revert_s)

    rig.port.write_setpoint = stopped  # type: ignore[method-assign]
    report = rig.tell()
    assert report.ended_at.timestamp() * 1000 >= stopped_ms[-1] + 5_000, "the next message says it"


def test_what_tells_more_seldom_than_may_be_raised_on_is_not_tested() -> None:
    rig = TellingRig()
    rig.port.every_ms = 60_000
    report = rig.tell(60_000)
    assert report.failed_step == "telemetry"
    assert "older than 5000 ms" in results(report)["telemetry"].note
    assert rig.port.commanded == [0]


def test_a_device_that_tells_nothing_is_named_without_words_of_a_program() -> None:
    rig = TellingRig()
    rig.port.silent = True
    report = rig.tell()
    assert results(report)["telemetry"].note == "bess_swapped: no message within 6.0 s"
    assert results(report)["left_safe"].note == "bess_swapped: no message within 6.0 s: go and look"
    bearing = Bearing("Q1", 1, 1, rig.port, [])
    with pytest.raises(Refused, match="nobody knows what is drawn: bess_swapped: no message") as refused:
        asyncio.run(bounded(bearing, REAL, {"discharge_w": None, "charge_w": None}))
    assert refused.value.code == "step_connection"


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (WriteRefused("local control"), "it refused: local control"),
        (WriteUncertain("no answer within 1.0 s"), "nobody knows whether it took it: no answer within 1.0 s"),
        (Refused("value_range", "0 to 5"), "value_range: 0 to 5"),
    ],
)
def test_what_went_wrong_is_said_for_people(error: Exception, said: str) -> None:
    assert _why(error) == said


def test_the_report_says_what_a_driver_lacks_at_the_site() -> None:
    rig = Rig()
    rig.tested = msgspec.structs.replace(rig.tested, lacks=lacking("Q1", terms=True))
    line = "not driven: no meter of the fleet file measures at the connection of Q1: a driver raises nothing"
    assert any(row.startswith(line) for row in report_text(rig.run()).splitlines())
    assert "not driven" not in report_text(Rig().run())
