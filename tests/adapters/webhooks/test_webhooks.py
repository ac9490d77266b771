"""Webhooks carried to a receiver that verifies them: signed, in order, at least once, and never elsewhere."""

from __future__ import annotations

import ipaddress
import stat
import threading
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.live.archive import LiveArchive
from adapters.live.told_position import ToldPosition, move_alone, read
from adapters.webhooks import dead_letters
from adapters.webhooks.carrier import Carrier
from adapters.webhooks.destination import AddressRefused, is_public, resolved
from adapters.webhooks.registered_webhooks import consumer_of
from adapters.webhooks.signing_keys import SigningKeys
from adapters.webhooks.worker import WebhookWorker
from ledger.refusal import Refused
from tests.adapters.conftest import Bench
from tests.adapters.desk.desk_book import bid, furnish, submitted
from tests.adapters.webhooks.receiver import Receiver
from trading.risk import ResumeTrading, StopTrading
from trading.webhook import RegisterWebhook, ReplayWebhook, StopWebhook, Webhook


class Post:
    """A book, a receiver and what carries from one to the other."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.desk = furnish(bench)
        self.keys = SigningKeys(bench.nats.folder / "webhooks" / bench.book)
        self.receiver = Receiver(self.keys.made("k1"))
        self._workers: list[tuple[WebhookWorker, threading.Thread]] = []
        self._number = 0

    def register(self, name: str = "desk", **more: object) -> None:
        fields = {"id": name, "url": self.receiver.url, "key_id": "k1", **more}
        self.execute(RegisterWebhook(Webhook(**fields), "anna"))  # type: ignore[arg-type]
        self.bench.project()

    def execute(self, command: object) -> int:
        self._number += 1
        name = f"post-{self._number}"
        return self.bench.door.execute(command, command_id=name, actor="anna").sequence  # type: ignore[arg-type]

    def toggle(self, times: int = 1) -> list[str]:
        """Stop trading and go on; answers the ids of the messages."""
        before = self.bench.project()
        for _ in range(times):
            self.execute(StopTrading("anna", "noon"))
            self.execute(ResumeTrading("bert", "go on"))
        self.bench.project()
        return [one.id for one in LiveArchive(self.bench.database, self.bench.book).after(before).messages]

    def start(
        self, pauses_s: Sequence[float] = (0.05, 0.1), *, loopback: bool = True, attempt_s: float = 5.0
    ) -> None:
        clock = lambda: datetime.now(UTC)  # noqa: E731
        carrier = Carrier(self.keys, clock, loopback=loopback, attempt_s=attempt_s)
        worker = WebhookWorker(self.bench.database, self.bench.book, carrier, clock, pauses_s=pauses_s)
        thread = threading.Thread(target=worker.run)
        thread.start()
        self._workers.append((worker, thread))

    def stop(self) -> None:
        for worker, _ in self._workers:
            worker.stop()
        for worker, thread in self._workers:
            thread.join(10)
            assert not thread.is_alive()
            assert worker.halted is None
        self._workers.clear()

    def told(self, name: str = "desk") -> ToldPosition | None:
        with self.bench.database.reading(self.bench.book) as connection:
            return read(connection, consumer_of(name))

    def dead(self, name: str = "desk") -> list[dead_letters.DeadLetter]:
        with self.bench.database.reading(self.bench.book) as connection:
            return dead_letters.page(connection, name)

    def wait_dead(self, count: int) -> list[dead_letters.DeadLetter]:
        give_up = time.monotonic() + 10
        while len(found := self.dead()) < count and time.monotonic() < give_up:
            time.sleep(0.02)
        return found

    def close(self) -> None:
        self.stop()
        self.receiver.close()


@pytest.fixture
def post(bench: Bench) -> Iterator[Post]:
    made = Post(bench)
    yield made
    made.close()


def test_what_happens_is_brought_signed_and_in_order(post: Post) -> None:
    post.register(kinds=("risk", "bid.submitted"))
    post.start()
    first = post.toggle()
    submitted(post.desk, bid())
    second = post.toggle()
    heard = [one.id for one in post.receiver.wait(5)]
    assert heard[:2] == first
    assert heard[3:] == second
    assert [one.type for one in post.receiver.heard[2:3]] == ["bid.submitted.v1"]
    assert post.receiver.attempts == heard


def test_a_receiver_that_fails_is_asked_again_with_the_same_id_and_nothing_overtakes(post: Post) -> None:
    post.register(kinds=("risk",))
    post.receiver.answers.extend((503, 302))
    post.start()
    told = post.toggle()
    assert [one.id for one in post.receiver.wait(2)] == told
    assert post.receiver.attempts == [told[0], told[0], told[0], told[1]]
    assert post.dead() == []


def test_what_is_given_up_is_kept_and_a_replay_brings_it(post: Post) -> None:
    post.register(kinds=("risk",))
    post.receiver.answers.extend((500,) * 4)
    post.start()
    told = post.toggle(2)
    heard = [one.id for one in post.receiver.wait(2)]
    dead = post.wait_dead(2)
    assert [one.message for one in dead] == told[:2]
    assert [one.attempts for one in dead] == [3, 1], "while it fails, what follows gets one attempt"
    assert dead[0].reason == "the receiver answered 500"
    assert heard == told[2:]
    first = dead[0].sequence
    post.execute(ReplayWebhook("desk", first - 1, "anna"))
    post.bench.project()
    again = [one.id for one in post.receiver.wait(6)]
    assert again == [*told[2:], *told]
    post.stop()
    assert post.dead() == []


def test_a_kill_after_the_answer_tells_that_message_again_under_its_id(post: Post) -> None:
    post.register(kinds=("risk",))
    post.start()
    told = post.toggle(2)
    assert [one.id for one in post.receiver.wait(4)] == told
    post.stop()
    now = post.told()
    assert now is not None
    archive = LiveArchive(post.bench.database, post.bench.book)
    fourth = archive.after(0).messages[-1].sequence
    assert fourth is not None
    move_alone(post.bench.database, post.bench.book, consumer_of("desk"), now, ToldPosition(fourth - 1))
    post.start()
    assert [one.id for one in post.receiver.wait(5)] == [*told, told[-1]]


def test_a_stopped_one_hears_nothing_and_goes_on_where_it_was(post: Post) -> None:
    post.register(kinds=("risk",))
    post.start()
    told = post.toggle()
    post.receiver.wait(2)
    post.execute(StopWebhook("desk", "anna", "maintenance"))
    post.bench.project()
    time.sleep(0.8)
    told += post.toggle()
    time.sleep(0.8)
    assert len(post.receiver.heard) == 2
    with pytest.raises(Refused, match="stopped") as refused:
        post.execute(ReplayWebhook("desk", 0, "anna"))
    assert refused.value.code == "webhook_stopped"
    post.register(kinds=("risk",))
    assert [one.id for one in post.receiver.wait(4)] == told


def test_one_that_hangs_does_not_hold_up_the_others(post: Post) -> None:
    quick = Receiver(post.receiver.secret)
    try:
        post.receiver.pause_s = 1.0
        post.register("slow", kinds=("risk",))
        post.register("quick", kinds=("risk",), url=quick.url)
        post.start((0.05,), attempt_s=0.5)
        begun = time.monotonic()
        told = post.toggle()
        assert [one.id for one in quick.wait(2)] == told
        assert time.monotonic() - begun < 5
        give_up = time.monotonic() + 8
        while len(post.dead("slow")) < 2 and time.monotonic() < give_up:
            time.sleep(0.05)
        assert {one.reason for one in post.dead("slow")} == {"no answer within 0.5 s"}
    finally:
        quick.close()


def test_this_machine_is_not_sent_to_unless_it_is_allowed(post: Post) -> None:
    post.register(kinds=("risk",))
    post.start(loopback=False)
    post.toggle()
    (one, _) = post.wait_dead(2)
    here = "127.0.0.1 is this machine: only `wattledger tell --loopback` sends there"
    assert (one.attempts, one.reason.startswith(here)) == (1, True), one.reason
    assert post.receiver.attempts == []


def test_the_secret_is_in_a_file_of_its_owner_and_in_no_event(post: Post) -> None:
    post.register()
    path = post.keys.path("k1")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    secret = post.keys.made("k1")
    assert secret == post.receiver.secret
    stored = post.bench.query("SELECT payload FROM ledger.envelope")
    assert not [row for row in stored if secret.encode() in bytes(row[0])]  # type: ignore[call-overload]


@pytest.mark.parametrize(
    "url",
    [
        "http://desk.example/x",
        "ftp://desk.example",
        "https://user:secret@desk.example/",
        "https://desk.example/#part",
        "https://desk.example:0/",
        "https://desk.example:65536/",
        "https:///x",
        "https://desk example/",
        "https://127.0.0.1@desk.example/",
        "http://127.0.0.1.desk.example/",
        "http://localhost.desk.example/",
        "https://desk.example/\n",
    ],
)
def test_an_address_that_could_leak_is_refused(url: str) -> None:
    with pytest.raises(Refused) as refused:
        Webhook(id="desk", url=url, key_id="k1")
    assert (refused.value.code, refused.value.place) == ("webhook_url", "url")


@pytest.mark.parametrize(
    "url",
    [
        "https://10.0.0.1/",
        "https://192.168.1.1:8443/x",
        "https://169.254.169.254/latest/meta-data",
        "https://100.64.0.1/",
        "https://0.0.0.0/",
        "https://224.0.0.1/",
        "https://[fe80::1]/",
        "https://[fd00::1]/",
        "https://[::ffff:10.0.0.1]/",
        "https://[64:ff9b::a00:1]/",
        "https://[2002:a00:1::]/",
        "https://2130706433/",
        "https://localhost/",
    ],
)
def test_private_addresses_are_not_connected_to(url: str) -> None:
    with pytest.raises(AddressRefused):
        resolved(url, loopback=False)


def test_a_refused_address_is_named_once() -> None:
    for url, said in (
        ("https://10.0.0.1/", "10.0.0.1 is private:"),
        ("https://[::1]/", "::1 is this machine:"),
    ):
        with pytest.raises(AddressRefused) as refused:
            resolved(url, loopback=False)
        assert str(refused.value).startswith(said)


def test_a_public_address_is_connected_to_itself_under_its_name() -> None:
    to = resolved("https://8.8.8.8:8443/x?y=1", loopback=False)
    assert (str(to.url), to.host, to.name) == ("https://8.8.8.8:8443/x?y=1", "8.8.8.8:8443", "8.8.8.8")


@given(st.ip_addresses(v=4))
@settings(derandomize=True, max_examples=200)
def test_an_address_is_as_public_as_what_it_wraps(address: ipaddress.IPv4Address) -> None:
    for wrapped in (f"::ffff:{address}", f"64:ff9b::{address}"):
        assert is_public(ipaddress.ip_address(wrapped)) == is_public(address)
