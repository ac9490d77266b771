"""The demo's driven day, and its parts: what happens when, the clock, and a difference of a Wh."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from rich.console import Console

from adapters.demo import driven_day
from adapters.demo.chapters import _CHAPTERS
from adapters.demo.day_figures import (
    DayFigures,
    Energy,
    ResponseFigures,
    SiteDay,
    SiteResponse,
    check_agreement,
    total,
)
from adapters.demo.day_story import DEAD, lying_later, story_of
from adapters.demo.driven_book import END, QUARTERS, SITES, START, driven_book, fleet
from adapters.demo.lapsing_clock import LapsingClock
from adapters.queries.recorded_plans import RecordedPlan
from adapters.settings import Settings
from adapters.stack import running
from dispatch.planning.plan_record import PlanHead, SitePlanned
from ledger.refusal import Refused


class Listening(Console):
    """Keeps what is told."""

    def __init__(self) -> None:
        super().__init__(quiet=True)
        self.lines: list[str] = []

    def print(self, *objects: object, **how: object) -> None:
        del how
        self.lines += " ".join(map(str, objects)).splitlines()


def plan(*runs: tuple[int, int]) -> RecordedPlan:
    """A plan of so many quarter-hours at so many W each."""
    powers = tuple(power_w for power_w, count in runs for _ in range(count))
    assert len(powers) == QUARTERS
    head = PlanHead(
        portfolio="u", day=START.date(), start=START, interval_s=900, count=QUARTERS, trigger="asked",
        inputs="", basis="hold", reason="", objective="cost", objective_micro=None, bound_micro=None,
        gap_ppm=None, solver_ms=0,
    )  # fmt: skip
    none = (0,) * QUARTERS
    sites = tuple(
        SitePlanned(
            site=site, setpoint_w=powers, stored_wh=none, curtailed_w=none, spot_w=none, regulation_w=(),
            response_w=(),
        )
        for site in SITES
    )  # fmt: skip
    return RecordedPlan(1, 1, head, sites)


def test_what_goes_wrong_goes_wrong_where_it_matters() -> None:
    story = story_of(plan((0, 14), (-100, 10), (0, 24), (400, 8), (0, 16), (300, 8), (0, 16)))
    assert (story.nats, story.dead, story.alive) == (14, 49, 54)
    assert (story.called, story.lies, story.honest) == (71, 72, 73)
    with pytest.raises(Refused) as refused:
        story_of(plan((-100, 10), (400, 8), (0, 78)))
    assert refused.value.code == "demo_drive"


def test_the_liar_lies_where_the_plan_for_the_call_discharges() -> None:
    story = story_of(plan((0, 14), (-100, 10), (0, 24), (400, 8), (0, 16), (300, 8), (0, 16)))
    later = plan((0, 75), (300, 1), (0, 20))
    assert lying_later(story, later)[-3:] == (75, 76, "B5")
    sites = tuple(
        msgspec.structs.replace(one, setpoint_w=(0,) * QUARTERS) if one.site == "H3" else one
        for one in later.sites
    )
    assert lying_later(story, msgspec.structs.replace(later, sites=sites))[-3:] == (75, 76, "B1"), (
        "H3 is done for the day"
    )
    with pytest.raises(Refused) as refused:
        lying_later(story, plan((0, 71), (300, 1), (0, 24)))
    assert refused.value.code == "demo_drive", "only at the call itself"


def test_a_lapsing_clock_runs_and_is_moved_on() -> None:
    begin = datetime(2026, 8, 1, tzinfo=UTC)
    clock = LapsingClock(begin)
    assert timedelta(0) <= clock() - begin < timedelta(seconds=1)
    clock.lapse(900)
    assert timedelta(seconds=900) <= clock() - begin < timedelta(seconds=901)
    clock.move_to(begin)
    assert clock() - begin >= timedelta(seconds=900), "it never goes back"
    clock.move_to(begin + timedelta(hours=1))
    assert timedelta(hours=1) <= clock() - begin < timedelta(hours=1, seconds=1)
    ahead = datetime.now(UTC) + timedelta(milliseconds=clock.ahead_ms)
    assert abs(clock() - ahead) < timedelta(milliseconds=200)


def test_a_difference_of_a_watt_hour_is_noticed() -> None:
    one, other = Energy(100, 90), Energy(100, 91)
    same = SiteDay("H1", one, other, one, one, one)
    figures = DayFigures((same,), 0, {}, {}, (), {}, 0, {})
    check_agreement(figures)
    for place in ("registers", "ledger", "settled"):
        with pytest.raises(Refused) as refused:
            check_agreement(figures._replace(sites=(same._replace(**{place: other}),)))
        assert (refused.value.code, refused.value.place) == ("demo_agreement", "site H1")
    for changes, place in (
        ({"waiting": 1}, "commands"),
        ({"response": ResponseFigures({"H1": SiteResponse(10, 8)}, 7, "")}, "response"),
    ):
        with pytest.raises(Refused) as refused:
            check_agreement(figures._replace(**changes))
        assert (refused.value.code, refused.value.place) == ("demo_agreement", place)
    assert total((one, other)) == Energy(200, 181)


@pytest.mark.parametrize(("given", "counts"), [(79, 0), (80, 80), (100, 100), (120, 120), (121, 120)])
def test_a_response_counts_within_its_band(given: int, counts: int) -> None:
    assert SiteResponse(100, given).counts == counts


def test_every_storage_has_its_two_meters() -> None:
    devices = fleet(tuple(range(6000, 6006)))
    assert len(devices) == 18
    assert {one.measures for one in devices if one.measures} == {f"B{n}" for n in range(1, 7)}
    assert len({one.meter for one in devices if one.meter}) == 12
    assert _CHAPTERS[-2:] == ("drive", "all")


@pytest.mark.fault
def test_the_day_is_driven_and_everything_agrees(tmp_path: Path) -> None:
    settings = Settings(state=tmp_path, stream_max_bytes=256 << 20)
    with running(settings, lambda: datetime.now(UTC)) as stack:
        first, second = Listening(), Listening()
        with driven_book(stack, first) as book:
            driven_day.tell(book)
            told = book.stack.caught_up()
        with driven_book(stack, second) as book:
            driven_day.tell(book)
            assert book.stack.caught_up() == told, "nothing is repeated"
    text = "\n".join(first.lines)
    assert "meters, ledger and settlement agree to the Wh; 0 quarter-hours without a reading" in text
    taken = re.search(r"(\d+\.\d+) s later the others of driven-unit are told (\d+) kW$", text, re.MULTILINE)
    assert taken is not None, text
    assert re.search(r"OpenADR event event-\d+: 480 kW from .*; accepted, cleared, shared out", text), text
    assert "plan plan.driven-unit_2026-08-01 v2: " in text
    called = re.search(r"the call: 480 kW read back (\d+\.\d+) s after it begins$", text, re.MULTILINE)
    assert called is not None, text
    assert re.search(r"response    120.000 kWh awarded, 1[12]\d\.\d{3} kWh given and paid: 3\d\d\.", text), (
        text
    )
    restarted = re.search(r"NATS killed and started .*: -(\d+) kW (\d+\.\d+) s later$", text, re.MULTILINE)
    assert restarted is not None, text
    liar = re.search(r"(B\d) acknowledged its setpoint and shows it; its meter: ", text)
    assert liar is not None, text
    assert f"{liar[1]} meter_disagrees" in text
    assert f"{DEAD} communication_lost" in text
    settled = re.search(r"(\d+) setpoints are settled in driven-storages_2026-08_1$", text, re.MULTILINE)
    assert settled is not None, text
    assert int(settled[1]) > 500
    assert f" {settled[1]} settled" in text
    assert re.search(r"6 storages passed the step test", text), text
    assert any("nothing of it is repeated" in line for line in second.lines)
    table = [line for line in first.lines if re.match(r"  (H\d|all) ", line)]
    assert table == [line for line in second.lines if re.match(r"  (H\d|all) ", line)]
    assert timedelta(days=1) == END - START
