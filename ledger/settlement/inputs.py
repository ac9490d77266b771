"""Everything that a contract's month is settled from, as the ledger knew it at one sequence number."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date
from functools import lru_cache
from typing import Final, Literal, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from ledger.billing_cycle import cycle_days
from ledger.clauses.facts import NO_FACTS, MonthFacts
from ledger.contract import Contract
from ledger.exclusivity.policy import Policy
from ledger.interval import Month
from ledger.metering.estimated_share import NOTHING_MEASURED, EstimatedShare
from ledger.power_factor import Reactive
from ledger.settlement.line import Source
from ledger.settlement.markets.month import MarketMonth, SpotPricesOf
from ledger.site import Site
from ledger.storage_saving import FeederEnergy
from ledger.stored_energy import Stored
from ledger.streams import Rule
from ledger.tariff import Tariff
from ledger.waterfall import PriorMonth

RULES_VERSION: Final = "2026-11.9"
"""Changes with every change to what the same inputs give; old runs keep theirs."""
_encode: Final = msgspec.json.Encoder(order="deterministic").encode


Part = Literal[
    "rule",
    "contract",
    "earlier_month",
    "site",
    "price",
    "meter",
    "market",
    "market_rule",
    "exclusivity",
    "capital",
    "exclusion",
    "service",
]
"""What a result depends on; a correction is labelled with the parts that changed."""


class MonthEnergy(NamedTuple):
    """The storage's two registers over the calendar month."""

    charge_wh: npt.NDArray[np.int64]
    discharge_wh: npt.NDArray[np.int64]


class SiteInputs(NamedTuple):
    """One site's billing cycle: energies per interval in Wh, each at least zero, nothing missing.

    `load_wh` is the site's net import without its storage (below zero is export); None where the site
    has neither a load nor a grid meter, and then only the direct form can be computed. Outside the
    contract's days charge and discharge are zero.
    """

    site: Site
    tariff: Tariff
    interval_s: int
    load_wh: npt.NDArray[np.int64] | None
    charge_wh: npt.NDArray[np.int64]
    discharge_wh: npt.NDArray[np.int64]
    reactive: Reactive | None
    sources: tuple[Source, ...]
    market: MarketMonth | None = None
    """None for a site of which no market told anything."""
    opening: Stored = Stored()
    """What its storage held at the month's start, by where it came from."""
    estimated: EstimatedShare = NOTHING_MEASURED
    """How much of its energy was estimated or substituted."""
    feeders: tuple[FeederEnergy, ...] = ()
    """Each supply feeder's part of load, charge and discharge; empty for an account with one supply."""
    month_energy: MonthEnergy | None = None
    """What markets settle, where the account's billing cycle is not the calendar month; None where it is."""
    opening_known: bool = True
    """False where no settled month came before, and the site does not state what its storage held."""


class Inputs(NamedTuple):
    """One contract's month."""

    contract: Contract
    month: Month
    position: int
    sites: tuple[SiteInputs, ...]
    prior: PriorMonth | None
    contract_source: Source
    policy: Policy | None = None
    """The exclusivity policy that the contract names; needed where a market told something."""
    facts: MonthFacts = NO_FACTS
    """What clauses rest on beside the pool, such as the parties' capital."""
    fact_sources: tuple[Source, ...] = ()
    """The events that recorded them."""
    through: date | None = None
    """The last day of a provisional run, with which `contract` ends too; None for the whole month."""
    owner: str = ""
    """The book's owner, who invoices and is invoiced; it never changes. Empty where it has no part."""

    def digests(self, *, claimed: bool) -> dict[Part, str]:
        """A digest of each part that the result depends on: what differs says why a run was corrected.

        The exclusivity policy is among them only where it decided something (`claimed`), and market rules
        only where they were used: publishing either leaves every other month alone. So does a tariff's next
        month: of a tariff the digest has what is in force in the months of the billing cycle.
        """
        sites = [(one.site, one.interval_s) for one in self.sites]
        found: dict[Part, str] = {
            "rule": _RULES_DIGEST,
            "contract": contract_digest(self.contract),
            "earlier_month": _sha(_encode([self.prior, [_opening(one) for one in self.sites]])),
            "capital": _sha(_encode(self.facts.capital)),
            "exclusion": _sha(_encode(self.facts.exclusions)),
            "service": _sha(_encode(self.facts.service)),
            "site": _sha(_encode([self.month, sites])),
            "price": _price_digest(self.sites, self.month),
            "meter": self._meter_digest(),
            "market": _sha(_encode([_told(one) for one in self.sites])),
        }
        if rules := self._market_rules():
            found["market_rule"] = rules
        if claimed:
            found["exclusivity"] = _sha(_encode(self.policy))
        return found

    def restated(self, before: Mapping[Part, str], tariffs: Mapping[str, Tariff]) -> dict[Part, str] | None:
        """The digests `before` of an earlier run, made of whole tariffs, as they are made now.

        `tariffs` are those that the run was settled with, by id. None where its digests are not of that kind,
        or the market's prices are others since.
        """
        if any(one.tariff.id not in tariffs for one in self.sites):
            return None
        sites = tuple(one._replace(tariff=tariffs[one.tariff.id]) for one in self.sites)
        prices = _spot_prices(sites)
        whole = [[_whole_digest(one.tariff), spot] for one, spot in zip(sites, prices, strict=True)]
        if _sha(_encode(whole)) != before.get("price"):
            return None
        return {**before, "price": _price_digest(sites, self.month)}

    def _market_rules(self) -> str:
        """The used market rules, each with the SHA-256 of its version, or of the sites' versions where they
        differ: `a:3f2...c9 b:77a...01`."""
        used: dict[str, list[tuple[int, Rule]]] = defaultdict(list)
        for number, one in enumerate(self.sites):
            for name, rule in ({} if one.market is None else one.market.used_rules).items():
                used[name].append((number, rule))
        return " ".join(f"{name}:{_sha(_encode(_one_or_each(own)))}" for name, own in sorted(used.items()))

    def _meter_digest(self) -> str:
        total = hashlib.sha256()
        for one in self.sites:
            total.update(_encode([one.reactive, one.estimated]))
            histories = () if one.market is None else one.market.readings()
            more = [profile for feeder in one.feeders for profile in feeder[1:]]
            more += one.month_energy or ()
            for profile in (one.load_wh, one.charge_wh, one.discharge_wh, *histories, *more):
                total.update(b"none" if profile is None else np.ascontiguousarray(profile, dtype="<i8").data)
        return total.hexdigest()


def contract_digest(contract: Contract) -> str:
    """SHA-256 of one version of a contract, by which a run names the version it was settled with."""
    return _sha(_encode(contract))


def digest_of(parts: Mapping[Part, str]) -> str:
    """SHA-256 over all parts; equal inputs give equal results anywhere."""
    return _sha(_encode(parts))


def _sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _spot_prices(sites: Sequence[SiteInputs]) -> list[msgspec.Raw | None]:
    """The published prices of each site, for a digest; what sites share is written once."""
    written: list[tuple[SpotPricesOf | None, msgspec.Raw]] = []
    found: list[msgspec.Raw | None] = []
    for market in (one.market for one in sites):
        if market is None:
            found.append(None)
            continue
        raw = next((raw for spot, raw in written if spot is market.spot), None)
        if raw is None:
            raw = msgspec.Raw(_encode(market.prices()))
            written.append((market.spot, raw))
        found.append(raw)
    return found


def _opening(one: SiteInputs) -> object:
    return [one.opening, one.opening_known]


def _told(one: SiteInputs) -> object:
    if one.market is None:
        return None
    told = [one.market.interval, one.market.facts]
    return [*told, *(part for part in (one.market.allocated, one.market.uncovered) if part)]


def _one_or_each(versions: list[tuple[int, Rule]]) -> object:
    first = versions[0][1]
    return first if all(rule == first for _, rule in versions) else versions


def _price_digest(sites: Sequence[SiteInputs], month: Month) -> str:
    tariffs = [tariff_digest(one.tariff, _priced(one, month)) for one in sites]
    return _sha(_encode(list(zip(tariffs, _spot_prices(sites), strict=True))))


def _priced(one: SiteInputs, month: Month) -> tuple[Month, ...]:
    """The months by whose prices the billing cycle is billed that ends in `month`."""
    first, _ = cycle_days(month, one.site.account.anchor_day)
    return tuple(dict.fromkeys((Month.of(first), month)))


@lru_cache(maxsize=256)
def tariff_digest(tariff: Tariff, months: tuple[Month, ...]) -> str:
    """SHA-256 of what settling the months reads of a tariff; a thousand sites share one."""
    whole = [tariff.id, tariff.parts, tariff.currency, tariff.calendar]
    return _sha(
        _encode([*whole, [[month, _periods(tariff, month), _prices(tariff, month)] for month in months]])
    )


def _periods(tariff: Tariff, month: Month) -> object:
    found = next((one.periods for one in tariff.schedules if one.covers(month)), None)
    if found is None:
        return None
    rules = [[one.period, one.days, one.hours] for one in found.rules if month.month in one.months]
    return [rules, found.otherwise]


def _prices(tariff: Tariff, month: Month) -> object:
    found = next((one for one in tariff.tables if one.start <= month < one.until), None)
    return None if found is None else [found.prices, found.components, found.demand, found.capacity]


@lru_cache(maxsize=64)
def _whole_digest(tariff: Tariff) -> str:
    return _sha(_encode(tariff))


_RULES_DIGEST: Final = _sha(_encode(RULES_VERSION))
