"""The 70 sites of the two portfolios as the demo's table has them, and what is registered of each."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Final, Literal

import msgspec

from adapters import portfolio_file
from adapters.portfolio_file import Portfolio
from ledger.demand import ActualDemand, CapacityCharge, ContractDemand, DemandTerms
from ledger.device import Device
from ledger.grid_account import Account, PowerFactorTerms
from ledger.meter import Meter, Position
from ledger.quantity import Price
from ledger.readings import Register
from ledger.refusal import Refused
from ledger.site import MarketPoint, Site

FOLDER: Final = Path(__file__).parents[2] / "examples/demo/portfolios"
SPOT_POINT: Final = MarketPoint("shandong", "province")
ZONE: Final = "Asia/Shanghai"
_FEED_IN: Final = Price.parse("0.4155", "CNY", "kWh")
"""Shanghai's benchmark price of coal power, at which surplus PV is bought."""
_METER_MARGIN: Final = 2
"""A meter's largest power over the site's own: readings above it are refused."""

Role = Literal["spot", "response", "second_response", "regulation", "service", "shave"]
"""What the storage does beside buying cheap and selling dear; `shave` cuts the site's peak."""


class RosterSite(msgspec.Struct, frozen=True, kw_only=True):
    """A line of the table; a site without `profile` is independent storage with no load of its own."""

    site: str
    portfolio: str
    profile: str
    peak_kw: int | None
    peak_kvar: int | None
    storage_kwh: int
    storage_kw: int
    tariff: str
    demand: Literal["actual", "contract", "capacity", "none"]
    contract_kw: int | None
    capacity_kva: int | None
    pv_kw: int | None
    roles: tuple[Role, ...]

    @property
    def meters(self) -> list[Meter]:
        """Its revenue meters: storage, load and PV where it has them."""
        reactive: tuple[Register, ...] = ("load", "reactive_lagging", "reactive_leading")
        found = [self._meter("storage", ("charge", "discharge"), self.storage_kw)]
        if self.peak_kw is not None:
            found.append(self._meter("load", reactive, self.peak_kw))
        if self.pv_kw is not None:
            found.append(self._meter("pv", ("pv",), self.pv_kw))
        return found

    def meter_id(self, position: Position) -> str:
        return f"{self.site}-{position.upper()}"

    @property
    def registered(self) -> Site:
        """The site with its storage and its account with the grid company."""
        return Site(
            self.site,
            f"{self.portfolio.title()} {self.site}",
            ZONE,
            self.storage_kwh * 1000,
            self.storage_kw * 1000,
            self.tariff,
            Account(
                id=f"A-{self.site}",
                zone=ZONE,
                parts="single_part" if self.demand == "none" else "two_part",
                demand=self._demand(),
                power_factor=None
                if self.peak_kw is None
                else PowerFactorTerms(
                    standard="0.85" if self.demand == "none" else "0.90", fund_in_base=False
                ),
                export_price=None if self.pv_kw is None else _FEED_IN,
            ),
            market_point=SPOT_POINT if "spot" in self.roles else None,
        )

    @property
    def device(self) -> Device:
        """Its converter."""
        return Device(f"{self.site}-PCS", self.site, "pcs", self.storage_kw * 1000, 0)

    def _demand(self) -> DemandTerms | None:
        match self.demand:
            case "actual":
                return ActualDemand()
            case "contract":
                assert self.contract_kw is not None
                assert self.capacity_kva is not None
                return ContractDemand(
                    contract_w=self.contract_kw * 1000, capacity_va=self.capacity_kva * 1000
                )
            case "capacity":
                assert self.capacity_kva is not None
                return CapacityCharge(capacity_va=self.capacity_kva * 1000)
            case "none":
                return None

    def _meter(self, position: Position, registers: tuple[Register, ...], peak_kw: int) -> Meter:
        limit = peak_kw * 1000 * _METER_MARGIN
        return Meter(self.meter_id(position), self.site, position, registers, 900, limit, ZONE)


def roster() -> tuple[RosterSite, ...]:
    """All sites, in the table's order.

    Raises:
        Refused: `roster` for a line that does not read.
    """
    with (FOLDER / "sites.csv").open(encoding="utf-8", newline="") as file:
        return tuple(_site(row, number) for number, row in enumerate(csv.DictReader(file), 2))


def portfolio(sites: tuple[RosterSite, ...]) -> Portfolio:
    """The book and the parties of `book.toml`, with the table's sites, meters and devices."""
    book = portfolio_file.parse((FOLDER / "book.toml").read_bytes())
    return msgspec.structs.replace(
        book,
        sites=tuple(one.registered for one in sites),
        meters=tuple(meter for one in sites for meter in one.meters),
        devices=tuple(one.device for one in sites),
    )


def _site(row: dict[str, str], number: int) -> RosterSite:
    stated: dict[str, object] = {
        name: value or None if name in _MAY_BE_EMPTY else value for name, value in row.items()
    }
    stated["roles"] = tuple(filter(None, row["roles"].split("+")))
    try:
        return msgspec.convert(stated, RosterSite, strict=False)
    except msgspec.ValidationError as error:
        raise Refused("roster", str(error), place=f"sites.csv:{number}") from None


_MAY_BE_EMPTY: Final = frozenset({"peak_kw", "peak_kvar", "contract_kw", "capacity_kva", "pv_kw"})
