"""The fast reading of usual long CSV: whole columns at a time, eight bytes in one machine word.

It never rejects a row: a chunk with anything that is not plain (quotes, blanks, signs, unusual stamps,
a day on which the clocks change, an unknown register) is left to the line-by-line reader.
"""

from __future__ import annotations

import re
from datetime import date, timedelta
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from adapters.meters.plain_lines import PlainLines, UnusualError, Words, require
from adapters.meters.points import MISSING, Key, Points
from adapters.meters.stamp import YEAR_MAX, YEAR_MIN, offset_s_of
from ledger.interval import midnight, zone_of
from ledger.refusal import Refused

if TYPE_CHECKING:
    from adapters.meters.csv_long import CsvLong
    from adapters.meters.energy import Conversion
    from adapters.meters.profile import Header

Ints = npt.NDArray[np.int64]

_STAMP: Final = re.compile(rb"\d{4}[-/]\d\d[-/]\d\d[T ]\d\d:\d\d((?::00)?(?:Z|[+-]\d\d:\d\d)?)")
_MONTH: Final = re.compile(rb"(\d{4})([-/])(\d\d)\2")
_STAMP_TO_MINUTE: Final = 16
_DAY_S: Final = 86_400


class ColumnReader:
    """Reads chunks of one file; `rows` counts the lines it has read."""

    def __init__(self, profile: CsvLong, header: Header) -> None:
        self._profile = profile
        self._width = header.width
        self._time = header.index(profile.time.column)
        self._value = header.index(profile.values[0].column)
        named = (profile.meter_column, profile.register_column)
        self._names = [None if column is None else header.index(column) for column in named]
        rule = profile.quality_from
        self._quality = None if rule is None else header.index(rule.column)
        self._letters = np.zeros(256, dtype=np.uint8)
        for text, letter in rule.map.items() if rule is not None else ():
            if len(text) == 1 and text.isascii():
                self._letters[ord(text)] = ord(letter)
        self._zone = zone_of(profile.time.zone) if profile.time.zone else None
        self._shift_s = profile.interval_s if profile.time.stamp == "interval_end" else 0
        self._months: dict[int, tuple[int, int]] = {}
        self._offsets: dict[int, int] = {}
        self.rows = 0

    @classmethod
    def of(cls, profile: CsvLong, header: Header) -> ColumnReader | None:
        """A reader, or None for a profile that needs the line-by-line reader throughout."""
        usual = (
            len(profile.values) == 1
            and profile.values[0].negative is None
            and profile.time.date_order == "ymd"
            and not profile.time.midnight_same_day
            and profile.decimal == "."
            and not any(text and _is_digits(text) for text in profile.missing_values)
        )
        return cls(profile, header) if usual else None

    def read(self, chunk: bytes, first_row: int, points: Points, conversion: Conversion) -> bool:
        """Add the chunk's readings to `points`; False, with nothing added, when it is unusual.

        What would be refused is left to the line-by-line reader, which names the row.
        """
        try:
            lines = PlainLines(chunk, self._profile.delimiter, self._width)
            start_s = self._starts(lines)
            quality = self._qualities(lines)
            group = self._groups(lines, points)
            wh = self._energies(lines, conversion)
        except (UnusualError, Refused):
            return False
        row = np.arange(first_row, first_row + lines.count, dtype=np.int64)
        points.extend(group, start_s, wh, quality, row)
        self.rows += lines.count
        return True

    def _starts(self, lines: PlainLines) -> Ints:
        start, end = lines.bounds(self._time)
        sample = _STAMP.fullmatch(lines.cell(self._time, 0))
        if sample is None:
            raise UnusualError
        suffix: bytes = sample[1]
        require(end - start == len(sample[0]))
        self._check_suffix(lines, start, end, suffix)
        first_day, days_in_month = self._month_of_each(lines.words_at(start))
        clock = lines.words_at(start + 8)
        day, hour, minute = _clock(clock)
        require((day >= 1) & (day <= days_in_month) & (hour <= 23) & (minute <= 59))
        days = first_day + day - 1
        wall = days * _DAY_S + hour * 3600 + minute * 60
        return wall - self._offset_of_each(days, suffix) - self._shift_s

    @staticmethod
    def _check_suffix(lines: PlainLines, start: Ints, end: Ints, suffix: bytes) -> None:
        if suffix:
            tail = lines.words_at(end - 8) >> np.uint64(8 * max(0, 8 - len(suffix)))
            require(tail == tail[0])
        if len(suffix) > 8:
            require(lines.words_at(start + _STAMP_TO_MINUTE - 7) >> np.uint64(56) == ord(":"))

    def _month_of_each(self, words: Words) -> tuple[Ints, Ints]:
        """Days from 1970 to the month's first day, and its number of days, for words `2026-08-`."""
        edges = _edges(words[1:] != words[:-1])
        found = []
        for word in words[edges[:-1]].tolist():
            month = self._months.get(word)
            if month is None:
                month = self._months[word] = _month(word.to_bytes(8, "little"))
            found.append(month)
        both = np.repeat(np.array(found, dtype=np.int64), np.diff(edges), axis=0)
        return both[:, 0], both[:, 1]

    def _offset_of_each(self, days: Ints, suffix: bytes) -> Ints | int:
        offset = suffix.removeprefix(b":00").decode()
        if offset or self._profile.time.utc_offset:
            return offset_s_of(offset or self._profile.time.utc_offset)
        if self._zone is None:
            raise UnusualError
        edges = _edges(days[1:] != days[:-1])
        found = []
        for day in days[edges[:-1]].tolist():
            known = self._offsets.get(day)
            if known is None:
                known = self._offsets[day] = _offset_of_day(day, self._zone)
            found.append(known)
        return np.repeat(np.array(found, dtype=np.int64), np.diff(edges))

    def _energies(self, lines: PlainLines, conversion: Conversion) -> Ints:
        start, end = lines.bounds(self._value)
        dots = lines.positions(b".")
        if not len(dots):
            mantissa, places = lines.digits(end, end - start, 1), 0
        else:
            next_dot = np.append(dots, lines.size)[np.searchsorted(dots, start)]
            split = np.minimum(next_dot, end)
            width = np.where(split < end, end - split - 1, 0)
            require((width > 0) | (split == end))
            places = int(width.max())
            whole = lines.digits(split, split - start, 0)
            require((split > start) | (width > 0))
            fraction = lines.digits(end, width, 0)
            mantissa = whole * 10**places + fraction * (10 ** np.arange(places, -1, -1))[width]
        wh = conversion.wh_of_many(mantissa, places)
        if wh is None:
            raise UnusualError
        return wh

    def _qualities(self, lines: PlainLines) -> npt.NDArray[np.uint8]:
        if self._quality is None:
            return np.full(lines.count, ord(self._profile.quality), dtype=np.uint8)
        start, end = lines.bounds(self._quality)
        require(end - start == 1)
        letters = self._letters[lines.bytes_at(start)]
        require((letters != 0) & (letters != ord(MISSING)))
        return letters

    def _groups(self, lines: PlainLines, points: Points) -> Ints:
        """The register of each line; a line like the one before needs no look-up."""
        columns = [column for column in self._names if column is not None]
        changed = np.zeros(lines.count - 1, dtype=np.bool_)
        for column in columns:
            changed |= lines.changed(column)
        edges = _edges(changed)
        bounds = [lines.bounds(column) for column in columns]
        cuts = [(start[edges[:-1]].tolist(), end[edges[:-1]].tolist()) for start, end in bounds]
        known: dict[tuple[bytes, ...], int] = {}
        found = []
        for at in range(len(edges) - 1):
            key = tuple(lines.chunk[start[at] : end[at]] for start, end in cuts)
            group = known.get(key)
            if group is None:
                group = known[key] = self._group(dict(zip(columns, key, strict=True)), points)
            found.append(group)
        return np.repeat(np.array(found, dtype=np.int64), np.diff(edges))

    def _group(self, cells: dict[int, bytes], points: Points) -> int:
        value = self._profile.values[0]
        meter_at, register_at = self._names
        meter = value.meter or self._profile.meter
        if meter_at is not None:
            meter = self._profile.meter_named(cells[meter_at].decode("ascii").strip())
        register = value.register
        if register_at is not None:
            register = self._profile.register_named(cells[register_at].decode("ascii").strip())
        assert register is not None
        return points.group(Key(meter, register, self._profile.interval_s))


def _edges(changed: npt.NDArray[np.bool_]) -> Ints:
    """Where each stretch of equal values starts, and the end of the last."""
    return np.concatenate(([0], np.flatnonzero(changed) + 1, [len(changed) + 1]))


def _clock(words: Words) -> tuple[Ints, Ints, Ints]:
    """Day, hour and minute of `01T00:15`."""
    marks = words & np.uint64(0x0000FF0000FF0000)
    digits = words & np.uint64(0xF0F000F0F000F0F0)
    above = ((words & np.uint64(0x0F0F000F0F000F0F)) + np.uint64(0x0606000606000606)) & np.uint64(
        0xF0F000F0F000F0F0
    )
    require((marks == marks[0]) & (digits == np.uint64(0x3030003030003030)) & (above == 0))
    parts = [
        ((words >> np.uint64(tens)) & np.uint64(15)) * np.uint64(10)
        + ((words >> np.uint64(tens + 8)) & np.uint64(15))
        for tens in (0, 24, 48)
    ]
    return parts[0].astype(np.int64), parts[1].astype(np.int64), parts[2].astype(np.int64)


def _month(word: bytes) -> tuple[int, int]:
    match = _MONTH.fullmatch(word)
    if match is None or not (1 <= int(match[3]) <= 12 and YEAR_MIN <= int(match[1]) <= YEAR_MAX):
        raise UnusualError
    first = date(int(match[1]), int(match[3]), 1)
    after = (first + timedelta(days=31)).replace(day=1)
    return (first - date(1970, 1, 1)).days, (after - first).days


def _offset_of_day(day: int, zone: ZoneInfo) -> int:
    """Seconds east of UTC on a local day without a change of the clocks."""
    this = date(1970, 1, 1) + timedelta(days=day)
    offsets = {midnight(at, zone).astimezone(zone).utcoffset() for at in (this, this + timedelta(days=1))}
    only = offsets.pop()
    if offsets or only is None:
        raise UnusualError
    return int(only.total_seconds())


def _is_digits(text: str) -> bool:
    return any(mark in "0123456789" for mark in text)
