"""What markets told of sites that are under no contract in a month: money that would fall to nobody."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Final, Literal

import msgspec
import numpy as np
import numpy.typing as npt

from adapters.postgres.database import Connection
from adapters.queries import meter_month, registered
from adapters.queries.contracts_in_force import holding, local_month
from adapters.queries.kept import kept
from adapters.queries.meter_month import MISSING
from adapters.queries.read_ahead import ReadAhead
from adapters.queries.registered import Recorded, Register
from adapters.queries.site_layout import Registers, SiteLayout, meters_of_sites, site_layout
from adapters.queries.site_markets import SiteMarkets
from ledger.contract import Contract
from ledger.exclusivity.conflict import Conflicts
from ledger.exclusivity.policy import Policy
from ledger.interval import Month, zone_of
from ledger.meter import Meter
from ledger.quantity import Money
from ledger.refusal import Refused
from ledger.settlement.markets import market_earnings
from ledger.settlement.markets.case import Case
from ledger.site import Site
from ledger.stream import Stream
from ledger.streams import Rule, SiteFact
from ledger.streams.capacity_compensation import CapacityLeased, CapacityRule
from ledger.streams.demand_response import (
    DemandResponseOutage,
    DemandResponseRule,
    DemandResponseTopUpRule,
)
from ledger.streams.regulation import RegulationRule
from ledger.streams.service_income import ServiceRule
from ledger.streams.spot import SpotRule
from ledger.tariff import Tariff

POLICY: Final = "rule_based"
"""By which the amounts are found: nobody's contract names another one (DOMAIN.md 4: the default)."""

_STREAM_OF: Final[dict[type[Rule], Stream]] = {
    DemandResponseRule: "demand_response",
    DemandResponseTopUpRule: "demand_response",
    SpotRule: "spot",
    RegulationRule: "ancillary",
    CapacityRule: "capacity",
    ServiceRule: "service",
}
_PAY_NOTHING: Final = (CapacityLeased, DemandResponseOutage)
_decode: Final = msgspec.json.Decoder(SiteFact).decode
_TICK: Final = timedelta(microseconds=1)


class FallsToNobody(msgspec.Struct, frozen=True):
    """A stream of a site under no contract: the local days that facts are about, first and last, and what it
    would have earned. `amount` is None where that cannot be found; `reason` then says why."""

    site: str
    stream: Stream
    first_day: str
    last_day: str
    facts: tuple[str, ...]
    amount: Money | None
    reason: str = ""

    @property
    def words(self) -> str:
        worth = f"amount unknown: {self.reason}" if self.amount is None else f"{self.amount:,}"
        currency = "" if self.amount is None else f" {self.amount.currency}"
        days = self.first_day if self.first_day == self.last_day else f"{self.first_day} to {self.last_day}"
        return (
            f"site {self.site} is under no contract: {self.stream} of {days} ({', '.join(self.facts)})"
            f" falls to nobody, {worth}{currency}"
        )


def falls_to_nobody(
    connection: Connection, book: str, month: Month, position: int
) -> tuple[FallsToNobody, ...]:
    """Every stream of the month that was told of a site which no contract has in it, by site and stream."""
    contracts = registered.load(connection, "contract", Contract, position)
    sites = registered.load(connection, "site", Site, position)
    under = {
        site
        for versions in contracts.versions.values()
        if (held := holding(versions, month)) is not None
        for site in held.document.sites
    }
    free = [site for name in sites.versions if name not in under and (site := _standing(sites, name, month))]
    told = _told_of(connection, {site.id: site for site in free}, month, position)
    if not told:
        return ()
    rules: Register[Rule] = registered.load(connection, "market_rule", Rule, position)  # type: ignore[arg-type]
    streams = {name: _STREAM_OF[type(versions[-1].document)] for name, versions in rules.versions.items()}
    meters = registered.load(connection, "meter", Meter, position)
    register = Registers(
        contracts,
        sites,
        meters,
        registered.load(connection, "tariff", Tariff, position),
        meters_of_sites(meters),
    )
    policies = registered.load(connection, "exclusivity", Policy, position).versions.get(POLICY)
    policy = policies[-1].document if policies else None
    found: list[FallsToNobody] = []
    for name, facts in told.items():
        amounts: dict[Stream, Money] = {}
        reason = ""
        try:
            amounts = _amounts(connection, book, position, register, name, month, policy)
        except Refused as refused:
            reason = str(refused)
        for stream, (first, last, ids) in sorted(_days(facts, streams, sites, name, month).items()):
            amount = amounts.get(stream)
            why = reason if amount is not None or reason else "nothing of it is paid by itself"
            found.append(FallsToNobody(name, stream, first, last, ids, amount, why))
    return tuple(found)


def _standing(sites: Register[Site], name: str, month: Month) -> Recorded[Site] | None:
    newest = sites.versions[name][-1].document
    return sites.at(name, local_month(month, newest.zone).end - _TICK)


def _told_of(
    connection: Connection, free: Mapping[str, Recorded[Site]], month: Month, position: int
) -> dict[str, list[SiteFact]]:
    """What was told of these sites that is about the month and may pay, by site."""
    found: dict[str, list[SiteFact]] = defaultdict(list)
    if not free:
        return found
    spans = {name: local_month(month, site.document.zone) for name, site in free.items()}
    rows = connection.execute(
        "SELECT document::text FROM ledger.registered"
        " WHERE kind = 'market_fact' AND from_seq <= %(position)s"
        " AND (to_seq IS NULL OR to_seq > %(position)s)"
        " AND effective_from < %(end)s AND effective_to > %(start)s AND document->>'site' = ANY(%(sites)s)"
        " ORDER BY document->>'site', id",
        {
            "position": position,
            "start": min(span.start for span in spans.values()),
            "end": max(span.end for span in spans.values()),
            "sites": sorted(free),
        },
    )
    for (text,) in rows:
        fact = kept(_decode, text, "table registered, market_fact")
        if fact.interval.overlaps(spans[fact.site]) and not isinstance(fact, _PAY_NOTHING):
            found[fact.site].append(fact)
    return found


def _days(
    facts: Sequence[SiteFact], streams: Mapping[str, Stream], sites: Register[Site], name: str, month: Month
) -> dict[Stream, tuple[str, str, tuple[str, ...]]]:
    """By stream the first and last local day of the month that something was told about, and the facts."""
    zone = sites.versions[name][-1].document.zone
    span = local_month(month, zone)
    of_stream: dict[Stream, list[tuple[str, str, str]]] = defaultdict(list)
    for fact in facts:
        first = max(fact.interval.start, span.start).astimezone(zone_of(zone)).date()
        last = (min(fact.interval.end, span.end) - _TICK).astimezone(zone_of(zone)).date()
        of_stream[streams[fact.rule]].append((str(first), str(last), fact.id))
    return {
        stream: (min(one[0] for one in told), max(one[1] for one in told), tuple(one[2] for one in told))
        for stream, told in of_stream.items()
    }


def _amounts(
    connection: Connection,
    book: str,
    position: int,
    register: Registers,
    name: str,
    month: Month,
    policy: Policy | None,
) -> dict[Stream, Money]:
    """What the site's streams would have earned in the whole month."""
    if policy is None:
        text = (
            f"no exclusivity policy {POLICY} is published: publish it, such as by"
            " wattledger register exclusivity examples/exclusivity/rule_based.toml"
        )
        raise Refused("exclusivity_missing", text)
    layout = site_layout(register, name, month)
    markets = SiteMarkets(connection, book, position, [[layout]], month, ())
    market = markets.take([layout], ReadAhead(connection, book, position)).of(layout, layout.month)
    assert market is not None, "something was told of the site"
    charge = _storage_wh(connection, book, position, layout, "charge")
    discharge = _storage_wh(connection, book, position, layout, "discharge")
    case = Case(
        layout.site.document, layout.tariff.document, month, layout.interval_s, charge, discharge, market, {}
    )
    amounts: dict[Stream, Money] = {}
    for one in market_earnings(case, Conflicts(policy)).earned:
        amounts[one.stream] = amounts.get(one.stream, Money.zero(one.amount.currency)) + one.amount
    return amounts


def _storage_wh(
    connection: Connection, book: str, position: int, layout: SiteLayout, name: Literal["charge", "discharge"]
) -> npt.NDArray[np.int64]:
    keys = [(meter.id, name) for meter in layout.storage]
    read = meter_month.load(connection, book, keys, layout.month, layout.interval_s, position)
    if (read.wh == MISSING).any():
        raise Refused("missing_readings", f"register {name} has gaps", place=f"site {layout.site.id}")
    total: npt.NDArray[np.int64] = read.wh.sum(axis=0)
    return total
