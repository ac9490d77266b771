"""A subject with a daily shape, a weekly rhythm and noise, known an hour after each interval."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np

from dispatch.forecasts.forecast import Subject
from dispatch.forecasts.known import Known
from dispatch.forecasts.request import ForecastRequest
from ledger.calendars import calendar

ZONE = "Asia/Shanghai"
FIRST_DAY = date(2026, 6, 10)
ISSUED = datetime(2026, 6, 9, 16, 30, tzinfo=UTC) - timedelta(hours=1)
"""23:30 of the day before, in Shanghai."""


def history(days: int, *, level: float = 400_000.0, seed: int = 3, until: date = FIRST_DAY) -> Known:
    """Hourly values of the `days` before `until`; a day is known an hour after it ends, or sooner."""
    draw = np.random.default_rng(seed)
    hours = days * 24
    end = datetime(until.year, until.month, until.day, tzinfo=UTC) - timedelta(hours=8)
    start = int(end.timestamp()) - np.arange(hours, 0, -1, dtype=np.int64) * 3600
    hour = (start // 3600 + 8) % 24
    weekend = ((start + 8 * 3600) // 86_400 + 3) % 7 > 4
    shape = 1 + 0.4 * np.sin((hour - 9) / 24 * 2 * np.pi) - 0.2 * weekend
    value = level * shape * (1 + 0.05 * draw.standard_normal(hours))
    return Known(interval_s=3600, start=start, value=value, known_at=start - 86_400)


def request(known: Known, **given: Any) -> ForecastRequest:
    """A day ahead of the price at a node; what is given replaces that."""
    fields: dict[str, Any] = {
        "subject": Subject.parse("price:m:n:day_ahead"), "history": known, "calendar": calendar("CN"),
        "issued_at": ISSUED, "first_day": FIRST_DAY, "days": 1, "trained_through": 7, "currency": "CNY",
    }  # fmt: skip
    return ForecastRequest(**(fields | given))
