"""The streams that markets and customers pay, settled together so that nothing is paid twice.

A new stream is one file here with `claims` and `earn`, and its line in `STREAMS`. Claims are decided by
the exclusivity matrix before anything is earned (DOMAIN.md 4).
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from ledger.exclusivity.claim import Storage
from ledger.exclusivity.conflict import Conflicts
from ledger.exclusivity.grant import Granted, grant_claims
from ledger.exclusivity.refused_part import RefusedPart, refused_parts
from ledger.settlement.markets.agc import Agc
from ledger.settlement.markets.allocated import Allocated
from ledger.settlement.markets.bill import Left, bill_claims, left_of, spot_month
from ledger.settlement.markets.capacity import Capacity, ineligible_notices
from ledger.settlement.markets.case import Case, MarketStream
from ledger.settlement.markets.demand_response import DemandResponse, responded
from ledger.settlement.markets.regulation import Regulation
from ledger.settlement.markets.response_energy import (
    inside_baselines,
    rebound_claims,
    rebound_intervals,
    rebound_notices,
)
from ledger.settlement.markets.service import Service
from ledger.settlement.markets.spot import Spot
from ledger.settlement.markets.uncovered import uncovered_notices
from ledger.settlement.site_notice import SiteNotice
from ledger.streams.earned import Earned
from ledger.streams.regulation import RegulationRule
from ledger.streams.told_under import check_rule

STREAMS: Final[tuple[MarketStream, ...]] = (
    Regulation(),
    DemandResponse(),
    Spot(),
    Capacity(),
    Service(),
    Allocated(),
)
AGC: Final = Agc()
"""Energy under AGC, which claims what the other streams leave."""


class MarketEarnings(NamedTuple):
    """`retail` is False where the account's energy was settled on the spot market: its bill had no
    time-of-use price, so arbitrage, PV shift and interaction do not exist that month. `left` is what the
    matrix left of the bill's streams."""

    earned: tuple[Earned, ...]
    refused: tuple[RefusedPart, ...]
    retail: bool
    notices: tuple[SiteNotice, ...] = ()
    claimed: bool = False
    """Whether a stream claimed anything, so that the exclusivity policy had something to decide."""
    left: Left = Left()


def market_earnings(case: Case, conflicts: Conflicts) -> MarketEarnings:
    """What the markets paid one site's storage, nothing of it twice.

    Raises:
        Refused: what the streams refuse: a missing price, an award without its performance ...; `fact_kind`
            for a fact that no stream would settle under its rule.
    """
    granted = decided(case, conflicts)
    earned = [one for stream in STREAMS for one in stream.earn(case, granted)]
    earned += AGC.earn(case, granted)
    refused = tuple(refused_parts(granted, purposes=("market", "rebound")))
    notices = (*uncovered_notices(case), *ineligible_notices(case), *rebound_notices(refused))
    left = left_of(granted)
    claimed = not left.whole or any(grant.claim.purpose == "market" for grant in granted.grants)
    return MarketEarnings(tuple(earned), refused, not spot_month(granted), notices, claimed, left)


def decided(case: Case, conflicts: Conflicts) -> Granted:
    """Every stream's claims on the storage, decided by the matrix.

    Raises:
        Refused: as `market_earnings`, before anything is earned.
    """
    for fact in case.market.facts:
        if fact.interval.overlaps(case.market.interval):
            check_rule(fact, case.market.rules[fact.rule])
    storage = _storage(case)
    claims = [claim for stream in STREAMS for claim in stream.claims(case)]
    if case.rules(RegulationRule):
        committed = grant_claims(conflicts, storage, claims, use="settlement")
        claims += AGC.claims(case, committed)
    events = responded(case)
    rebounds = rebound_claims(case, events)
    made_up = rebound_intervals(case, rebounds)
    claims += [*rebounds, *bill_claims(case, conflicts, inside_baselines(case, events), made_up)]
    return grant_claims(conflicts, storage, claims, use="settlement")


def _storage(case: Case) -> Storage:
    count, power = len(case.discharge_wh), case.site.storage_power_w
    return Storage(
        site=case.site.id,
        start=case.market.interval.start,
        interval_s=case.interval_s,
        discharge_w_max=power,
        charge_w_max=power,
        account_month=np.zeros(count, dtype=np.int64),
        discharge_wh=case.discharge_wh,
        charge_wh=case.charge_wh,
        scheduled_w=np.zeros(count, dtype=np.int64),
    )
