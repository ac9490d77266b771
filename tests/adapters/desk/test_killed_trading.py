"""kill -9 of the trading role at each step: nothing is doubled, and nothing is lost."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from signal import SIGKILL

import pytest

from tests.adapters.conftest import Bench
from tests.adapters.desk.desk_book import ROOT
from tests.adapters.desk.trading_floor import CODE, SENDING_S, TOKEN, Floor, Market, local, on_the_floor


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Market]:
    running = Market(tmp_path_factory.mktemp("market"))
    yield running
    running.end()


@pytest.fixture
def floor(bench: Bench, market: Market) -> Iterator[Floor]:
    with on_the_floor(bench, market) as made:
        yield made


def killed_at(floor: Floor, step: str) -> None:
    """Run the role in a process of its own until it kills itself at the step."""
    bench = floor.bench
    ended = subprocess.run(
        [
            *(sys.executable, "-m", "tests.adapters.desk.trade_process"),
            *(bench.nats.url, str(bench.nats.app_seed), bench.book),
            bench.postgres_url,
            *(floor.market.url, f"{CODE}={TOKEN}", floor.now.isoformat(), step),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == -SIGKILL, ended.stdout + ended.stderr


def test_killed_between_the_record_and_the_request(floor: Floor, market: Market) -> None:
    killed_at(floor, "before_send")
    assert floor.standing.status == "sending"
    assert market.held(floor.day) is None
    assert floor.outcomes(1) == [], "another process may still wait for its answer"
    floor.later(SENDING_S)
    killed_at(floor, "after_ask")
    assert floor.standing.status == "sending", "nothing was noted of the answer"
    assert floor.outcomes(2) == ["unsent", "acknowledged"]
    assert floor.kinds().count("sending") == 2
    held = market.held(floor.day)
    assert held is not None
    assert held["revision"] == 1, "the market got it once"


def test_killed_after_the_request(floor: Floor, market: Market) -> None:
    killed_at(floor, "after_send")
    assert floor.standing.status == "sending"
    held = market.held(floor.day)
    assert held is not None
    floor.later(SENDING_S)
    assert floor.outcomes(2) == ["acknowledged"]
    assert floor.kinds().count("sending") == 1
    assert market.held(floor.day) == held


def test_killed_with_the_result_in_hand(floor: Floor) -> None:
    floor.turn()
    floor.set_clock(local(floor.day, -1, 17, 31))
    killed_at(floor, "after_result")
    assert floor.cleared is None
    assert floor.outcomes(2) == ["cleared"]
    assert floor.cleared is not None
    assert list(floor.cleared.runs) == ["1"]
    assert floor.outcomes(1) == []


def test_killed_while_taking_back(floor: Floor, market: Market) -> None:
    floor.turn()
    floor.desk.stop("the meter fails", command_id="stop", actor="anna")
    killed_at(floor, "after_withdraw")
    assert floor.standing.status == "withdrawing"
    held = market.held(floor.day)
    assert held is not None
    assert held["state"] == "withdrawn"
    assert floor.outcomes(2) == ["withdrawn"]
    assert market.held(floor.day) == held, "it was taken back once"
