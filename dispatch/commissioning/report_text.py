"""A step test's report as text, a step a line."""

from __future__ import annotations

from datetime import UTC, datetime

from dispatch.commissioning.report import CommissioningReport
from dispatch.commissioning.step_result import StepResult


def report_text(report: CommissioningReport) -> str:
    """The report; powers in W above zero discharging."""
    plan = report.plan
    verdict = "PASSED" if report.passed else f"FAILED at {report.failed_step}"
    digests = f"sha256 {report.profile_sha256[:16]}; address sha256 {report.address_sha256[:16]}"
    times = f"{shown_at(report.started_at)} to {shown_at(report.ended_at)}"
    powers = f"steps of {plan.step_w} W, full {plan.discharge_w} W out, {plan.charge_w} W in"
    lines = [
        f"commissioning of {report.device}: {verdict}",
        f"profile {report.profile}, {digests}; meter {report.meter or 'none'}",
        f"{times}; {powers}",
        *([f"not driven: {report.lacks}"] if report.lacks else []),
        "",
    ]
    return "\n".join([*lines, *map(_line, report.results)])


def shown_at(at: datetime) -> str:
    """An instant as people read it, to the second.

    >>> shown_at(datetime.fromisoformat("2026-11-22T15:46:27.938654+01:00"))
    '2026-11-22T14:46:27Z'
    """
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _line(one: StepResult) -> str:
    parts = [f"{one.step:<11}{one.verdict:<9}"]
    for name, value in (("commanded", one.commanded_w), ("read", one.read_w)):
        if value is not None:
            parts.append(f"{name} {value} W")
    if one.metered_w is not None:
        # From the step before to this one, so that what else the site does is no part of it.
        parts.append(f"meter changed by {one.metered_w:+d} W")
    if one.measured is not None and one.unit not in ("W", "none"):
        parts.append(f"measured {one.measured} {one.unit}")
    if one.least is not None and one.most is not None:
        of = "read " if one.unit == "W" else ""
        parts.append(f"allowed {of}{one.least} to {one.most} {one.unit}")
    if one.note:
        parts.append(one.note)
    return "  ".join(parts)
