"""The streams that markets and customers pay, settled together so that nothing is paid twice.

A new stream is one file here with `claims` and `earn`, and its line in `STREAMS`. Claims are decided by
the exclusivity matrix before anything is earned (DOMAIN.md 4).
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from ledger.exclusivity.claim import Claim, Storage
from ledger.exclusivity.conflict import Conflicts
from ledger.exclusivity.grant import grant_claims
from ledger.exclusivity.refused_part import RefusedPart, refused_parts
from ledger.settlement.markets.allocated import Allocated
from ledger.settlement.markets.capacity import Capacity
from ledger.settlement.markets.case import Case, MarketStream
from ledger.settlement.markets.demand_response import DemandResponse
from ledger.settlement.markets.regulation import Regulation
from ledger.settlement.markets.service import Service
from ledger.settlement.markets.spot import Spot
from ledger.streams.earned import Earned

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


def market_earnings(case: Case, conflicts: Conflicts) -> MarketEarnings:
    """What the markets paid one site's storage, nothing of it twice.

    Raises:
        Refused: what the streams refuse: a missing price, an award without its performance ...
    """
    claims = [claim for stream in STREAMS for claim in stream.claims(case)]
    spot = any(claim.stream == "spot" for claim in claims)
    if spot:
        claims.append(_bill_claim(case))
    granted = grant_claims(conflicts, _storage(case), claims, use="settlement")
    earned = [one for stream in STREAMS for one in stream.earn(case, granted)]
    refused = tuple(refused_parts(granted, but=_BILL))
    return MarketEarnings(tuple(earned), refused, retail=not spot or granted.of(_BILL).whole)


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
