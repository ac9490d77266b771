"""Long CSV: each line one instant, with one value or with a column for each register.

Usual lines (ISO stamps of fixed width, plain numbers) are read in columns by `csv_long_columns`;
a chunk with anything else is read line by line here, with the same result.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from fractions import Fraction

from adapters.meters import csv_long_columns, text
from adapters.meters.assembly import assemble
from adapters.meters.cells import Cells
from adapters.meters.points import Points
from adapters.meters.profile import QualityRule, Table, Value, check_quality, header_of, split_header
from adapters.meters.report import Finding, Layout, Parsed, check_count, rejected_of
from adapters.meters.stamp import Column, Stamper, TimeRule
from ledger.readings import MeterSpec, check_meter_id
from ledger.refusal import Refused


class CsvLong(
    Table, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="format", tag="csv_long"
):
    """Column mapping of a long CSV; see examples/meters for one of each kind.

    The meter is a column (`meter_column`), the same for the whole file (`meter`) or that of each value
    column; likewise the register. `quality` is the letter of every reading unless `quality_from` names
    a column.
    """

    time: TimeRule
    values: tuple[Value, ...]
    meter: str = ""
    meter_column: Column | None = None
    register_column: Column | None = None
    quality: str = "A"
    quality_from: QualityRule | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        check_quality(self.quality)
        if not self.values:
            raise Refused("values", "name at least one value column", place="values")
        if self.meter:
            check_meter_id(self.meter)
        for value in self.values:
            given = bool(self.meter) + (self.meter_column is not None) + bool(value.meter)
            if given != 1:
                raise Refused("meter", "give exactly one of meter, meter_column and values.meter")
            if (value.register is None) == (self.register_column is None):
                raise Refused("register", "give either register_column or values.register")
            if value.negative is not None and value.register is None:
                raise Refused("negative", "needs values.register", place="values.negative")
        if self.register_column is not None and len(self.values) != 1:
            raise Refused("values", "with register_column there is one value column", place="values")
        if self.register_column is not None and "var" in self.values[0].unit:
            raise Refused("unit", "with register_column write Wh or W (varh and var of a reactive register)")

    def read(
        self,
        data: bytes,
        meters: Mapping[str, MeterSpec] | None,
        received_at: datetime | None = None,
        *,
        columns: bool = True,
    ) -> Parsed:
        """Parse and validate a whole file; `columns` False reads it line by line only.

        Raises:
            Refused: what makes the whole file unreadable: `encoding`, `line_end`, `empty_file`,
                `duplicate_header`, `missing_column` or `too_many_rejected`.
        """
        data = text.body(data, self.encoding)
        preamble, header_line = split_header(data, self)
        first_row = self.skip_lines + self.header + 1
        if len(preamble) == len(data):
            raise Refused("empty_file", "there is a header but no row", place=f"row {first_row}")
        reader = _Reader(self, header_line, data[len(preamble) :])
        fast = csv_long_columns.ColumnReader.of(self, reader.header) if columns else None
        row = first_row
        for chunk in text.chunks(data[len(preamble) :]):
            if fast is None or not fast.read(chunk, row, reader.points, reader.cells[0].conversion):
                reader.read(chunk, row)
                check_count(reader.findings)
            row += chunk.count(b"\n")
        return reader.parsed(data, meters, received_at, fast.rows if fast else 0)


class _Reader:
    """Reads lines one by one; keeps what spans chunks."""

    def __init__(self, profile: CsvLong, header_line: str, body: bytes) -> None:
        self._profile = profile
        self._header_line = header_line
        self.header = header_of(profile, header_line, body)
        self._names = self.header.names()
        self._stamper = Stamper(profile.time, profile.interval_s)
        self._time = self.header.index(profile.time.column)
        self._meter = None if profile.meter_column is None else self.header.index(profile.meter_column)
        self._register = (
            None if profile.register_column is None else self.header.index(profile.register_column)
        )
        rule = profile.quality_from
        self._quality = None if rule is None else self.header.index(rule.column)
        self._values = [(self.header.index(value.column), value) for value in profile.values]
        self.points = Points()
        self.cells = [Cells(profile, value, self.points) for value in profile.values]
        self.findings: list[Finding] = []
        self._rows = 0
        self._meters: dict[str, str] = {}

    def read(self, chunk: bytes, first_row: int) -> None:
        cut = not chunk.endswith(b"\n") and self._profile.final_newline == "required"
        count = chunk.count(b"\n")
        for row, line in text.lines(chunk, self._profile.encoding, first_row):
            if not line:
                continue
            self._rows += 1
            if cut and row == first_row + count:
                reason = 'the last line has no line end; if the file is whole, set final_newline = "optional"'
                self.findings.append(Finding(row, "", "truncated_file", reason))
                continue
            column = ""
            try:
                cells = text.fields_of(line, self._profile.delimiter)
                if len(cells) != self.header.width:
                    reason = f"{len(cells)} columns instead of {self.header.width}"
                    raise Refused("column_count", reason)
                column = "" if self._meter is None else self._names[self._meter]
                meter = self._profile.meter if self._meter is None else self._meter_of(cells[self._meter])
                column = self._names[self._time]
                start_s = self._stamper.start_s(cells[self._time], self._series(meter, cells), row)
            except Refused as refused:
                self.findings.append(Finding(row, column, refused.code, refused.reason))
                continue
            for number in range(len(self._values)):
                self._cell(number, cells, meter, start_s, row)

    def _series(self, meter: str, cells: list[str]) -> tuple[str, str]:
        return meter, "" if self._register is None else cells[self._register]

    def _meter_of(self, name: str) -> str:
        meter = self._meters.get(name)
        if meter is None:
            meter = self._meters[name] = self._profile.meter_named(name)
        return meter

    def _cell(self, number: int, row_cells: list[str], meter: str, start_s: int, row: int) -> None:
        at, value = self._values[number]
        column = self._names[at]
        try:
            register = value.register
            if self._register is not None:
                column = self._names[self._register]
                register = self._profile.register_named(row_cells[self._register])
            assert register is not None
            letter = self._profile.quality
            if self._quality is not None and self._profile.quality_from is not None:
                column = self._names[self._quality]
                letter = self._profile.quality_from.of(row_cells[self._quality])
            column = self._names[at]
            self.cells[number].add(row_cells[at], value.meter or meter, register, letter, start_s, row)
        except Refused as refused:
            self.findings.append(Finding(row, column, refused.code, refused.reason))

    def parsed(
        self,
        data: bytes,
        meters: Mapping[str, MeterSpec] | None,
        received_at: datetime | None,
        more_rows: int,
    ) -> Parsed:
        """The whole file's result; `more_rows` were read in columns."""
        lone = self._stamper.lone_passes()
        assembled = assemble(self.points, meters, self._profile.row_order, lone, received_at)
        findings = [*self.findings, *assembled.findings]
        rows = self._rows + more_rows
        if not rows:
            raise Refused("empty_file", "there is a header but no row", place="row 1")
        drift = sum((cells.conversion.drift_wh for cells in self.cells), Fraction(0))
        raw = text.raw_lines(data, self._profile.encoding, (finding.row for finding in findings))
        return Parsed(
            runs=assembled.runs,
            rejected=rejected_of(findings, raw),
            gaps=assembled.gaps,
            duplicates=assembled.duplicates,
            rows=rows,
            drift_wh=drift,
            layout=Layout(self._header_line, self._profile.delimiter, self._profile.encoding),
        )
