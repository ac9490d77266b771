"""A site gateway's JSON: one run of readings, or a batch of them.

`{"meter": "M1", "register": "import", "start": "2026-08-01T00:00:00+08:00", "interval_s": 900,
"values": [1200, 1180, null], "quality": "A"}`, or `{"readings": [...]}` of up to 10,000 such bodies.
Values are whole Wh (varh of a reactive register); null is an interval without a value.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Final, TypeVar

import msgspec

from adapters.decoder_refusal import decoder_refusal
from adapters.meters.assembly import assemble
from adapters.meters.points import MISSING, Key, Points
from adapters.meters.profile import check_interval
from adapters.meters.report import Finding, Layout, Parsed, rejected_of
from ledger.interval import checked_year
from ledger.readings import RECEIVED_QUALITIES, WH_MAX, MeterSpec, Register, check_meter_id
from ledger.refusal import Refused

BATCH_MAX: Final = 10_000
"""Bodies in one batch."""

VALUES_MAX: Final = 44_640
"""Values of one body: a month of minutes."""


class GatewayReadings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Consecutive intervals of one register; types are strict: 5.0, "5" and true are not integers.

    `start` needs its UTC offset. `quality` is one letter for all values, or one letter for each (A, E,
    F, S, and N where the value is null).
    """

    meter: str
    register: Register
    start: datetime
    interval_s: int
    values: Annotated[tuple[int | None, ...], msgspec.Meta(min_length=1, max_length=VALUES_MAX)]
    quality: str = "A"

    def __post_init__(self) -> None:
        check_meter_id(self.meter)
        if self.start.tzinfo is None:
            raise Refused("naive_time", f"{self.start} has no UTC offset such as +08:00", place="start")
        checked_year(self.start, "start")
        if self.start.microsecond:
            raise Refused("misaligned_start", f"{self.start} is not a whole second", place="start")
        check_interval(self.interval_s)
        for number, value in enumerate(self.values):
            if value is not None and not 0 <= value <= WH_MAX:
                code = "negative_energy" if value < 0 else "reading_range"
                raise Refused(code, f"{value} is not 0..{WH_MAX}", place=f"values[{number}]")
        if len(self.quality) not in {1, len(self.values)} or not set(self.quality) <= {
            *RECEIVED_QUALITIES,
            MISSING,
        }:
            letters = ", ".join([*RECEIVED_QUALITIES, MISSING])
            reason = f"{self.quality[:20]!r} is not one letter of {letters}, or one for each value"
            raise Refused("quality", reason, place="quality")
        if self.quality == MISSING and any(value is not None for value in self.values):
            raise Refused("quality", "N says that there is no value, but there are values", place="quality")
        if len(self.quality) > 1:
            for number, (value, letter) in enumerate(zip(self.values, self.quality, strict=True)):
                if (value is None) != (letter == MISSING):
                    reason = f"{value} with quality {letter}: null goes with N"
                    raise Refused("quality", reason, place=f"values[{number}]")


class _Batch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    readings: Annotated[tuple[msgspec.Raw, ...], msgspec.Meta(min_length=1, max_length=BATCH_MAX)]


class GatewayJson(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="format", tag="gateway_json"
):
    """The gateway's body needs no settings."""

    def read(
        self, data: bytes, meters: Mapping[str, MeterSpec] | None, received_at: datetime | None = None
    ) -> Parsed:
        """Parse and validate a body or a batch; a body of a batch that does not hold is rejected alone.

        Raises:
            Refused: `json` for what is no JSON, and for a single body, or the batch itself, `field_missing`,
                `field_unknown`, `field_type`, `not_allowed` or the code of the rule that it breaks.
        """
        single = "readings" not in _decoded(data, dict[str, msgspec.Raw])
        bodies = (msgspec.Raw(data),) if single else _decoded(data, _Batch).readings
        points = Points()
        findings: list[Finding] = []
        for row, body in enumerate(bodies, 1):
            try:
                _add(_decoded(bytes(body), GatewayReadings), points, row)
            except Refused as refused:
                if single:
                    raise
                findings.append(Finding(row, refused.place, refused.code, refused.reason))
        assembled = assemble(points, meters, "any", received_at=received_at)
        findings.extend(assembled.findings)
        raw = {f.row: bytes(bodies[f.row - 1]).decode("utf-8", "replace").strip() for f in findings}
        return Parsed(
            runs=assembled.runs,
            rejected=rejected_of(findings, raw),
            gaps=assembled.gaps,
            duplicates=assembled.duplicates,
            rows=len(bodies),
            layout=Layout(),
        )


_T = TypeVar("_T")


def _decoded(body: bytes, kind: type[_T]) -> _T:
    """Raises:
    Refused: `json`, or what the decoder or an invariant finds wrong with a field."""
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as error:
        raise decoder_refusal(error, kind) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Refused("json", f"not valid JSON: {error}") from None


def _add(body: GatewayReadings, points: Points, row: int) -> None:
    group = points.group(Key(body.meter, body.register, body.interval_s))
    start_s = int(body.start.astimezone(UTC).timestamp())
    letters = body.quality if len(body.quality) > 1 else body.quality * len(body.values)
    for number, (value, letter) in enumerate(zip(body.values, letters, strict=True)):
        known = MISSING if value is None else letter
        points.add(group, start_s + number * body.interval_s, value or 0, known, row)
