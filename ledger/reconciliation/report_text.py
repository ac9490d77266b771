"""A reconciliation report as plain text for people."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Final
from zoneinfo import ZoneInfo

from ledger.interval import Interval
from ledger.quantity import Money
from ledger.reconciliation.bank_payment import Days
from ledger.reconciliation.line_report import LineReport
from ledger.reconciliation.lone_line import LoneLine, LonePart
from ledger.reconciliation.our_line import stream_of
from ledger.reconciliation.payment_report import (
    AmountDiffers,
    Booking,
    BookingClass,
    OpenMarket,
    OpenStatement,
    PaidStatements,
    PaymentReport,
)
from ledger.reconciliation.recorded_only import RecordedOnly


def line_report_text(report: LineReport, zone: ZoneInfo) -> str:
    """Totals, every difference with its causes, and what only one side has; times in `zone`."""
    equal = len(report.matched) - len(report.differences)
    total = report.operator_total - report.our_total
    compared = report.operator_total - report.our_compared
    lines = [
        f"{report.operator} against {report.ours}, {report.currency}",
        f"operator {report.operator_total:,}, ours {report.our_compared:,}, difference {compared:,}",
        *_beside(report),
        f"{equal} of {len(report.matched)} matches are equal",
        "",
        "Differences by cause (operator less ours)",
        *(f"  {kind:<18} {amount:>16,}" for kind, amount in report.by_class.items()),
    ]
    causes = (f"{cause:<18} {amount:>16,}" for cause, amount in report.by_cause.items())
    lines += _section("Lines that one side has, by cause (operator less ours)", causes)
    of_all = ", our other streams with it" if report.beside else ""
    lines += ["", f"Unexplained: {report.unexplained:,} of {total:,}{of_all}"]
    lines += _section("Differences", _differences(report, zone))
    lines += _section("Without money", _noted(report, zone))
    lines += _section("Only the operator has", (_lone(line, zone) for line in report.operator_only))
    lines += _section("Only we have", (_lone(line, zone) for line in report.ours_only))
    lines += _section("Not certain which belong together", _doubtful(report, zone))
    return "\n".join(lines) + "\n"


def _beside(report: LineReport) -> Iterable[str]:
    """What of ours the statement is not about, by stream."""
    sums: dict[str, Money] = {}
    for line in report.beside:
        stream = stream_of(line.item)
        sums[stream] = sums.get(stream, Money.zero(report.currency)) + line.amount
    if sums:
        named = ", ".join(f"{stream} {amount:,}" for stream, amount in sorted(sums.items()))
        yield f"beside it, of ours: {named}; the operator's statement is about {', '.join(report.streams)}"


def payment_report_text(report: PaymentReport) -> str:
    """Every booking under its class with the classes' sums, and what is still open."""
    count = sum(one.count for one in report.by_class.values())
    lines = [f"account {report.account}, {report.currency}: {report.file_total:,} moved by {count} bookings"]
    lines += [
        f"  {_TITLES[name]:<44} {one.count:>5} {one.amount:>16,}" for name, one in report.by_class.items()
    ]
    if report.recorded_not_at_bank:
        beyond = report.not_at_bank
        lines.append(f"beside them, recorded and not at the bank: {beyond.count}, {beyond.amount:,}")
    lines += _section(_TITLES["recorded"], map(_paid, report.recorded))
    lines += _section(_TITLES["to_record"], map(_paid, report.to_record))
    lines += _section(_TITLES["amount_differs"], map(_differs, report.amount_differs))
    lines += _section(_TITLES["doubtful"], map(_paid, report.doubtful))
    lines += _section(_TITLES["pays_nothing"], map(_booking, report.payments_only))
    lines += _section(_not_at_bank(report.days), map(_recorded_only, report.recorded_not_at_bank))
    still = "Still open, before what is not recorded yet"
    lines += _section(still, _each_open(report.statements_only, report.markets_only))
    return "\n".join(lines) + "\n"


_TITLES: Final[Mapping[BookingClass, str]] = {
    "known_before": "Matched in an earlier file",
    "recorded": "Recorded",
    "to_record": "Pays what is open, not recorded yet",
    "amount_differs": "Recorded with another amount",
    "doubtful": "Not certain what is meant",
    "pays_nothing": "Pays nothing that is open",
}


def _section(title: str, rows: Iterable[str]) -> list[str]:
    found = [f"  {row}" for row in rows]
    return ["", title, *found] if found else []


def _differences(report: LineReport, zone: ZoneInfo) -> Iterable[str]:
    for line in report.differences:
        where = _where(line.site, line.item, line.interval, zone)
        yield f"{where}: {line.operator_amount:,} - {line.our_amount:,} = {line.difference:,}"
        for part in line.parts:
            yield f"  {part.kind:<12} {part.amount:>14,}  {part.reason}"


def _noted(report: LineReport, zone: ZoneInfo) -> Iterable[str]:
    for line in report.matched:
        if line.note:
            yield f"{_where(line.site, line.item, line.interval, zone)}: {line.note}"


def _doubtful(report: LineReport, zone: ZoneInfo) -> Iterable[str]:
    for one in report.doubtful:
        theirs, ours = ", ".join(one.operator), ", ".join(one.ours)
        where = _where(one.site, one.item, one.interval, zone)
        yield f"{where}: {theirs} ({one.operator_amount:,}) and {ours} ({one.our_amount:,})"


def _lone(line: LoneLine, zone: ZoneInfo) -> str:
    where = _where(line.site, line.item, line.interval, zone)
    asked = f"; {line.ask}" if line.ask else ""
    start = f"{where}: {line.amount:,} ({line.reference})"
    if len(line.parts) == 1:
        return f"{start}: {_why(line.main)}{asked}"
    parts = "; ".join(f"{part.amount:,} {_why(part)}" for part in line.parts)
    return f"{start}, of which {parts}{asked}"


def _why(part: LonePart) -> str:
    return f"{part.kind.replace('_', ' ')}: {part.reason}" if part.kind != "unknown" else part.reason


def _where(site: str, item: str, interval: Interval, zone: ZoneInfo) -> str:
    return f"{site or 'all sites'}, {item}, {_time(interval.start, zone)} to {_time(interval.end, zone)}"


def _time(instant: datetime, zone: ZoneInfo) -> str:
    """The local day alone where it is a midnight."""
    local = instant.astimezone(UTC).astimezone(zone)
    return f"{local:%Y-%m-%d}" if (local.hour, local.minute) == (0, 0) else f"{local:%Y-%m-%d %H:%M}"


def _paid(one: PaidStatements) -> str:
    bookings = " + ".join(_booking(booking) for booking in one.bookings)
    paid = " + ".join([*_each_open(one.statements, one.markets), *one.recorded])
    return f"{bookings}{f' -> {paid}' if paid else ''}: {one.reason}"


def _differs(one: AmountDiffers) -> str:
    why = f"; {one.reason}" if one.reason and one.document != one.booking.reference else ""
    return (
        f"{_booking(one.booking)}: amount_differs: the bank has {one.booking.amount:,}, {one.document} is"
        f" recorded with {one.recorded:,}, difference {one.difference:,}{why}"
    )


def _not_at_bank(days: Days | None) -> str:
    return "Recorded, not at the bank" + ("" if days is None else f" ({days.first} to {days.last})")


def _recorded_only(one: RecordedOnly) -> str:
    who = "" if one.payer is None else f", {one.payer}"
    return (
        f"{one.on} {one.amount:,} ({one.document}, {one.kind.replace('_', ' ')}{who}): recorded_not_at_bank:"
        f" {one.reason}"
    )


def _booking(one: Booking) -> str:
    return f"{one.booked_on} {one.amount:,} ({one.reference or one.place})"


def _each_open(statements: Iterable[OpenStatement], markets: Iterable[OpenMarket]) -> Iterable[str]:
    yield from (f"{one.key.aggregate} {one.amount:,}" for one in statements)
    yield from (f"the market of {one.stream} for {one.month} {one.amount:,}" for one in markets)
