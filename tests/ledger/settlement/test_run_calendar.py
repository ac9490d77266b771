"""Run calendars as data, what they say is due, and how far back a month is corrected."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from ledger.contract_file import parse as parse_contract
from ledger.effective import Period
from ledger.interval import Month
from ledger.refusal import Refused
from ledger.settlement.look_back import WaiveLookBack
from ledger.settlement.run import RecordSettlement, Runs
from ledger.settlement.run_calendar import PLAIN, PublishRunCalendar, RunCalendar, parse
from ledger.settlement.run_due import Progress, StageDue, stages_due, waits
from tests.ledger.statement.test_life import result, runs

EXAMPLES = Path(__file__).parents[3] / "examples"
AUGUST = Month(2026, 8)
WHOLE = (date(2026, 8, 1), date(2026, 9, 1))
SHAANXI = parse((EXAMPLES / "calendars/shaanxi_v2.toml").read_bytes())
DONE = Progress(initial=True, reviewed=True, approved=True, final=True)


def standings(
    on: date, progress: Progress | None = None, *, calendar: RunCalendar = SHAANXI, month: Month = AUGUST
) -> dict[str, str]:
    days = (month.first_day, month.next().first_day)
    return {one.stage: one.standing for one in stages_due(calendar, month, days, progress or Progress(), on)}


def test_the_examples_are_what_the_rule_says() -> None:
    """DOMAIN.md 3.10; the last days of September 2026 are holidays and worked Sundays of China."""
    assert parse((EXAMPLES / "calendars/plain.toml").read_bytes()) == PLAIN
    assert (SHAANXI.provisional_days, PLAIN.provisional_days) == (6, None)
    assert [SHAANXI.working_day_after(AUGUST, n) for n in (1, 5, 6, 7)] == [
        date(2026, 9, 1),
        date(2026, 9, 7),
        date(2026, 9, 8),
        date(2026, 9, 9),
    ]
    assert SHAANXI.working_day_after(Month(2026, 9), 1) == date(2026, 10, 8), "after the National Day"
    assert PLAIN.working_day_after(Month(2026, 9), 1) == date(2026, 10, 1)
    assert SHAANXI.query_until(AUGUST) == date(2026, 9, 30), "the 20th is worked, the 25th is a holiday"
    assert SHAANXI.answer_until(date(2026, 9, 8)) == date(2026, 9, 15)


def test_contracts_without_a_calendar_have_the_plain_one() -> None:
    contract = parse_contract((EXAMPLES / "contracts/eaas-s1.toml").read_bytes())
    assert contract.run_calendar == PLAIN.id
    assert b"run_calendar" not in msgspec.json.encode(contract), "known contracts keep their digest"
    named = msgspec.structs.replace(contract, run_calendar="shaanxi_v2")
    assert msgspec.json.encode(named) != msgspec.json.encode(contract)


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"initial_working_day": 0}, "initial_working_day"),
        ({"check_working_day": 4}, "check_working_day"),
        ({"final_working_day": 251}, "final_working_day"),
        ({"provisional_days": 0}, "provisional_days"),
        ({"look_back_months": 0}, "look_back_months"),
        ({"query_working_days": -1}, "query_working_days"),
        ({"calendar": "DE"}, ""),
        ({"source": " "}, "source"),
    ],
)
def test_a_calendar_that_cannot_be_meant_is_refused(changes: dict[str, Any], place: str) -> None:
    with pytest.raises(Refused) as caught:
        msgspec.structs.replace(SHAANXI, **changes)
    assert caught.value.place == place


def test_a_file_is_refused_with_its_line() -> None:
    text = (EXAMPLES / "calendars/plain.toml").read_text(encoding="utf-8")
    with pytest.raises(Refused) as caught:
        parse(text.replace("check_working_day = 6", "check_working_day = 3"))
    assert (caught.value.code, caught.value.place) == ("run_calendar_days", "line 7, check_working_day")
    with pytest.raises(Refused) as caught:
        parse(text.replace("answer_working_days", "reply_working_days"))
    assert caught.value.code == "field_unknown"


def test_versions_hold_from_their_dates_on() -> None:
    period = Period(datetime(2026, 1, 1, tzinfo=UTC))
    (event,) = PublishRunCalendar(period, SHAANXI).decide(None, {})
    history = event.apply(None)
    later = msgspec.structs.replace(SHAANXI, initial_working_day=4)
    (event,) = PublishRunCalendar(Period(datetime(2026, 7, 1, tzinfo=UTC)), later).decide(history, {})
    history = event.apply(history)
    for day, number in ((1, 5), (7, 4)):
        held = history.at(datetime(2026, day, 2, tzinfo=UTC))
        assert held is not None and held.document.initial_working_day == number


def test_daily_results_are_due_so_many_days_after_their_day() -> None:
    assert standings(date(2026, 8, 6))["provisional"] == "not_due", "1 August is due on the 7th"
    assert standings(date(2026, 8, 7))["provisional"] == "due"
    assert standings(date(2026, 8, 8))["provisional"] == "overdue"
    up_to = Progress(through=date(2026, 8, 14))
    assert standings(date(2026, 8, 20), up_to)["provisional"] == "done"
    assert standings(date(2026, 8, 21), up_to)["provisional"] == "due"
    (late, *_) = stages_due(SHAANXI, AUGUST, WHOLE, up_to, date(2026, 8, 24))
    assert late == StageDue("provisional", date(2026, 8, 21), "overdue", "2026-08-15 to 2026-08-18")
    assert standings(date(2026, 12, 1), Progress(initial=True))["provisional"] == "done"
    (end, *_) = stages_due(SHAANXI, AUGUST, WHOLE, up_to, date(2026, 10, 1))
    assert end.note == "2026-08-15 to 2026-08-31", "never a day of another month"
    assert "provisional" not in standings(date(2026, 8, 20), calendar=PLAIN)


def test_a_contract_that_begins_in_the_month_begins_to_be_due_then() -> None:
    days = (date(2026, 8, 20), date(2026, 9, 1))
    (stage, *_) = stages_due(SHAANXI, AUGUST, days, Progress(), date(2026, 8, 25))
    assert (stage.standing, stage.due_on) == ("not_due", date(2026, 8, 26))


def test_each_stage_is_due_on_its_working_day() -> None:
    assert set(standings(date(2026, 9, 4)).values()) == {"not_due", "overdue"}
    on_the_day = standings(date(2026, 9, 7))
    assert (on_the_day["initial"], on_the_day["check"]) == ("due", "not_due")
    after = standings(date(2026, 9, 8), Progress(initial=True))
    assert (after["initial"], after["check"], after["resolve"]) == ("done", "due", "not_due")
    late = standings(date(2026, 9, 10), Progress(initial=True, reviewed=True))
    assert (late["check"], late["resolve"], late["final"]) == ("done", "overdue", "overdue")
    assert set(standings(date(2026, 12, 1), DONE).values()) == {"done"}


def test_an_open_dispute_is_answered_in_time() -> None:
    disputed = msgspec.structs.replace(DONE, disputed_on=(date(2026, 9, 10), date(2026, 9, 8)))
    assert standings(date(2026, 9, 14), disputed)["answer"] == "not_due"
    assert standings(date(2026, 9, 15), disputed)["answer"] == "due", "five working days after the 8th"
    assert standings(date(2026, 9, 16), disputed)["answer"] == "overdue"


def test_a_year_without_its_official_calendar_is_said_not_guessed() -> None:
    year = Month(2031, 12)
    stages = stages_due(SHAANXI, year, (date(2031, 12, 1), date(2032, 1, 1)), Progress(), date(2031, 12, 2))
    initial = stages[1]
    assert (initial.due_on, initial.standing) == (None, "not_known")
    assert "2032" in initial.note
    assert waits(stages)
    assert standings(date(2031, 12, 2), month=year, calendar=PLAIN)["initial"] == "not_due"


def test_six_months_back_and_no_further() -> None:
    march = Month(2026, 3)
    assert SHAANXI.too_old(march, date(2026, 9, 30)) == ""
    assert "7 months back" in SHAANXI.too_old(march, date(2026, 10, 1))
    assert "14 months back" in SHAANXI.too_old(Month(2025, 8), date(2026, 10, 1)), "across a year"
    assert PLAIN.too_old(Month(1990, 1), date(2026, 10, 1)) == ""


def waived(state: Runs, reason: str = "the operator settled it again") -> Runs:
    (event,) = WaiveLookBack("c1", "2026-08", reason, "ada").decide(state, {})
    return event.apply(state)


def test_a_correction_beyond_the_look_back_needs_a_waiver_and_uses_it_up() -> None:
    late = "2026-08 is 7 months back"
    state = runs(result(100))
    with pytest.raises(Refused) as caught:
        RecordSettlement(result(130), late).decide(state, {})
    assert (caught.value.code, caught.value.place) == ("look_back", "contract c1")
    (initial,) = RecordSettlement(result(100), late).decide(None, {})
    assert initial.run.kind == "initial", "what was never settled is no correction"
    state = waived(state)
    (event,) = RecordSettlement(result(130), late).decide(state, {})
    assert (event.run.kind, event.run.waiver) == ("correction 1", "the operator settled it again")
    state = event.apply(state)
    assert state.waiver == ""
    with pytest.raises(Refused) as caught:
        RecordSettlement(result(140), late).decide(state, {})
    assert caught.value.code == "look_back"


def test_a_waiver_is_for_a_settled_month_once_and_says_why() -> None:
    state = runs(result(100))
    for given, reason, code in (
        (None, "late", "unknown_run"),
        (waived(state), "late", "waived"),
        (state, " ", "reason"),
    ):
        with pytest.raises(Refused) as caught:
            WaiveLookBack("c1", "2026-08", reason, "ada").decide(given, {})
        assert caught.value.code == code
