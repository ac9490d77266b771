"""Which settlement run holds what the meter saw of a setpoint: the first that covers its site when it was
written."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

from dispatch.control.command_life import Command, settlement_name
from ledger.interval import Interval


class RunSpan(NamedTuple):
    """What a run, recorded at `sequence`, settled: its contract's sites from the first to the last of its
    days."""

    sequence: int
    contract: str
    month: str
    run: int
    sites: frozenset[str]
    covered: Interval

    @property
    def name(self) -> str:
        return settlement_name(self.contract, self.month, self.run)

    def covers(self, site: str, instant: datetime) -> bool:
        return site in self.sites and self.covered.start <= instant < self.covered.end

    def newly_covered(self, site: str, earlier: Iterable[RunSpan]) -> Interval | None:
        """The end of its days at a site that no earlier run of its month covered; None where all were."""
        begun = [one.covered.end for one in earlier if one.covers(site, self.covered.start)]
        start = max([self.covered.start, *begun])
        return Interval(start, self.covered.end) if start < self.covered.end else None


def utc_days(interval: Interval) -> tuple[date, ...]:
    """The UTC days that an interval touches.

    >>> at = datetime(2026, 7, 31, 16, tzinfo=UTC)
    >>> [str(day) for day in utc_days(Interval(at, at + timedelta(days=1)))]
    ['2026-07-31', '2026-08-01']
    """
    first = interval.start.astimezone(UTC).date()
    last = (interval.end.astimezone(UTC) - timedelta(microseconds=1)).date()
    return tuple(first + timedelta(days=number) for number in range((last - first).days + 1))


def settled_by(
    commands: Collection[Command], site_at: Callable[[datetime], str | None], spans: Iterable[RunSpan]
) -> dict[RunSpan, tuple[int, ...]]:
    """Of a device's commands that wait for it, the sequences that each run settles.

    `site_at`: where the device was registered at an instant. One that was never written is in none.
    """
    ordered = sorted(spans, key=lambda span: span.sequence)
    found: defaultdict[RunSpan, list[int]] = defaultdict(list)
    for one in commands:
        if not one.awaits_settlement or one.written_at is None:
            continue
        site = site_at(one.written_at)
        span = next((span for span in ordered if site and span.covers(site, one.written_at)), None)
        if span is not None:
            found[span].append(one.sequence)
    return {span: tuple(sorted(sequences)) for span, sequences in found.items()}
