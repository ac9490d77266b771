"""A value report made ready for paper: which amounts stand on it, in which order, and by what name."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC
from fractions import Fraction
from typing import Final, Literal, NamedTuple

import msgspec

from adapters.documents.language import Wording
from dispatch.value.losses import WAYS
from dispatch.value.report import ValueReport, ValueRow
from ledger.interval import Instant
from ledger.quantity import Money, round_half_away

_LONGEST: Final = 1000
_BESIDE: Final[tuple[Literal["rule", "idle"], ...]] = ("rule", "idle")


class ValueDocument(msgspec.Struct, frozen=True, kw_only=True):
    """`subject` is the site or unit that the report is of, `recorded_at` when its last event was recorded."""

    report: ValueReport
    subject: str
    recorded_at: Instant
    issuer: str


class ValueBar(NamedTuple):
    """`permille` is the amount against the largest of its chart, with its sign."""

    label: str
    amount: Money
    permille: int


class ValueChart(NamedTuple):
    """Amounts side by side, under a heading; `upright` for days, of which there are many."""

    heading: str
    bars: tuple[ValueBar, ...]
    upright: bool = False


def facts(document: ValueDocument, words: Wording) -> list[tuple[str, str]]:
    """What the report is about, labelled."""
    report = document.report
    found = {
        "subject": document.subject,
        "contract": report.contract,
        "month": f"{report.month}, {report.through}" if report.through else report.month,
        "issuer": document.issuer,
        "recorded_at": f"{document.recorded_at.astimezone(UTC):%Y-%m-%d %H:%M:%S}",
        "currency": report.currency,
    }
    return [(words.label("field", name), value) for name, value in found.items()]


def ways(row: ValueRow, currency: str, words: Wording) -> list[tuple[str, Money]]:
    """What each way was worth that is known, the best first, then what it is compared with."""
    found = [(words.label("way", way), Money(row.worth[way], currency)) for way in WAYS if way in row.worth]
    return found + [(words.label("way", name), Money(row.beside[name], currency)) for name in _BESIDE]


def lost(report: ValueReport, words: Wording) -> list[tuple[str, Money]]:
    """What was lost of the best, part by part: their sum is the first way less the settled one."""
    joined = " + "
    return [
        (joined.join(words.label("loss", part) for part in loss.parts), Money(loss.minor, report.currency))
        for loss in report.total.lost
    ]


def charts(report: ValueReport, words: Wording) -> list[ValueChart]:
    """The ways, the losses, and what was settled by stream, by site where there are several, and by day."""
    currency = report.currency
    found = [
        ValueChart(words.label("heading", "ways"), _bars(ways(report.total, currency, words))),
        ValueChart(words.label("heading", "losses"), _bars(lost(report, words))),
    ]

    def settled(rows: Sequence[ValueRow], field: Literal["site", "stream", "day"]) -> tuple[ValueBar, ...]:
        named = [(str(getattr(row, field)), Money(row.worth["settled"], currency)) for row in rows]
        return _bars([(words.code(name) if field == "stream" else name, amount) for name, amount in named])

    found.append(ValueChart(words.label("heading", "stream"), settled(report.by("stream"), "stream")))
    sites = report.by("site")
    if len(sites) > 1:
        found.append(ValueChart(words.label("heading", "site"), settled(sites, "site")))
    days = sorted((row for row in report.by("day") if row.day), key=lambda row: row.day)
    if days:
        found.append(ValueChart(words.label("heading", "day"), settled(days, "day"), upright=True))
    return [one for one in found if one.bars]


def _bars(rows: Sequence[tuple[str, Money]]) -> tuple[ValueBar, ...]:
    largest = max((abs(amount.minor) for _, amount in rows), default=0)
    return tuple(
        ValueBar(label, amount, round_half_away(Fraction(amount.minor * _LONGEST, largest)) if largest else 0)
        for label, amount in rows
    )
