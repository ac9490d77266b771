"""Every kind of event of dispatch. A new kind is one line here and one file beside its siblings."""

from __future__ import annotations

from dispatch.commissioning.report import CommissioningBegun, CommissioningTested
from dispatch.control.command_life import (
    CommandsSettled,
    ForeignWriterSeen,
    SetpointExpired,
    SetpointIntended,
    SetpointLeased,
    SetpointNotApplied,
    SetpointReadBack,
    SetpointRefused,
    SetpointSeen,
    SetpointWritten,
    WriteUncertain,
    WrittenFirst,
)
from dispatch.control.emergency import EmergencyEnded, EmergencyOrdered
from dispatch.control.fallback import FallbackAcknowledged, FallbackKept, FallbackStored
from dispatch.control.lease import LeaseReleased, LeaseRenewed, LeaseTaken
from dispatch.forecasts.issued import ForecastIssued
from dispatch.health.alarm import AlarmAcknowledged, AlarmCleared, AlarmRaised
from dispatch.health.record import CapacityTested, HealthDayRecorded
from dispatch.planning.imposed_limit import LimitImposed
from dispatch.planning.plan_record import PlanMade, SitesPlanned
from dispatch.planning.storage_terms import StorageStated
from dispatch.planning.stored_seen import StoredSeen

DispatchEvent = (
    ForecastIssued
    | LimitImposed
    | StoredSeen
    | StorageStated
    | PlanMade
    | SitesPlanned
    | LeaseTaken
    | LeaseRenewed
    | LeaseReleased
    | SetpointIntended
    | SetpointLeased
    | SetpointWritten
    | WriteUncertain
    | SetpointReadBack
    | SetpointNotApplied
    | ForeignWriterSeen
    | SetpointSeen
    | SetpointRefused
    | SetpointExpired
    | WrittenFirst
    | CommandsSettled
    | EmergencyOrdered
    | EmergencyEnded
    | FallbackStored
    | FallbackAcknowledged
    | FallbackKept
    | CommissioningBegun
    | CommissioningTested
    | AlarmRaised
    | AlarmAcknowledged
    | AlarmCleared
    | HealthDayRecorded
    | CapacityTested
)
