"""A response's storage Wh beside the paid ones: those inside its baseline, and those that make up for it.

The baseline of a grid meter holds habitual operation, so that only the increment is a response; the storage's
Wh below it are arbitrage's (DOMAIN.md 3.4, 4: E on kWh inside the baseline). Charging afterwards is the
response's rebound, which is blocked inside the demand charge's window (4, M x DR).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from math import ceil
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from ledger.exclusivity.claim import Claim, Quantity
from ledger.exclusivity.refused_part import RefusedPart
from ledger.interval import Interval, midnight, zone_of
from ledger.settlement.markets.case import Case, Whole
from ledger.settlement.site_notice import SiteNotice
from ledger.streams.demand_response import EventResult

_NAME_MAX: Final = 55


class Responded(NamedTuple):
    """An event as far as the storage goes: what was measured, its register, and the paid Wh of its own."""

    result: EventResult
    quantity: Quantity
    by_storage: Whole


class Inside(NamedTuple):
    """The storage's Wh that responses' baselines already contain, per settled interval."""

    charge_wh: Whole
    discharge_wh: Whole


def inside_baselines(case: Case, events: Sequence[Responded]) -> Inside:
    """Of events that were called together, the response is what the largest of their baselines shows.

    A load of 100 kWh and 40 out of the storage every day are a baseline of 60: when the storage gives all 100
    and the grid meter shows nothing, the response is 60, and 40 are inside the baseline.
    """
    found: dict[Quantity, Whole] = {}
    for quantity, metered in (("charge_wh", case.charge_wh), ("discharge_wh", case.discharge_wh)):
        response = np.full(len(metered), -1, dtype=np.int64)
        for one in events:
            if one.quantity == quantity and one.result.response_wh:
                rows = case.rows(one.result.window)
                measured = np.array([max(ceil(wh), 0) for wh in one.result.response_wh], dtype=np.int64)
                response[rows] = np.maximum(response[rows], measured)
        found[quantity] = np.where(response < 0, 0, np.maximum(metered - response, 0))  # type: ignore[index]
    return Inside(found["charge_wh"], found["discharge_wh"])


def rebound_claims(case: Case, events: Sequence[Responded]) -> list[Claim]:
    """What the storage charges after it discharged for a response, until as many Wh went in again, and no
    later than the end of the response's local day [D]; nobody pays it."""
    free = case.charge_wh.copy()
    claims: list[Claim] = []
    for one in events:
        owed = int(one.by_storage.sum())
        rows = _after(case, one.result.window)
        if one.quantity != "discharge_wh" or not owed or rows.start >= rows.stop:
            continue
        reached = np.minimum(np.cumsum(free[rows]), owed)
        charged = np.diff(reached, prepend=0)
        if charged.any():
            free[rows] -= charged
            claims.append(
                Claim(
                    id=f"{one.result.invitation[:_NAME_MAX]}-rebound",
                    stream="demand_response",
                    site=case.site.id,
                    purpose="rebound",
                    interval=_interval(case, rows),
                    charge_wh=charged,
                )
            )
    return claims


def rebound_intervals(case: Case, claims: Sequence[Claim]) -> npt.NDArray[np.bool_]:
    """Where the storage made up for responses."""
    found = np.zeros(len(case.charge_wh), dtype=np.bool_)
    for claim in claims:
        assert claim.charge_wh is not None
        found[case.rows(claim.interval)] |= claim.charge_wh > 0
    return found


def rebound_notices(refused: Sequence[RefusedPart]) -> tuple[SiteNotice, ...]:
    """A notice for each response whose rebound charged inside the demand charge's window.

    It happened, and what it raised the maximum demand by is in the demand charge's line, a cost.
    """
    blocked: dict[str, list[RefusedPart]] = {}
    for part in refused:
        if any(one.rule == "rebound_blocked" for one in part.against):
            blocked.setdefault(part.claim, []).append(part)
    return tuple(
        SiteNotice(
            "rebound_in_peak",
            f"{sum(one.refused for one in parts)} Wh of {claim} were charged from"
            f" {parts[0].interval.start.isoformat()} inside the window on which the demand charge depends,"
            " where a rebound is blocked; what they cost stands in the demand charge",
        )
        for claim, parts in blocked.items()
    )


def _after(case: Case, window: Interval) -> slice:
    zone = zone_of(case.site.zone)
    day = (window.end - timedelta(microseconds=1)).astimezone(zone).date()
    end = min(midnight(day + timedelta(days=1), zone), case.market.interval.end)
    step = timedelta(seconds=case.interval_s)
    first, last = ((instant - case.market.interval.start) // step for instant in (window.end, end))
    return slice(first, max(first, last))


def _interval(case: Case, rows: slice) -> Interval:
    start, step = case.market.interval.start, timedelta(seconds=case.interval_s)
    return Interval(start + rows.start * step, start + rows.stop * step)
