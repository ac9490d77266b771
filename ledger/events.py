"""Every kind of event there is. A new kind is one line here and one file beside its siblings."""

from __future__ import annotations

from ledger.access import KeyGranted, KeyRevoked
from ledger.approval import ProposalApproved, ProposalMade, ProposalRejected
from ledger.book import BookFounded
from ledger.device import DeviceRegistered
from ledger.meter import MeterRegistered
from ledger.meter_import import ImportAbandoned, ImportCompleted, ImportOpened, ReadingsRecorded
from ledger.party import PartyRegistered
from ledger.published_tariff import TariffPublished
from ledger.recorded_price import PricesRecorded
from ledger.request import RequestAnswered
from ledger.settlement.run import SettlementRecorded
from ledger.signed_contract import ContractRegistered
from ledger.site import SiteRegistered

Event = (
    BookFounded
    | PartyRegistered
    | SiteRegistered
    | MeterRegistered
    | DeviceRegistered
    | TariffPublished
    | ContractRegistered
    | ImportOpened
    | ImportCompleted
    | ImportAbandoned
    | ReadingsRecorded
    | PricesRecorded
    | SettlementRecorded
    | KeyGranted
    | KeyRevoked
    | RequestAnswered
    | ProposalMade
    | ProposalApproved
    | ProposalRejected
)
