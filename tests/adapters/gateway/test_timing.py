"""Instants and durations: exact or refused; agrees with an independent reader."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import isodate
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.gateway.openadr3.timing import duration_of, duration_text, instant_of, instant_text, is_now
from ledger.refusal import Refused


@settings(derandomize=True, max_examples=100)
@given(st.timedeltas(timedelta(0), timedelta(days=3000)))
def test_a_duration_comes_back_exactly_and_as_isodate_reads_it(span: timedelta) -> None:
    text = duration_text(span)
    assert duration_of(text, "d") == span
    assert isodate.parse_duration(text) == span


@settings(derandomize=True, max_examples=100)
@given(st.datetimes(datetime(1971, 1, 1), datetime(2900, 1, 1)))
def test_an_instant_comes_back_exactly(naive: datetime) -> None:
    instant = naive.replace(tzinfo=UTC)
    assert instant_of(instant_text(instant), "t") == instant


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("P1D", timedelta(days=1)),
        ("P2W", timedelta(weeks=2)),
        ("P1DT2H3M4.5S", timedelta(days=1, hours=2, minutes=3, seconds=4, milliseconds=500)),
        ("PT0S", timedelta(0)),
        ("P9999Y", None),
    ],
)
def test_durations(text: str, span: timedelta | None) -> None:
    assert duration_of(text, "d") == span


@pytest.mark.parametrize(
    "text",
    ["", "P", "PT", "P1DT", "1H", "-PT1H", "P1M", "P1Y", "PT1.5H", "PT1.1234567S", "pt1h", "PT1H30",
     "P" + "9" * 90 + "D", "P999999999999D", "PT１H"],
)  # fmt: skip
def test_what_is_no_exact_duration_is_refused(text: str) -> None:
    with pytest.raises(Refused) as caught:
        duration_of(text, "duration")
    assert (caught.value.code, caught.value.place) == ("duration", "duration")


@pytest.mark.parametrize(
    "text",
    [
        "2026-08-01T10:00:00",
        "2026-08-01",
        "2026-08-01T10:00Z",
        "2026-08-01T25:00:00Z",
        "2026-02-30T10:00:00Z",
        "2026-08-01T10:00:00.1234567Z",
        "2026-08-01T10:00:00+0800",
        "2026-08-01T10:00:000Z",
        "yesterday",
    ],
)
def test_an_instant_without_its_offset_is_refused(text: str) -> None:
    with pytest.raises(Refused) as caught:
        instant_of(text, "start")
    assert (caught.value.code, caught.value.place) == ("event_time", "start")


def test_zeros_beyond_microseconds_are_exact() -> None:
    assert instant_of("2026-08-01T10:00:00.123456000z", "t").microsecond == 123456


@pytest.mark.parametrize("text", ["0001-01-01", "0001-01-01T00:00:00", "0001-01-01T00:00:00Z"])
def test_the_beginning_of_time_says_now(text: str) -> None:
    assert is_now(text)
    assert not is_now("2026-01-01T00:00:00Z")
