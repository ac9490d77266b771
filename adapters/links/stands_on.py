"""Meters and devices stand on a site, a site has its tariff, a trading unit and a contract their sites,
a market its operator."""

from __future__ import annotations

from collections.abc import Iterator

from adapters.events import Event
from adapters.links.link import Found, LinkKind
from ledger.device import DeviceRegistered
from ledger.envelope import Envelope
from ledger.meter import MeterRegistered
from ledger.signed_contract import ContractRegistered
from ledger.site import SiteRegistered
from ledger.trading_unit import TradingUnitRegistered
from trading.published_market import MarketPublished


def _found(_: str, envelope: Envelope[Event]) -> Iterator[Found]:
    for event in envelope.events:
        match event:
            case MeterRegistered():
                yield Found(f"site.{event.meter.site}")
            case DeviceRegistered():
                yield Found(f"site.{event.device.site}")
            case SiteRegistered():
                yield Found(f"tariff.{event.site.tariff}")
            case TradingUnitRegistered():
                yield from (Found(f"site.{member.site}") for member in event.unit.members)
                yield Found(f"party.{event.unit.operator}")
            case ContractRegistered():
                yield from (Found(f"site.{site}") for site in event.contract.sites)
                yield from (Found(f"party.{party}") for party in event.contract.party_ids)
            case MarketPublished():
                yield Found(f"party.{event.market.operator}")
            case _:
                pass


KIND = LinkKind(
    "stands_on",
    "carries",
    (
        MeterRegistered,
        DeviceRegistered,
        SiteRegistered,
        TradingUnitRegistered,
        ContractRegistered,
        MarketPublished,
    ),
    "the site, its tariff, the parties",
    _found,
)
