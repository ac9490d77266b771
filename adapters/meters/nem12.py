"""AEMO's meter data file: NEM12 interval data and NEM13 accumulation reads.

Records (AEMO Meter Data File Format Specification NEM12 & NEM13): 100 header, 200 channel, 300 one
day of intervals, 400 qualities of a day marked V, 500 and 550 business details (not needed here), 250
accumulation read, 900 end. The intervals follow the market's standard time, which has no daylight
saving.

Channels by the first letter of the NMI suffix: E energy from the grid (`import`), B energy to the
grid (`export`), Q and K reactive energy with it (`reactive_lagging`, `reactive_leading`). The second
character is the number of the metering point: number 1 is the meter `<NMI>`, any other `<NMI>-<n>`.
Other channels (volts, amperes, averages, check meters) are left out with a notice.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from fractions import Fraction
from typing import Final

import msgspec

from adapters.meters import text
from adapters.meters.assembly import assemble
from adapters.meters.energy import Conversion, check_unit, decimal_of
from adapters.meters.nem13 import accumulated_of, unit_of, wall_of
from adapters.meters.points import MISSING, Key, Points
from adapters.meters.report import Accumulated, Finding, Layout, Parsed, rejected_of
from adapters.meters.stamp import epoch_s, offset_s_of
from ledger.readings import RECEIVED_QUALITIES, MeterSpec, Register, check_meter_id
from ledger.refusal import Refused

_CHANNELS: Final[dict[str, Register]] = {
    "E": "import",
    "B": "export",
    "Q": "reactive_lagging",
    "K": "reactive_leading",
}
_INTERVALS_MIN: Final = {"5": 300, "15": 900, "30": 1800}
_VARIED: Final = "V"
_DAY_S: Final = 86_400


class Nem12(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="format", tag="nem12"):
    """Settings of a NEM12 or NEM13 file: the market's standard time (+08:00 in Western Australia)."""

    utc_offset: str = "+10:00"

    def __post_init__(self) -> None:
        offset_s_of(self.utc_offset)

    def read(
        self, data: bytes, meters: Mapping[str, MeterSpec] | None, received_at: datetime | None = None
    ) -> Parsed:
        """Parse and validate a whole file.

        A NEM13 file gives `accumulated` reads and no runs: it is not interval data.

        Raises:
            Refused: what makes the whole file unreadable: `nem_record` (order, unknown record),
                `truncated_file` (no 900 record), `interval_length`, `unit`, `meter_id` of a channel.
        """
        data = text.body(data, "utf-8")
        reader = _Reader(self)
        for row, line in text.lines(data, "utf-8"):
            if line.strip():
                reader.line(row, line)
        return reader.parsed(data, meters, received_at)


class _Day(msgspec.Struct):
    """A 300 record that waits for its 400 records."""

    row: int
    start_s: int
    cells: list[str]
    letters: list[str]


class _Channel(msgspec.Struct):
    """A 200 record; `register` None is a channel that is left out."""

    row: int
    meter: str
    suffix: str
    register: Register | None
    interval_s: int
    conversion: Conversion | None
    days: int = 0


class _Reader:
    def __init__(self, profile: Nem12) -> None:
        self._offset_s = offset_s_of(profile.utc_offset)
        self._kind = ""
        self._channel: _Channel | None = None
        self._channels: list[_Channel] = []
        self._day: _Day | None = None
        self._left_out = False
        self._ended = False
        self._points = Points()
        self._findings: list[Finding] = []
        self._accumulated: list[Accumulated] = []
        self._notices: list[str] = []
        self._rows = 0

    def line(self, row: int, line: str) -> None:
        """Take the next record.

        Raises:
            Refused: as `Nem12.read`, with the row.
        """
        try:
            cells = text.fields_of(line, ",")
            self._record(row, cells)
        except Refused as refused:
            place = f"row {row}, {refused.place}" if refused.place else f"row {row}"
            raise Refused(refused.code, refused.reason, place=place) from None

    def _record(self, row: int, cells: list[str]) -> None:
        kind = cells[0]
        if self._ended:
            raise Refused("nem_record", f"record {kind[:10]} after the 900 record that ends the file")
        if not self._kind:
            self._header(kind, cells)
            return
        if kind != "400":
            self._close_day()
        match self._kind, kind:
            case "NEM12", "200":
                self._open_channel(row, cells)
            case "NEM12", "300":
                self._rows += 1
                self._open_day(row, cells)
            case "NEM12", "400":
                self._qualify(cells)
            case "NEM13", "250":
                self._rows += 1
                read, notices = accumulated_of(row, cells, self._offset_s)
                self._accumulated.append(read)
                self._notices.extend(notices)
            case ("NEM12", "500") | ("NEM13", "550"):
                pass
            case _, "900":
                self._ended = True
            case _:
                raise Refused("nem_record", f"{kind[:10]!r} is not a record of a {self._kind} file")

    def _header(self, kind: str, cells: list[str]) -> None:
        if kind != "100" or len(cells) < 2 or cells[1] not in {"NEM12", "NEM13"}:
            raise Refused("nem_record", "the file does not start with 100,NEM12 or 100,NEM13")
        self._kind = cells[1]

    def _open_channel(self, row: int, cells: list[str]) -> None:
        if len(cells) < 9:
            raise Refused("column_count", f"a 200 record with {len(cells)} columns instead of 10")
        nmi, suffix, unit_text, minutes = cells[1], cells[4], cells[7], cells[8]
        number = suffix[1:]
        register = _CHANNELS.get(suffix[:1]) if number else None
        meter = nmi if number in {"", "1"} else f"{nmi}-{number}"
        check_meter_id(meter)
        if register is None:
            reason = (
                f"row {row}: channel {suffix} of {nmi} ({unit_text or 'no unit'}) is not energy: left out"
            )
            self._notices.append(reason)
            self._channel = _Channel(row, meter, suffix, None, 0, None)
            return
        unit = unit_of(unit_text)
        check_unit(unit, register)
        interval_s = _INTERVALS_MIN.get(minutes)
        if interval_s is None:
            raise Refused(
                "interval_length", f"{minutes!r} minutes is not 5, 15 or 30", place="IntervalLength"
            )
        conversion = Conversion(unit, Fraction(1), interval_s)
        self._channel = _Channel(row, meter, suffix, register, interval_s, conversion)
        self._channels.append(self._channel)

    def _open_day(self, row: int, cells: list[str]) -> None:
        channel = self._channel
        if channel is None:
            raise Refused("nem_record", "a 300 record before any 200 record")
        channel.days += 1
        self._left_out = True
        if channel.register is None:
            return
        count = _DAY_S // channel.interval_s
        try:
            if len(cells) < count + 3:
                raise Refused(
                    "column_count", f"{len(cells)} columns do not hold {count} intervals and a quality"
                )
            flag = cells[2 + count][:1]
            if flag not in {*RECEIVED_QUALITIES, MISSING, _VARIED}:
                letters = ", ".join([*RECEIVED_QUALITIES, MISSING, _VARIED])
                reason = f"after {count} intervals stands {cells[2 + count]!r}, no quality starting with"
                raise Refused("quality", f"{reason} one of {letters}")
            start_s = epoch_s(wall_of(cells[1], "%Y%m%d")) - self._offset_s
        except Refused as refused:
            self._findings.append(Finding(row, "record 300", refused.code, refused.reason))
            return
        self._left_out = False
        values = cells[2 : 2 + count]
        if flag == _VARIED:
            self._day = _Day(row, start_s, values, [])
        else:
            self._add(_Day(row, start_s, values, [flag] * count))

    def _qualify(self, cells: list[str]) -> None:
        """A 400 record: intervals first..last (from 1) of the day have this quality."""
        day = self._day
        if day is None:
            if self._left_out:
                return
            raise Refused("nem_record", "a 400 record without a 300 record of quality V before it")
        first, last, flag = (*cells[1:4], "", "", "")[:3]
        expected = len(day.letters) + 1
        whole = first.isdecimal() and last.isdecimal() and len(first) < 5 and len(last) < 5
        if not whole or int(first) != expected or not expected <= int(last) <= len(day.cells):
            reason = f"intervals {first}..{last} do not follow on from {expected} up to {len(day.cells)}"
            raise Refused("nem_record", reason)
        if flag[:1] not in {*RECEIVED_QUALITIES, MISSING}:
            letters = ", ".join([*RECEIVED_QUALITIES, MISSING])
            raise Refused("quality", f"{flag!r} does not start with one of {letters}")
        day.letters.extend(flag[:1] * (int(last) - expected + 1))

    def _close_day(self) -> None:
        day, self._day = self._day, None
        if day is None:
            return
        if len(day.letters) != len(day.cells):
            reason = f"quality V, but the 400 records end at interval {len(day.letters)} of {len(day.cells)}"
            self._findings.append(Finding(day.row, "record 300", "quality", reason))
            return
        self._add(day)

    def _add(self, day: _Day) -> None:
        channel = self._channel
        assert channel is not None
        assert channel.register is not None
        assert channel.conversion is not None
        group = self._points.group(Key(channel.meter, channel.register, channel.interval_s))
        for number, (cell, letter) in enumerate(zip(day.cells, day.letters, strict=True)):
            start_s = day.start_s + number * channel.interval_s
            if letter == MISSING:
                self._points.add(group, start_s, 0, MISSING, day.row)
                continue
            try:
                if not cell:
                    raise Refused("empty_value", f"no value, although its quality is {letter}")
                mantissa, places = decimal_of(cell)
                if mantissa < 0:
                    raise Refused("negative_energy", f"{cell} is below zero")
                wh = channel.conversion.wh(mantissa, places)
            except Refused as refused:
                self._findings.append(
                    Finding(day.row, f"interval {number + 1}", refused.code, refused.reason)
                )
                continue
            self._points.add(group, start_s, wh, letter, day.row)

    def parsed(
        self, data: bytes, meters: Mapping[str, MeterSpec] | None, received_at: datetime | None
    ) -> Parsed:
        """The whole file's result.

        Raises:
            Refused: `truncated_file` without a 900 record.
        """
        if not self._ended:
            last = data.rstrip().count(b"\n") + 1
            raise Refused("truncated_file", "the file ends without its 900 record", place=f"row {last}")
        assembled = assemble(self._points, meters, "any", received_at=received_at)
        findings = [*self._findings, *assembled.findings]
        drifts = [channel.conversion.drift_wh for channel in self._channels if channel.conversion]
        empty = [
            f"row {channel.row}: channel {channel.suffix} of {channel.meter} has no 300 record"
            for channel in self._channels
            if not channel.days
        ]
        if self._kind == "NEM13":
            text13 = (
                "NEM13 holds accumulation reads, not interval data: nothing of it can be settled by interval"
            )
            self._notices.insert(0, text13)
        return Parsed(
            runs=assembled.runs,
            rejected=rejected_of(findings, text.raw_lines(data, "utf-8", (f.row for f in findings))),
            gaps=assembled.gaps,
            duplicates=assembled.duplicates,
            rows=self._rows,
            drift_wh=sum(drifts, Fraction(0)),
            notices=(*self._notices, *empty),
            accumulated=tuple(self._accumulated),
            layout=Layout(),
        )
