"""A stream that is made anew has the bound that it had, and is not deleted where there is no room for one."""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from adapters.nats import stream
from adapters.nats.client import NatsClient
from adapters.repair import Shop, begun, repair
from ledger.refusal import Refused
from tests.adapters.conftest import Bench
from tests.adapters.test_tamper import ARCHIVE_HOLDS, Kept, altered
from tests.stack import NatsServer, PostgresServer

MIB = 1 << 20


class SmallServer(NatsServer):
    """A server that may promise so many bytes; 0: as many as any."""

    promises = 0

    def _config(self) -> str:
        text = super()._config()
        most = f"sync_interval: always, max_file_store: {self.promises}"
        return text.replace("sync_interval: always", most) if self.promises else text

    def operator(self) -> NatsClient:
        return NatsClient(
            self.url, seed_file=self.operator_seed, name="operator", monitor_url=self.monitor_url
        )


@pytest.fixture
def small(tmp_path: Path) -> Iterator[SmallServer]:
    server = SmallServer(tmp_path / "nats")
    yield server
    server.stop()


@pytest.fixture
def kept(small: SmallServer, migrated: PostgresServer, tmp_path: Path) -> Iterator[Kept]:
    made = Kept(small, migrated, tmp_path)
    yield made
    made.close()


def bound_of(bench: Bench) -> object:
    return stream.standing(bench.operator, bench.book).config["max_bytes"]


def shop(kept: Kept, max_bytes: int) -> Shop:
    return kept.shop(wanted=ARCHIVE_HOLDS)._replace(max_bytes=max_bytes)


def start_with(kept: Kept, server: SmallServer, room: int) -> None:
    """Start the server again, which has room for so many bytes by then, beside what it promised."""
    left = stream.room(kept.bench.operator)
    assert left is not None
    with urllib.request.urlopen(f"{server.monitor_url}/jsz?config=1", timeout=5) as answer:
        most = json.load(answer)["config"]["max_storage"]
    server.stop()
    server.promises = most - left + room
    server.start()
    give_up = time.monotonic() + 20
    while not (kept.bench.client.connected and kept.bench.operator.connected):
        assert time.monotonic() < give_up
        time.sleep(0.02)
    assert stream.room(kept.bench.operator) == room


def test_the_bound_that_the_operator_gave_stays(kept: Kept) -> None:
    kept.recreate(altered(kept.payloads()))
    kept.weaken(max_bytes=96 * MIB)
    repair(shop(kept, 32 * MIB), actor="operator")
    assert bound_of(kept.bench) == 96 * MIB


def test_a_stream_that_is_gone_has_a_new_one_s(kept: Kept) -> None:
    stream.delete(kept.bench.operator, kept.bench.book)
    repair(shop(kept, 32 * MIB), actor="operator")
    assert bound_of(kept.bench) == 32 * MIB


def test_one_that_was_made_too_small_for_what_it_holds_has_a_new_one_s(kept: Kept) -> None:
    kept.recreate(altered(kept.payloads()))
    kept.weaken(max_bytes=1000)
    repair(shop(kept, 32 * MIB), actor="operator")
    assert bound_of(kept.bench) == 32 * MIB


def test_nothing_is_deleted_where_no_bound_has_room(kept: Kept, small: SmallServer) -> None:
    """The disk is fuller than when the bounds were promised: the server has less than it promised."""
    wrong = altered(kept.payloads())
    whole = kept.payloads()
    kept.recreate(wrong)
    start_with(kept, small, -16 * MIB)
    with pytest.raises(Refused) as refused:
        repair(shop(kept, 64 * MIB), actor="operator")
    assert (refused.value.code, refused.value.place) == ("no_space", "stream_max_bytes")
    assert f"may still promise {48 * MIB}: " in refused.value.reason
    assert kept.payloads() == wrong, "it stands as it was"
    assert bound_of(kept.bench) == 64 * MIB
    plan = begun(kept.folder / "repair")
    assert plan is not None
    assert plan.max_bytes == 64 * MIB
    repair(shop(kept, 48 * MIB), actor="operator")
    assert kept.payloads()[:4] == whole
    assert bound_of(kept.bench) == 48 * MIB
