"""What was known when: corrections, vintages, days with 23 and 25 hours."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest

from dispatch.forecasts.day_table import day_starts
from dispatch.forecasts.known import Known
from ledger.refusal import Refused

BERLIN = "Europe/Berlin"


def known(*rows: tuple[str, float, str], interval_s: int = 3600) -> Known:
    def second(text: str) -> int:
        return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())

    return Known(
        interval_s=interval_s,
        start=np.array([second(start) for start, _, _ in rows], dtype=np.int64),
        value=np.array([value for _, value, _ in rows]),
        known_at=np.array([second(at) for _, _, at in rows], dtype=np.int64),
    )


def test_a_correction_holds_from_when_it_was_known() -> None:
    one = known(
        ("2026-06-01T01:00", 5.0, "2026-06-03T00:00"),
        ("2026-06-01T00:00", 1.0, "2026-06-01T02:00"),
        ("2026-06-01T01:00", 2.0, "2026-06-01T02:00"),
    )
    assert one.as_of(datetime(2026, 6, 1, 1, tzinfo=UTC)).value.tolist() == []
    assert one.as_of(datetime(2026, 6, 2, tzinfo=UTC)).value.tolist() == [1.0, 2.0]
    assert one.as_of(datetime(2026, 6, 3, tzinfo=UTC)).value.tolist() == [1.0, 5.0]


def test_a_past_day_sees_the_weather_forecast_and_not_the_weather() -> None:
    """What was said at noon of the day before holds for 1 June; what then came, told later, does not."""
    one = known(
        ("2026-06-01T10:00", 20.0, "2026-05-31T12:00"),
        ("2026-06-01T10:00", 14.0, "2026-06-02T00:00"),
        ("2026-06-02T10:00", 21.0, "2026-06-01T23:00"),
    )
    at = datetime(2026, 6, 5, tzinfo=UTC)
    assert one.vintage(at, "UTC", timedelta(hours=10)).value.tolist() == [20.0]
    assert one.vintage(at, "UTC", timedelta(hours=1)).value.tolist() == [20.0, 21.0]
    early = datetime(2026, 6, 1, 12, tzinfo=UTC)
    assert one.vintage(early, "UTC", timedelta(hours=1)).value.tolist() == [20.0]


@pytest.mark.parametrize(("day", "hours"), [(date(2026, 3, 29), 23), (date(2026, 10, 25), 25)])
def test_days_on_which_clocks_change(day: date, hours: int) -> None:
    """The hour that spring lacks is not known; the hour that autumn has twice is the mean of both."""
    starts = day_starts(day, 1, 3600, BERLIN)
    assert len(starts) == hours
    rows = [
        (one.replace(tzinfo=None).isoformat(), float(n), "2026-01-01T00:00") for n, one in enumerate(starts)
    ]
    table = known(*rows).table(BERLIN)
    assert table.first == table.last == table.last_whole == day
    values = table.values[0]
    if hours == 23:
        assert np.flatnonzero(np.isnan(values)).tolist() == [2]
        assert values[3] == 2.0
    else:
        assert values[2] == 2.5
        assert values[23] == 24.0
    assert len(day_starts(day, 1, 86_400, BERLIN)) == 1


def test_what_is_missing_stays_missing() -> None:
    one = known(("2026-06-01T00:00", 1.0, "2026-06-01T02:00"), ("2026-06-02T03:00", 2.0, "2026-06-02T05:00"))
    table = one.table("UTC")
    assert np.isnan(table.values).sum() == 46
    with pytest.raises(Refused) as refused:
        _ = table.last_whole
    assert refused.value.code == "forecast_history"


def test_what_is_no_series_is_refused() -> None:
    for wrong, code in (
        ({"value": np.array([np.nan])}, "forecast_series"),
        ({"value": np.array([1.0, 2.0])}, "forecast_series"),
        ({"interval_s": 7000}, "forecast_interval"),
    ):
        fields = {
            "interval_s": 3600, "start": np.zeros(1, np.int64), "value": np.ones(1),
            "known_at": np.zeros(1, np.int64),
        }  # fmt: skip
        with pytest.raises(Refused) as refused:
            Known(**(fields | wrong))  # type: ignore[arg-type]
        assert refused.value.code == code
