"""Sites: where storage stands, and the grid account that it saves on."""

from __future__ import annotations

from typing import Self

import msgspec
from litestar import Response, post
from litestar.di import NamedDependency
from litestar.params import JSONBody

from adapters.http.intake import Intake, Stored
from adapters.http.price_text import PriceText
from adapters.http.problem import WRITE_PROBLEMS
from adapters.http.register import RecordedVersion, Registration
from adapters.http.registered_routes import registered_routes
from ledger.demand import DemandTerms
from ledger.grid_account import Account, Feeder, PowerFactorTerms
from ledger.site import MarketPoint, RegisterSite, Site
from ledger.stored_energy import Method
from ledger.tariff import Parts


class AccountBody(msgspec.Struct, frozen=True, kw_only=True):
    """A grid account; without `export_price` export is worth nothing.

    One supply has its `demand`; two or more have `feeders`, each with its own. A billing cycle begins on
    `anchor_day`, 1 to 28.
    """

    id: str
    zone: str
    parts: Parts
    demand: DemandTerms | None
    power_factor: PowerFactorTerms | None
    export_price: PriceText | None
    anchor_day: int = 1
    feeders: tuple[Feeder, ...] = ()


class SiteBody(msgspec.Struct, frozen=True, kw_only=True):
    """A site with its storage's nameplate energy (Wh) and power (W)."""

    id: str
    name: str
    zone: str
    storage_energy_wh: int
    storage_power_w: int
    tariff: str
    account: AccountBody
    stored_energy: Method = "proportional"
    market_point: MarketPoint | None = None

    def domain(self) -> Site:
        """Raises:
        Refused: as `Site` and `Account`."""
        a = self.account
        account = Account(
            id=a.id,
            zone=a.zone,
            parts=a.parts,
            demand=a.demand,
            power_factor=a.power_factor,
            export_price=None if a.export_price is None else a.export_price.domain(),
            anchor_day=a.anchor_day,
            feeders=a.feeders,
        )
        return Site(
            self.id,
            self.name,
            self.zone,
            self.storage_energy_wh,
            self.storage_power_w,
            self.tariff,
            account,
            self.stored_energy,
            self.market_point,
        )

    @classmethod
    def of(cls, site: Site) -> Self:
        a = site.account
        account = AccountBody(
            id=a.id,
            zone=a.zone,
            parts=a.parts,
            demand=a.demand,
            power_factor=a.power_factor,
            export_price=None if a.export_price is None else PriceText.of(a.export_price),
            anchor_day=a.anchor_day,
            feeders=a.feeders,
        )
        return cls(
            id=site.id,
            name=site.name,
            zone=site.zone,
            storage_energy_wh=site.storage_energy_wh,
            storage_power_w=site.storage_power_w,
            tariff=site.tariff,
            account=account,
            stored_energy=site.stored_energy,
            market_point=site.market_point,
        )


class SiteRegistration(Registration, frozen=True, kw_only=True):
    document: SiteBody


class SiteVersion(RecordedVersion, frozen=True, kw_only=True):
    document: SiteBody


@post(
    "/sites",
    summary="Register a site, or its next version",
    responses=WRITE_PROBLEMS,
    tags=["Master data"],
    sync_to_thread=True,
)
def register_site(intake: NamedDependency[Intake], data: JSONBody[SiteRegistration]) -> Response[Stored]:
    return intake.execute(RegisterSite(data.period, data.document.domain()))


ROUTES = (
    *registered_routes(
        "/sites",
        "site",
        Site,
        SiteVersion,
        lists=("list_sites", "Sites by id, each with the version recorded last"),
        shows=("show_site", "All recorded versions of a site"),
        tag="Master data",
        body=SiteBody.of,
    ),
    register_site,
)
