"""CSV with one line per instant and one column per meter."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from adapters.meters import text
from adapters.meters.csv_long import CsvLong
from adapters.meters.energy import Unit
from adapters.meters.profile import Table, Value, header_of, split_header
from adapters.meters.report import Parsed
from adapters.meters.stamp import TimeRule
from ledger.readings import MeterSpec, Register
from ledger.refusal import Refused


class CsvMeters(
    Table, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="format", tag="csv_meters"
):
    """Each column of the header but the time and `ignore` is a meter, named by the header or by `meters`.

    All columns have the same register, unit and scale.
    """

    time: TimeRule
    register: Register
    unit: Unit
    negative: Register | None = None
    scale: str = "1"
    quality: str = "A"
    ignore: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.header:
            raise Refused("header", "the header line names the meters and the time column", place="header")

    def read(
        self, data: bytes, meters: Mapping[str, MeterSpec] | None, received_at: datetime | None = None
    ) -> Parsed:
        """Parse and validate a whole file.

        Raises:
            Refused: as `CsvLong.read`, and `meter_id` for a column that is no meter.
        """
        preamble, line = split_header(text.body(data, self.encoding), self)
        header_of(self, line, preamble)
        skipped = {self.time.column, *self.ignore}
        values = tuple(
            Value(
                column=name,
                unit=self.unit,
                register=self.register,
                negative=self.negative,
                scale=self.scale,
                meter=self.meter_named(name),
            )
            for name in text.fields_of(line, self.delimiter)
            if name and name not in skipped
        )
        shared = {name: getattr(self, name) for name in Table.__struct_fields__}
        long = CsvLong(time=self.time, values=values, quality=self.quality, **shared)
        return long.read(data, meters, received_at)
