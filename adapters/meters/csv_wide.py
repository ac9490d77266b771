"""Wide CSV: each line one local day of one register, with a column for every interval of the day."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Final

from adapters.meters import text
from adapters.meters.assembly import assemble
from adapters.meters.cells import Cells
from adapters.meters.points import Points
from adapters.meters.profile import QualityRule, Table, Value, check_quality, header_of, split_header
from adapters.meters.report import Finding, Layout, Parsed, rejected_of
from adapters.meters.stamp import Column, DateOrder, date_of, offset_s_of, starts_of_day
from ledger.interval import zone_of
from ledger.readings import MeterSpec, check_meter_id
from ledger.refusal import Refused

_DAY_S: Final = 86_400
_LABEL: Final = re.compile(r"(\d{1,2}):(\d{2})(?::00)?", re.ASCII)


class CsvWide(
    Table, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="format", tag="csv_wide"
):
    """Column mapping of a wide CSV: `value.column` is the day's first interval, the others follow it.

    Header labels that are times must be the intervals' starts (00:00, 00:15, ...) or their ends
    (00:15, ... 24:00). On a day whose clocks change, the cells of a skipped hour must be empty, and a
    repeated hour is refused: a line has no place for it.
    """

    date_column: Column
    value: Value
    date_order: DateOrder = "ymd"
    zone: str = ""
    utc_offset: str = ""
    meter: str = ""
    meter_column: Column | None = None
    register_column: Column | None = None
    quality: str = "A"
    quality_from: QualityRule | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        check_quality(self.quality)
        if bool(self.zone) == bool(self.utc_offset):
            raise Refused("zone", "give either zone or utc_offset", place="zone")
        if self.zone:
            zone_of(self.zone)
        else:
            offset_s_of(self.utc_offset)
        if bool(self.meter) + (self.meter_column is not None) + bool(self.value.meter) != 1:
            raise Refused("meter", "give exactly one of meter, meter_column and value.meter", place="meter")
        if self.meter:
            check_meter_id(self.meter)
        if (self.value.register is None) == (self.register_column is None):
            raise Refused("register", "give either register_column or value.register", place="register")
        if self.register_column is not None and ("var" in self.value.unit or self.value.negative):
            raise Refused("unit", "with register_column write Wh or W, and no negative", place="value")

    @property
    def cells_per_day(self) -> int:
        return _DAY_S // self.interval_s

    def read(
        self, data: bytes, meters: Mapping[str, MeterSpec] | None, received_at: datetime | None = None
    ) -> Parsed:
        """Parse and validate a whole file.

        Raises:
            Refused: what makes the whole file unreadable: `encoding`, `line_end`, `empty_file`,
                `duplicate_header`, `missing_column`, `header_time` or `too_many_rejected`.
        """
        data = text.body(data, self.encoding)
        preamble, line = split_header(data, self)
        body = data[len(preamble) :]
        if not body.strip():
            raise Refused("empty_file", "there is a header but no row", place="row 1")
        reader = _Reader(self, line, body)
        rows = reader.read(body)
        assembled = assemble(reader.points, meters, self.row_order, received_at=received_at)
        findings = [*reader.findings, *assembled.findings]
        return Parsed(
            runs=assembled.runs,
            rejected=rejected_of(
                findings, text.raw_lines(data, self.encoding, (finding.row for finding in findings))
            ),
            gaps=assembled.gaps,
            duplicates=assembled.duplicates,
            rows=rows,
            drift_wh=reader.cells.conversion.drift_wh,
            layout=Layout(line, self.delimiter, self.encoding),
        )


class _Reader:
    def __init__(self, profile: CsvWide, line: str, body: bytes) -> None:
        self._profile = profile
        header = header_of(profile, line, body)
        self._width = header.width
        self._names = header.names()
        self._date = header.index(profile.date_column)
        self._first = header.index(profile.value.column)
        self._meter = None if profile.meter_column is None else header.index(profile.meter_column)
        self._register = None if profile.register_column is None else header.index(profile.register_column)
        rule = profile.quality_from
        self._quality = None if rule is None else header.index(rule.column)
        last = self._first + profile.cells_per_day
        if last > self._width:
            reason = f"{profile.cells_per_day} interval columns from {self._names[self._first]!r} do not fit"
            raise Refused("missing_column", reason, place="header")
        _check_labels([self._names[at] for at in range(self._first, last)], profile.interval_s)
        self._clock = zone_of(profile.zone) if profile.zone else offset_s_of(profile.utc_offset)
        self._starts: dict[date, list[int | Refused]] = {}
        self.points = Points()
        self.cells = Cells(profile, profile.value, self.points)
        self.findings: list[Finding] = []

    def read(self, body: bytes) -> int:
        """Add every line's readings; the number of lines."""
        profile = self._profile
        rows, last = 0, body.count(b"\n") + profile.skip_lines + profile.header + 1
        for row, line in text.lines(body, profile.encoding, profile.skip_lines + profile.header + 1):
            if not line:
                continue
            rows += 1
            if row == last and profile.final_newline == "required":
                reason = 'the last line has no line end; if the file is whole, set final_newline = "optional"'
                self.findings.append(Finding(row, "", "truncated_file", reason))
                continue
            try:
                cells = text.fields_of(line, profile.delimiter)
                if len(cells) != self._width:
                    raise Refused("column_count", f"{len(cells)} columns instead of {self._width}")
                self._day(cells, row)
            except Refused as refused:
                self.findings.append(Finding(row, refused.place, refused.code, refused.reason))
        return rows

    def _day(self, cells: Sequence[str], row: int) -> None:
        """Raises:
        Refused: what is wrong with the whole line."""
        profile, value = self._profile, self._profile.value
        meter = value.meter or profile.meter
        if self._meter is not None:
            meter = profile.meter_named(cells[self._meter])
        register = value.register
        if self._register is not None:
            register = profile.register_named(cells[self._register])
        assert register is not None
        letter = profile.quality
        if self._quality is not None and profile.quality_from is not None:
            letter = profile.quality_from.of(cells[self._quality])
        day = date_of(cells[self._date], profile.date_order)
        starts = self._starts.get(day)
        if starts is None:
            starts = self._starts[day] = starts_of_day(day, profile.interval_s, self._clock)
        for number, start_s in enumerate(starts):
            cell = cells[self._first + number]
            try:
                if isinstance(start_s, Refused):
                    raise start_s
                self.cells.add(cell, meter, register, letter, start_s, row)
            except Refused as refused:
                if refused.code == "skipped_time" and not cell:
                    continue
                column = self._names[self._first + number]
                self.findings.append(Finding(row, column, refused.code, refused.reason))


def _check_labels(labels: Sequence[str], interval_s: int) -> None:
    """Raises:
    Refused: `header_time` when the labels are times, but not those of the intervals."""
    matches = [_LABEL.fullmatch(label) for label in labels]
    if not all(matches):
        return
    times = [int(match[1]) * 3600 + int(match[2]) * 60 for match in matches if match is not None]
    starts = [interval_s * number for number in range(len(labels))]
    ends = [start + interval_s for start in starts]
    if times not in (starts, ends, [*ends[:-1], 0]):
        wanted = f"00:00 in steps of {interval_s} s, or the intervals' ends up to 24:00"
        raise Refused("header_time", f"{labels[0]}..{labels[-1]} are not {wanted}", place="header")
