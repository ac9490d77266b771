"""The role plans what is due and nothing twice, at once after an emergency, and survives being killed."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from adapters.planning.planner import Planner
from adapters.planning.planning_role import PlanningRole
from adapters.settling import wait_until
from dispatch.planning.imposed_limit import ImposedLimit, ImposeLimit
from dispatch.planning.storage_terms import StateStorage
from ledger.effective import Period
from ledger.trading_unit import Member, RegisterTradingUnit, TradingUnit
from tests.adapters import sample
from tests.adapters.conftest import Bench
from tests.adapters.planning.plan_book import MIDNIGHT, NOON_BEFORE, TERMS, furnished, planner
from tests.ledger.test_unit_allocation import RESPONSE
from trading.response_call import Call, CalledInterval, HearCall, call_id

ROOT = Path(__file__).parents[3]


class Roles:
    """A book's planner, and roles on it that begin anew knowing nothing."""

    def __init__(self, bench: Bench, one: Planner) -> None:
        self._bench, self._planner = bench, one
        self.said: list[str] = []
        self.role = self.fresh()

    def fresh(self) -> PlanningRole:
        bench = self._bench
        return PlanningRole(self._planner, bench.database, bench.book, lambda: bench.now, self.said.append)

    def turn(self, at: datetime | None = None) -> list[tuple[str, str, datetime]]:
        """Portfolio, trigger and start of what is planned now."""
        bench = self._bench
        if at is not None:
            bench.now = at
        wait_until(bench.database, bench.book, bench.recorder.max_notification_id() or 0, 10)
        made = self.role.turn()
        return [(one.head.portfolio, one.head.trigger, one.head.start) for one in made if not one.repeated]


@pytest.fixture
def roles(bench: Bench) -> Iterator[Roles]:
    furnished(bench)
    with planner(bench) as (one, _):
        yield Roles(bench, one)


def test_each_quarter_hour_and_tomorrow_once_whoever_plans(roles: Roles, bench: Bench) -> None:
    rolling = ("S1", "rolling", NOON_BEFORE)
    assert roles.turn(NOON_BEFORE) == [rolling, ("S1", "day_ahead", MIDNIGHT)]
    assert roles.turn(NOON_BEFORE) == []
    roles.role = roles.fresh()
    assert roles.turn(NOON_BEFORE + timedelta(seconds=1)) == [], "killed and started again: nothing twice"
    quarter = timedelta(minutes=15)
    assert roles.turn(NOON_BEFORE + timedelta(minutes=12)) == []
    assert roles.turn(NOON_BEFORE + timedelta(minutes=14)) == [("S1", "rolling", NOON_BEFORE + quarter)]
    assert roles.turn(MIDNIGHT - timedelta(minutes=1)) == [], "tomorrow's plan begins then"
    assert len([one for one in roles.said if "plan" in one]) == 3


def test_a_lost_site_and_an_imposed_limit_are_planned_at_once(roles: Roles, bench: Bench) -> None:
    roles.turn(NOON_BEFORE)
    at = NOON_BEFORE + timedelta(minutes=20)
    roles.turn(at)
    for number, (charge_w, import_w, trigger) in enumerate(
        ((0, None, "site_lost"), (None, 900_000, "limit_imposed"), (None, None, "limit_imposed"))
    ):
        limit = ImposedLimit(reason="as it is", charge_w=charge_w, discharge_w=charge_w, import_w=import_w)
        command = ImposeLimit("S1", Period(at), limit)
        bench.door.execute(command, command_id=f"limit-{number}", actor="ada")
        # The interval that runs: what is planned takes effect now.
        assert ("S1", trigger, NOON_BEFORE + timedelta(minutes=15)) in roles.turn(at)
        roles.role = roles.fresh()
        assert roles.turn(at) == []


def test_a_refusal_is_said_once_and_tried_again_later(roles: Roles, bench: Bench) -> None:
    """A second site has terms and no tariff that anybody published."""
    bench.door.execute(sample.register_site("S2"), command_id="s2", actor="ada")
    bench.door.execute(StateStorage("S2", sample.FROM_2026, TERMS), command_id="t2", actor="ada")
    assert {name for name, _, _ in roles.turn(NOON_BEFORE)} == {"S1"}
    roles.turn(NOON_BEFORE + timedelta(seconds=2))
    refused = [one for one in roles.said if "unknown_tariff" in one]
    assert len(refused) == 2, "rolling and day ahead, each once"
    assert refused[0].startswith("S2 rolling: refused (unknown_tariff): site S2")


@pytest.mark.parametrize(("step", "left"), [("solved", ["rolling", "day_ahead"]), ("saved", ["day_ahead"])])
def test_killed_at_any_step_nothing_is_planned_twice(
    roles: Roles, bench: Bench, step: str, left: list[str]
) -> None:
    """kill -9 of the process between solving and saving, and between saving and saying so."""
    database = bench.postgres_url
    arguments = (bench.nats.url, str(bench.nats.app_seed), bench.book, database)
    module = "tests.adapters.planning.plan_process"
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments, NOON_BEFORE.isoformat(), step],
        cwd=ROOT,
        timeout=60,
        check=False,
        capture_output=True,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert [trigger for _, trigger, _ in roles.turn(NOON_BEFORE)] == left
    assert roles.turn(NOON_BEFORE) == []


def test_a_called_response_is_planned_at_once(roles: Roles, bench: Bench) -> None:
    """A call on the unit that has the site; the same call, or one on another unit, is not."""
    unit = TradingUnit(
        id="vpp", name="VPP", market="shandong", unit_code="C", operator="operator", zone="Asia/Shanghai",
        members=(Member(site="S1", capability_w=100_000),), terms=(RESPONSE,), rounding_max="1",
    )  # fmt: skip
    bench.door.execute(RegisterTradingUnit(sample.FROM_2026, unit), command_id="unit", actor="ada")
    at = NOON_BEFORE + timedelta(minutes=20)
    roles.turn(at)
    bench.door.execute(_heard("elsewhere", at), command_id="other", actor="ada")
    assert roles.turn(at) == []
    bench.door.execute(_heard("vpp", at), command_id="call", actor="ada")
    assert roles.turn(at) == [("vpp", "response_called", NOON_BEFORE + timedelta(minutes=15))]
    roles.role = roles.fresh()
    assert roles.turn(at) == [], "it was handled, whoever did"


def _heard(unit: str, at: datetime) -> HearCall:
    first = at + timedelta(hours=1)
    call = Call(
        gateway="dr", market="shandong", product="response", unit=unit, programme="p", event=f"of-{unit}",
        version=at, digest="d", received=at, start=first, end=first + timedelta(hours=1),
        intervals=(CalledInterval(first, first + timedelta(hours=1), 50_000),),
    )  # fmt: skip
    return HearCall(call_id("dr", unit, call.event), call)
