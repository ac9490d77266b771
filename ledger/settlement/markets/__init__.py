"""The streams that markets and customers pay, settled together so that nothing is paid twice.

A new stream is one file here with `claims` and `earn`, and its line in `STREAMS`. Claims are decided by
the exclusivity matrix before anything is earned (DOMAIN.md 4).
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from ledger.clauses.flow import Notice
from ledger.exclusivity.claim import Claim, Storage
from ledger.exclusivity.conflict import Conflicts
from ledger.exclusivity.grant import Granted, grant_claims
from ledger.exclusivity.refused_part import RefusedPart, refused_parts
from ledger.settlement.markets.allocated import Allocated
from ledger.settlement.markets.capacity import Capacity
from ledger.settlement.markets.case import Case, MarketStream
from ledger.settlement.markets.demand_response import DemandResponse
from ledger.settlement.markets.regulation import Regulation
from ledger.settlement.markets.service import Service
from ledger.settlement.markets.spot import Spot
from ledger.settlement.markets.uncovered import uncovered_notices
from ledger.streams.earned import Earned
from ledger.streams.told_under import check_rule

STREAMS: Final[tuple[MarketStream, ...]] = (
    Regulation(),
    DemandResponse(),
    Spot(),
    Capacity(),
    Service(),
    Allocated(),
)

_BILL: Final = "bill"


class MarketEarnings(NamedTuple):
    """`retail` is False where the account's energy was settled on the spot market: its bill had no
    time-of-use price, so arbitrage, PV shift and interaction do not exist that month."""

    earned: tuple[Earned, ...]
    refused: tuple[RefusedPart, ...]
    retail: bool
    notices: tuple[Notice, ...] = ()


def market_earnings(case: Case, conflicts: Conflicts) -> MarketEarnings:
    """What the markets paid one site's storage, nothing of it twice.

    Raises:
        Refused: what the streams refuse: a missing price, an award without its performance ...; `fact_kind`
            for a fact that no stream would settle under its rule.
    """
    granted = decided(case, conflicts)
    earned = [one for stream in STREAMS for one in stream.earn(case, granted)]
    spot = any(grant.claim.stream == "spot" for grant in granted.grants)
    refused = tuple(refused_parts(granted, but=_BILL if spot else ""))
    retail = not spot or granted.of(_BILL).whole
    return MarketEarnings(tuple(earned), refused, retail, uncovered_notices(case))


def decided(case: Case, conflicts: Conflicts) -> Granted:
    """Every stream's claims on the storage, decided by the matrix.

    Raises:
        Refused: as `market_earnings`, before anything is earned.
    """
    for fact in case.market.facts:
        if fact.interval.overlaps(case.market.interval):
            check_rule(fact, case.market.rules[fact.rule])
    claims = [claim for stream in STREAMS for claim in stream.claims(case)]
    spot = any(claim.stream == "spot" for claim in claims)
    if spot:
        claims.append(_bill_claim(case))
    return grant_claims(conflicts, _storage(case), claims, use="settlement")


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


def _bill_claim(case: Case) -> Claim:
    """The account's retail energy price, which a spot month excludes (DOMAIN.md 4, A against SP)."""
    return Claim(
        id=_BILL,
        stream="arbitrage",
        site=case.site.id,
        purpose="bill",
        interval=case.market.interval,
        discharge_wh=case.discharge_wh,
        charge_wh=case.charge_wh,
    )
