"""What a site's storage was seen to hold, recorded by its driver each quarter-hour: what a plan begins with.

Telemetry itself is no event and is not kept; a plan rests on events, so that it can be made again.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime

import msgspec

from ledger.command import known
from ledger.effective import History
from ledger.identity import checked_id
from ledger.interval import Instant
from ledger.refusal import Refused
from ledger.site import Site


class StoredSeen(msgspec.Struct, frozen=True, tag_field="kind", tag="stored.seen.v1"):
    """At `at` the storage held `stored_wh` and its devices could charge and discharge so much, W at the AC
    side, whatever they hold."""

    at: Instant
    stored_wh: int
    charge_w: int
    discharge_w: int

    def apply(self, _: StoredSeen | None) -> StoredSeen:
        return self


class SeeStored(msgspec.Struct, frozen=True):
    """Record what a registered site's storage holds now."""

    site: str
    seen: StoredSeen

    @property
    def aggregate(self) -> str:
        return stored_aggregate(self.site, self.seen.at.astimezone(UTC).date())

    @property
    def reads(self) -> tuple[str, ...]:
        return (f"site.{self.site}",)

    def decide(self, state: StoredSeen | None, others: Mapping[str, object]) -> tuple[StoredSeen]:
        """Raises:
        Refused: `unknown_site`; `stored_energy` beyond the nameplate; `negative` power; `exists` where what
            was seen at that time or later is recorded."""
        checked_id(self.site, "site")
        found: History[Site] = known(others, f"site.{self.site}", History)
        held = found.at(self.seen.at) or found.latest
        most = held.document.storage_energy_wh
        if not 0 <= self.seen.stored_wh <= most:
            raise Refused("stored_energy", f"0 to the nameplate's {most} Wh", place="stored_wh")
        for place in ("charge_w", "discharge_w"):
            if getattr(self.seen, place) < 0:
                raise Refused("negative", "power in W, from 0", place=place)
        if state is not None and self.seen.at <= state.at:
            raise Refused("exists", f"what was seen at {state.at.isoformat()} is recorded", place="at")
        return (self.seen,)


def stored_aggregate(site: str, day: date) -> str:
    """What was seen of a site on a UTC day."""
    return f"stored.{site}_{day}"


def slot_of(at: datetime, lead_s: int) -> datetime:
    """The begin of the quarter-hour that `at` is in, where they begin `lead_s` before the clock's."""
    second = int(at.timestamp()) + lead_s
    return datetime.fromtimestamp(second // 900 * 900 - lead_s, UTC)
