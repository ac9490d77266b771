"""Every kind of event of dispatch. A new kind is one line here and one file beside its siblings."""

from __future__ import annotations

from dispatch.forecasts.issued import ForecastIssued
from dispatch.planning.imposed_limit import LimitImposed
from dispatch.planning.plan_record import PlanMade, SitesPlanned
from dispatch.planning.storage_terms import StorageStated

DispatchEvent = ForecastIssued | LimitImposed | StorageStated | PlanMade | SitesPlanned
