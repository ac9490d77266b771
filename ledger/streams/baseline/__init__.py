"""What a meter would have shown without an event (DOMAIN.md 3.4)."""

from ledger.streams.baseline.estimate import Baseline, baseline
from ledger.streams.baseline.method import (
    METHODS,
    AdditiveAdjustment,
    BaselineMethod,
    DayPool,
    MatchDays,
    PointBefore,
    RatioAdjustment,
    RecentDays,
    SameDayHours,
    TypicalSchedule,
    ZeroBaseline,
)
from ledger.streams.baseline.profile import Exclusion, LeftOut, Profile

__all__ = [
    "METHODS",
    "AdditiveAdjustment",
    "Baseline",
    "BaselineMethod",
    "DayPool",
    "Exclusion",
    "LeftOut",
    "MatchDays",
    "PointBefore",
    "Profile",
    "RatioAdjustment",
    "RecentDays",
    "SameDayHours",
    "TypicalSchedule",
    "ZeroBaseline",
    "baseline",
]
