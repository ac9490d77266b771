"""Listening by HTTP on a real port: nothing is lost, order is kept, and every stream ends with a reason."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from datetime import timedelta

import httpx
import pytest

from adapters.desk.desk import Desk
from adapters.live.feed import Feed
from adapters.live.interest import Interest
from adapters.live.message import decode
from ledger.access import RevokeKey
from tests.adapters import sample
from tests.adapters.conftest import Bench
from tests.adapters.desk.desk_book import CLOSES, DAY, OPEN, bid, furnish, submitted
from tests.adapters.http.conftest import HOST, Api, problem
from tests.adapters.live.listening import Listening, RunningServer
from trading.risk import ResumeTrading, StopTrading


class Live:
    """A furnished book, its desk and its server."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.desk: Desk = furnish(bench)
        self.api = Api(bench)
        self.served = RunningServer(self.api)
        self._number = 0

    def toggle(self, times: int) -> None:
        """Stop trading and let it go on: two events each."""
        for _ in range(times):
            self._number += 1
            for command, who in ((StopTrading, "anna"), (ResumeTrading, "bert")):
                name = f"{command.__name__}-{self._number}"
                self.bench.door.execute(command(who, f"{self._number}"), command_id=name, actor=who)

    def close(self) -> None:
        self.served.stop()
        self.api.close()


@pytest.fixture
def live(bench: Bench) -> Iterator[Live]:
    made = Live(bench)
    yield made
    made.close()


def test_a_bids_life_is_told_in_order_with_where_to_read_it(live: Live) -> None:
    with live.served.listening(kind=["bid", "commitment"]) as stream:
        submitted(live.desk, bid())
        found = stream.take(4)
    types = [one.type for one in found]
    assert types[:2] == ["bid.drafted.v1", "bid.approved.v1"]
    assert sorted(types[2:]) == ["bid.submitted.v1", "commitment.made.v1"]
    by_type = {one.type: one.data for one in found}
    told = by_type["bid.submitted.v1"]
    assert (told["market"], told["unit"], told["data"]["status"]) == ("shandong", "vpp", "submitted")
    assert (told["data"]["by"], told["data"]["revision"], told["data"]["day"]) == ("anna", 1, str(DAY))
    assert told["subject"] == "bid.b1"
    made = by_type["commitment.made.v1"]
    assert (made["unit"], made["data"]["bid"], made["data"]["product"]) == ("vpp", "b1", "day_ahead")
    sequences = [one.data["sequence"] for one in found]
    assert sequences == sorted(sequences)
    assert [one.last_id for one in found] == [str(sequence) for sequence in sequences]
    assert live.api.get("/v1/bids/b1", "market_desk").json()["summary"]["status"] == "submitted"


def test_coming_back_with_the_last_id_loses_and_doubles_nothing(live: Live) -> None:
    heard: list[int] = []
    done = threading.Event()

    def talk() -> None:
        live.toggle(60)
        done.set()

    with live.served.listening(kind="risk") as stream:
        last = first = stream_start(stream, live)
    talker = threading.Thread(target=talk)
    talker.start()
    while len(heard) < 120:
        with live.served.listening(kind="risk", last_id=last) as stream:
            for event in stream.take(min(7, 120 - len(heard))):
                heard.append(event.data["sequence"])
                last = event.last_id
    talker.join()
    start = int(first)
    assert heard == list(range(start + 1, start + 121))


def stream_start(stream: Listening, live: Live) -> str:
    """The id that a stream begins with, read with its first event."""
    live.toggle(1)
    return stream.take(2)[-1].last_id


def test_filters_keep_what_is_about_all_units(live: Live) -> None:
    with (
        live.served.listening(unit="vpp") as ours,
        live.served.listening(unit="other") as others,
        live.served.listening(market="elsewhere", kind=["bid", "risk.trading_stopped"]) as elsewhere,
    ):
        live.desk.draft(bid(), revision=0, command_id="d", actor="anna")
        live.toggle(1)
        assert [one.type for one in ours.take(3)] == [
            "bid.drafted.v1",
            "risk.trading_stopped.v1",
            "risk.trading_resumed.v1",
        ]
        assert [one.type for one in others.take(2)] == ["risk.trading_stopped.v1", "risk.trading_resumed.v1"]
        assert [one.type for one in elsewhere.take(1)] == ["risk.trading_stopped.v1"]


def test_gates_are_announced_once_and_have_no_id(live: Live) -> None:
    live.bench.now = CLOSES - timedelta(minutes=15, seconds=10)
    with live.served.listening(kind="gate") as stream:
        found = stream.take(2)
        live.bench.now = CLOSES - timedelta(minutes=5, seconds=5)
        found += stream.take(2)
        assert stream.last_id.isdigit()
    told = [(one.data["data"]["product"], one.data["data"]["minutes"]) for one in found]
    assert told == [("day_ahead", 15), ("response", 15), ("day_ahead", 5), ("response", 5)]
    assert {one.type for one in found} == {"gate.closes.v1"}
    assert {one.data["data"]["at"] for one in found} == {"2026-09-02T02:30:00Z"}
    assert all("sequence" not in one.data for one in found)
    assert len({one.data["id"] for one in found}) == 4


def test_fifty_listeners_hear_the_same(live: Live) -> None:
    heard: dict[int, list[str]] = {}
    ready = threading.Barrier(51, timeout=20)

    def listen(number: int) -> None:
        with live.served.listening(kind="risk") as stream:
            ready.wait()
            heard[number] = [one.data["id"] for one in stream.take(20)]

    live.api.secret("market_desk")
    threads = [threading.Thread(target=listen, args=(number,)) for number in range(50)]
    for thread in threads:
        thread.start()
    ready.wait()
    live.toggle(10)
    for thread in threads:
        thread.join(20)
    assert len(heard) == 50
    assert len({tuple(one) for one in heard.values()}) == 1
    assert len(set(heard[0])) == 20


def test_the_server_ends_its_streams_before_its_grace_is_over(live: Live) -> None:
    with live.served.listening() as stream:
        assert live.served.stop() < 2.5
        (end,) = stream.events()
    assert (end.type, end.data["reason"]) == ("end", "shutdown")


def test_a_revoked_key_hears_no_more(live: Live) -> None:
    live.served.stop()
    live.api.secret("auditor")
    listed = live.api.get("/v1/keys").json()["items"]
    (key,) = [one["key_id"] for one in listed if one["role"] == "auditor"]
    served = RunningServer(live.api)
    feed = served.app.state["endings"][0].__self__
    feed._heartbeat_s = 0.2
    try:
        with served.listening("auditor", kind="clearing") as stream:
            live.bench.door.execute(RevokeKey(key), command_id="revoke", actor="admin")
            (end,) = stream.events()
        assert (end.type, end.data["reason"]) == ("end", "key_not_in_force")
        assert " heartbeat" in [f" {one}" for one in stream.comments]
    finally:
        served.stop()


def test_heartbeats_move_the_id_past_what_was_not_asked_for(live: Live) -> None:
    feed = live.served.app.state["endings"][0].__self__
    feed._heartbeat_s = 0.3
    with live.served.listening(kind="clearing") as stream:
        live.toggle(1)
        last = live.bench.recorder.max_notification_id()
        for line in stream._lines:
            if line == f"id: {last}":
                break


def test_a_listener_that_does_not_read_is_cut_off_with_the_reason(live: Live) -> None:
    """The generator is not asked for more while the connection does not take more."""

    async def heard() -> tuple[list[bytes], int, int]:
        feed = Feed(live.bench.database, live.bench.book, live.bench.clock, waiting_max=10)
        start = await feed.position()
        slow = feed.listen(Interest(kinds=("risk",)), start, lambda: True)
        quick = feed.listen(Interest(kinds=("risk",)), start, lambda: True)
        await anext(slow)
        await anext(quick)
        taken = asyncio.ensure_future(anext(quick))
        first = asyncio.ensure_future(anext(slow))
        for _ in range(1000):  # who still catches up reads the archive, and is never cut off
            if len(feed._listeners) == 2:
                break
            await asyncio.sleep(0.01)
        await asyncio.to_thread(live.toggle, 1)
        chunks = [await first]
        told = (await taken).count(b"event: ")
        for _ in range(10):
            await asyncio.to_thread(live.toggle, 1)
            while told < 2 * (_ + 2):
                told += (await anext(quick)).count(b"event: ")
        chunks += [chunk async for chunk in slow]
        listeners = feed.listeners
        feed.end()
        await quick.aclose()
        return chunks, told, listeners

    chunks, told, listeners = asyncio.run(heard())
    assert told == 22
    assert listeners == 1
    assert b'"reason":"slow_consumer"' in chunks[-1]
    assert sum(chunk.count(b"event: risk") for chunk in chunks) < 22


@pytest.mark.parametrize(
    ("headers", "query", "status", "code", "place"),
    [
        ({"Last-Event-ID": "x"}, "", 400, "parameter", "Last-Event-ID"),
        ({"Last-Event-ID": "99999"}, "", 422, "live_ahead", "Last-Event-ID"),
        ({}, "?kind=weather", 422, "live_kind", "kind"),
        ({}, "?unit=..", 400, "parameter", "unit"),
        ({}, "?since=-1", 400, "parameter", "since"),
    ],
)
def test_what_cannot_be_listened_to_is_refused(
    live: Live, headers: dict[str, str], query: str, status: int, code: str, place: str
) -> None:
    key = {"Authorization": f"Bearer {live.api.secret('market_desk')}"}
    problem(httpx.get(f"{live.served.url}/v1/live{query}", headers=headers | key), status, code, place)


def test_partners_and_gateways_do_not_listen(live: Live) -> None:
    live.bench.door.execute(sample.register_party(HOST), command_id="host", actor="anna")
    for role in ("partner", "gateway"):
        key = {"Authorization": f"Bearer {live.api.secret(role)}"}  # type: ignore[arg-type]
        problem(httpx.get(f"{live.served.url}/v1/live", headers=key), 403, "forbidden")


def test_every_message_decodes_as_what_it_is(live: Live) -> None:
    with live.served.listening(last_id="0") as stream:
        submitted(live.desk, bid())
        found = []
        for one in stream.events():
            found.append(decode(httpx.Response(200, json=one.data).content))
            if one.type == "bid.submitted.v1":
                break
    assert {one.kind for one in found} >= {"market.published", "risk.policy_approved", "bid.drafted"}
    assert all(one.source == f"/books/{live.bench.book}" for one in found)
    assert found[-1].time >= OPEN


def test_without_following_a_stream_ends_with_what_there_is(live: Live) -> None:
    live.toggle(2)
    live.api.wait()
    with live.served.listening(kind="risk", since=0, follow="false") as stream:
        *found, end = list(stream.events())
    assert [one.type for one in found][-4:] == ["risk.trading_stopped.v1", "risk.trading_resumed.v1"] * 2
    assert (end.type, end.data["reason"]) == ("end", "level")
    assert end.last_id == found[-1].last_id
