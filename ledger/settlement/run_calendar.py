"""When the runs of a month are due, as data: the calendar of a market or of a contract (DOMAIN.md 3.10)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Annotated, Final

import msgspec

from ledger.calendars import calendar
from ledger.effective import History, Period, extended
from ledger.identity import checked_id
from ledger.interval import Month, checked_year
from ledger.refusal import Refused
from ledger.statement.terms import working_day
from ledger.toml_file import TomlFile

Id = Annotated[str, msgspec.Meta(pattern="^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")]

DAYS_MAX: Final = 250
MONTHS_MAX: Final = 120


class RunCalendar(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """The days on which runs are due. Working days are those of `calendar`, counted in the month after the
    settled one from its first day on; an answer's days count from the query.

    It tells what is due, and refuses a correction that comes after the look-back; a late run is recorded all
    the same.
    """

    id: Id
    title: str
    source: str
    """The rule's document and clause."""
    calendar: str
    """`CN`, or `none` for Monday to Friday."""
    provisional_days: int | None = None
    """Calendar days from a day to its provisional result (D+n); none are due where it is not stated."""
    initial_working_day: int
    check_working_day: int
    """The last day to review the month's statements."""
    resolve_working_day: int
    """The last day to put right what the review found, and approve."""
    final_working_day: int
    query_working_days: int
    """From the final run to the last query."""
    answer_working_days: int
    """From a query to its answer."""
    look_back_months: int | None = None
    """How many months after its own a month is still corrected; not stated: without end."""

    def __post_init__(self) -> None:
        checked_id(self.id, "id")
        for field in ("title", "source"):
            if not getattr(self, field).strip():
                raise Refused("empty", f"state the {field}", place=field)
        calendar(self.calendar, "UTC" if self.calendar == "none" else None)
        if self.provisional_days is not None and not 1 <= self.provisional_days <= DAYS_MAX:
            raise Refused("run_calendar_days", f"1 to {DAYS_MAX} days", place="provisional_days")
        before = 1
        for field in ("initial", "check", "resolve", "final"):
            day = getattr(self, f"{field}_working_day")
            if not before <= day <= DAYS_MAX:
                raise Refused(
                    "run_calendar_days",
                    f"{day} is not {before} to {DAYS_MAX}: initial, check, resolve and final follow in order",
                    place=f"{field}_working_day",
                )
            before = day
        for field in ("query_working_days", "answer_working_days"):
            if not 0 <= getattr(self, field) <= DAYS_MAX:
                raise Refused("run_calendar_days", f"0 to {DAYS_MAX} working days", place=field)
        if self.look_back_months is not None and not 1 <= self.look_back_months <= MONTHS_MAX:
            raise Refused("run_calendar_days", f"1 to {MONTHS_MAX} months", place="look_back_months")

    def working_day_after(self, month: Month, number: int) -> date:
        """The `number`-th working day of the month after `month`.

        Raises:
            Refused: `calendar_year` where the year's official calendar is not known.
        """
        return working_day(month.next().first_day - timedelta(days=1), number, self.calendar)

    def query_until(self, month: Month) -> date:
        """The last working day to query the month's final run when that was in time.

        Raises:
            Refused: `calendar_year`.
        """
        return self.working_day_after(month, self.final_working_day + self.query_working_days)

    def answer_until(self, queried: date) -> date:
        """The last working day to answer a query.

        Raises:
            Refused: `calendar_year`.
        """
        return working_day(queried, self.answer_working_days, self.calendar)

    def too_old(self, month: Month, today: date) -> str:
        """Why a correction of `month` comes too late on `today`; empty while it is in time.

        >>> PLAIN.too_old(Month(2020, 1), date(2026, 11, 21))
        ''
        """
        if self.look_back_months is None:
            return ""
        age = (today.year - month.year) * 12 + today.month - month.month
        if age <= self.look_back_months:
            return ""
        return (
            f"{month} is {age} months back on {today}, and run calendar {self.id} corrects"
            f" {self.look_back_months}: post the difference as an adjustment of the current month, or let a"
            " second person approve that it is settled again"
        )


PLAIN: Final = RunCalendar(
    id="plain",
    title="Plain calendar: one run a month, in working days from Monday to Friday",
    source="Wattledger's own default, no market's rule: periods of DOMAIN.md 3.10 without its look-back",
    calendar="none",
    initial_working_day=5,
    check_working_day=6,
    resolve_working_day=7,
    final_working_day=7,
    query_working_days=15,
    answer_working_days=5,
)
"""In force for contracts that name no calendar, as long as nobody publishes another one as `plain`."""


def parse(text: str | bytes) -> RunCalendar:
    """The calendar in a TOML text (examples/calendars).

    Raises:
        Refused: names the line and the field.
    """
    file = TomlFile(text)
    return file.struct(RunCalendar, file.root, ())


class RunCalendarPublished(msgspec.Struct, frozen=True, tag_field="kind", tag="calendar.runs_published.v1"):
    period: Period
    calendar: RunCalendar

    def apply(self, state: History[RunCalendar] | None) -> History[RunCalendar]:
        return extended(state, self.period, self.calendar)


class PublishRunCalendar(msgspec.Struct, frozen=True, tag_field="command", tag="run_calendar.publish"):
    """Record a run calendar, or the version that replaces it where their times overlap."""

    period: Period
    calendar: RunCalendar

    @property
    def aggregate(self) -> str:
        return f"run_calendar.{self.calendar.id}"

    @property
    def reads(self) -> tuple[str, ...]:
        return ()

    def decide(self, _: object, __: Mapping[str, object]) -> tuple[RunCalendarPublished]:
        """Raises:
        Refused: `year` for a period outside the years that are kept."""
        checked_year(self.period.start, "period")
        return (RunCalendarPublished(self.period, self.calendar),)
