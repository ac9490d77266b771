"""An instant means the events that were recorded by then, whatever the archive's columns say."""

from __future__ import annotations

from datetime import timedelta

import pytest

from adapters.queries.as_of import position_at, recorded_at_max
from tests.adapters.conftest import Bench
from tests.adapters.http.conftest import Api, problem
from tests.adapters.test_settling import founded
from tests.adapters.transparency.books import append_parties

LATER = "interval '1 hour'"
SHIFTS = {
    "all later": f"recorded_at = recorded_at + {LATER}, recorded_at_max = recorded_at_max + {LATER}",
    "all earlier": f"recorded_at = recorded_at - {LATER}, recorded_at_max = recorded_at_max - {LATER}",
    "maximum later": f"recorded_at_max = recorded_at_max + {LATER}",
    "maximum earlier": f"recorded_at_max = recorded_at_max - {LATER}",
}


@pytest.mark.parametrize("shift", SHIFTS)
def test_times_that_were_shifted_are_noticed_by_whoever_asks_by_an_instant(api: Api, shift: str) -> None:
    founded(api.bench)
    api.bench.now += timedelta(hours=2)
    append_parties(api.bench, range(3))
    api.wait()
    assert api.get("/v1/parties", "auditor").status_code == 200
    api.wait()
    ((first, instant),) = api.bench.query(
        "SELECT sequence, recorded_at_max FROM ledger.envelope WHERE aggregate = 'party.p0'"
    )
    parties = {
        at: len(api.get("/v1/parties", "auditor", as_of=at).json()["items"])
        for at in (instant.isoformat(), (instant - timedelta(seconds=1)).isoformat())
    }
    assert len(set(parties.values())) == 2
    which = ">=" if "earlier" in shift else "<"
    api.bench.query(
        f"UPDATE ledger.envelope SET {SHIFTS[shift]} WHERE sequence {which} %s RETURNING 1", [first]
    )
    at = instant - timedelta(seconds=1) if "earlier" in shift else instant - timedelta(microseconds=1)
    problem(api.get("/v1/parties", "auditor", as_of=at.isoformat()), 503, "discontinuity")


def test_a_clock_that_stood_behind_is_no_alteration(bench: Bench) -> None:
    """The running maximum is then an earlier envelope's, which says so."""
    append_parties(bench, range(1))
    bench.now += timedelta(hours=1)
    append_parties(bench, range(1, 2))
    ahead = bench.now
    bench.now -= timedelta(hours=1)
    append_parties(bench, range(2, 4))
    bench.project()
    last = bench.recorder.max_notification_id()
    assert last is not None
    with bench.database.reading(bench.book) as connection:
        assert recorded_at_max(connection, last) == ahead
        assert position_at(connection, ahead, last) == last
        assert position_at(connection, ahead - timedelta(minutes=1), last) == last - 3
