"""Sites: where storage stands, what it is, and the grid account that it saves on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import get_args

import msgspec

from ledger.effective import History, Period, extended
from ledger.grid_account import Account
from ledger.identity import checked_id
from ledger.interval import zone_of
from ledger.refusal import Refused
from ledger.stored_energy import Method, Stored
from ledger.tariff import Tariff


class MarketPoint(msgspec.Struct, frozen=True):
    """Where the site's energy is priced on a spot market; `reference_node` where contracts settle there."""

    market: str
    node: str
    reference_node: str | None = None

    def __post_init__(self) -> None:
        checked_id(self.market, "market")
        checked_id(self.node, "node")
        if self.reference_node is not None:
            checked_id(self.reference_node, "reference_node")


class Site(msgspec.Struct, frozen=True):
    """A site: its storage's nameplate energy (Wh) and power (W), its account and that account's tariff.

    `stored_energy` says how a discharge is drawn from PV and grid energy (DOMAIN.md 3.2: proportional
    unless stated). `opening_stock` is what the storage held, as it will come out, when the first settled
    month began; None where nobody states it.
    """

    id: str
    name: str
    zone: str
    storage_energy_wh: int
    storage_power_w: int
    tariff: str
    account: Account
    stored_energy: Method = "proportional"
    market_point: MarketPoint | None = None
    opening_stock: Stored | None = None

    def __post_init__(self) -> None:
        checked_id(self.id, "site.id")
        checked_id(self.tariff, "site.tariff")
        zone_of(self.zone)
        if self.storage_energy_wh <= 0 or self.storage_power_w <= 0:
            raise Refused("nameplate", "the storage's energy and power are above zero", place="site")
        if self.stored_energy not in get_args(Method):
            raise Refused("not_allowed", f"one of {', '.join(get_args(Method))}", place="site.stored_energy")
        stock = self.opening_stock
        if stock is not None and stock.pv_wh + stock.grid_wh > self.storage_energy_wh:
            wrong = f"{stock.pv_wh + stock.grid_wh} Wh do not fit {self.storage_energy_wh} Wh of storage"
            raise Refused("stored_energy", wrong, place="site.opening_stock")
        if self.account.zone != self.zone:
            raise Refused("zone", "the account's zone is the site's", place="site.account.zone")


class SiteRegistered(msgspec.Struct, frozen=True, tag_field="kind", tag="site.registered.v1"):
    period: Period
    site: Site

    def apply(self, state: History[Site] | None) -> History[Site]:
        return extended(state, self.period, self.site)


class RegisterSite(msgspec.Struct, frozen=True):
    """Register a site, or a new version of one."""

    period: Period
    site: Site

    @property
    def aggregate(self) -> str:
        return f"site.{self.site.id}"

    @property
    def reads(self) -> tuple[str, ...]:
        return (f"tariff.{self.site.tariff}",)

    def decide(self, state: History[Site] | None, others: Mapping[str, object]) -> tuple[SiteRegistered]:
        """Raises:
        Refused: `zone` for a tariff on other clocks, where it is published, or another zone than an earlier
            version's, which stays in force for some time; `billing_anchor` for another anchor day than such a
            version's: days would be billed twice, or never."""
        tariff = others.get(self.reads[0])
        if isinstance(tariff, Tariff) and tariff.zone != self.site.zone:
            text = f"site {self.site.id} is in {self.site.zone}, tariff {tariff.id} in {tariff.zone}"
            raise Refused("zone", text, place="site.tariff")
        wanted = self.site.account.anchor_day
        newer = [self.period]
        for version in reversed(state.versions if state else ()):
            period, kept = version.period, version.document.account.anchor_day
            if any(_covers(one, period) for one in newer):
                continue
            if version.document.zone != self.site.zone:
                raise Refused(
                    "zone",
                    f"site {self.site.id} is in {version.document.zone} from {period.start:%Y-%m-%dT%H:%MZ}"
                    f" on; register it in {self.site.zone} from then on too, or under another id",
                    place="site.zone",
                )
            if kept != wanted:
                raise Refused(
                    "billing_anchor",
                    f"the account's cycle begins on day {kept}, which it keeps; where it changes, register"
                    " the site under another id from that day",
                    place="site.account.anchor_day",
                )
            newer.append(period)
        return (SiteRegistered(self.period, self.site),)


def _covers(newer: Period, older: Period) -> bool:
    """Whether nothing of `older` is in force any more."""
    if newer.end is not None and (older.end is None or newer.end < older.end):
        return False
    return newer.start <= older.start
