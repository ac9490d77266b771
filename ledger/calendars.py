"""What kind of day a local date is in a market: working, rest or a named public holiday.

China's days come from `chinesecalendar`, which transcribes the yearly notice of the State Council
(国务院办公厅关于节假日安排的通知). Compared with `holidays`: for 2022 to 2026 both agree on every working
and rest day and on every adjusted working day (调休: 8 in 2024, 5 in 2025, 6 in 2026).
`chinesecalendar` was chosen because it
- refuses a year whose notice is not out; `holidays` answers it with estimated dates that carry no mark
  (an empty `weekend_workdays` is the only hint);
- names the holiday of every day of a block, days off in lieu and weekends included, which is what a
  tariff notice means by 春节; `holidays` calls 2024-02-15 "休息日（由 2024-02-04 调休）".

A day of a block that the notice declares as one ("国庆节、中秋节: 1 to 8 October 2025") has both names.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from functools import lru_cache
from typing import Final, Literal

import msgspec
from chinese_calendar import constants  # type: ignore[import-untyped, unused-ignore]

from ledger.interval import zone_of
from ledger.refusal import Refused

DayType = Literal["working", "rest", "holiday"]

HOLIDAY_NAMES: Final = ("元旦", "春节", "清明", "劳动节", "端午", "中秋", "国庆节")
"""The statutory holidays of China, as tariffs name them."""

_OTHER_FORMS: Final = {
    "清明节": "清明",
    "劳动": "劳动节",
    "端午节": "端午",
    "中秋节": "中秋",
    "国庆": "国庆节",
}

_LIBRARY_NAMES: Final = {
    "New Year's Day": "元旦",
    "Spring Festival": "春节",
    "Tomb-sweeping Day": "清明",
    "Labour Day": "劳动节",
    "Dragon Boat Festival": "端午",
    "Mid-autumn Festival": "中秋",
    "National Day": "国庆节",
    "Anti-Fascist 70th Day": "抗战胜利纪念日",
}

_WEEKEND: Final = frozenset({5, 6})
"""Saturday and Sunday as `date.weekday()` counts them."""


class DayKind(msgspec.Struct, frozen=True, cache_hash=True):
    """One of working, rest (a day off that is no holiday) or holiday with its names."""

    type: DayType
    holidays: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if (self.type == "holiday") != bool(self.holidays):
            raise Refused("day_kind", "a holiday has a name, and only a holiday has one")


WORKING: Final = DayKind("working")
REST: Final = DayKind("rest")


def holiday_name(text: str) -> str:
    """The name under which a day's holiday is compared: 清明节 and 清明 are one.

    Raises:
        Refused: `holiday_name` for a name that no calendar here uses.
    """
    name = _OTHER_FORMS.get(text, text)
    if name not in HOLIDAY_NAMES:
        raise Refused("holiday_name", f"{text!r} is not one of {', '.join(HOLIDAY_NAMES)}")
    return name


def _weekday_kind(day: date) -> DayKind:
    return REST if day.weekday() in _WEEKEND else WORKING


def _chinese_years() -> range:
    return range(min(constants.holidays).year, max(constants.holidays).year + 1)


def _chinese_kind(day: date) -> DayKind:
    years = _chinese_years()
    if day.year not in years:
        raise Refused(
            "calendar_year",
            f"no official holiday notice for {day.year} is known; {years[0]} to {years[-1]} are",
        )
    if day in constants.holidays:
        return DayKind("holiday", _block_names(day))
    if day in constants.workdays:
        return WORKING
    return _weekday_kind(day)


def _block_names(day: date) -> tuple[str, ...]:
    """The names of the unbroken run of holidays around `day`; only one notice's block is unbroken."""
    first = day
    while first - timedelta(days=1) in constants.holidays:
        first -= timedelta(days=1)
    names: list[str] = []
    while first in constants.holidays:
        names.append(_LIBRARY_NAMES[constants.holidays[first]])
        first += timedelta(days=1)
    return tuple(dict.fromkeys(names))


_KINDS: Final[dict[str, Callable[[date], DayKind]]] = {
    "CN": _chinese_kind,
    "none": _weekday_kind,
}
"""Every calendar: a new one is one function and one line here."""

_HOLIDAYS: Final = {"CN": True, "none": False}

_ZONES: Final = {"CN": "Asia/Shanghai"}


class Calendar(msgspec.Struct, frozen=True, cache_hash=True):
    """A market's days: the zone in which a day begins, and what kind of day each date is."""

    name: str
    zone: str

    def __post_init__(self) -> None:
        if self.name not in _KINDS:
            raise Refused("calendar", f"{self.name!r} is not one of {', '.join(_KINDS)}")
        zone_of(self.zone)
        fixed = _ZONES.get(self.name, self.zone)
        if self.zone != fixed:
            raise Refused("zone", f"calendar {self.name} is of {fixed}, not {self.zone}")

    @property
    def has_holidays(self) -> bool:
        """Whether a day can be a holiday at all; `none` knows weekdays and weekends only."""
        return _HOLIDAYS[self.name]

    def day_kind(self, day: date) -> DayKind:
        """What kind of day `day` is.

        Raises:
            Refused: `calendar_year` when no official notice for that year is known: never guessed.
        """
        return _day_kind(self.name, day)


@lru_cache(maxsize=16384)
def _day_kind(name: str, day: date) -> DayKind:
    return _KINDS[name](day)


def calendar(name: str, zone: str | None = None) -> Calendar:
    """The calendar of that name: `CN`, or `none` (Saturday and Sunday rest) in the `zone` given.

    >>> calendar("CN").day_kind(date(2026, 2, 14)).type  # a Saturday, worked for the Spring Festival
    'working'

    Raises:
        Refused: `calendar` for an unknown name, `zone` for an unknown, missing or contradicting zone.
    """
    chosen = zone if zone is not None else _ZONES.get(name)
    if chosen is None and name in _KINDS:
        raise Refused("zone", f"calendar {name!r} has no zone of its own: name an IANA time zone")
    return Calendar(name, chosen or "UTC")


def calendar_in(zone: str) -> Calendar:
    """The calendar with holidays that is kept in a zone, or else the one without.

    >>> calendar_in("Asia/Shanghai").name, calendar_in("Europe/Berlin").name
    ('CN', 'none')
    """
    name = next((name for name, home in _ZONES.items() if home == zone), "none")
    return calendar(name, zone)
