"""What is due of a contract's month on a day: provisional result, initial run, check, resolve, final run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, timedelta
from typing import Final, Literal

import msgspec

from ledger.interval import Month
from ledger.refusal import Refused
from ledger.settlement.run_calendar import RunCalendar

Stage = Literal["provisional", "initial", "check", "resolve", "final", "answer"]
"""`check` is done when every statement of the latest run is reviewed, `resolve` when they are approved,
`answer` when no dispute waits for its decision."""

Standing = Literal["done", "not_due", "due", "overdue", "not_known"]
"""`due` on the day itself; `not_known` where no official calendar tells the day."""

_DAY: Final = timedelta(days=1)


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """How far a contract's month has come."""

    through: date | None = None
    """The last day of the latest provisional run."""
    initial: bool = False
    reviewed: bool = False
    approved: bool = False
    final: bool = False
    disputed_on: tuple[date, ...] = ()
    """The days on which the disputes were raised that wait for a decision."""


class StageDue(msgspec.Struct, frozen=True):
    """`due_on` is None where `note` says why the day is not known."""

    stage: Stage
    due_on: date | None
    standing: Standing
    note: str = ""


def stages_due(
    calendar: RunCalendar, month: Month, days: tuple[date, date], progress: Progress, on: date
) -> tuple[StageDue, ...]:
    """Each stage of the month in order, as it stands on the day `on`.

    `days` are the contract's [first, end) in the month. The provisional stage is there where the calendar has
    one: due on a day is the result of the day that lies so many days back, or of the month's last.
    """
    found: list[StageDue] = []
    if calendar.provisional_days is not None:
        found.append(_provisional(calendar.provisional_days, days, progress, on))
    numbered: tuple[tuple[Stage, int, bool], ...] = (
        ("initial", calendar.initial_working_day, progress.initial),
        ("check", calendar.check_working_day, progress.reviewed),
        ("resolve", calendar.resolve_working_day, progress.approved),
        ("final", calendar.final_working_day, progress.final),
    )
    for stage, number, done in numbered:
        found.append(_stage(stage, on, done=done, day=_working_day(calendar, month, number)))
    if progress.disputed_on:
        raised = min(progress.disputed_on)
        found.append(_stage("answer", on, done=False, day=lambda: calendar.answer_until(raised)))
    return tuple(found)


def _working_day(calendar: RunCalendar, month: Month, number: int) -> Callable[[], date]:
    return lambda: calendar.working_day_after(month, number)


def _provisional(count: int, days: tuple[date, date], progress: Progress, on: date) -> StageDue:
    first, last = days[0], days[1] - _DAY
    back = timedelta(days=count)
    settled = progress.through if progress.through is not None else first - _DAY
    if progress.initial or settled >= last:
        return StageDue("provisional", last + back, "done")
    missing = settled + _DAY
    wanted = min(on - back, last)
    note = f"{missing} to {wanted}" if missing < wanted else str(missing)
    due_on = missing + back
    if wanted < missing:
        standing: Standing = "done" if progress.through is not None else "not_due"
        return StageDue("provisional", due_on, standing, f"next: {note}")
    return StageDue("provisional", due_on, "overdue" if on > due_on else "due", note)


def _stage(stage: Stage, on: date, *, done: bool, day: Callable[[], date]) -> StageDue:
    due_on, note = day_or_why(day)
    if due_on is None:
        return StageDue(stage, None, "done" if done else "not_known", note)
    if done:
        return StageDue(stage, due_on, "done")
    if on < due_on:
        return StageDue(stage, due_on, "not_due")
    return StageDue(stage, due_on, "due" if on == due_on else "overdue")


def day_or_why(day: Callable[[], date]) -> tuple[date | None, str]:
    """The day; or None and why it is not known, where no official calendar of its year is out."""
    try:
        return day(), ""
    except Refused as refused:
        if refused.code != "calendar_year":
            raise
        return None, refused.reason


def waits(stages: Sequence[StageDue]) -> bool:
    """Whether one of them is due by now, or its day is not known."""
    return any(one.standing in {"due", "overdue", "not_known"} for one in stages)
