"""A value report for people, and as a table."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from dispatch.value.losses import PARTS, WAYS, Loss, Part, Way
from dispatch.value.report import EnergyRow, ValueReport, ValueRow
from ledger.clauses.flow import grouped
from ledger.quantity import MINOR_DIGITS, decimal_text

_HEADS: Final[tuple[Way, ...]] = ("perfect", "plan", "award", "delivered", "settled")
_WHOLE_MONTH: Final = "the month"
_GAINED: Final[dict[Part, str]] = {
    "forecast": "what was planned a day at a time earned more",
    "bid": "what the market took earned more than what was planned",
    "availability": "what it could not follow of the award would have cost more than it brought",
    "dispatch": "as it ran, such as re-planned within the day, it earned more than by the award",
    "contract": "what is not shared had lost",
}
"""Why a part that loses as a rule may be below zero."""
_K: Final = 3
"""Digits by which Wh become kWh."""


def text(report: ValueReport, *, days: bool = True) -> str:
    """The report: by day, by stream and in all; what it is compared with; the losses."""
    span = f"{report.month} through {report.through}" if report.through else report.month
    out = [f"value of {report.contract} in {span}, {report.currency}", *_table(report, days=days)]
    out += [f"note: {note}" for note in report.notes]
    return "\n".join(out)


def _table(report: ValueReport, *, days: bool) -> Iterator[str]:
    digits = MINOR_DIGITS[report.currency]
    many = len({row.site for row in report.rows}) > 1
    names = (*_HEADS, "rule", "idle")
    head = "".join(f"{name:>14}" for name in names)
    if days:
        yield f"{'day':<16}{head}"
        for row in sorted(report.by("day"), key=lambda one: one.day or "~"):
            yield f"{row.day or _WHOLE_MONTH:<16}{_cells(row, digits)}"
    yield f"{'stream':<16}{head}"
    for row in sorted(report.by("stream"), key=lambda one: one.stream):
        yield f"{row.stream:<16}{_cells(row, digits)}"
    if many:
        yield f"{'site':<16}{head}"
        for row in report.by("site"):
            yield f"{row.site:<16}{_cells(row, digits)}"
    total = report.total
    yield f"{'in all':<16}{_cells(total, digits)}"
    best, settled = (_shown(total.worth[way], digits) for way in ("perfect", "settled"))
    yield f"lost of {best} to {settled}:"
    for loss in total.lost:
        yield f"  {' and '.join(loss.parts):<40}{_shown(loss.minor, digits):>14}"
        if loss.minor < 0:
            yield f"    a gain: {_GAINED[loss.parts[-1]]}"
    yield from _energy(report.energy)


def _cells(row: ValueRow, digits: int) -> str:
    worth: list[int | None] = [row.worth.get(way) for way in _HEADS]
    worth += [row.beside["rule"], row.beside["idle"]]
    return "".join(f"{'not known' if one is None else _shown(one, digits):>14}" for one in worth)


def _energy(rows: Sequence[EnergyRow]) -> Iterator[str]:
    names = ("plan", "award", "delivered")
    columns: list[list[tuple[int, int] | None]] = [
        [getattr(row, f"{name}_wh") for row in rows] for name in names
    ]
    parts = [f"{name} {_sums(column)}" for name, column in zip(names, columns, strict=True)]
    yield f"kWh charged / discharged: {', '.join(parts)}"


def _sums(column: Sequence[tuple[int, int] | None]) -> str:
    told = [one for one in column if one is not None]
    if len(told) < len(column):
        return "not known"
    charged, discharged = (sum(one[at] for one in told) for at in (0, 1))
    return f"{decimal_text(charged, _K)} / {decimal_text(discharged, _K)}"


def table(report: ValueReport) -> str:
    """CSV: a row a site, stream and day, money in major units; an empty day is the month's as a whole."""
    digits = MINOR_DIGITS[report.currency]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    lost = [f"lost_{part}" for part in PARTS]
    energy = [
        f"{name}_{way}_wh" for name in ("plan", "award", "delivered") for way in ("charge", "discharge")
    ]
    writer.writerow(["site", "stream", "day", "currency", *WAYS, "rule", "idle", *lost, *energy])
    by_day = {(row.site, row.day): row for row in report.energy}
    for row in report.rows:
        parts = {loss.parts[-1]: loss for loss in row.lost}
        told = {part: _of_part(parts, part, digits) for part in PARTS}
        worth = ["" if way not in row.worth else _money(row.worth[way], digits) for way in WAYS]
        others = [_money(row.beside["rule"], digits), _money(row.beside["idle"], digits)]
        writer.writerow(
            [
                row.site,
                row.stream,
                row.day,
                report.currency,
                *worth,
                *others,
                *told.values(),
                *_wh(by_day.get((row.site, row.day))),
            ]
        )
    return out.getvalue()


def _of_part(lost: Mapping[Part, Loss], part: Part, digits: int) -> str:
    """A part's money; parts that are told together stand under the last of them, the others are empty."""
    return _money(lost[part].minor, digits) if part in lost else ""


def _wh(row: EnergyRow | None) -> list[str]:
    if row is None:
        return [""] * 6
    told = (row.plan_wh, row.award_wh, row.delivered_wh)
    return [text for pair in told for text in (("", "") if pair is None else map(str, pair))]


def _shown(minor: int, digits: int) -> str:
    """As people read it."""
    return grouped(decimal_text(minor, digits))


def _money(minor: int, digits: int) -> str:
    return decimal_text(minor, digits)
