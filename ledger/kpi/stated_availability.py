"""How long a site's storage was not available in a month: no meter tells it, so it is stated."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from ledger.command import known
from ledger.effective import History
from ledger.identity import checked_id
from ledger.interval import Month, zone_of
from ledger.refusal import Refused
from ledger.site import Site


class SiteAvailability(msgspec.Struct, frozen=True):
    """`unavailable_s` of the seconds of the site's local month; `evidence` is what proves it."""

    site: str
    month: Month
    unavailable_s: int
    evidence: str

    def __post_init__(self) -> None:
        checked_id(self.site, "site")
        if self.unavailable_s < 0:
            raise Refused("unavailable_time", f"{self.unavailable_s} s is below zero", place="unavailable_s")
        if not self.evidence.strip():
            raise Refused("evidence", "state what proves it, such as a ticket", place="evidence")


class AvailabilityStated(msgspec.Struct, frozen=True, tag_field="kind", tag="availability.stated.v1"):
    """A newer statement of the same site and month replaces the one before."""

    availability: SiteAvailability

    def apply(self, _: object) -> SiteAvailability:
        return self.availability


class StateAvailability(msgspec.Struct, frozen=True, tag_field="command", tag="availability.state"):
    """State how long a site's storage was not available in a month (DOMAIN.md 2.1 Q12)."""

    availability: SiteAvailability

    @property
    def aggregate(self) -> str:
        return f"availability.{self.availability.site}_{self.availability.month}"

    @property
    def reads(self) -> tuple[str, ...]:
        return (f"site.{self.availability.site}",)

    def decide(self, _: object, others: Mapping[str, object]) -> tuple[AvailabilityStated]:
        """Raises:
        Refused: `unknown_site`; `unavailable_time` for more than the month has."""
        stated = self.availability
        history = known(others, f"site.{stated.site}", History)
        site: Site = history.versions[-1].document
        whole = stated.month.interval(zone_of(site.zone)).seconds
        if stated.unavailable_s > whole:
            raise Refused(
                "unavailable_time",
                f"{stated.unavailable_s} s is more than {stated.month} has: 0 to {whole}",
                place="unavailable_s",
            )
        return (AvailabilityStated(stated),)
