"""What reading a meter file found: accepted runs, and every row that was not accepted, with its reason."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Final

import msgspec

from ledger.interval import Instant
from ledger.readings import Gap, Register, Run
from ledger.refusal import Refused

REJECTED_MAX: Final = 100_000
"""A file with more rejected readings than this is refused as a whole: its profile is wrong."""


class Finding(msgspec.Struct, frozen=True):
    """A reading that is refused: its row, its place, and why."""

    row: int
    column: str
    code: str
    reason: str


class Rejected(msgspec.Struct, frozen=True):
    """One reading that was not accepted. `row` counts the file's lines from 1 (the index of a JSON
    batch likewise), `column` names the column or the reading, `raw` is the line as it stands."""

    row: int
    column: str
    code: str
    reason: str
    raw: str

    @property
    def place(self) -> str:
        return f"row {self.row}, {self.column}" if self.column else f"row {self.row}"


def check_count(findings: Sequence[Finding]) -> None:
    """Raises:
    Refused: `too_many_rejected`."""
    if len(findings) > REJECTED_MAX:
        first = min(findings, key=lambda finding: finding.row)
        reason = f"more than {REJECTED_MAX} readings are rejected, the first for: {first.reason}"
        raise Refused("too_many_rejected", f"{reason}; check the profile", place=f"row {first.row}")


def rejected_of(findings: Sequence[Finding], raw: Mapping[int, str]) -> tuple[Rejected, ...]:
    """The findings by row, each with its line of the file.

    Raises:
        Refused: `too_many_rejected`.
    """
    check_count(findings)
    ordered = sorted(findings, key=lambda finding: (finding.row, finding.column))
    return tuple(Rejected(f.row, f.column, f.code, f.reason, raw.get(f.row, "")) for f in ordered)


class Duplicate(msgspec.Struct, frozen=True):
    """A reading that stands in the file again with the same value and quality; it counts once."""

    meter: str
    register: Register
    start: Instant
    row: int
    first_row: int


class Accumulated(msgspec.Struct, frozen=True):
    """Energy between two reads of an accumulation register (NEM13): not interval data, not settled."""

    row: int
    meter: str
    register: Register
    previous_at: Instant
    current_at: Instant
    wh: int
    previous_quality: str
    current_quality: str


class Layout(msgspec.Struct, frozen=True):
    """How the file was written, so that rejected rows can be written back alike."""

    header: str = ""
    delimiter: str = ","
    encoding: str = "utf-8"


class Parsed(msgspec.Struct, frozen=True):
    """A whole file, parsed and validated; nothing of it is stored yet.

    `rows` counts the data rows read. `gaps` are the times that the file spans for a meter, in which one
    of its registers has no value. `drift_wh` is the sum of (rounded - exact) over all accepted and
    plausible readings, in Wh. `notices` say what was left out on purpose.
    """

    runs: tuple[Run, ...]
    rejected: tuple[Rejected, ...]
    gaps: tuple[Gap, ...]
    duplicates: tuple[Duplicate, ...]
    rows: int
    drift_wh: Fraction = Fraction(0)
    notices: tuple[str, ...] = ()
    accumulated: tuple[Accumulated, ...] = ()
    layout: Layout = Layout()

    @property
    def readings(self) -> int:
        """The number of accepted intervals."""
        return sum(run.count for run in self.runs)

    def require_whole(self) -> None:
        """Refuse the file when any reading of it was rejected.

        Raises:
            NotWhole: with the code and place of the first rejected reading.
        """
        if self.rejected:
            raise NotWhole(self)


class NotWhole(Refused):
    """A file of which some readings were rejected; `parsed.rejected` has them all.

    The code and place are those of the first.
    """

    def __init__(self, parsed: Parsed) -> None:
        first = parsed.rejected[0]
        more = f" (and {len(parsed.rejected) - 1} more)" if len(parsed.rejected) > 1 else ""
        super().__init__(first.code, first.reason + more, place=first.place)
        self.parsed = parsed


def rejected_csv(parsed: Parsed) -> bytes:
    """The rejected rows as they stood, each once, with the columns `rejected_row`, `rejected_code` and
    `rejected_reason` behind them; empty when nothing was rejected.

    Put right, the file can be read again with the same profile.
    """
    if not parsed.rejected:
        return b""
    layout = parsed.layout
    header = _fields(layout.header, layout.delimiter) if layout.header else []
    reasons: dict[int, list[Rejected]] = {}
    for entry in parsed.rejected:
        reasons.setdefault(entry.row, []).append(entry)
    out = io.StringIO()
    writer = csv.writer(out, delimiter=layout.delimiter, lineterminator="\n")
    if header:
        writer.writerow([*header, "rejected_row", "rejected_code", "rejected_reason"])
    for row, entries in sorted(reasons.items()):
        fields = _fields(entries[0].raw, layout.delimiter)
        fields += [""] * (len(header) - len(fields))
        codes = "; ".join(dict.fromkeys(entry.code for entry in entries))
        texts = "; ".join(f"{entry.column}: {entry.reason}".removeprefix(": ") for entry in entries)
        writer.writerow([*fields, str(row), codes, texts])
    return out.getvalue().encode(layout.encoding)


def _fields(line: str, delimiter: str) -> list[str]:
    return next(csv.reader([line], delimiter=delimiter), [])
