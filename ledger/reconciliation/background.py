"""What the ledger knows beside the lines: with it, a line that only one side has gets its cause."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, tzinfo
from types import MappingProxyType
from typing import NamedTuple

from ledger.interval import Interval
from ledger.reconciliation.unit_shares import UnitShares
from ledger.settlement.result import RefusedSpan


class Held(NamedTuple):
    """A contract that a site is or was under, and when."""

    contract: str
    interval: Interval


class Newest(NamedTuple):
    """The last recorded event that a site's lines rest on."""

    aggregate: str
    recorded_at: datetime


class Background(NamedTuple):
    """What is not given is not known, and explains nothing."""

    contract: str = ""
    """The one that is compared."""
    period: Interval | None = None
    """Its month."""
    zone: tzinfo = UTC
    """The clock of the dates in reasons."""
    cut_off: datetime | None = None
    """Up to when the operator knew things."""
    recorded_at: Mapping[str, datetime] = MappingProxyType({})
    """When each run of ours was recorded, by its name."""
    corrected: str = ""
    """What the compared run corrected of the run before it."""
    sites: Mapping[str, Sequence[Held]] | None = None
    """Every registered site."""
    refused: Sequence[RefusedSpan] = ()
    told: frozenset[tuple[str, str]] | None = None
    """The (site, stream) of which a market told anything in the month."""
    newest: Mapping[str, Newest] = MappingProxyType({})
    """By site."""
    unit_sites: Mapping[str, frozenset[str]] = MappingProxyType({})
    """All sites of each trading unit, by each name that an operator may have for it."""
    units: Mapping[tuple[str, str], UnitShares] = MappingProxyType({})
    """What was shared out in the month, by (name of the unit, stream)."""

    def span(self, interval: Interval) -> str:
        return f"{self.instant(interval.start)} to {self.instant(interval.end)}"

    def instant(self, instant: datetime) -> str:
        """On the clock of `zone`; the day alone where it is a midnight."""
        local = instant.astimezone(self.zone)
        return f"{local:%Y-%m-%d}" if (local.hour, local.minute) == (0, 0) else f"{local:%Y-%m-%d %H:%M}"
