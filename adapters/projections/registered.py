"""Registered documents of every kind and version, from parties to contracts and keys."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from adapters.events import Event
from adapters.postgres.database import Connection
from adapters.projections.projection import Projected
from dispatch.commissioning.report import CommissioningTested
from dispatch.forecasts.issued import ForecastIssued
from dispatch.health.alarm import AlarmAcknowledged, AlarmCleared, AlarmRaised
from dispatch.health.record import CapacityTested, HealthDayRecorded
from dispatch.planning.imposed_limit import LimitImposed
from dispatch.planning.plan_record import PlanMade, SitesPlanned
from dispatch.planning.storage_terms import StorageStated
from dispatch.planning.stored_seen import StoredSeen
from ledger.access import KeyGranted, KeyRevoked
from ledger.accounting.voucher_layout import VoucherLayoutPublished
from ledger.allocation.record import AllocationRecorded
from ledger.approval import ProposalApproved, ProposalMade, ProposalRejected
from ledger.book import BookFounded
from ledger.capital.record import CapitalRecorded
from ledger.contract_withdrawal import ContractWithdrawn
from ledger.device import DeviceRegistered
from ledger.exclusivity.published import ExclusivityPublished
from ledger.kpi.economics import EconomicsStated
from ledger.kpi.published_factors import EmissionFactorsPublished
from ledger.kpi.stated_availability import AvailabilityStated
from ledger.market_fact import MarketFactRecorded, MarketRulePublished
from ledger.meter import MeterRegistered
from ledger.month_close import MonthClosed
from ledger.netting import NettingAgreed, NettingRecorded
from ledger.party import PartyRegistered
from ledger.personal.person import ActorLinked, PersonErased, PersonKeyDestroyed, PersonRegistered
from ledger.published_tariff import TariffPublished
from ledger.reconciliation.record import ReconciliationRecorded
from ledger.recorded_exclusion import ExclusionRecorded
from ledger.recorded_service import ServiceScoreRecorded
from ledger.settlement.run import RunFinalised
from ledger.settlement.run_calendar import RunCalendarPublished
from ledger.settlement.voided import RunVoided
from ledger.signed_contract import ContractRegistered
from ledger.site import SiteRegistered
from ledger.site_milestone import MilestoneStated
from ledger.trading_unit import TradingUnitRegistered
from ledger.work_order import WorkAssigned, WorkCancelled, WorkDone, WorkOpened, WorkRated
from trading.award import AwardShared
from trading.clearing import ClearingRecorded
from trading.envelope import EnvelopeStated
from trading.published_market import MarketPublished
from trading.response_call import ResponseCallHeard
from trading.risk import PolicyApproved
from trading.webhook import WebhookRegistered

_Entry = tuple[object, datetime | None, datetime | None]


class Registered:
    """A row a version; a later version closes the row before it (`to_seq`), it never changes it."""

    name = "registered"
    tables = ("registered",)

    def project(self, connection: Connection, book: str, batch: Sequence[Projected]) -> None:
        """See `Projection.project`."""
        for item in batch:
            for event in item.envelope.events:
                entry = document_of(event)
                if entry is not None:
                    self._record(connection, book, item, *entry)

    @staticmethod
    def _record(
        connection: Connection,
        book: str,
        item: Projected,
        document: object,
        effective_from: datetime | None,
        effective_to: datetime | None,
    ) -> None:
        kind, _, name = item.aggregate.partition(".")
        connection.execute(
            "UPDATE ledger.registered SET to_seq = %s"
            " WHERE book = %s AND kind = %s AND id = %s AND to_seq IS NULL",
            [item.sequence, book, kind, name],
        )
        connection.execute(
            "INSERT INTO ledger.registered VALUES (%s, %s, %s, %s, %s, %s, %s, NULL, %s)",
            [
                book, kind, name, item.version, effective_from, effective_to, item.sequence,
                msgspec.json.encode(document).decode(),
            ],
        )  # fmt: skip


def document_of(event: Event) -> _Entry | None:
    """The document that an event registers and when it holds; None for other events."""
    match event:
        case BookFounded():
            return event.book, None, None
        case PartyRegistered():
            return event.party, event.period.start, event.period.end
        case MeterRegistered():
            return event.meter, event.period.start, event.period.end
        case DeviceRegistered():
            return event.device, event.period.start, event.period.end
        case SiteRegistered():
            return event.site, event.period.start, event.period.end
        case TariffPublished():
            return event.tariff, None, None
        case ContractRegistered() | ContractWithdrawn():
            return event.contract, event.period.start, event.period.end
        case KeyGranted():
            return {"grant": event.grant, "revoked": False}, None, None
        case KeyRevoked():
            return {"key_id": event.key_id, "revoked": True}, None, None
        case ProposalMade():
            return {"command": event.command, "prepared_by": event.prepared_by}, None, None
        case ProposalApproved():
            return {"status": "approved", "decided_by": event.approved_by, "reason": ""}, None, None
        case ProposalRejected():
            return {"status": "rejected", "decided_by": event.rejected_by, "reason": event.reason}, None, None
        case MarketRulePublished():
            return event.rule, event.period.start, event.period.end
        case MarketFactRecorded():
            return event.fact, event.fact.interval.start, event.fact.interval.end
        case RunCalendarPublished():
            return event.calendar, event.period.start, event.period.end
        case ExclusivityPublished():
            return event.policy, None, None
        case CapitalRecorded() | ExclusionRecorded() | ServiceScoreRecorded():
            return event, None, None
        case NettingAgreed() | NettingRecorded():
            return event, None, None
        case VoucherLayoutPublished():
            return event.layout, None, None
        case TradingUnitRegistered():
            return event.unit, event.period.start, event.period.end
        case AllocationRecorded():
            of = event.allocation.interval
            return event.allocation, of.start, of.end
        case RunFinalised():
            return {"final": event.run}, None, None
        case RunVoided():
            return event.void, None, None
        case EconomicsStated():
            return event.economics, None, None
        case EmissionFactorsPublished():
            return event.factors, None, None
        case AvailabilityStated():
            return event.availability, None, None
        case ReconciliationRecorded():
            return event.reconciliation, None, None
        case PersonRegistered() | ActorLinked() | PersonErased() | PersonKeyDestroyed():
            return event, None, None
        case MonthClosed():
            return event.closed, None, None
        case MarketPublished():
            return event.market, event.period.start, event.period.end
        case EnvelopeStated():
            return event.envelope, event.period.start, event.period.end
        case PolicyApproved():
            return event.policy, None, None
        case ClearingRecorded():
            return event.clearing, None, None
        case AwardShared():
            return event.award, None, None
        case ResponseCallHeard():
            return event.call, event.call.start, event.call.end
        case WebhookRegistered():
            return event.webhook, None, None
        case ForecastIssued():
            return event.forecast, event.forecast.start, event.forecast.end
        case StorageStated():
            return event.terms, event.period.start, event.period.end
        case StoredSeen():
            return event, None, None
        case LimitImposed():
            return event.limit, event.period.start, event.period.end
        case PlanMade():
            return event.head, None, None
        case SitesPlanned():
            return event, None, None
        case CommissioningTested():
            return event.report, None, None
        case AlarmRaised() | AlarmAcknowledged() | AlarmCleared() | MilestoneStated():
            return event, None, None
        case HealthDayRecorded() | CapacityTested():
            return event, None, None
        case WorkOpened() | WorkAssigned() | WorkDone() | WorkRated() | WorkCancelled():
            return event, None, None
        case _:
            return None
