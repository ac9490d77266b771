"""A month that is read and settled some contracts at a time is the month that is settled at once."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import Any

import msgspec
import numpy as np
import pytest

from adapters.continuity import Discontinuity
from adapters.integrity import registered_rows
from adapters.integrity.registered_rows import _same
from adapters.queries import meter_month, settlement_inputs, site_profiles
from adapters.queries.meter_month import Fetched
from adapters.queries.site_layout import SiteLayout
from adapters.queries.site_profiles import MonthRows, Profiles
from ledger.meter_import import RecordReadings
from ledger.readings import run_of
from ledger.settlement.inputs import Inputs
from ledger.settlement.settle import settle_all
from tests.adapters.conftest import Bench
from tests.adapters.test_market_settling import OWN_ACCOUNT, does, hours, policy
from tests.adapters.test_settling import AUGUST, START, filled, settle
from tests.adapters.test_site_markets import FIRST, SECOND, call, discharging, standing

JULY = datetime(2026, 7, 20, tzinfo=UTC)


def read(bench: Bench) -> list[list[Inputs]]:
    position = bench.recorder.max_notification_id()
    with bench.database.reading(bench.book) as connection:
        return list(settlement_inputs.batches(connection, bench.book, AUGUST, position))


def july_again(bench: Bench) -> None:
    """The storage's July, told after August: by UTC it reaches eight hours into the local August, and holds
    there because it is newer."""
    count = int((datetime(2026, 8, 1, tzinfo=UTC) - JULY) / timedelta(minutes=15))
    wh = np.arange(count) % 37 + 1_000
    runs = tuple(
        run_of("S1-STORAGE", name, JULY, 900, wh + extra, "A")
        for name, extra in (("charge", 0), ("discharge", 500))
    )
    does(bench, RecordReadings("S1-STORAGE", "2026-07", "a file", runs))


def test_a_contract_at_a_time_is_settled_as_all_at_once(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled(bench, FIRST, SECOND)
    third, twentieth = hours(3, 10, 11), hours(20, 10, 11)
    discharging(bench, third, twentieth)
    july_again(bench)
    does(bench, policy(), standing(), *call("e1", third), *call("e2", twentieth))
    (together,) = read(bench)
    monkeypatch.setattr(settlement_inputs, "_SITES_AT_ONCE", 1)
    apart = read(bench)
    assert [[one.contract.id for one in batch] for batch in apart] == [["eaas-s1"], ["second"]]
    found = list(chain.from_iterable(settle_all(batch) for batch in apart))
    assert found == settle_all(together)
    paid = {line.code for result in found for line in result.lines}
    assert {"arbitrage", "demand_response"} <= paid


@pytest.mark.parametrize("altered", [False, True])
def test_readings_are_fetched_before_they_are_needed(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, *, altered: bool
) -> None:
    """Beside, by a thread of their own; what is wrong with them is told where they are needed."""
    filled(bench, FIRST, SECOND)
    third = hours(3, 10, 11)
    discharging(bench, third)
    does(bench, policy(), standing(), *call("e1", third))
    position = bench.recorder.max_notification_id()
    with bench.database.reading(bench.book) as connection:
        at_once = settlement_inputs.load(connection, bench.book, AUGUST, position)
    if altered:
        assert bench.query("UPDATE ledger.meter_run SET wh[5] = wh[5] + 1 RETURNING 1")
    ahead: list[bool] = []
    fetch = meter_month.fetch

    def seen(*asked: Any) -> Fetched:
        ahead.append(asked[0] is beside and threading.current_thread() is not threading.main_thread())
        return fetch(*asked)

    monkeypatch.setattr(settlement_inputs, "_SITES_AT_ONCE", 1)
    monkeypatch.setattr(meter_month, "fetch", seen)
    with (
        bench.database.reading(bench.book) as connection,
        bench.database.reading(bench.book) as beside,
    ):
        batches = settlement_inputs.batches(connection, bench.book, AUGUST, position, beside=beside)
        if altered:
            with pytest.raises(Discontinuity) as found:
                next(batches)
            assert (found.value.fault.code, ahead[0]) == ("row_altered", True)
            return
        first = next(batches)
        assert [one.contract.id for one in first] == ["eaas-s1"]
        second = list(chain.from_iterable(batches))
    assert ahead == [True, True, False, False], "the month and the history before it; the site is in both"
    assert settle_all([*first, *second]) == settle_all(at_once)


def test_history_is_joined_to_the_month_as_one_reading_has_both(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The month's matrix is not read again for a baseline; where July's newest readings reach into August
    they hold in both."""
    filled(bench)
    july_again(bench)
    event = hours(3, 10, 11)
    does(bench, policy(), standing(), *call("e1", event))
    joined: list[bool] = []
    load = site_profiles.load

    def whole(*asked: object) -> dict[str, Profiles]:
        """What is read in one piece, and whether it is what is joined."""
        readings, layouts, month, rows = asked
        assert isinstance(rows, MonthRows)
        assert isinstance(layouts, list)
        assert all(isinstance(one, SiteLayout) for one in layouts)
        made, once = load(*asked), load(readings, layouts, month)  # type: ignore[arg-type]
        for name, profiles in once.items():
            for one, other in zip(made[name], profiles, strict=True):
                assert one is not None
                assert other is not None
                joined.append(
                    one.start == other.start
                    and np.array_equal(one.wh, other.wh)
                    and np.array_equal(one.missing, other.missing)
                )
                assert other.start == START - site_profiles.HISTORY
                assert not other.missing[-1], "August is known"
                assert other.missing[0], "June is not"
        return made

    monkeypatch.setattr(site_profiles, "load", whole)
    ((inputs,),) = read(bench)
    market = inputs.sites[0].market
    assert market is not None
    assert market.storage is not None
    assert joined == [True, True]
    begins = int(site_profiles.HISTORY / timedelta(minutes=15))
    assert set(market.storage.wh[begins - 1 : begins + 1].tolist()) == {-500}, (
        "July's file holds on both sides"
    )
    assert OWN_ACCOUNT in market.rules


def test_one_number_altered_in_a_fact_is_found_wherever_it_is_compared(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registered_rows, "_AT_ONCE", 2)
    filled(bench)
    does(bench, policy(), standing(), *call("e1", hours(3, 10, 11)))
    bench.query(
        "UPDATE ledger.registered SET document = jsonb_set(document, '{awarded_w,3}', '200001')"
        " WHERE kind = 'market_fact' AND id = 'e1' RETURNING 1"
    )
    before = bench.recorder.max_notification_id()
    with pytest.raises(Discontinuity, match=r"not what its events registered") as found:
        settle(bench)
    ((recorded,),) = bench.query("SELECT sequence FROM ledger.envelope WHERE aggregate = 'market_fact.e1'")
    assert (found.value.fault.code, found.value.fault.place) == (
        "row_altered",
        f"table registered, market_fact e1, sequence {recorded}",
    )
    assert bench.recorder.max_notification_id() == before


@pytest.mark.parametrize(
    ("text", "event", "same"),
    [
        ('{"id": "a", "wh": [1, 2, 3]}', '{"wh":[1,2,3],"id":"a"}', True),
        ('{"id": "a", "wh": [1, 2, 3]}', '{"wh":[1,2,4],"id":"a"}', False),
        ('{"id": "a", "wh": [1, 23]}', '{"wh":[12,3],"id":"a"}', False),
        ('{"id": "a", "wh": [1, 2]}', '{"wh":[1.0,2],"id":"a"}', True),
        ('{"id": "a, b"}', '{"id":"a,b"}', False),
        ('{"id": ["a, b"]}', '{"id":["a,b"]}', False),
        ('{"id": "\\u00e9"}', '{"id":"é"}', True),
        ('{"a": {"x": 1, "yy": null}}', '{"a":{"yy":null,"x":1}}', True),
        ('{"a": 1}', '{"a":1,"b":2}', False),
        ('{"a": 1, "b": null}', '{"a":1}', False),
        ("[1, 2]", "[1,2]", True),
        ("[1, 2]", "[2,1]", False),
    ],
)
def test_a_rows_text_is_compared_with_an_events(text: str, event: str, *, same: bool) -> None:
    """As if both were decoded, of which `_same` does no more than it must."""
    assert (msgspec.json.decode(text) == msgspec.json.decode(event)) is same
    assert _same(text, msgspec.Raw(event.encode())) is same
    assert _same(text, msgspec.json.decode(event)) is same
