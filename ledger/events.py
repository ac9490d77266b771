"""Every kind of event there is. A new kind is one line here and one file beside its siblings."""

from __future__ import annotations

from ledger.access import KeyGranted, KeyRevoked
from ledger.access_seal import AccessLogSealed
from ledger.accounting.handover import HandoverRecorded
from ledger.accounting.market_receipt import MarketReceiptRecorded
from ledger.accounting.supplier_payment import SupplierPaymentRecorded
from ledger.accounting.voucher_layout import VoucherLayoutPublished
from ledger.allocation.record import AllocationRecorded
from ledger.approval import ProposalApproved, ProposalMade, ProposalRejected
from ledger.book import BookFounded
from ledger.capital.record import CapitalRecorded
from ledger.contract_withdrawal import ContractWithdrawn
from ledger.device import DeviceRegistered
from ledger.disclosure.record import DisclosureCommitted, DisclosureSealed
from ledger.exclusivity.published import ExclusivityPublished
from ledger.kpi.economics import EconomicsStated
from ledger.kpi.published_factors import EmissionFactorsPublished
from ledger.kpi.stated_availability import AvailabilityStated
from ledger.market_fact import MarketFactRecorded, MarketRulePublished
from ledger.meter import MeterRegistered
from ledger.meter_import import ImportAbandoned, ImportCompleted, ImportOpened, ReadingsRecorded
from ledger.metering.register_read import RegisterReadsRecorded
from ledger.metering.substitution import ReadingsSubstituted
from ledger.month_close import MonthClosed
from ledger.netting import NettingAgreed, NettingRecorded
from ledger.party import PartyRegistered
from ledger.personal.person import ActorLinked, PersonErased, PersonKeyDestroyed, PersonRegistered
from ledger.published_tariff import TariffPublished
from ledger.reconciliation.record import ReconciliationRecorded
from ledger.recorded_exclusion import ExclusionRecorded
from ledger.recorded_price import PricesRecorded
from ledger.recorded_service import ServiceScoreRecorded
from ledger.repair_record import BookRepaired
from ledger.request import RequestAnswered
from ledger.setting_record import SettingStated
from ledger.settlement.look_back import LookBackWaived
from ledger.settlement.run import RunFinalised, SettlementRecorded
from ledger.settlement.run_calendar import RunCalendarPublished
from ledger.settlement.voided import RunVoided
from ledger.signed_contract import ContractRegistered
from ledger.site import SiteRegistered
from ledger.site_milestone import MilestoneStated
from ledger.statement.dispute import DisputeCorrected, DisputeDecided, DisputeRaised
from ledger.statement.invoice_number import InvoiceNumberUsed, InvoiceReversed
from ledger.statement.issue import (
    StatementApproved,
    StatementConfirmed,
    StatementDeemedAccepted,
    StatementIssued,
    StatementReviewed,
)
from ledger.statement.money import InvoiceRecorded, PaymentRecorded
from ledger.statement.named_payment import PaymentNamed
from ledger.trading_unit import TradingUnitRegistered
from ledger.work_order import WorkAssigned, WorkCancelled, WorkDone, WorkOpened, WorkRated

Event = (
    BookFounded
    | PartyRegistered
    | SiteRegistered
    | MeterRegistered
    | DeviceRegistered
    | TariffPublished
    | ContractRegistered
    | ContractWithdrawn
    | ImportOpened
    | ImportCompleted
    | ImportAbandoned
    | ReadingsRecorded
    | RegisterReadsRecorded
    | ReadingsSubstituted
    | PricesRecorded
    | SettlementRecorded
    | KeyGranted
    | KeyRevoked
    | RequestAnswered
    | ProposalMade
    | ProposalApproved
    | ProposalRejected
    | RunFinalised
    | RunVoided
    | AccessLogSealed
    | LookBackWaived
    | StatementReviewed
    | StatementApproved
    | StatementIssued
    | StatementConfirmed
    | StatementDeemedAccepted
    | DisputeRaised
    | DisputeDecided
    | DisputeCorrected
    | InvoiceRecorded
    | PaymentRecorded
    | InvoiceNumberUsed
    | InvoiceReversed
    | PaymentNamed
    | MarketReceiptRecorded
    | SupplierPaymentRecorded
    | HandoverRecorded
    | MonthClosed
    | RunCalendarPublished
    | MarketRulePublished
    | MarketFactRecorded
    | ExclusivityPublished
    | ReconciliationRecorded
    | CapitalRecorded
    | TradingUnitRegistered
    | AllocationRecorded
    | VoucherLayoutPublished
    | ExclusionRecorded
    | ServiceScoreRecorded
    | NettingAgreed
    | NettingRecorded
    | EconomicsStated
    | EmissionFactorsPublished
    | AvailabilityStated
    | SettingStated
    | PersonRegistered
    | ActorLinked
    | PersonErased
    | PersonKeyDestroyed
    | BookRepaired
    | DisclosureCommitted
    | DisclosureSealed
    | MilestoneStated
    | WorkOpened
    | WorkAssigned
    | WorkDone
    | WorkRated
    | WorkCancelled
)
