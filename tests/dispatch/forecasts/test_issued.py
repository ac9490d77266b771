"""Forecasts as facts: what is no forecast is refused, and none takes another's place in time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from dispatch.forecasts.forecast import Forecast, MemberShare, QuantileRow, Subject
from dispatch.forecasts.issued import IssueForecast
from ledger.refusal import Refused

START = datetime(2026, 6, 9, 16, tzinfo=UTC)


def forecast(**given: Any) -> Forecast:
    """Two hours of a price; what is given replaces that."""
    fields: dict[str, Any] = {
        "subject": Subject("price", "m:n:day_ahead"), "unit": "micro_per_kwh", "currency": "CNY",
        "model": "blend.v1", "members": (MemberShare("naive", 250, None), MemberShare("lear", 750, 910)),
        "features": "0" * 64, "trained_through": 5, "issued_at": START - timedelta(hours=1),
        "zone": "Asia/Shanghai", "interval_s": 3600, "start": START, "expected": (400_000, 500_000),
        "quantiles": (QuantileRow(50, (300_000, 400_000)), QuantileRow(950, (500_000, 600_000))),
        "scores": None, "drift": None, "cold_start": "",
    }  # fmt: skip
    return Forecast(**(fields | given))


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"unit": "W"}, "forecast_values"),
        ({"currency": ""}, "forecast_values"),
        ({"expected": ()}, "forecast_values"),
        ({"expected": (1,)}, "forecast_values"),
        ({"quantiles": (QuantileRow(50, (2, 2)), QuantileRow(50, (3, 3)))}, "forecast_values"),
        ({"quantiles": (QuantileRow(50, (2, 2)), QuantileRow(95, (3, 1)))}, "forecast_values"),
        ({"issued_at": START}, "forecast_horizon"),
        ({"members": (MemberShare("naive", 999, None),)}, "forecast_weights"),
        ({"members": (MemberShare("a", 1100, None), MemberShare("b", -100, None))}, "forecast_weights"),
        ({"interval_s": 7000}, "forecast_interval"),
    ],
)
def test_what_is_no_forecast_is_refused(given: dict[str, Any], code: str) -> None:
    with pytest.raises(Refused) as refused:
        forecast(**given)
    assert refused.value.code == code


def test_a_later_issue_follows_and_an_older_one_is_refused() -> None:
    first = forecast()
    (event,) = IssueForecast(first).decide(None, {})
    state = event.apply(None)
    assert msgspec.json.decode(msgspec.json.encode(state), type=Forecast) == first
    newer = forecast(trained_through=6)
    assert IssueForecast(newer).aggregate == "forecast.price_m_n_day_ahead"
    assert IssueForecast(newer).decide(state, {})[0].forecast is newer
    for wrong, code in (
        (forecast(trained_through=4), "forecast_older"),
        (forecast(issued_at=START - timedelta(hours=2)), "forecast_older"),
        (forecast(subject=Subject("price", "m:n_day:ahead")), "forecast_subject"),
    ):
        with pytest.raises(Refused) as refused:
            IssueForecast(wrong).decide(state, {})
        assert refused.value.code == code


@pytest.mark.parametrize("text", ["wind:S1", "load:S1:2", "price:m:n", "load:", "load"])
def test_a_subject_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(Refused) as refused:
        Subject.parse(text)
    assert refused.value.code in {"forecast_subject", "id"}


@pytest.mark.parametrize("text", ["load:../S1", "load:", "price:m:../n:day_ahead"])
def test_the_part_of_a_subject_that_is_at_fault_is_named(text: str) -> None:
    with pytest.raises(Refused, match=r"is not 1\.\.64 letters") as refused:
        Subject.parse(text)
    assert (refused.value.code, refused.value.place) == ("id", "subject")
