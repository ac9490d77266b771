"""Spot energy that the market settled for a unit as one: each member's own energy and deviation."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from fractions import Fraction

import numpy as np

from ledger.allocation.spot import SpotTerms, Whole, allocate_spot, as_month
from ledger.allocation.unit_allocation import Taken
from ledger.allocation.unit_case import Case, Shared, SharedOut
from ledger.allocation.unit_fact import UnitSpot
from ledger.interval import Interval
from ledger.refusal import Refused
from ledger.split import largest_remainder


def shared_spot(case: Case, fact: UnitSpot) -> SharedOut:
    """Metered energy at the unit's node, and its deviation from its part of the schedule (DOMAIN.md 3.9).

    Raises:
        Refused: `unit_terms`, `meter_layout`, `interval`, `reading_missing`, `no_members`, and what
            `allocate_spot` refuses.
    """
    terms = case.unit.terms_of(SpotTerms)
    rows = {site: number for number, site in enumerate(case.standing)}
    scheduled = _schedules(case, fact, rows)
    energy = np.zeros(scheduled.shape, dtype=np.int64)
    for site, times in case.standing.items():
        profile = case.profile(site, own_account=True)
        if fact.step_s % profile.interval_s:
            wrong = f"readings of {profile.interval_s} s do not make up {fact.step_s} s"
            raise Refused("interval", wrong, place=f"site {site}")
        for time in times:
            rows_of = _periods(fact, time)
            each = fact.step_s // profile.interval_s
            metered = -profile.readings(time, f"energy of site {site}")
            energy[rows[site], rows_of] = metered.reshape(-1, each).sum(axis=1)
    month = as_month(
        [(site, energy[row], energy[row] - scheduled[row]) for site, row in rows.items()],
        price=np.array(fact.price, dtype=np.int64),
        deviation_price=np.array(fact.deviation_price, dtype=np.int64),
        scale=fact.scale,
    )
    found = allocate_spot(terms, fact.money("amount"), month)
    taken = {
        site: tuple(Taken(interval=time, sold="metered", values=()) for time in times)
        for site, times in case.standing.items()
    }
    notes = {
        site: f"metered {int(energy[row].sum())} Wh of {int(scheduled[row].sum())} Wh scheduled,"
        f" bears {found.borne_wh[site]} Wh of the unit's deviation"
        for site, row in rows.items()
    }
    shared = [Shared("energy", found.energy, ""), Shared("deviation", found.deviation, "")]
    measured: dict[str, list[object]] = {site: energy[row].tolist() for site, row in rows.items()}
    return SharedOut(shared, taken, notes, measured)


def _schedules(case: Case, fact: UnitSpot, rows: Mapping[str, int]) -> Whole:
    """Sites x periods: the unit's schedule by capability over who stands in the period, in whole Wh."""
    found = np.zeros((len(rows), len(fact.scheduled_wh)), dtype=np.int64)
    for piece in case.cut:
        weights = {member.site: Fraction(member.capability_w) for member in piece.members}
        periods = _periods(fact, piece.interval)
        for period in range(periods.start, periods.stop):
            wh = fact.scheduled_wh[period]
            if wh and not weights:
                raise Refused("no_members", "nobody stands behind the schedule", place=f"unit {case.unit.id}")
            for site, part in largest_remainder(wh, weights).items() if wh else ():
                found[rows[site], period] = part
    return found


def _periods(fact: UnitSpot, interval: Interval) -> slice:
    step = timedelta(seconds=fact.step_s)
    first, off = divmod(interval.start - fact.interval.start, step)
    count, over = divmod(interval.end - interval.start, step)
    if off or over:
        raise Refused("interval", f"{interval.start} to {interval.end} cuts a period", place="members")
    return slice(first, first + count)
