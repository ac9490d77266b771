"""A file of readings on its way into the book, block by block.

A block is what one meter read in one UTC month; its command id is the file's digest and the block's
index, so a crashed import that starts again stores only what is missing. A month with an open import
is not settled.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final, Literal

import msgspec

from ledger.command import known
from ledger.effective import History
from ledger.interval import Interval
from ledger.metering.coverage import Coverage
from ledger.readings import Register, Run, instant_text, validate
from ledger.refusal import Refused

Status = Literal["open", "completed", "abandoned"]

CLOCK_TOLERANCE: Final = timedelta(minutes=15)
"""How far a meter's clock may run ahead of ours: one settlement interval (DOMAIN.md 3.11, clock).

Meters and gateways that keep time at all are seconds to minutes apart. An hour, the smallest mistake of
a time zone or of summer time, must not pass.
"""
_PPM: Final = 1_000_000


def latest_end(recorded_at: datetime) -> datetime:
    """When an interval may end at the latest, of which readings are recorded at `recorded_at`."""
    return recorded_at + CLOCK_TOLERANCE


def not_ended(end: datetime, recorded_at: datetime) -> str:
    """Why a reading of an interval that ends at `end` is refused."""
    minutes = CLOCK_TOLERANCE // timedelta(minutes=1)
    return (
        f"the interval ends {instant_text(end)}, more than {minutes} min after the reading came at"
        f" {instant_text(recorded_at)}: check the meter's clock and the profile's time zone"
    )


def check_clock(run: Run, recorded_at: datetime) -> None:
    """That every interval of the run had ended when it was recorded, give or take `CLOCK_TOLERANCE`.

    Raises:
        Refused: `future_reading` with the last interval.
    """
    if run.end > latest_end(recorded_at):
        last = run.end - timedelta(seconds=run.interval_s)
        place = f"{run.meter} {run.register} {instant_text(last)}"
        raise Refused("future_reading", not_ended(run.end, recorded_at), place=place)


class Import(msgspec.Struct, frozen=True):
    """The state of an import."""

    opened: ImportOpened
    status: Status


class ImportOpened(msgspec.Struct, frozen=True, tag_field="kind", tag="import.opened.v1"):
    """`digest` is the SHA-256 of the file; rounding drift is exact, in Wh, over the whole file."""

    digest: str
    file_name: str
    format: str
    meters: tuple[str, ...]
    covers: Interval
    blocks: int
    readings: int
    rounding_drift_wh: str

    def apply(self, _: object) -> Import:
        return Import(self, "open")


class ImportCompleted(msgspec.Struct, frozen=True, tag_field="kind", tag="import.completed.v1"):
    def apply(self, state: Import) -> Import:
        return Import(state.opened, "completed")


class ImportAbandoned(msgspec.Struct, frozen=True, tag_field="kind", tag="import.abandoned.v1"):
    """The rest of the file will not come; what was stored of it stays."""

    reason: str

    def apply(self, state: Import) -> Import:
        return Import(state.opened, "abandoned")


class _OfImport(msgspec.Struct, frozen=True):
    import_id: str

    @property
    def aggregate(self) -> str:
        return f"import.{self.import_id}"

    @property
    def reads(self) -> tuple[str, ...]:
        return ()


class OpenImport(_OfImport, frozen=True):
    opened: ImportOpened

    def decide(self, state: Import | None, _: Mapping[str, object]) -> tuple[ImportOpened]:
        if state is not None:
            raise Refused("exists", f"import {self.import_id} was opened before", place="import")
        return (self.opened,)


class CompleteImport(_OfImport, frozen=True):
    def decide(self, state: Import | None, _: Mapping[str, object]) -> tuple[ImportCompleted]:
        _must_be_open(state, self.import_id)
        return (ImportCompleted(),)


class AbandonImport(_OfImport, frozen=True):
    reason: str

    def decide(self, state: Import | None, _: Mapping[str, object]) -> tuple[ImportAbandoned]:
        _must_be_open(state, self.import_id)
        if not self.reason.strip():
            raise Refused("empty", "say why the import is abandoned", place="reason")
        return (ImportAbandoned(self.reason),)


def _must_be_open(state: Import | None, import_id: str) -> None:
    if state is None or state.status != "open":
        status = "unknown" if state is None else state.status
        raise Refused("import_status", f"import {import_id} is {status}, not open", place="import")


class ReadingsRecorded(
    msgspec.Struct,
    frozen=True,
    omit_defaults=True,
    tag_field="kind",
    tag="meter.readings_recorded.v1",
):
    """What one meter read; later facts for the same interval supersede earlier ones.

    `evidence_ppm`, of readings that come from telemetry: by register the share of their interval, in
    millionths, that was watched; what flowed in the rest is known in total and not when.
    """

    meter: str
    import_id: str
    runs: tuple[Run, ...]
    evidence_ppm: dict[Register, int] = {}

    def apply(self, state: Coverage | None) -> Coverage:
        return (state or Coverage()).after(self.runs)


class RecordReadings(msgspec.Struct, frozen=True, omit_defaults=True):
    """Store one block of a meter's readings within one UTC month (`YYYY-MM`).

    `evidence_ppm` as in `ReadingsRecorded`: of none, or of each register that is read.
    """

    meter: str
    month: str
    import_id: str
    runs: tuple[Run, ...]
    evidence_ppm: dict[Register, int] = {}

    @property
    def aggregate(self) -> str:
        return f"readings.{self.meter}_{self.month}"

    @property
    def reads(self) -> tuple[str, ...]:
        return (f"meter.{self.meter}",)

    def decide(self, _: object, others: Mapping[str, object]) -> tuple[ReadingsRecorded]:
        meter = known(others, f"meter.{self.meter}", History).latest.document
        for run in self.runs:
            validate(run, meter.spec)
            if run.start.strftime("%Y-%m") != self.month:
                raise Refused("readings", f"{run.start} is not in UTC month {self.month}", place=run.register)
        self._check_evidence()
        return (ReadingsRecorded(self.meter, self.import_id, self.runs, self.evidence_ppm),)

    def _check_evidence(self) -> None:
        if not self.evidence_ppm:
            return
        if self.evidence_ppm.keys() != {run.register for run in self.runs}:
            raise Refused("evidence_share", "of each register that is read", place="evidence_ppm")
        for register, ppm in self.evidence_ppm.items():
            if not 0 <= ppm <= _PPM:
                raise Refused("evidence_share", f"0 to {_PPM} millionths", place=f"evidence_ppm.{register}")
