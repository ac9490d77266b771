"""A market desk's day against the API: gates, check, draft, a second person's approval, submit, live, result.

Needs httpx alone, and two keys of role market_desk (a bid is approved by who did not write it):

    wattledger key grant --role market_desk --actor anna
    wattledger key grant --role market_desk --actor bert
    WATTLEDGER_KEY=... WATTLEDGER_SECOND_KEY=... python examples/desk/day.py shandong day_ahead vpp 2026-09-03

It charges 1 MW in the hours 2 and 3 and discharges it in 18 and 19; change `plan` to your own mind.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import threading
from collections.abc import Iterator
from datetime import date
from typing import Any

import httpx

MW = 1_000_000


class Desk:
    """One person's key. A command sent again with its name as Idempotency-Key changes nothing."""

    def __init__(self, url: str, key: str) -> None:
        headers = {"Authorization": f"Bearer {key}"}
        self.http = httpx.Client(base_url=f"{url}/v1", headers=headers, timeout=30)

    def get(self, path: str, **parameters: str) -> Any:
        return self._answer(self.http.get(path, params=parameters))

    def post(self, path: str, body: dict[str, Any], name: str | None = None) -> Any:
        headers = {} if name is None else {"Idempotency-Key": name}
        return self._answer(self.http.post(path, json=body, headers=headers))

    def live(self, **parameters: str) -> Iterator[dict[str, Any]]:
        """What happens, for ever: a connection that ends is opened again where it left off."""
        last = ""
        while True:
            headers = {"Last-Event-ID": last} if last else {}
            timeout = httpx.Timeout(30, connect=5)
            try:
                with self.http.stream(
                    "GET", "/live", params=parameters, headers=headers, timeout=timeout
                ) as told:
                    if told.is_error:
                        told.read()
                    self._check(told)
                    for line in told.iter_lines():
                        field, _, value = line.partition(": ")
                        if field == "id":
                            last = value
                        elif field == "data" and "type" in (message := json.loads(value)):
                            yield message
            except httpx.TransportError as away:
                print(f"live: {away}; coming back", file=sys.stderr)

    def _answer(self, answer: httpx.Response) -> Any:
        self._check(answer)
        return answer.json()

    @staticmethod
    def _check(answer: httpx.Response) -> None:
        if answer.is_error:
            problem = answer.json()
            raise SystemExit(f"{problem['code']} at {problem['place'] or 'the request'}: {problem['detail']}")


def plan(interval_s: int, intervals: int) -> list[int]:
    """What to do in each interval, in W; above zero toward the grid."""
    hour_of = [number * interval_s // 3600 for number in range(intervals)]
    return [-MW if hour in (2, 3) else MW if hour in (18, 19) else 0 for hour in hour_of]


def curve(power_w: int) -> list[list[int]]:
    """Segments [from W, to W, price in millionths per kWh]: buy up to 0.30, sell from 0.50."""
    if power_w == 0:
        return []
    return [[min(power_w, 0), max(power_w, 0), 300_000 if power_w < 0 else 500_000]]


def say(text: str) -> None:
    """One write a line: what is heard live and what is asked come from two threads."""
    sys.stdout.write(f"{text}\n")


def listen(desk: Desk, unit: str, ended: threading.Event, name: str) -> None:
    for message in desk.live(unit=unit):
        told = message["data"]
        about = told.get("bid") or told.get("clearing") or told.get("product") or ""
        say(f"  live  {message['time']}  {message['type']:<26} {about} {told.get('status', '')}")
        final = ("cleared", "refused", "withdrawn", "expired")
        if told.get("bid") == name and told.get("status") in final:
            ended.set()


def main() -> None:
    parser = argparse.ArgumentParser(description="A market desk's day against the API.")
    parser.add_argument("market")
    parser.add_argument("product")
    parser.add_argument("unit")
    parser.add_argument("day", type=date.fromisoformat)
    parser.add_argument("--url", default="http://127.0.0.1:8080")
    parser.add_argument("--wait", type=float, default=0, help="seconds to wait for the market's result")
    asked = parser.parse_args()
    anna = Desk(asked.url, os.environ["WATTLEDGER_KEY"])
    bert = Desk(asked.url, os.environ["WATTLEDGER_SECOND_KEY"])

    day = anna.get(f"/markets/{asked.market}/gates/{asked.day}")
    (gate,) = [one for one in day["gates"] if one["product"] == asked.product]
    say(f"gate    {gate['opens']} to {gate['closes']}, results {gate['published']}")

    name = f"{asked.unit}-{asked.product}-{asked.day}"
    schedule = plan(gate["interval_s"], gate["intervals"])
    bid = {
        "id": name,
        "unit": asked.unit,
        "market": asked.market,
        "product": asked.product,
        "day": str(asked.day),
        "curves": [curve(power) for power in schedule],
        "schedule_w": schedule,
    }
    ended = threading.Event()
    threading.Thread(target=listen, args=(anna, asked.unit, ended, name), daemon=True).start()

    checked = anna.post("/bids/check", {"bid": bid, "revision": 0})
    say(f"check   {checked['volume_wh']} Wh, may cost {checked['payable']} {checked['currency']}")
    for problem in checked["problems"]:
        say(f"        {problem['code']}: {problem['reason']}")
    if checked["problems"]:
        raise SystemExit(1)

    draft = anna.post("/bids", {"bid": bid, "revision": 0}, f"draft-{name}")
    say(f"draft   {name} revision {draft['revision']}, digest {draft['digest'][:16]}")
    seen = {"revision": draft["revision"], "digest": draft["digest"]}
    say(f"approve {bert.post(f'/bids/{name}/approve', seen, f'approve-{name}')['status']}")
    sent = anna.post(f"/bids/{name}/submit", {"revision": draft["revision"]}, f"submit-{name}")
    say(f"submit  {sent['status']}, event {sent['sequence']}")

    receipt = anna.get(f"/bids/{name}/receipt", after=str(sent["sequence"]))
    say("receipt " + receipt["receipt"].splitlines()[0])
    ended.wait(asked.wait)

    found = anna.get(f"/bids/{name}")
    say(f"result  {found['summary']['status']}")
    first_day = {"first_day": str(asked.day)}
    rows = anna.get(f"/trading-units/{asked.unit}/positions", **first_day)["days"][0]["positions"]
    say(f"position {len(rows)} quarter-hours; the first that is not zero:")
    say(json.dumps(next((row for row in rows if row.get("awarded_wh") or row["state"] != "open"), rows[0])))


if __name__ == "__main__":
    main()
