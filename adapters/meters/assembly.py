"""Candidate readings assembled into validated runs: each check keeps what holds and notes what does not."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from itertools import pairwise
from typing import Final, Literal

import msgspec
import numpy as np
import numpy.typing as npt

from adapters.meters.points import MISSING, Points
from adapters.meters.report import REJECTED_MAX, Duplicate, Finding, check_count
from adapters.meters.stamp import epoch_s
from ledger.interval import zone_of
from ledger.meter_import import latest_end, not_ended
from ledger.readings import Gap, MeterSpec, Register, Run, instant_text, run_of, validate

RowOrder = Literal["ascending", "descending", "any"]
"""How the rows of one register follow each other in time; `any` accepts a shuffled file."""

_MISSING: Final = ord(MISSING)
_GRID_S: Final = 900
"""Every present-day UTC offset is a multiple of this, so that finer alignment needs no zone."""

Ints = npt.NDArray[np.int64]
_Reason = Callable[[int], str]


class Assembled(msgspec.Struct, frozen=True):
    """Runs ordered by meter, register and start; findings by row."""

    runs: tuple[Run, ...]
    findings: tuple[Finding, ...]
    gaps: tuple[Gap, ...]
    duplicates: tuple[Duplicate, ...]


def assemble(
    points: Points,
    specs: Mapping[str, MeterSpec] | None,
    row_order: RowOrder = "ascending",
    dropped: Mapping[int, str] | None = None,
    received_at: datetime | None = None,
) -> Assembled:
    """The runs of all readings that hold, and a finding for each that does not.

    `specs` are the meters known to the ledger, `received_at` is when the file came; None checks only what
    the file shows by itself. `dropped` rows are refused as `ambiguous_time`. A reading is refused for the
    first reason of: `ambiguous_time`, `unknown_meter`, `unknown_register`, `interval_length`,
    `misaligned_start`, `above_device_limit`, `future_reading`, `time_goes_back`, `conflicting_duplicate`
    (every reading of that interval), `overlapping_interval`.

    Raises:
        Refused: `too_many_rejected`.
    """
    return _Assembly(points, specs).run(row_order, dropped or {}, received_at)


class _Assembly:
    """One pass over the columns; each step keeps what holds and notes what does not."""

    def __init__(self, points: Points, specs: Mapping[str, MeterSpec] | None) -> None:
        self._keys = points.keys
        self._specs = specs
        self._group, self._start, self._wh, self._quality, self._row = points.columns()
        self._findings: list[Finding] = []
        self._duplicates: list[Duplicate] = []
        self._step = np.array([key.interval_s for key in self._keys] or [1], dtype=np.int64)

    def run(self, row_order: RowOrder, dropped: Mapping[int, str], received_at: datetime | None) -> Assembled:
        if dropped:
            bad = np.isin(self._row, np.fromiter(dropped, dtype=np.int64))
            self._drop(bad, "ambiguous_time", lambda at: dropped[int(self._row[at])])
        self._check_registers()
        self._check_alignment()
        self._check_range()
        if received_at is not None:
            self._check_clock(received_at)
        self._group_rows()
        self._check_order(row_order)
        self._merge_duplicates()
        runs, gaps = self._cut()
        self._findings.sort(key=lambda finding: (finding.row, finding.column))
        self._duplicates.sort(key=lambda duplicate: duplicate.row)
        return Assembled(tuple(runs), tuple(self._findings), tuple(gaps), tuple(self._duplicates))

    def _check_registers(self) -> None:
        specs = self._specs
        if specs is None:
            return
        unknown: dict[int, str] = {}
        foreign: dict[int, str] = {}
        unlike: dict[int, str] = {}
        for group, key in enumerate(self._keys):
            spec = specs.get(key.meter)
            if spec is None:
                unknown[group] = f"meter {key.meter} is not registered"
            elif key.register not in spec.registers:
                foreign[group] = f"{key.register} is not one of the meter's: {', '.join(spec.registers)}"
            elif key.interval_s != spec.interval_s:
                unlike[group] = f"{key.interval_s} s is not the meter's interval of {spec.interval_s} s"
        self._drop(self._in_groups(unknown), "unknown_meter", self._by_group(unknown))
        self._drop(self._in_groups(foreign), "unknown_register", self._by_group(foreign))
        self._drop(self._in_groups(unlike), "interval_length", self._by_group(unlike))

    def _in_groups(self, groups: Mapping[int, str]) -> npt.NDArray[np.bool_]:
        if not groups:
            return np.zeros(len(self._group), dtype=np.bool_)
        return np.isin(self._group, np.fromiter(groups, dtype=np.int64))

    def _by_group(self, reasons: Mapping[int, str]) -> _Reason:
        return lambda at: reasons[int(self._group[at])]

    def _check_alignment(self) -> None:
        shift = np.zeros(len(self._step), dtype=np.int64)
        grid = np.gcd(self._step, _GRID_S)
        groups, first = np.unique(self._group, return_index=True)
        for group, at in zip(groups.tolist(), first.tolist(), strict=True):
            key = self._keys[group]
            if self._specs is not None and _GRID_S % key.interval_s:
                local = self._instant(at).astimezone(zone_of(self._specs[key.meter].zone))
                shift[group] = epoch_s(local.replace(tzinfo=None)) - int(self._start[at])
                grid[group] = key.interval_s
        self._drop(
            (self._start + shift[self._group]) % grid[self._group] != 0,
            "misaligned_start",
            lambda at: f"does not start an interval of {self._keys[self._group[at]].interval_s} s",
        )

    def _check_range(self) -> None:
        specs = self._specs
        if specs is None or not self._keys:
            return
        limit = np.array([s.wh_max if (s := specs.get(k.meter)) else 0 for k in self._keys], dtype=np.int64)
        self._drop(
            self._wh > limit[self._group],
            "above_device_limit",
            lambda at: (
                f"{int(self._wh[at])} Wh is above {int(limit[self._group[at]])} Wh,"
                " 1.05 x what the device can do in the interval"
            ),
        )

    def _check_clock(self, received_at: datetime) -> None:
        """Of an interval that has not ended there can be no value, only a cell without one."""
        latest_s = latest_end(received_at).timestamp()
        end_s = self._start + self._step[self._group]
        self._drop(
            (end_s > latest_s) & (self._quality != _MISSING),
            "future_reading",
            lambda at: not_ended(datetime.fromtimestamp(int(end_s[at]), UTC), received_at),
        )

    def _group_rows(self) -> None:
        """Bring the rows of one register together, in file order."""
        if (np.diff(self._group) < 0).any():
            narrow = np.uint16 if len(self._keys) <= np.iinfo(np.uint16).max else np.int64
            self._take(np.argsort(self._group.astype(narrow), kind="stable"))

    def _ordinal(self) -> Ints:
        """Times that never meet across registers: one axis for all of them."""
        if not len(self._start):
            return self._start
        low = int(self._start.min())
        return self._start - low + self._group * (int(self._start.max()) - low + 1)

    def _check_order(self, row_order: RowOrder) -> None:
        """Drop what is out of order, and bring the rest in order; a repeated interval is no matter of it."""
        if row_order == "descending":
            self._take(np.lexsort((-np.arange(len(self._group)), self._group)))
        ordinal = self._ordinal()
        back = ordinal < np.maximum.accumulate(ordinal) if len(ordinal) else np.zeros(0, dtype=np.bool_)
        if not back.any():
            return
        if row_order != "any":
            in_file_order = slice(None, None, -1 if row_order == "descending" else 1)
            _, firsts = np.unique(ordinal[in_file_order], return_index=True)
            firsts = np.sort(len(ordinal) - 1 - firsts if row_order == "descending" else firsts)
            once = ordinal[firsts]
            self._drop(
                np.isin(ordinal, once[once < np.maximum.accumulate(once)]),
                "time_goes_back",
                lambda _at: (
                    f"the rows of a register are not {row_order} in time; if the last interval of a day is "
                    "stamped 00:00 of the same day, set midnight_same_day, else row_order"
                ),
            )
        self._take(np.argsort(self._ordinal(), kind="stable"))

    def _merge_duplicates(self) -> None:
        ordinal = self._ordinal()
        again = np.concatenate(([False], np.diff(ordinal) == 0))[: len(ordinal)]
        if not again.any():
            return
        block = np.cumsum(~again) - 1
        first = np.flatnonzero(~again)[block]
        differs = (self._wh != self._wh[first]) | (self._quality != self._quality[first])
        conflict = np.isin(block, block[differs])
        repeat = again & ~conflict
        for at in np.flatnonzero(repeat):
            rows = sorted((int(self._row[at]), int(self._row[first[at]])))
            key = self._keys[self._group[at]]
            self._duplicates.append(Duplicate(key.meter, key.register, self._instant(at), rows[1], rows[0]))
        self._keep(~repeat)
        conflict, first, differs = conflict[~repeat], block[~repeat], differs[~repeat]
        self._drop(conflict, "conflicting_duplicate", self._contradiction(first, differs))

    def _contradiction(self, block: Ints, differs: npt.NDArray[np.bool_]) -> _Reason:
        """Names another row of the interval; `differs` says which rows are not as their block's first."""

        def reason(at: int) -> str:
            low, high = np.searchsorted(block, block[at]), np.searchsorted(block, block[at], side="right")
            other = int(low if differs[at] else low + np.flatnonzero(differs[low:high])[0])
            value = "nothing" if self._quality[other] == _MISSING else str(int(self._wh[other]))
            letter = chr(self._quality[other])
            return (
                f"row {int(self._row[other])} says {value} with quality {letter} for the same interval:"
                " keep the row that holds"
            )

        return reason

    def _cut(self) -> tuple[list[Run], list[Gap]]:
        spans = [(int(g), *self._span(int(g))) for g in np.unique(self._group)]
        self._keep(self._quality != _MISSING)
        step = self._step[self._group]
        joined = (np.diff(self._group) == 0) & (np.diff(self._start) == step[1:])
        edges = [0, *(np.flatnonzero(~joined) + 1).tolist(), len(self._group)] if len(self._group) else []
        runs: list[Run] = []
        last: dict[tuple[str, Register], tuple[datetime, int]] = {}
        pieces = sorted(pairwise(edges), key=self._run_order)
        for low, high in pieces:
            run = self._run(low, high)
            busy, by_row = last.get((run.meter, run.register), (run.start, 0))
            if run.start < busy:
                reason = f"overlaps the intervals from row {by_row}"
                self._note(range(low, high), "overlapping_interval", _always(reason))
                continue
            last[run.meter, run.register] = run.end, int(self._row[low])
            if self._specs is not None:
                validate(run, self._specs[run.meter])
            runs.append(run)
        return runs, self._gaps(runs, spans)

    def _run_order(self, piece: tuple[int, int]) -> tuple[str, str, int, int]:
        key = self._keys[self._group[piece[0]]]
        return key.meter, key.register, int(self._start[piece[0]]), key.interval_s

    def _run(self, low: int, high: int) -> Run:
        key = self._keys[self._group[low]]
        quality = self._quality[low:high].tobytes().decode("ascii")
        return run_of(
            key.meter, key.register, self._instant(low), key.interval_s, self._wh[low:high], quality
        )

    def _span(self, group: int) -> tuple[datetime, datetime]:
        low = int(np.searchsorted(self._group, group))
        high = int(np.searchsorted(self._group, group, side="right"))
        end = int(self._start[high - 1]) + self._keys[group].interval_s
        return self._instant(low), datetime.fromtimestamp(end, UTC)

    def _gaps(self, runs: list[Run], spans: list[tuple[int, datetime, datetime]]) -> list[Gap]:
        """Where a register has no value although the file spans that time for its meter.

        Ordered as the runs.
        """
        held: dict[tuple[str, Register], list[tuple[datetime, datetime]]] = {}
        covered: dict[str, tuple[datetime, datetime]] = {}
        for group, start, end in spans:
            key = self._keys[group]
            held[key.meter, key.register] = []
            low, high = covered.get(key.meter, (start, end))
            covered[key.meter] = min(low, start), max(high, end)
        for run in runs:
            held[run.meter, run.register].append((run.start, run.end))
        found: list[Gap] = []
        for (meter, register), pieces in sorted(held.items()):
            at, end = covered[meter]
            for low, high in [*pieces, (end, end)]:
                if low > at:
                    found.append(Gap(meter, register, at, low))
                at = high
        return found

    def _instant(self, at: int | np.intp) -> datetime:
        return datetime.fromtimestamp(int(self._start[at]), UTC)

    def _note(self, indices: Iterator[int] | range, code: str, reason: _Reason) -> None:
        for at in indices:
            if len(self._findings) > REJECTED_MAX:
                check_count(self._findings)
            key = self._keys[self._group[at]]
            place = f"{key.meter} {key.register} {instant_text(self._instant(at))}"
            self._findings.append(Finding(int(self._row[at]), place, code, reason(at)))

    def _drop(self, bad: npt.NDArray[np.bool_], code: str, reason: _Reason) -> None:
        if bad.any():
            self._note(map(int, np.flatnonzero(bad)), code, reason)
            self._keep(~bad)

    def _keep(self, mask: npt.NDArray[np.bool_]) -> None:
        if not mask.all():
            self._take(np.flatnonzero(mask))

    def _take(self, index: npt.NDArray[np.intp]) -> None:
        self._group, self._start = self._group[index], self._start[index]
        self._wh, self._quality, self._row = self._wh[index], self._quality[index], self._row[index]


def _always(reason: str) -> _Reason:
    return lambda _at: reason
