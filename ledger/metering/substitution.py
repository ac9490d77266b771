"""Substituted readings as facts: what stands in for a missing or a wrong value, how it came, and why."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from itertools import pairwise
from typing import Final, Literal, get_args

import msgspec

from ledger.command import known
from ledger.effective import History
from ledger.identity import checked_id
from ledger.interval import Interval
from ledger.metering.coverage import Coverage
from ledger.metering.method import Basis, ErrorMethod, Method, quality_of
from ledger.readings import Register, Run, instant_text, validate
from ledger.refusal import Refused

Replaces = Literal["missing", "estimate", "actual"]
"""What the preparer says is there: nothing at all; at most estimates; actual values of a faulty meter."""

REASON_MAX: Final = 2000


class ReadingsSubstituted(msgspec.Struct, frozen=True, tag_field="kind", tag="meter.readings_substituted.v1"):
    """Like readings that were recorded; an actual value that arrives later supersedes it.

    `interval` is the whole gap, `runs` the part of it in this UTC month. `levelling_wh` is what the
    registers say of the gap less what was substituted in all of it, for the monthly levelling (调平);
    None where no register reads tell.
    """

    meter: str
    register: Register
    interval: Interval
    method: Method
    basis: Basis
    replaces: Replaces
    runs: tuple[Run, ...]
    levelling_wh: int | None
    reason: str
    prepared_by: str

    def apply(self, state: Coverage | None) -> Coverage:
        return (state or Coverage()).after(self.runs)


class SubstituteReadings(msgspec.Struct, frozen=True, tag_field="command", tag="meter.substitute"):
    """Substitute values of one register within one UTC month; fields as in `ReadingsSubstituted`.

    It is decided on what the month holds when it takes effect: an actual value that arrived while the
    substitution waited for its approval is never superseded by it.
    """

    meter: str
    register: Register
    interval: Interval
    method: Method
    basis: Basis
    replaces: Replaces
    runs: tuple[Run, ...]
    levelling_wh: int | None
    reason: str
    prepared_by: str

    @property
    def month(self) -> str:
        """The UTC month, `YYYY-MM`."""
        return f"{self.runs[0].start:%Y-%m}" if self.runs else f"{self.interval.start:%Y-%m}"

    @property
    def aggregate(self) -> str:
        return f"readings.{self.meter}_{self.month}"

    @property
    def reads(self) -> tuple[str, ...]:
        return (f"meter.{self.meter}",)

    def decide(self, state: Coverage | None, others: Mapping[str, object]) -> tuple[ReadingsSubstituted]:
        """Raises:
        Refused: in this precedence `id`, `reason`, `replaces`, `substitute_runs`, what `validate` refuses
            (as for readings), `meter_error_period`, `actual_held`, `estimate_held`, `not_actual`."""
        checked_id(self.prepared_by, "prepared_by")
        meter = known(others, f"meter.{self.meter}", History).latest.document
        if not 0 < len(self.reason.strip()) <= REASON_MAX:
            raise Refused("reason", f"say why, in at most {REASON_MAX} characters", place="reason")
        if self.replaces not in get_args(Replaces):
            allowed = ", ".join(get_args(Replaces))
            raise Refused("replaces", f"{self.replaces!r} is not one of {allowed}", place="replaces")
        if isinstance(self.method, ErrorMethod) != (self.replaces == "actual"):
            raise Refused(
                "replaces",
                "actual values are replaced for a meter error, and by a method for one, only",
                place="replaces",
            )
        self._check_runs()
        for run in self.runs:
            validate(run, meter.spec)
        if isinstance(self.method, ErrorMethod):
            self._check_period(self.method.corrected)
        assert state is None or isinstance(state, Coverage), "the month's state tells what it holds"
        self._check_held(state or Coverage())
        return (ReadingsSubstituted(**{name: getattr(self, name) for name in self.__struct_fields__}),)

    def _check_runs(self) -> None:
        """That the runs are of this register, of the method's quality, and all of the gap in their month."""
        if not self.runs:
            raise Refused("substitute_runs", "at least one run", place="runs")
        quality, first, last = quality_of(self.method), self.runs[0], self.runs[-1]
        for run in self.runs:
            if (run.meter, run.register, run.quality) != (self.meter, self.register, quality):
                named = f"{self.meter} {self.register} of quality {quality}"
                raise Refused("substitute_runs", f"not of {named}", place=run.place)
        if any(before.end != after.start for before, after in pairwise(self.runs)):
            raise Refused("substitute_runs", "the runs do not follow each other", place=first.place)
        step = timedelta(seconds=first.interval_s)
        begins = first.start == self.interval.start or f"{first.start - step:%Y-%m}" < self.month
        ends = last.end == self.interval.end or f"{last.end:%Y-%m}" > self.month
        inside = self.interval.start <= first.start and last.end <= self.interval.end
        if not (begins and ends and inside) or f"{last.end - step:%Y-%m}" != self.month:
            raise Refused(
                "substitute_runs",
                f"the runs are not the part of {_text(self.interval)} in UTC month {self.month}",
                place="runs",
            )

    def _check_period(self, corrected: Interval) -> None:
        if not (corrected.start <= self.interval.start and self.interval.end <= corrected.end):
            raise Refused(
                "meter_error_period", f"this error is corrected in {_text(corrected)} only", place="interval"
            )

    def _check_held(self, coverage: Coverage) -> None:
        part = Interval(self.runs[0].start, self.runs[-1].end)
        firm = coverage.firm_in(self.register, part)
        estimated = coverage.estimated_in(self.register, part)
        if self.replaces == "actual":
            actual = coverage.actual_in(self.register, part)
            if sum(held.seconds for held in actual) != part.seconds:
                raise Refused(
                    "not_actual",
                    "a meter error corrects actual values, and some are missing, substituted or corrected"
                    " already",
                    place="interval",
                )
        elif firm:
            raise Refused(
                "actual_held",
                f"an actual value is held in {_text(firm[0])}: an estimate never replaces it",
                place="interval",
            )
        elif estimated and self.replaces == "missing":
            raise Refused(
                "estimate_held",
                f"an estimate is held in {_text(estimated[0])}: say replaces = estimate to replace it",
                place="replaces",
            )


def _text(interval: Interval) -> str:
    return f"{instant_text(interval.start)} to {instant_text(interval.end)}"
