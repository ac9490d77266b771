"""August's spot prices of the demo: three weeks that Shandong published, laid out again by weekday."""

from __future__ import annotations

import csv
import io
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from ledger.interval import Month, zone_of
from ledger.quantity import exact, round_half_away

_FILE: Final = Path(__file__).parents[2] / "examples/prices/shandong_spot_2026.csv"
_MONTH: Final = Month(2026, 8)
_ZONE: Final = "Asia/Shanghai"
_SCALE: Final = 10**6


def prices_csv() -> bytes:
    """The month's hours in the layout of examples/prices: each day has the prices of a published day of the
    same weekday, the three weeks in turn."""
    with _FILE.open(encoding="utf-8", newline="") as file:
        names, *rows = list(csv.reader(file))
    zone = zone_of(_ZONE)
    published: dict[tuple[int, int, int], list[str]] = {}
    first = datetime.fromisoformat(rows[0][0]).astimezone(zone).date()
    for row in rows:
        local = datetime.fromisoformat(row[0]).astimezone(zone)
        week = (local.date() - first).days // 7
        published[week, local.weekday(), local.hour] = row[1:]
    weeks = 1 + max(week for week, _, _ in published)
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(names)
    span = _MONTH.interval(zone)
    for hour in range(span.seconds // 3600):
        at = span.start + timedelta(hours=hour)
        local = at.astimezone(zone)
        week = (local.date() - _MONTH.first_day).days // 7 % weeks
        writer.writerow([f"{at:%Y-%m-%dT%H:%M:%SZ}", *published[week, local.weekday(), local.hour]])
    return out.getvalue().encode()


def day_ahead() -> npt.NDArray[np.int64]:
    """The day-ahead price of each hour of the month, in millionths of a yuan a kWh."""
    rows = csv.DictReader(io.StringIO(prices_csv().decode()))
    values = [round_half_away(exact(row["day_ahead_cny_per_kwh"]) * _SCALE) for row in rows]
    return np.array(values, dtype=np.int64)
