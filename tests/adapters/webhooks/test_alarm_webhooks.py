"""An alarm at a receiver: what was found, that it was seen, that it is over; each once and in order."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from adapters.live.message import AlarmNews
from dispatch.health.alarm import AcknowledgeAlarm, ClearAlarm, RaiseAlarm
from ledger.device import Device, RegisterDevice
from tests.adapters import sample
from tests.adapters.conftest import Bench
from tests.adapters.webhooks.test_webhooks import Post


@pytest.fixture
def post(bench: Bench) -> Iterator[Post]:
    made = Post(bench)
    made.execute(RegisterDevice(sample.FROM_2026, Device("B1", "S1", "battery", 125_000, 250_000)))
    yield made
    made.close()


def test_an_alarm_is_brought_as_it_is_raised_seen_and_over_though_the_receiver_fails(post: Post) -> None:
    post.register(kinds=("alarm",))
    post.receiver.answers.extend([503, 500])
    post.start()
    since = post.bench.now - timedelta(minutes=1)
    post.execute(RaiseAlarm("B1", "communication_lost", since, "health", "critical", "no answer for 60 s"))
    post.execute(AcknowledgeAlarm("B1", "communication_lost", since, "ada", "on my way"))
    sequence = post.execute(ClearAlarm("B1", "communication_lost", since, "health", "read again for 60 s"))
    post.toggle()
    heard = post.receiver.wait(3)
    assert [one.type for one in heard] == ["alarm.raised.v1", "alarm.acknowledged.v1", "alarm.cleared.v1"]
    assert len({one.id for one in heard}) == 3
    assert post.receiver.attempts[:3] == [heard[0].id] * 3, "nothing overtakes what was not taken"
    news = [one.data for one in heard if isinstance(one.data, AlarmNews)]
    assert [(one.device, one.kind, one.since) for one in news] == [("B1", "communication_lost", since)] * 3
    assert [(one.detail, one.by, one.severity) for one in news] == [
        ("no answer for 60 s", "health", "critical"),
        ("on my way", "ada", None),
        ("read again for 60 s", "health", None),
    ]
    assert (heard[2].sequence, heard[2].subject) == (sequence, "alarm.B1")


def test_a_receiver_of_other_kinds_hears_no_alarm(post: Post) -> None:
    post.register(kinds=("alarm.cleared", "risk"))
    post.start()
    since = post.bench.now - timedelta(minutes=1)
    post.execute(RaiseAlarm("B1", "device_fault", since, "health", "critical", "the device tells fault"))
    post.execute(ClearAlarm("B1", "device_fault", since, "health", "the device tells remote"))
    post.toggle()
    assert next(one.type for one in post.receiver.wait(3)) == "alarm.cleared.v1"
    assert len(post.receiver.heard) == 3
