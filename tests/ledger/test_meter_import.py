"""What a meter's readings may not say: that an interval was measured before it ended."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import numpy as np
import pytest

from ledger.effective import extended
from ledger.meter_import import CLOCK_TOLERANCE, RecordReadings, check_clock
from ledger.readings import run_of
from ledger.refusal import Refused
from tests.adapters import sample

END = datetime(2026, 8, 1, 1, tzinfo=UTC)
KNOWN: dict[str, object] = {
    "meter.M1": extended(None, sample.FROM_2026, sample.register_meter().meter),
}
RUN = run_of("M1", "charge", END - timedelta(hours=1), 900, np.arange(4), "A")


def test_an_interval_ends_before_it_is_recorded_give_or_take_the_tolerance() -> None:
    check_clock(RUN, END - CLOCK_TOLERANCE)
    with pytest.raises(Refused) as caught:
        check_clock(RUN, END - CLOCK_TOLERANCE - timedelta(seconds=1))
    assert (caught.value.code, caught.value.place) == ("future_reading", "M1 charge 2026-08-01T00:45:00Z")
    for instant in ("2026-08-01T01:00:00Z", "2026-08-01T00:44:59Z"):
        assert instant in caught.value.reason


def test_the_tolerance_is_no_more_than_an_interval() -> None:
    assert timedelta(0) < CLOCK_TOLERANCE <= timedelta(minutes=15)


@pytest.mark.parametrize(
    ("evidence", "place"),
    [
        ({"charge": 1_000_001}, "evidence_ppm.charge"),
        ({"charge": -1}, "evidence_ppm.charge"),
        ({"discharge": 5}, "evidence_ppm"),
        ({"charge": 5, "discharge": 5}, "evidence_ppm"),
    ],
)
def test_what_was_watched_is_a_share_of_each_register(evidence: dict[Any, int], place: str) -> None:
    with pytest.raises(Refused) as caught:
        RecordReadings("M1", "2026-08", "telemetry", (RUN,), evidence).decide(None, KNOWN)
    assert (caught.value.code, caught.value.place) == ("evidence_share", place)


def test_what_was_watched_is_on_record_where_it_is_known() -> None:
    told = RecordReadings("M1", "2026-08", "telemetry", (RUN,), {"charge": 987_654})
    assert told.decide(None, KNOWN)[0].evidence_ppm == {"charge": 987_654}
    (event,) = RecordReadings("M1", "2026-08", "file", (RUN,)).decide(None, KNOWN)
    assert b"evidence" not in msgspec.json.encode(event), "a file knows nothing of it"
