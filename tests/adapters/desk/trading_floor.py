"""The reference market as a process of its own, and a desk's role towards it on a book of a test's own."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from signal import SIGTERM
from typing import Any, Final

import httpx

from adapters.desk.trading_role import FollowUp, TradingRole
from adapters.gateway.gateway import Gateway
from adapters.gateway.reference_market import ReferenceMarket
from adapters.settling import wait_until
from tests.adapters.conftest import Bench
from tests.adapters.desk.desk_book import MARKET, ROOT, UNIT, bid, furnish, submitted
from trading.bid_life import Standing
from trading.clearing import ClearingState, clearing_id

CODE: Final = f"CODE-{UNIT}"
TOKEN: Final = "a-token-of-the-unit"
ADMIN: Final = {"Authorization": "Bearer admin-token"}
SENDING_S: Final = 60
"""Longer than another process may still wait for its answer."""
_FIRST: Final = date(2026, 9, 2)
_DAYS: Final = 27
_ANSWER_S: Final = 20
_SHANGHAI: Final = timedelta(hours=8)


def prices() -> bytes:
    """0.2 CNY per kWh at hours 2 and 3, 0.6 at 18 and 19, else 0.4, on every day of September."""
    rows = ["start_utc,day_ahead_cny_per_kwh,real_time_cny_per_kwh"]
    start = datetime(2026, 9, 1, tzinfo=UTC) - _SHANGHAI
    for number in range(24 * (_DAYS + 3)):
        at = start + timedelta(hours=number)
        price = {2: "0.2", 3: "0.2", 18: "0.6", 19: "0.6"}.get(number % 24, "0.4")
        rows.append(f"{at:%Y-%m-%dT%H:%M:%SZ},{price}00000,{price}00000")
    return "".join(f"{row}\n" for row in rows).encode()


class Market:
    """One process of the market in quarter-hours; its clock only goes forward, so each test has a day."""

    def __init__(self, folder: Path) -> None:
        (folder / "prices.csv").write_bytes(prices())
        (folder / "market.toml").write_text(
            f'interval_s = 900\n[participants.{CODE}]\ntoken = "{TOKEN}"\n'
            "charge_w_max = 50000000\ndischarge_w_max = 50000000\n"
        )
        self.drop = folder / "drop"
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "adapters.reference_market", "--prices", str(folder / "prices.csv")),
                *("--parameters", str(folder / "market.toml"), "--admin-token", "admin-token"),
                *("--port", "0", "--state", str(folder / "state"), "--drop", str(self.drop)),
                *("--clock", "2026-09-01T09:00:00+08:00"),
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
        self.client = httpx.Client(base_url=self.url, timeout=_ANSWER_S, trust_env=False)
        self._day = _FIRST

    def next_day(self) -> date:
        """A delivery day that no other test has; it is 09:00 on the day before, and its gate is open."""
        self._day += timedelta(days=1)
        assert self._day < _FIRST + timedelta(days=_DAYS)
        self.set_clock(local(self._day, -1, 9))
        return self._day

    def set_clock(self, at: datetime) -> None:
        self.admin("PUT", "clock", now=at.isoformat())

    def admin(self, method: str, path: str, **json: Any) -> None:
        answer = self.client.request(method, f"/admin/{path}", json=json, headers=ADMIN)
        assert answer.is_success, answer.text

    def held(self, day: date) -> dict[str, Any] | None:
        """The receipt of what it has of our unit."""
        answer = self.client.get(
            f"/participants/{CODE}/offers/day_ahead/{day}", headers={"Authorization": f"Bearer {TOKEN}"}
        )
        found: dict[str, Any] | None = answer.json()["receipt"] if answer.is_success else None
        return found

    def wait_for(self, day: date) -> None:
        """Until it answers again."""
        until = time.monotonic() + _ANSWER_S
        while True:
            try:
                self.held(day)
            except httpx.TransportError:
                assert time.monotonic() < until, "the outage does not end"
                time.sleep(0.05)
            else:
                return

    def end(self) -> None:
        self.client.close()
        self.process.send_signal(SIGTERM)
        self.process.wait(_ANSWER_S)
        assert self.process.stdout is not None
        self.process.stdout.close()


def local(day: date, offset: int, hour: int, minute: int = 0) -> datetime:
    """A time of day in Shanghai, `offset` days from the delivery day, in UTC."""
    at = datetime(day.year, day.month, day.day, hour, minute, tzinfo=UTC)
    return at + timedelta(days=offset) - _SHANGHAI


class Floor:
    """A desk with one bid for `day`, submitted, and the role; both clocks stand where they are set."""

    def __init__(self, bench: Bench, market: Market, gateway: Gateway) -> None:
        self.bench, self.market, self.gateway = bench, market, gateway
        self.day = market.next_day()
        self.desk = furnish(bench)
        self.now = local(self.day, -1, 9)
        bench.now = self.now
        self.bid = bid(f"b{self.day:%d}", day=self.day)
        self.revision = submitted(self.desk, self.bid)
        self.lines: list[str] = []
        self.role = self.another()

    def another(self, *follow: FollowUp, gateway: Gateway | None = None, recheck_s: int = 600) -> TradingRole:
        """A role that knows nothing of what another one did, as after a restart."""
        return TradingRole(
            self.desk,
            self.bench.database,
            {"none": gateway or self.gateway},
            lambda: self.now,
            self.lines.append,
            follow=follow,
            recheck_s=recheck_s,
        )

    def set_clock(self, at: datetime, *, market: bool = True) -> None:
        """Both clocks; the market's stays where it is with `market=False`."""
        self.now = at
        self.bench.now = at
        if market:
            self.market.set_clock(at)

    def later(self, seconds: float) -> None:
        self.set_clock(self.now + timedelta(seconds=seconds), market=False)

    def turn(self, role: TradingRole | None = None) -> list[str]:
        """One turn on a projected book; answers what it said."""
        del self.lines[:]
        wait = self.bench.log.client.run(self.bench.log.last_sequence())
        self._projected(wait)
        (role or self.role).turn()
        return list(self.lines)

    def outcomes(self, turns: int) -> list[str]:
        """What became of the bid in so many turns, without the reasons."""
        return [line.partition(": ")[2].split(" (")[0] for line in self.turns(turns)]

    def turns(self, count: int) -> list[str]:
        return [line for _ in range(count) for line in self.turn()]

    def _projected(self, sequence: int) -> None:
        wait_until(self.bench.database, self.bench.book, sequence, 30)

    @property
    def standing(self) -> Standing:
        found = self.desk.state(self.bid.id).standing
        assert found is not None
        return found

    @property
    def cleared(self) -> ClearingState | None:
        found = self.desk.door.state(f"clearing.{clearing_id(MARKET, 'day_ahead', self.day)}")
        assert found is None or isinstance(found, ClearingState)
        return found

    def kinds(self) -> list[str]:
        """The bid's events so far, in order."""
        rows = self.bench.client.run(self.bench.log.last_sequence())
        self._projected(rows)
        found = self.bench.query(
            "SELECT payload FROM ledger.envelope WHERE aggregate = %s ORDER BY sequence",
            [f"bid.{self.bid.id}"],
        )
        payloads = [bytes(row[0]).decode() for row in found]  # type: ignore[call-overload]
        return [kind for text in payloads for kind in re.findall(r'"kind":"bid\.(\w+)\.v1"', text)]


@contextmanager
def on_the_floor(bench: Bench, market: Market, files: Gateway | None = None) -> Iterator[Floor]:
    """A floor whose book is projected by a thread, by HTTP where no other gateway is given."""
    gateway = ReferenceMarket(market.url, {CODE: TOKEN})
    floor = Floor(bench, market, files or gateway)
    projector = bench.projector()
    thread = threading.Thread(target=projector.run)
    thread.start()
    try:
        yield floor
    finally:
        projector.stop()
        thread.join()
        gateway.close()
