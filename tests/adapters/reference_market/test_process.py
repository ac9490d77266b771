"""The program itself: started as a user starts it, killed, cut off, and asked what it has."""

from __future__ import annotations

import hashlib
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import httpx
import pytest

from adapters.reference_market.__main__ import app
from ledger.refusal import Refused
from tests.adapters.reference_market.markets import DAY, ROOT, SHANDONG, body, curve, offer

OFFERS = f"/participants/alpha/offers/day_ahead/{DAY}"
REAL_TIME = f"/participants/alpha/offers/real_time/{DAY}"
ANSWER_S = 20
CLOCK = "2026-01-25T08:00:00+08:00"


class Running:
    """One process of the market, asked over real connections."""

    def __init__(self, folder: Path) -> None:
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "adapters.reference_market", "--prices", str(SHANDONG)),
                *("--port", "0", "--state", str(folder), "--drop", str(folder / "drop")),
                *("--participant", "alpha=alpha-token", "--admin-token", "admin-token", "--clock", CLOCK),
            ],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert self.process.stdout is not None
        said = self.process.stdout.readline()
        found = re.search(r"http://[\d.]+:\d+", said)
        assert found, said + self.process.stdout.read()
        self.url = found[0]
        self.client = httpx.Client(base_url=self.url, timeout=ANSWER_S)

    def put(self, revision: int, key: str, path: str = OFFERS, **more: Any) -> httpx.Response:
        headers = {"Authorization": "Bearer alpha-token", "Idempotency-Key": key}
        content = body(offer(curve(8, (0, 50, 400)), revision=revision))
        return self.client.put(path, content=content, headers=headers, **more)

    def held(self, path: str = OFFERS) -> dict[str, Any]:
        answer = self.client.get(path, headers={"Authorization": "Bearer alpha-token"})
        return cast("dict[str, Any]", answer.json())

    def admin(self, path: str, **json: Any) -> None:
        answer = self.client.put(f"/admin/{path}", json=json, headers={"Authorization": "Bearer admin-token"})
        assert answer.status_code == 200, answer.text

    def end(self, number: signal.Signals) -> int:
        self.client.close()
        self.process.send_signal(number)
        code = self.process.wait(ANSWER_S)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code


class Restartable:
    """A market process, and the next one on the same folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.market = Running(folder)

    def restart(self) -> Running:
        self.market = Running(self.folder)
        return self.market


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Restartable]:
    """One for all tests of this file: a start takes seconds."""
    running = Restartable(tmp_path_factory.mktemp("market"))
    yield running
    if running.market.process.returncode is None:
        running.market.end(signal.SIGKILL)


def test_in_an_outage_connections_are_reset_or_hang(running: Restartable) -> None:
    market = running.market
    market.admin("faults/outage", seconds=1, mode="refuse")
    with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError, httpx.ConnectError)):
        market.put(1, "k1", REAL_TIME)
    until = time.monotonic() + ANSWER_S
    answered = False
    while not answered:
        assert time.monotonic() < until, "the outage does not end"
        try:
            assert market.held(REAL_TIME)["code"] == "unknown_offer", "nothing was accepted meanwhile"
            answered = True
        except httpx.TransportError:
            time.sleep(0.1)
    market.admin("faults/outage", seconds=2, mode="hang")
    with pytest.raises(httpx.ReadTimeout):
        market.put(1, "k1", REAL_TIME, timeout=0.3)
    assert market.held(REAL_TIME)["code"] == "unknown_offer", "answered at last; who gave up is not heard"
    assert market.put(1, "k1", REAL_TIME).status_code == 200


def test_accepted_offers_survive_kill_and_lost_answers_are_found_by_asking(running: Restartable) -> None:
    market = running.market
    first = market.put(1, "k11")
    assert first.status_code == 200
    market.admin("faults/lost-answers", count=1)
    with pytest.raises(httpx.RemoteProtocolError):
        market.put(2, "k2")
    assert market.held()["receipt"]["revision"] == 2, "it was accepted all the same"
    assert market.put(2, "k2").json()["revision"] == 2
    market.admin("clock", now="2026-01-25T09:00:00+08:00")
    market.end(signal.SIGKILL)
    market = running.restart()
    assert market.put(1, "k11").json() == first.json()
    receipt = market.held()["receipt"]
    assert (receipt["revision"], receipt["idempotency_key"], receipt["state"]) == (2, "k2", "accepted")
    market.admin("clock", now="2026-01-25T17:30:00+08:00")
    out = running.folder / "drop/alpha/out" / f"result_day_ahead_{DAY}_run1.csv"
    beside = out.with_name(f"{out.name}.sha256")
    until = time.monotonic() + ANSWER_S
    while not beside.exists():
        assert time.monotonic() < until, "the result was not delivered as a file"
        time.sleep(0.05)
    assert beside.read_text().startswith(hashlib.sha256(out.read_bytes()).hexdigest())
    assert market.end(signal.SIGTERM) == 0


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ((), "market_participant"),
        (("--participant", "a"), "market_participant"),
        (("--participant", "a=short"), "market_token"),
        (("--participant", "a=secret-of-a", "--clock", "noon"), "market_clock"),
        (("--participant", "a=secret-of-a", "--clock", "2026-01-25T08:00:00"), "naive_time"),
    ],
)
def test_what_makes_no_market_is_told(tmp_path: Path, arguments: tuple[str, ...], code: str) -> None:
    with pytest.raises(Refused) as refused:
        app(["--prices", str(SHANDONG), "--port", "0", "--state", str(tmp_path), *arguments])
    assert refused.value.code == code
