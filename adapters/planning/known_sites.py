"""What the book knows of a portfolio's sites: registers, contracts and prices, each site by itself."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from adapters.integrity.registered_rows import Read, check_read
from adapters.planning import registers
from adapters.planning.demand_price import DemandPrice, demand_price
from adapters.planning.portfolio import Horizon, day_of, horizon_of_days
from adapters.planning.tariff_prices import Priced, by_wall_clock, prices_of
from adapters.postgres.database import Connection
from adapters.queries import registered
from adapters.queries.contracts_in_force import held_at
from adapters.queries.registered import Recorded, Register
from dispatch.optimiser.site import PLAN_STREAMS, PlanStream
from dispatch.plan_check import Whole
from dispatch.planning.imposed_limit import ImposedLimit
from dispatch.planning.storage_terms import StorageTerms
from ledger.contract import Contract
from ledger.meter import Meter
from ledger.refusal import Refused
from ledger.site import Site
from ledger.tariff import Tariff


class KnownSite(NamedTuple):
    """A site with all that is registered about it at the start of a horizon."""

    site: Recorded[Site]
    terms: Recorded[StorageTerms]
    imposed: tuple[Recorded[ImposedLimit], ...]
    contract: Recorded[Contract] | None
    tariff: Recorded[Tariff]
    meters: tuple[Meter, ...]
    priced: Priced
    demand: DemandPrice

    @property
    def rests_on(self) -> tuple[str, ...]:
        found = [f"site.{self.site.id}", f"storage.{self.terms.id}", f"tariff.{self.tariff.id}"]
        versions = [self.site.version, self.terms.version, self.tariff.version]
        if self.imposed:
            found.append(f"storage_limit.{self.imposed[-1].id}")
            versions.append(self.imposed[-1].version)
        if self.contract is not None:
            found.append(f"contract.{self.contract.id}")
            versions.append(self.contract.version)
        return tuple(f"{name} v{version}" for name, version in zip(found, versions, strict=True))

    @property
    def barred(self) -> frozenset[PlanStream]:
        """The streams that its contract forbids."""
        if self.contract is None:
            return frozenset()
        forbidden = self.contract.document.forbidden_streams
        return frozenset(stream for stream in PLAN_STREAMS if stream in forbidden)


class KnownSites:
    """The registers of a portfolio's sites as of a sequence number, read at once."""

    def __init__(
        self, connection: Connection, sites: tuple[str, ...], horizon: Horizon, position: int
    ) -> None:
        self._connection, self._horizon, self._position = connection, horizon, position
        self._sites = registers.of(connection, "site", Site, position, sites)
        self._terms = registers.of(connection, "storage", StorageTerms, position, sites)
        self._imposed = registers.of(connection, "storage_limit", ImposedLimit, position, sites)
        self._contracts = registers.contracts_of(connection, position, sites)
        self._tariffs = registered.load(connection, "tariff", Tariff, position)
        self._meters = _by_site(registers.meters_of(connection, position, sites), horizon.start)
        self._prices: dict[tuple[str, datetime, int, int], Priced] = {}

    def of(self, name: str) -> KnownSite:
        """What is known of a site.

        Raises:
            Refused: `unknown_site`, `storage_unstated`, `unknown_tariff`; what `prices_of` and `demand_price`
                refuse.
        """
        horizon = self._horizon
        site = self._sites.at(name, horizon.start)
        if site is None:
            raise Refused("unknown_site", f"no site {name!r} is registered at that time", place="site")
        terms = self._terms.at(name, horizon.start)
        if terms is None:
            command = f"wattledger storage terms {name} FILE --from DAY --as WHO"
            wrong = f"nobody stated what its storage may be used for: {command}"
            raise Refused("storage_unstated", wrong, place=f"site {name}")
        tariffs = self._tariffs.versions.get(site.document.tariff)
        if tariffs is None:
            wrong = f"no tariff {site.document.tariff!r} is published"
            raise Refused("unknown_tariff", wrong, place=f"site {name}")
        demand = demand_price(site.document, tariffs[-1].document, horizon)
        return KnownSite(
            site,
            terms,
            self._imposed.versions.get(name, ()),
            self._contract(name),
            tariffs[-1],
            self._meters.get(name, ()),
            self._priced(tariffs[-1], horizon),
            demand,
        )

    def terms_change(self, one: KnownSite, end: datetime) -> bool:
        """Whether other terms, or none, hold when a horizon ends."""
        return self._terms.at(one.site.id, end) is not one.terms

    def day_micro(self, one: KnownSite) -> Whole:
        """Buying prices of the local day on which the horizon begins, by its wall clock."""
        zone, step = one.site.document.zone, self._horizon.interval_s
        day = horizon_of_days(zone, day_of(zone, self._horizon.start), 1, step)
        return by_wall_clock(self._priced(one.tariff, day).buy_micro, day, zone)

    def check(self, known: Mapping[str, KnownSite]) -> None:
        """Raises:
        Discontinuity: a row that was read is not what was archived."""
        names: set[str] = set()
        for name, one in known.items():
            names |= {f"site.{name}", f"storage.{name}", f"tariff.{one.tariff.id}", f"storage_limit.{name}"}
            names |= {f"meter.{meter.id}" for meter in one.meters}
            if one.contract is not None:
                names.add(f"contract.{one.contract.id}")
        check_read(self._connection, Read(frozenset(names), frozenset()), self._position)

    def _contract(self, site: str) -> Recorded[Contract] | None:
        for versions in self._contracts.versions.values():
            held = held_at(versions, self._horizon.start)
            if held is not None and site in held.document.sites:
                return held
        return None

    def _priced(self, tariff: Recorded[Tariff], horizon: Horizon) -> Priced:
        """Many sites share a tariff."""
        key = (tariff.id, horizon.start, horizon.interval_s, horizon.count)
        if key not in self._prices:
            self._prices[key] = prices_of(tariff.document, horizon)
        return self._prices[key]


def _by_site(register: Register[Meter], instant: datetime) -> dict[str, tuple[Meter, ...]]:
    found: dict[str, tuple[Meter, ...]] = {}
    for name in sorted(register.versions):
        meter = register.at(name, instant)
        if meter is not None:
            site = meter.document.site
            found[site] = (*found.get(site, ()), meter.document)
    return found
