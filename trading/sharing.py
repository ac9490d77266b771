"""How a unit's awards are shared out: how much of each site one may believe in, and what it can do that day.

Credible capacity = capability x confidence is a weight; what may be promised of it is cut by the discount
(DOMAIN.md 3.9). Nothing of it is guessed: a unit without terms is not shared out.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Final

import msgspec

from ledger.allocation.disaggregation import BidTerms
from ledger.clauses.share import Portion, portion
from ledger.command import known
from ledger.effective import History, Period, extended
from ledger.identity import checked_id
from ledger.refusal import Refused
from ledger.trading_unit import TradingUnit
from trading.envelope import slots_of
from trading.product import Id

_STEP_W: Final = 1000
_WHOLE_MAX: Final = 2**40


class SharingTerms(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`confidence` holds for every site that `sites` does not name; `discount` of the credible capacity may
    be promised; shares are whole `step_w` (three decimals of a MW)."""

    discount: Portion
    confidence: Portion
    sites: dict[Id, Portion] = {}
    step_w: int = _STEP_W

    def __post_init__(self) -> None:
        BidTerms(discount=self.discount, step_w=self.step_w)
        portion(self.confidence, "confidence")
        for site, stated in self.sites.items():
            portion(stated, f"sites.{site}")

    @property
    def terms(self) -> BidTerms:
        return BidTerms(discount=self.discount, step_w=self.step_w)

    def confidence_of(self, site: str) -> Portion:
        return self.sites.get(site, self.confidence)


class AvailableSites(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What sites can do on a delivery day, in W a quarter-hour, where it is less than their capability."""

    sites: dict[Id, tuple[int, ...]]

    def __post_init__(self) -> None:
        for site, profile in self.sites.items():
            for number, power in enumerate(profile):
                if not 0 <= power <= _WHOLE_MAX:
                    raise Refused(
                        "site_availability", f"0 to {_WHOLE_MAX} W", place=f"sites.{site}[{number}]"
                    )


class SharingStated(msgspec.Struct, frozen=True, tag_field="kind", tag="sharing.stated.v1"):
    period: Period
    terms: SharingTerms

    def apply(self, state: History[SharingTerms] | None) -> History[SharingTerms]:
        return extended(state, self.period, self.terms)


class SitesAvailable(msgspec.Struct, frozen=True, tag_field="kind", tag="sharing.sites_available.v1"):
    """A later statement of the same unit and day replaces the one before."""

    available: AvailableSites

    def apply(self, _: object) -> AvailableSites:
        return self.available


class StateSharing(msgspec.Struct, frozen=True):
    """State how a unit's awards are shared out from an instant on."""

    unit: Id
    period: Period
    terms: SharingTerms

    @property
    def aggregate(self) -> str:
        return f"sharing.{self.unit}"

    @property
    def reads(self) -> tuple[str, ...]:
        return (f"trading_unit.{self.unit}",)

    def decide(self, _: object, others: Mapping[str, object]) -> tuple[SharingStated]:
        """Raises:
        Refused: `unknown_trading_unit`; `unknown_member` for a site that is none of the unit's."""
        checked_id(self.unit, "unit")
        _check_members(known(others, f"trading_unit.{self.unit}", History), self.terms.sites)
        return (SharingStated(self.period, self.terms),)


class StateAvailableSites(msgspec.Struct, frozen=True):
    """State what a unit's sites can do on one delivery day."""

    unit: Id
    day: date
    available: AvailableSites

    @property
    def aggregate(self) -> str:
        return available_aggregate(self.unit, self.day)

    @property
    def reads(self) -> tuple[str, ...]:
        return (f"trading_unit.{self.unit}",)

    def decide(self, _: object, others: Mapping[str, object]) -> tuple[SitesAvailable]:
        """Raises:
        Refused: `unknown_trading_unit`, `unknown_member`; `site_availability` for a profile that is not of
            the day's quarter-hours."""
        checked_id(self.unit, "unit")
        history: History[TradingUnit] = known(others, f"trading_unit.{self.unit}", History)
        _check_members(history, self.available.sites)
        slots = slots_of(history.latest.document.zone, self.day)
        for site, profile in self.available.sites.items():
            if len(profile) != slots:
                wrong = f"one power for each of {slots} quarter-hours, not {len(profile)}"
                raise Refused("site_availability", wrong, place=f"sites.{site}")
        return (SitesAvailable(self.available),)


def available_aggregate(unit: str, day: date) -> str:
    """The aggregate of what a unit's sites can do on a day.

    >>> available_aggregate("vpp-east", date(2026, 8, 3))
    'available_sites.vpp-east_2026-08-03'
    """
    return f"available_sites.{unit}_{day.isoformat()}"


def _check_members(history: History[TradingUnit], named: Mapping[str, object]) -> None:
    members = {member.site for version in history.versions for member in version.document.members}
    for site in named:
        if site not in members:
            raise Refused("unknown_member", f"{site} is no site of the unit", place=f"sites.{site}")
