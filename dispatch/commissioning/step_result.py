"""One step of a step test: what was commanded, what was read, what was measured of it, and the verdict."""

from __future__ import annotations

from typing import Final, Literal, get_args

import msgspec

StepName = Literal[
    "telemetry",
    "clock",
    "heartbeat",
    "latency",
    "sign",
    "scale",
    "ramp",
    "capability",
    "revert",
    "watchdog",
    "left_safe",
]
"""In their order. telemetry: the device tells what is needed. heartbeat: its own counter goes on. latency:
from the command to its effect. capability: the full power both ways. revert: a setpoint ends by itself.
watchdog: the device is in its safe state when nobody speaks to it. left_safe: it was so when the test
ended."""
StepVerdict = Literal["passed", "flagged", "failed", "not_run"]
"""flagged: passed, with something to look at. not_run: the profile has nothing that it could test, or a step
before it failed."""
NONE: Final = "the profile has none"
"""How the note of a step begins that was not run for that."""

STEPS: Final[tuple[StepName, ...]] = get_args(StepName)


class StepResult(msgspec.Struct, frozen=True, kw_only=True):
    """`measured` and what is allowed of it are in `unit`; powers in W, above zero discharging.

    `metered_w`: by how much the meter's power rose towards the grid, where a meter was read beside it.
    """

    step: StepName
    verdict: StepVerdict
    commanded_w: int | None = None
    read_w: int | None = None
    metered_w: int | None = None
    measured: int | None = None
    least: int | None = None
    most: int | None = None
    unit: Literal["W", "W/s", "ms", "none"] = "none"
    note: str = ""


def not_run(step: StepName, note: str) -> StepResult:
    return StepResult(step=step, verdict="not_run", note=note)


def failed(step: StepName, note: str) -> StepResult:
    return StepResult(step=step, verdict="failed", note=note)
