"""Checks of a site's month of readings (DOMAIN.md 3.11). They find; they never change data."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from ledger.interval import Interval
from ledger.meter import Position
from ledger.meter_import import CLOCK_TOLERANCE, latest_end
from ledger.metering.finding import Check, MeterFinding, Unit
from ledger.metering.register_read import RegisterRead
from ledger.readings import FIRM_QUALITIES, REACTIVE, MeterSpec, Register, Run, Values

CLASS_PERMILLE: Final[dict[Position, int]] = {"grid": 5, "storage": 5, "load": 10, "pv": 10}
"""The limit of error by accuracy class: 0.5S where money is settled on it, 1 elsewhere."""

_BALANCE: Final[dict[tuple[Position, Register], int]] = {
    ("load", "load"): 1,
    ("load", "import"): 1,
    ("grid", "import"): 1,
    ("grid", "export"): -1,
    ("pv", "pv"): 1,
    ("storage", "discharge"): 1,
    ("storage", "charge"): -1,
}
"""Load on one side; on the other import + PV + discharge - charge - export."""

_SECOND: Final = timedelta(seconds=1)
_FIRM: Final = np.frombuffer("".join(sorted(FIRM_QUALITIES)).encode(), dtype=np.uint8)


class Received(NamedTuple):
    """A run as it arrived, and when it was recorded."""

    run: Run
    recorded_at: datetime


class RegisterMonth(NamedTuple):
    """One register of a meter: what holds (below zero: missing), its reads, all that was received in
    order of arrival."""

    spec: MeterSpec
    position: Position
    register: Register
    wh: Values
    reads: tuple[RegisterRead, ...]
    received: tuple[Received, ...]

    @property
    def unit(self) -> Unit:
        return "varh" if self.register in REACTIVE else "Wh"


class SiteMonth(NamedTuple):
    """The registers of a site's meters over `interval`, each with its meter's interval length."""

    interval: Interval
    rows: tuple[RegisterMonth, ...]


def validate_month(site: SiteMonth) -> list[MeterFinding]:
    """All findings, by check, then as the registers stand, then by time."""
    per_register = (_missing, _range, _monotone, _interval_sum, _clock, _duplicates)
    found = [finding for check in per_register for row in site.rows for finding in check(site.interval, row)]
    return [*found, *_energy_balance(site)]


def _missing(month: Interval, row: RegisterMonth) -> Iterator[MeterFinding]:
    for first, end in _stretches(row.wh < 0):
        yield _finding("missing", month, row, first, end, (0, end - first, 0), "count")


def _range(month: Interval, row: RegisterMonth) -> Iterator[MeterFinding]:
    """At most P_n x interval x 1.05."""
    for first, end in _stretches(row.wh > row.spec.wh_max):
        worst = int(row.wh[first:end].max())
        yield _finding("range", month, row, first, end, (worst, row.spec.wh_max, 0), row.unit)


def _monotone(month: Interval, row: RegisterMonth) -> Iterator[MeterFinding]:
    """An accumulating register never falls."""
    for before, after in _read_pairs(month, row):
        if after.total_wh < before.total_wh:
            between = int((after.at - before.at) / _SECOND) // row.spec.interval_s
            yield MeterFinding(
                "register_monotone", row.spec.meter, row.register, before.at, after.at, between,
                after.total_wh, before.total_wh, 0, row.unit,
            )  # fmt: skip


def _interval_sum(month: Interval, row: RegisterMonth) -> Iterator[MeterFinding]:
    """The intervals between two reads add up to their difference.

    Tolerance: a digit of the display, which is cut off, and half a Wh for each interval.
    """
    for before, after in _read_pairs(month, row):
        first, end = (_position(month, row, read.at) for read in (before, after))
        if first is None or end is None or (row.wh[first:end] < 0).any():
            continue
        measured, expected = int(row.wh[first:end].sum()), after.total_wh - before.total_wh
        tolerance = max(before.step_wh, after.step_wh) + -(-(end - first) // 2)
        if abs(measured - expected) > tolerance:
            values = (measured, expected, tolerance)
            yield _finding("interval_sum", month, row, first, end, values, row.unit)


def _clock(month: Interval, row: RegisterMonth) -> Iterator[MeterFinding]:
    """No interval ends after it was recorded, give or take the tolerance of `ledger.meter_import`."""
    for run, recorded_at in row.received:
        if run.end > latest_end(recorded_at):
            step = timedelta(seconds=run.interval_s)
            late = -(-(run.end - latest_end(recorded_at)) // step)
            start = max(run.start, run.end - late * step)
            if month.overlaps(Interval(start, run.end)):
                ahead = -(-(run.end - recorded_at) // _SECOND)
                yield MeterFinding(
                    "clock", row.spec.meter, row.register, start, run.end, (run.end - start) // step,
                    ahead, 0, CLOCK_TOLERANCE // _SECOND, "s",
                )  # fmt: skip


def _duplicates(month: Interval, row: RegisterMonth) -> Iterator[MeterFinding]:
    """An interval that was received again with the value and quality that held already."""
    held = np.full(len(row.wh), -1, dtype=np.int64)
    letters = np.zeros(len(row.wh), dtype=np.uint8)
    times = np.ones(len(row.wh), dtype=np.int64)
    for run, _ in row.received:
        offset = (run.start - month.start) // timedelta(seconds=run.interval_s)
        begin, end = max(offset, 0), min(offset + run.count, len(held))
        if begin < end:
            values = run.values[begin - offset : end - offset]
            quality = np.frombuffer(run.qualities.encode(), dtype=np.uint8)[begin - offset : end - offset]
            times[begin:end] += (held[begin:end] == values) & (letters[begin:end] == quality)
            holds = np.isin(quality, _FIRM) | ~np.isin(letters[begin:end], _FIRM)
            np.copyto(held[begin:end], values, where=holds)
            np.copyto(letters[begin:end], quality, where=holds)
    for begin, end in _stretches(times > 1):
        worst = int(times[begin:end].max())
        yield _finding("duplicate", month, row, begin, end, (worst, 1, 0), "count")


def _energy_balance(site: SiteMonth) -> Iterator[MeterFinding]:
    """load = import + PV + discharge - charge - export, within the meters' classes of accuracy.

    It says something only where the load and the grid connection are both metered. An interval in which
    a register is missing is not checked.
    """
    rows = [row for row in site.rows if (row.position, row.register) in _BALANCE]
    positions = {row.position for row in rows}
    if not {"load", "grid"} <= positions or len({len(row.wh) for row in rows}) != 1:
        return
    wh = np.stack([row.wh for row in rows])
    sign = np.array([_BALANCE[row.position, row.register] for row in rows], dtype=np.int64)
    permille = np.array([CLASS_PERMILLE[row.position] for row in rows], dtype=np.int64)
    load = np.array([row.position == "load" for row in rows], dtype=np.bool_)
    measured = wh[load].sum(axis=0)
    expected = (wh[~load] * sign[~load, None]).sum(axis=0)
    limit = (wh * permille[:, None]).sum(axis=0) // 1000 + -(-len(rows) // 2)
    off = ((wh >= 0).all(axis=0)) & (abs(measured - expected) > limit)
    step = timedelta(seconds=rows[0].spec.interval_s)
    for first, end in _stretches(off):
        worst = first + int(np.argmax(abs(measured - expected)[first:end]))
        yield MeterFinding(
            "energy_balance", None, None, site.interval.start + first * step,
            site.interval.start + end * step, end - first,
            int(measured[worst]), int(expected[worst]), int(limit[worst]), "Wh",
        )  # fmt: skip


def _read_pairs(month: Interval, row: RegisterMonth) -> Iterator[tuple[RegisterRead, RegisterRead]]:
    reads = (read for read in row.reads if month.start <= read.at <= month.end)
    yield from pairwise(sorted(reads, key=lambda read: read.at))


def _position(month: Interval, row: RegisterMonth, at: datetime) -> int | None:
    """The interval that starts at `at`; None for an instant inside one."""
    whole, rest = divmod(at - month.start, timedelta(seconds=row.spec.interval_s))
    return None if rest else whole


def _stretches(mask: npt.NDArray[np.bool_]) -> Sequence[tuple[int, int]]:
    """[first, end) of each unbroken stretch of true."""
    edges = np.flatnonzero(np.diff(mask.astype(np.int8), prepend=0, append=0)).tolist()
    return list(zip(edges[::2], edges[1::2], strict=True))


def _finding(
    check: Check,
    month: Interval,
    row: RegisterMonth,
    first: int,
    end: int,
    values: tuple[int, int, int],
    unit: Unit,
) -> MeterFinding:
    step = timedelta(seconds=row.spec.interval_s)
    return MeterFinding(
        check, row.spec.meter, row.register, month.start + first * step, month.start + end * step,
        end - first, *values, unit,
    )  # fmt: skip
