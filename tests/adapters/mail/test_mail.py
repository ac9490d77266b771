"""Alarms by mail, to a real server of SMTP on this machine that is the test's."""

from __future__ import annotations

import socketserver
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage

import pytest

from adapters.mail.mailbox import Mailbox, mailbox
from adapters.mail.worker import MailWorker
from dispatch.health.alarm import ClearAlarm, RaiseAlarm
from ledger.device import Device, RegisterDevice
from ledger.effective import Period
from ledger.refusal import Refused
from tests.adapters import sample
from tests.adapters.conftest import Bench

SINCE = datetime(2026, 8, 30, 10, tzinfo=UTC)


class Sink(socketserver.ThreadingTCPServer):
    """Takes mail (RFC 5321) without TLS; the first `refuse` mails are answered with 451."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, refuse: int = 0) -> None:
        super().__init__(("127.0.0.1", 0), _Session)
        self.refuse = refuse
        self.taken: list[EmailMessage] = []
        self.said: list[bytes] = []
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}).start()

    @property
    def box(self) -> Mailbox:
        return mailbox(f"smtp://127.0.0.1:{self.server_address[1]}/?from=vpp@example.com&to=ops@example.com")

    def close(self) -> None:
        self.shutdown()
        self.server_close()


class _Session(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        assert isinstance(self.server, Sink)
        self.wfile.write(b"220 sink\r\n")
        for line in self.rfile:
            self.server.said.append(line)
            match line.split()[0].upper():
                case b"DATA":
                    self.wfile.write(b"354 go on\r\n")
                    data = b"".join(iter(self.rfile.readline, b".\r\n"))
                    if self.server.refuse:
                        self.server.refuse -= 1
                        self.wfile.write(b"451 later\r\n")
                    else:
                        self.server.taken.append(message_from_bytes(data, policy=policy.default))  # type: ignore[arg-type]
                        self.wfile.write(b"250 taken\r\n")
                case b"QUIT":
                    self.wfile.write(b"221 bye\r\n")
                    return
                case _:
                    self.wfile.write(b"250 ok\r\n")


@pytest.fixture
def sink() -> Iterator[Sink]:
    made = Sink(refuse=2)
    yield made
    made.close()


def wait(until: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not until():
        assert time.monotonic() < end, "nothing came"
        time.sleep(0.02)


def test_an_alarm_is_mailed_once_it_is_taken_and_not_again(bench: Bench, sink: Sink) -> None:
    device = Device("B1", "S1", "battery", 250_000, 500_000)
    commands = [sample.found_book(), sample.register_site(), RegisterDevice(Period(sample.AUGUST), device)]
    for number, command in enumerate(commands):
        bench.door.execute(command, command_id=f"c{number}", actor="setup")
    bench.project()

    def mailing() -> tuple[MailWorker, threading.Thread]:
        worker = MailWorker(bench.database, bench.book, sink.box, bench.clock, pauses_s=(0.05,))
        thread = threading.Thread(target=worker.run)
        thread.start()
        return worker, thread

    def ended(worker: MailWorker, thread: threading.Thread) -> None:
        worker.stop()
        thread.join(20)
        assert worker.halted is None

    def position() -> list[tuple[object, ...]]:
        return bench.query("SELECT sequence, parts FROM ledger.told_position WHERE consumer = 'mail'")

    first = mailing()
    wait(lambda: bool(position()))
    alarm = RaiseAlarm("B1", "cell_spread", SINCE, "health", "warning", "31 mV at rest")
    bench.door.execute(alarm, command_id="a1", actor="health")
    bench.project()
    wait(lambda: len(sink.taken) == 1)
    sequence = bench.recorder.max_notification_id()
    wait(lambda: position() == [(sequence, 0)])
    ended(*first)
    again = mailing()
    clear = ClearAlarm("B1", "cell_spread", SINCE, "health", "9 mV")
    bench.door.execute(clear, command_id="a2", actor="health")
    bench.project()
    wait(lambda: len(sink.taken) == 2)
    ended(*again)
    raised, cleared = sink.taken
    assert raised["Subject"] == "[wattledger] B1: cell_spread raised (warning)"
    assert (raised["From"], raised["To"]) == ("vpp@example.com", "ops@example.com")
    assert "31 mV at rest" in raised.get_content()
    assert cleared["Subject"] == "[wattledger] B1: cell_spread cleared"
    assert raised["Message-ID"] != cleared["Message-ID"]
    assert sink.refuse == 0, "two were refused first"


@pytest.mark.parametrize("to", ["to=b@x,c@y", "to=b@x&to=c@y"])
def test_every_receiver_is_mailed(to: str) -> None:
    sink = Sink()
    message = EmailMessage()
    message["Subject"] = "one"
    try:
        mailbox(f"smtp://127.0.0.1:{sink.server_address[1]}/?from=a@x&{to}").send(message)
    finally:
        sink.close()
    said = [line.strip().lower() for line in sink.said]
    assert [line for line in said if line.startswith(b"rcpt")] == [b"rcpt to:<b@x>", b"rcpt to:<c@y>"]


def test_a_password_is_not_sent_in_the_clear(sink: Sink) -> None:
    port = sink.server_address[1]
    box = mailbox(f"smtp://u:secret@127.0.0.1:{port}/?from=a@example.com&to=b@example.com")
    with pytest.raises(OSError, match="no TLS"):
        box.send(EmailMessage())
    assert not [line for line in sink.said if b"AUTH" in line]
    assert "secret" not in repr(box)


@pytest.mark.parametrize(
    "url",
    [
        "http://h/?from=a@x&to=b@x",
        "smtp:///?from=a@x&to=b@x",
        "smtp://h/?from=a@x",
        "smtp://h/?from=a@x&to=b",
        "smtp://h:x/?from=a@x&to=b@x",
        "smtp://h/?from=a@x&to=b@x&cc=c@x",
        "smtp://h/?from=a@x&to=b@x,",
        "smtp://h/?from=a@x&to=b@x,c",
        "smtp://h/?from=a@x,c@x&to=b@x",
        "smtp://h/?from=a@x&to=b@x;c@x",
        "smtp://h",
    ],
)
def test_an_address_that_is_none_is_refused_without_being_shown(url: str) -> None:
    with pytest.raises(Refused) as refused:
        mailbox(url.replace("//", "//u:secret@"))
    assert refused.value.code == "settings"
    assert "secret" not in str(refused.value)
