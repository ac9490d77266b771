"""The trends that are watched: which daily value, towards which threshold, by dispatch.health.trend."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Final, Literal, NamedTuple

import msgspec

from dispatch.health.alarm import AlarmKind
from dispatch.health.cells import SPREAD_MV
from dispatch.health.efficiency import daily_ppm
from dispatch.health.record import HealthDay
from dispatch.health.trend import Trend, TrendRule, trend

METHOD: Final = (
    "the line of Theil and Sen through the last {window} daily values (at least {least} of them), told where"
    " Kendall's S is beyond what chance makes in one of 200 windows and the line crosses {threshold} {unit}"
    " within {horizon} days"
)


class WatchedTrend(NamedTuple):
    """`value` of a day and the device's nameplate, Wh; None where the day has none."""

    unit: str
    rule: TrendRule
    value: Callable[[HealthDay, int], int | None]

    @property
    def method(self) -> str:
        rule = self.rule
        return METHOD.format(
            window=rule.window_days, least=rule.days_min, threshold=rule.threshold, unit=self.unit,
            horizon=rule.horizon_days,
        )  # fmt: skip


TRENDS: Final[Mapping[AlarmKind, WatchedTrend]] = MappingProxyType(
    {
        "trend_cell_spread": WatchedTrend(
            "mV at rest", TrendRule(threshold=SPREAD_MV), lambda day, _: day.spread_mv
        ),
        "trend_efficiency": WatchedTrend(
            "ppm round trip",
            TrendRule(threshold=800_000, way="down", window_days=60, days_min=20, horizon_days=60),
            daily_ppm,
        ),
        "trend_temperature_rise": WatchedTrend(
            "m°C above the air at full power",
            TrendRule(threshold=25_000, window_days=60, days_min=20, horizon_days=60),
            lambda day, _: day.rise_mk,
        ),
    }
)


def found_trend(kind: AlarmKind, days: Sequence[HealthDay], energy_wh: int) -> Trend | None:
    """On the newest of the days; None where too few of them have a value."""
    watched = TRENDS[kind]
    return _trend(watched, days, energy_wh, watched.rule)


def trend_step(
    kind: AlarmKind, days: Sequence[HealthDay], energy_wh: int, *, standing: bool
) -> Literal["raise", "clear"] | None:
    """Whether the newest day raises the alarm, or ends one that stands: it does where the line does not cross
    within twice the time any more."""
    watched = TRENDS[kind]
    if not standing:
        found = _trend(watched, days, energy_wh, watched.rule)
        return "raise" if found is not None and found.crosses_in is not None else None
    twice = msgspec.structs.replace(watched.rule, horizon_days=2 * watched.rule.horizon_days)
    found = _trend(watched, days, energy_wh, twice)
    return "clear" if found is not None and found.crosses_in is None else None


def trend_text(kind: AlarmKind, found: Trend) -> str:
    """What an alarm says of it."""
    watched = TRENDS[kind]
    slope, level = (round(one * 1000) for one in (found.slope, found.level))
    when = "crossed already" if not found.crosses_in else f"in {found.crosses_in} days"
    return (
        f"{level // 1000} {watched.unit}, {slope} thousandths of it a day: {watched.rule.threshold} {when};"
        f" {watched.method}"
    )


def _trend(watched: WatchedTrend, days: Sequence[HealthDay], energy_wh: int, rule: TrendRule) -> Trend | None:
    if not days:
        return None
    today = days[-1].day.toordinal()
    recent = [one for one in days if one.day.toordinal() > today - rule.window_days]
    values = {
        one.day.toordinal(): value for one in recent if (value := watched.value(one, energy_wh)) is not None
    }
    return trend(values, today, rule)
