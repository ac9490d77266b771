"""Commands about runs: what is due, run calendars, and a correction beyond the look-back."""

from __future__ import annotations

import secrets
from datetime import UTC, date
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from adapters import approving
from adapters.cli import given_file
from adapters.cli.as_of import AsOf, EffectiveDay, moment
from adapters.cli.close import As
from adapters.cli.counted import counted
from adapters.cli.session import ACTOR, PreparedBy, Session
from adapters.cli.submitting import where
from adapters.queries.runs_due import MonthDue, runs_due
from ledger.effective import Period
from ledger.interval import Month, midnight, zone_of
from ledger.settlement.look_back import WaiveLookBack
from ledger.settlement.run_calendar import PublishRunCalendar, parse
from ledger.settlement.run_due import waits
from ledger.settlement.voided import VoidRun


def add_to(app: App, session: Session) -> None:
    """Add the commands."""
    runs = App(name="runs", help="Settlement runs: what is due when, and what is corrected how long.")
    app.command(runs)

    @runs.command
    def due(
        *,
        month: Annotated[str | None, Parameter(help="only this month, closed or not")] = None,
        all: Annotated[bool, Parameter(help="also what is done or not due yet")] = False,
        as_of: AsOf = None,
        effective: EffectiveDay = None,
    ) -> int:
        """List which contract's month has which run due or overdue, by its run calendar.

        A contract whose run calendar is not published is named, and the exit code is 2.
        """
        wanted = None if month is None else Month.parse(month)
        with session.open() as stack:
            at = moment(stack, as_of)
            position, day = at.position, at.day(stack, effective)
            with stack.database.reading(stack.settings.book) as connection:
                told = runs_due(connection, position, day, month=wanted)
        found = told.months
        shown = found if all else [one for one in found if waits(one.stages)]
        for one in shown:
            print("\n".join(_month(one, whole=all)))
        waiting = sum(waits(one.stages) for one in found)
        for other in told.refused:
            print(f"{other.month}  {other.contract:<24} refused ({other.code}): {other.reason}")
        print(f"{counted(waiting, 'month')} of {len(found)} with something due on {day}")
        return 2 if told.refused else 0

    @runs.command(name="waive-look-back")
    def waive(contract: str, month: str, reason: str, *, by: As) -> None:
        """Let the next correction of a month through although it is older than the look-back."""
        command = WaiveLookBack(contract, str(Month.parse(month)), reason, by)
        with session.open() as stack:
            done = approving.submit(stack.door, command, command_id=f"cli:{secrets.token_hex(12)}", actor=by)
        waits_as = "" if done.proposal is None else f"; waits for approval as {done.proposal}"
        print(f"{contract}, {month}: the next correction is let through{waits_as}")

    @runs.command
    def void(contract: str, month: str, run: int, reason: str, *, by: As) -> None:
        """Declare a run void that was recorded from altered rows; `wattledger settle` then corrects it."""
        command = VoidRun(contract, str(Month.parse(month)), run, reason, by)
        with session.open() as stack:
            done = approving.submit(stack.door, command, command_id=f"cli:{secrets.token_hex(12)}", actor=by)
        waits_as = "" if done.proposal is None else f"; waits for approval as {done.proposal}"
        print(f"{contract}, {month}, run {run}: void{waits_as}; next: wattledger settle {month}")

    @app["register"].command(name="run-calendar")
    def run_calendar(
        file: Path,
        *,
        since: Annotated[date, Parameter(name="--from", help="the local day from which it holds")],
        zone: Annotated[str, Parameter(help="the zone of that day")] = "Asia/Shanghai",
        by: PreparedBy = ACTOR,
    ) -> None:
        """Publish a run calendar from a TOML file (examples/calendars); contracts name it in run_calendar."""
        calendar = parse(given_file.read(file, "a run calendar in TOML (examples/calendars has some)"))
        start = midnight(since, zone_of(zone)).astimezone(UTC)
        with session.open() as stack:
            done = approving.record(stack.door, PublishRunCalendar(Period(start), calendar), actor=by)
        print(f"run calendar {calendar.id}: {where(done)}")


def _month(one: MonthDue, *, whole: bool) -> list[str]:
    until = "" if one.corrected_until is None else f", corrected until {one.corrected_until}"
    lines = [f"{one.month}  {one.contract:<24} calendar {one.calendar}{until}"]
    for stage in one.stages:
        if whole or stage.standing in {"due", "overdue", "not_known"}:
            day = "day not known" if stage.due_on is None else str(stage.due_on)
            note = f"  {stage.note}" if stage.note else ""
            lines.append(f"  {stage.stage:<12} {stage.standing.replace('_', ' '):<10} {day}{note}")
    return lines
