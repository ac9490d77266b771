"""The power behind a stream's energy: a kW of an interval has one set of commitments (DOMAIN.md 4, W)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Final, Literal

import numpy as np

from ledger.exclusivity.claim import Quantity
from ledger.exclusivity.grant import Grant
from ledger.interval import Interval
from ledger.refusal import Refused
from ledger.settlement.markets.case import Case, Whole

Energy = Literal["charge_wh", "discharge_wh"]

POWER_OF: Final[dict[Quantity, Quantity]] = {"discharge_wh": "up_w", "charge_wh": "down_w"}
"""The power that delivering an energy takes."""

_S_PER_HOUR: Final = 3600


def mean_w(case: Case, wh: Whole) -> Whole:
    """The mean power of each interval's Wh, rounded up, and at most the nameplate's.

    What a meter shows above the nameplate is measured, and cannot have been committed.
    """
    return at_most_installed(case, -(-wh * _S_PER_HOUR // case.interval_s))


def at_most_installed(case: Case, watts: Whole) -> Whole:
    """Power that a market was sold, as far as the storage has it."""
    capped: Whole = np.minimum(watts, case.site.storage_power_w)
    return capped


def kept_wh(case: Case, grant: Grant, energy: Quantity) -> Whole:
    """The Wh that a claim was granted and whose power it was granted too, per interval.

    Where power was refused, the Wh that the granted power gives, rounded down.
    """
    wh, power = grant.granted(energy), POWER_OF[energy]
    asked_w, got_w = grant.claim.asked(power), grant.granted(power)
    assert wh is not None
    assert asked_w is not None
    assert got_w is not None
    reached: Whole = np.minimum(wh, got_w * case.interval_s // _S_PER_HOUR)
    return np.where(got_w < asked_w, reached, wh)


def laid_out_w(
    case: Case, interval: Interval, wh: Sequence[Sequence[int]] | Whole, place: str
) -> tuple[slice, Whole]:
    """The power of schedules' equal steps at the meter's intervals of the settled time that they cover, a row
    a schedule.

    Steps that are shorter than the meter's intervals commit the largest power of each.

    Raises:
        Refused: `interval` for steps that neither divide the meter's intervals nor are made of them.
    """
    seconds = interval.seconds
    energy = np.array(wh, dtype=np.int64)
    step_s = seconds // energy.shape[1]
    watts = -(-energy * _S_PER_HOUR // step_s)
    settled = case.market.interval
    first, off = divmod(interval.start - settled.start, timedelta(seconds=case.interval_s))
    if off or (step_s % case.interval_s and case.interval_s % step_s) or seconds % case.interval_s:
        wrong = f"steps of {step_s} s from {interval.start} do not fit readings of {case.interval_s} s"
        raise Refused("interval", wrong, place=place)
    if step_s > case.interval_s:
        watts = np.repeat(watts, step_s // case.interval_s, axis=1)
    elif step_s < case.interval_s:
        watts = watts.reshape(len(watts), -1, case.interval_s // step_s).max(axis=2)
    begin, end = max(first, 0), min(first + watts.shape[1], len(case.discharge_wh))
    return slice(begin, max(begin, end)), watts[:, begin - first : max(begin, end) - first]
