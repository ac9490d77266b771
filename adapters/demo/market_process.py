"""The market operator of the trading week: a process of its own, with a clock that is set."""

from __future__ import annotations

import re
import secrets
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import httpx

from adapters.embedded.child import Child, private_folder
from adapters.gateway.reference_market import ReferenceMarket
from ledger.refusal import Refused

_ANSWER_S: Final = 20
_END_S: Final = 20
_ADDRESS: Final = re.compile(r"reference market at (http://\S+), ")
_PARAMETERS: Final = """\
market = "{market}"
node = "province"

[day_ahead]
opens_days_before = 1
opens = "08:00"
closes_days_before = 1
closes = "11:00"
published_days_before = 1
published = "17:30"

[participants.{unit_code}]
token = "{token}"
charge_w_max = {power_w}
discharge_w_max = {power_w}
"""


class MarketProcess:
    """The running market: the gateway to it as a participant has it, and the administrator's side."""

    def __init__(self, url: str, unit_code: str, token: str, admin_token: str) -> None:
        self.url = url
        self.gateway = ReferenceMarket(url, {unit_code: token})
        self._admin = httpx.Client(
            base_url=f"{url}/admin",
            timeout=_ANSWER_S,
            trust_env=False,
            headers={"Authorization": f"Bearer {admin_token}"},
        )

    def close(self) -> None:
        self.gateway.close()
        self._admin.close()

    def move_to(self, instant: datetime) -> None:
        """Set the market's clock; one that is there already, or later, stays."""
        now = datetime.fromisoformat(self._ask("GET", "clock")["now"])
        if instant > now:
            self._ask("PUT", "clock", {"now": instant.isoformat()})

    def lose_next_answer(self) -> None:
        """The next offer is accepted, and its answer never sent."""
        self._ask("PUT", "faults/lost-answers", {"count": 1})

    def result(self, product: str, day: str) -> dict[str, Any]:
        """The newest run of a result."""
        return self._ask("GET", f"results/{product}/{day}")

    def correct(self, correction: dict[str, object]) -> None:
        """Publish a further run (docs/reference-market.md)."""
        self._ask("POST", "corrections", correction)

    def _ask(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        answer = self._admin.request(method, f"/{path}", json=body)
        if not answer.is_success:
            raise Refused("demo_market", f"the market answers {answer.text}", place=path)
        found: dict[str, Any] = answer.json()
        return found


@contextmanager
def market_process(
    folder: Path, prices: Path, *, market: str, unit_code: str, power_w: int, clock: datetime
) -> Iterator[MarketProcess]:
    """A market on a free port that goes on where its journal in `folder` ends, and ends with the block.

    Raises:
        ChildFailed: it does not start; with what it says.
    """
    private_folder(folder)
    token, admin_token = secrets.token_urlsafe(16), secrets.token_urlsafe(16)
    parameters = folder / "parameters.toml"
    parameters.write_text(
        _PARAMETERS.format(market=market, unit_code=unit_code, token=token, power_w=power_w), encoding="utf-8"
    )
    log = folder / "market.log"
    log.write_bytes(b"")
    child = Child(
        "reference market",
        [
            *(sys.executable, "-m", "adapters.reference_market", "--prices", str(prices), "--port", "0"),
            *("--parameters", str(parameters), f"--admin-token={admin_token}", "--state", str(folder)),
            *("--clock", clock.isoformat()),
        ],
        log,
        stop_signal=signal.SIGTERM,
        grace=_END_S,
        lock=folder / "process.lock",
    )
    try:
        child.wait_until(lambda: _address(log) is not None)
        url = _address(log)
        assert url is not None, "it was waited for"
        running = MarketProcess(url, unit_code, token, admin_token)
        try:
            yield running
        finally:
            running.close()
    finally:
        child.stop()


def _address(log: Path) -> str | None:
    found = _ADDRESS.search(log.read_text(encoding="utf-8", errors="replace"))
    return None if found is None else found[1]
