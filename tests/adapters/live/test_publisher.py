"""What NATS is told: each message, in order, on its own subject, and only to be listened to."""

from __future__ import annotations

import asyncio
import threading
import time
from datetime import UTC, datetime, timedelta

import msgspec
import nats
import pytest
from nats.aio.msg import Msg

from adapters.embedded.nats_accounts import NatsAccounts
from adapters.live.archive import LiveArchive
from adapters.live.gate_reminders import GateReminders, moments
from adapters.live.interest import ALL_TYPES
from adapters.live.message import BidNews, LiveMessage, decode
from adapters.live.publisher import LivePublisher
from adapters.live.subject import subject_of
from adapters.live.told_position import NATS, Overtaken, ToldPosition, move_alone, read
from adapters.queries.registered import Recorded, Register
from ledger.effective import Period
from tests.adapters.conftest import Bench
from tests.adapters.desk.desk_book import CLOSES, DAY, MARKET, OPEN, bid, furnish, market, submitted
from tests.adapters.desk.test_desk import cleared
from tests.adapters.live.test_asyncapi import check
from trading.clearing import Award
from trading.market_answer import AcknowledgeBid
from trading.moment import DayMoment, IntervalMoment
from trading.product import Market
from trading.risk import ResumeTrading


class Subscriber:
    """A NATS client with the listener's key, in a thread of its own."""

    def __init__(self, bench: Bench, subject: str) -> None:
        self.heard: list[Msg] = []
        self._bench, self._subject = bench, subject
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self._nc = self.run(self._connect())

    async def _connect(self) -> nats.NATS:
        seed = NatsAccounts(self._bench.nats.folder).listener_seed
        nc = await nats.connect(self._bench.nats.url, nkeys_seed=str(seed))

        async def hear(message: Msg) -> None:
            self.heard.append(message)

        await nc.subscribe(self._subject, cb=hear)
        await nc.flush()
        return nc

    def run(self, work):  # type: ignore[no-untyped-def]
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    def wait(self, count: int) -> list[LiveMessage]:
        give_up = time.monotonic() + 10
        while len(self.heard) < count and time.monotonic() < give_up:
            time.sleep(0.01)
        return [decode(one.data) for one in self.heard]

    def may(self, subject: str) -> bool:
        """Whether a message that it publishes there arrives at the operator."""
        self._bench.operator.run(self._bench.operator._nc.flush())
        heard: list[Msg] = []

        async def hear(message: Msg) -> None:
            heard.append(message)

        operator = self._bench.operator
        subscription = operator.run(operator._nc.subscribe(subject, cb=hear))
        operator.run(operator._nc.flush())
        self.run(self._nc.publish(subject, b"x"))
        self.run(self._nc.flush())
        operator.run(operator._nc.flush())
        operator.run(subscription.unsubscribe())
        return bool(heard)

    def close(self) -> None:
        self.run(self._nc.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


def a_day_at_the_desk(bench: Bench) -> None:
    """A bid to its corrected clearing, a refused one, a withdrawn one and the switch."""
    desk = furnish(bench)
    revision = submitted(desk, bid())
    desk.send("b1", revision, command_id="send", actor="gateway")
    desk.acknowledge(AcknowledgeBid("b1", revision, "SD-1"), command_id="ack", actor="gateway")
    bench.project()
    power = tuple(power // 2 for power in bid().schedule_w or ())
    desk.record_clearing(cleared(Award(bid="b1", power_w=power)), command_id="clear", actor="gateway")
    desk.stop("lunch", command_id="stop", actor="anna")
    bench.door.execute(ResumeTrading("bert", "go on"), command_id="resume", actor="bert")
    bench.project()


def test_every_message_of_a_day_is_told_on_its_subject_in_order(bench: Bench) -> None:
    publisher = LivePublisher(bench.client, bench.database, bench.book)
    hearing = Subscriber(bench, f"$LIVE.{bench.book}.>")
    try:
        move_alone(bench.database, bench.book, NATS, None, ToldPosition(0))
        a_day_at_the_desk(bench)
        while not publisher.step():
            pass
        told = LiveArchive(bench.database, bench.book).after(0).messages
        heard = hearing.wait(len(told))
    finally:
        hearing.close()
    assert heard == told
    assert [one.subject for one in hearing.heard] == [subject_of(bench.book, one) for one in told]
    assert [one.headers["Nats-Msg-Id"] for one in hearing.heard if one.headers] == [one.id for one in told]
    assert f"$LIVE.{bench.book}.bid.cleared.shandong.vpp" in {one.subject for one in hearing.heard}
    assert f"$LIVE.{bench.book}.risk.trading_stopped._._" in {one.subject for one in hearing.heard}
    for message in told:
        check(message)
        assert message.type in ALL_TYPES
    (news,) = [one.data for one in told if one.type == "bid.cleared.v1"]
    assert isinstance(news, BidNews)
    assert (news.status, news.clearing, news.run) == ("cleared", f"{MARKET}_day_ahead_{DAY}", "1")
    assert bench.recorder.max_notification_id() == bench.project(), "what is told is no event"


def test_a_kill_before_the_position_moved_tells_again_and_skips_nothing(bench: Bench) -> None:
    hearing = Subscriber(bench, f"$LIVE.{bench.book}.risk.>")
    try:
        move_alone(bench.database, bench.book, NATS, None, ToldPosition(0))
        a_day_at_the_desk(bench)
        LivePublisher(bench.client, bench.database, bench.book).step()
        with bench.database.reading(bench.book) as connection:
            reached = read(connection, NATS)
        assert reached is not None
        count = len(hearing.wait(4))
        assert count == 4
        move_alone(bench.database, bench.book, NATS, reached, ToldPosition(0))
        LivePublisher(bench.client, bench.database, bench.book).step()
        again = hearing.wait(8)
    finally:
        hearing.close()
    assert [one.id for one in again[4:]] == [one.id for one in again[:4]]


def test_a_new_publisher_begins_now_and_the_slower_of_two_stops(bench: Bench) -> None:
    a_day_at_the_desk(bench)
    last = bench.project()
    publisher = LivePublisher(bench.client, bench.database, bench.book)
    assert not publisher.step()
    with bench.database.reading(bench.book) as connection:
        assert read(connection, NATS) == ToldPosition(last)
    move_alone(bench.database, bench.book, NATS, ToldPosition(last), ToldPosition(last + 1))
    with pytest.raises(Overtaken):
        move_alone(bench.database, bench.book, NATS, ToldPosition(last), ToldPosition(last + 2))


def test_a_listeners_key_only_listens(bench: Bench) -> None:
    hearing = Subscriber(bench, "$LIVE.>")
    try:
        for subject in (f"$LIVE.{bench.book}.bid.submitted._._", f"{bench.book}.bid.b1", "$JS.API.INFO"):
            assert not hearing.may(subject)
    finally:
        hearing.close()


# ------------------------------------------------------------------ gates


def held(*versions: Market) -> Register[Market]:
    """A market's versions, each in force from its number of September on."""
    return Register(
        {
            MARKET: tuple(
                Recorded(MARKET, number, number, Period(datetime(2026, 9, number, tzinfo=UTC)), one)
                for number, one in enumerate(versions, 1)
            )
        }
    )


def test_a_gate_is_that_of_the_rules_in_force_as_its_day_begins() -> None:
    """The second version holds from 2 September in UTC: the 3rd is the first day that begins under it."""
    product = market().products[0]
    later = market(msgspec.structs.replace(product, gate_closes=DayMoment(days_before=1, at="09:00")))
    found = moments(held(market(product), later), OPEN - timedelta(days=4), OPEN + timedelta(days=4))
    closes = {one.day.day: f"{one.at:%d %H:%M}" for one in found if one.moment == "closes"}
    expected = {2: "01 02:30", 3: "02 01:00", 4: "03 01:00", 5: "04 01:00", 6: "05 01:00", 7: "06 01:00"}
    assert closes == expected, "and none for 1 September, which begins before the first version holds"


def test_reminders_come_once_each_however_often_the_clock_is_looked_at() -> None:
    found: list[LiveMessage] = []
    start = CLOSES - timedelta(hours=3)
    reminders = GateReminders("demo", held(market()), start)
    for seconds in range(0, 4 * 3600, 47):
        found += reminders.due(start + timedelta(seconds=seconds))
    closes = [one for one in found if one.type == "gate.closes.v1"]
    assert len({one.id for one in found}) == len(found)
    assert [one.time for one in closes] == sorted(
        CLOSES - timedelta(minutes=minutes) for minutes in (60, 15, 5, 0) for _ in range(2)
    )
    for one in found:
        check(one)


def test_the_moments_are_those_that_the_gate_itself_says() -> None:
    day = market()
    product = day.product("day_ahead")
    found = moments(held(day), OPEN - timedelta(days=3), OPEN + timedelta(days=3))
    said = {one.at for one in found if one.product == "day_ahead" and one.day == DAY}
    assert said == {
        day.moment(product.gate_opens, product, DAY),
        day.moment(product.gate_closes, product, DAY),
    }


def test_a_gate_for_each_interval_has_a_moment_for_each() -> None:
    base = market().products[0]
    rolling = msgspec.structs.replace(base, gate_closes=IntervalMoment(minutes_before=60))
    one = market(rolling)
    start = one.start_of(DAY)
    found = [
        gate
        for gate in moments(held(one), start - timedelta(hours=2), start + timedelta(hours=22))
        if gate.moment == "closes" and gate.day == DAY
    ]
    assert len(found) == 93, "the last is at the end of what was asked for"
    assert found[0].at == start - timedelta(hours=1)
    assert [gate.interval for gate in found] == list(range(len(found)))
