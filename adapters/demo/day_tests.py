"""The step test of every storage, the evening before: really run, at the storages; the time between two looks
lapses."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Final

import msgspec

from adapters.commissioning.commissioning import clock_ms, commission
from adapters.demo.driven_book import ACTOR, DrivenBook
from adapters.demo.peer_process import PeerProcess
from adapters.driving.fleet_file import FleetDevice
from adapters.modbus.port import ModbusPort
from dispatch.commissioning.report import (
    Commissioning,
    CommissioningReport,
    address_sha256,
    commissioning_aggregate,
    profile_sha256,
)
from dispatch.commissioning.report_text import report_text
from dispatch.commissioning.step_plan import step_plan
from dispatch.commissioning.step_result import StepName
from ledger.refusal import Refused

_SAMPLE_MS: Final = 500
"""Twice as long as usual: a look costs six times as much as what it waits for."""


def step_tests(book: DrivenBook, peers: PeerProcess, devices: tuple[FleetDevice, ...]) -> None:
    """Raises:
    Refused: `demo_drive`, with the report of a storage that does not pass."""
    began, at = time.monotonic(), book.clock()
    reports = [_tested(book, peers, one, devices) for one in devices if _untested(book, one)]
    if not reports:
        return
    book.say(
        f"{len(reports)} storages passed the step test one after the other:"
        f" {(book.clock() - at) / timedelta(minutes=1):.0f} min of theirs,"
        f" {time.monotonic() - began:.1f} s of ours"
    )
    for step, unit in (("ramp", "W/s"), ("latency", "ms"), ("revert", "ms"), ("watchdog", "ms")):
        found = sorted(_measured(report, step) for report in reports)  # type: ignore[arg-type]
        book.console.print(f"  {'':16}{step}: measured {found[0]} to {found[-1]} {unit}")


def _untested(book: DrivenBook, one: FleetDevice) -> bool:
    if one.profile.kind != "bess":
        return False
    held = book.stack.door.state(commissioning_aggregate(one.id))
    return not (
        isinstance(held, Commissioning)
        and held.permits(profile_sha256(one.profile), address_sha256(one.address))
    )


def _tested(
    book: DrivenBook, peers: PeerProcess, one: FleetDevice, devices: tuple[FleetDevice, ...]
) -> CommissioningReport:
    (meter,) = (beside for beside in devices if beside.measures == one.id)

    async def lapse(seconds: float) -> None:
        """Nobody but the test speaks to a storage, and it sleeps: not even its heart beats."""
        peers.ask(do="lapse", ms=round(seconds * 1000), beats=False)
        book.clock.lapse(seconds)

    def port(device: FleetDevice) -> ModbusPort:
        return ModbusPort(device, "step-test", lambda: clock_ms(book.clock))

    plan = msgspec.structs.replace(step_plan(one.profile), sample_ms=_SAMPLE_MS)
    report, _ = commission(
        book.stack.door, book.clock, one, port(one), plan,
        by=ACTOR, meter_port=port(meter), meter=meter.id, sleep=lapse,
    )  # fmt: skip
    if not report.passed:
        raise Refused("demo_drive", report_text(report), place=one.id)
    return report


def _measured(report: CommissioningReport, step: StepName) -> int:
    (found,) = (one.measured for one in report.results if one.step == step)
    assert found is not None, "it passed"
    return found
