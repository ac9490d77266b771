"""What a month is settled from is compared with its events while the next contracts are settled."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import pytest

from adapters import settling, settling_compared
from adapters.continuity import Discontinuity
from adapters.integrity.registered_rows import Read, check_read
from adapters.postgres.database import Connection
from adapters.queries import settlement_inputs
from ledger.settlement.inputs import Inputs
from ledger.settlement.result import Result
from ledger.settlement.settle import settle_all
from tests.adapters.conftest import Bench
from tests.adapters.test_settling import filled, settle
from tests.adapters.test_site_markets import FIRST, SECOND

_PATIENCE_S = 60


@pytest.fixture(autouse=True)
def a_contract_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settlement_inputs, "_SITES_AT_ONCE", 1)


def compared(monkeypatch: pytest.MonkeyPatch, settled: threading.Event | None = None) -> list[Read]:
    """What is compared from now on; the first waits until `settled`."""
    found: list[Read] = []

    def seen(connection: Connection, read: Read, position: int) -> None:
        assert threading.current_thread() is not threading.main_thread()
        found.append(read)
        assert settled is None or settled.wait(_PATIENCE_S), "the next contract is settled meanwhile"
        check_read(connection, read, position)

    monkeypatch.setattr(settling_compared, "check_read", seen)
    return found


def test_the_next_contract_is_settled_meanwhile(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    filled(bench, FIRST, SECOND)
    both = threading.Event()
    reads = compared(monkeypatch, both)
    batches: list[list[str]] = []

    def settled(batch: Sequence[Inputs]) -> list[Result]:
        results = settle_all(batch)
        batches.append([one.contract.id for one in batch])
        if len(batches) == 2:
            both.set()
        return results

    monkeypatch.setattr(settling, "settle_all", settled)
    assert [one.recorded for one in settle(bench)] == [True, True]
    assert batches == [[FIRST.id], [SECOND.id]]
    first, second = reads
    assert {"contract.eaas-s1", "site.S1"} <= first.aggregates
    assert "contract.second" in second.aggregates
    assert not first.aggregates & second.aggregates, "what both are settled from is compared once"


def test_an_altered_row_of_any_contract_records_nothing(bench: Bench) -> None:
    filled(bench, FIRST, SECOND)
    assert bench.query(
        """UPDATE ledger.registered SET document = document || '{"title": "x"}'"""
        " WHERE kind = 'contract' AND id = 'eaas-s1' RETURNING 1"
    )
    before = bench.recorder.max_notification_id()
    with pytest.raises(Discontinuity) as found:
        settle(bench)
    ((recorded,),) = bench.query("SELECT sequence FROM ledger.envelope WHERE aggregate = 'contract.eaas-s1'")
    assert (found.value.fault.code, found.value.fault.place) == (
        "row_altered",
        f"table registered, contract eaas-s1, sequence {recorded}",
    )
    assert bench.recorder.max_notification_id() == before


def test_what_is_not_recorded_is_not_compared(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    filled(bench, FIRST, SECOND)
    settle(bench)
    reads = compared(monkeypatch)
    assert [one.recorded for one in settle(bench)] == [False, False]
    assert not reads
