"""A site's case with the peak target and the energy reserve in it: what a plan is made from where demand is
charged."""

from __future__ import annotations

from typing import Final

import msgspec
import numpy as np

from dispatch.plan_check import Whole
from dispatch.planning.reserve import PeakStorage, needed_wh, reachable_wh, reserve_wh, steadiest_w
from dispatch.planning.site_case import SiteCase
from ledger.refusal import Refused

_PERMILLE: Final = 1000
_PPM: Final = 1_000_000


class Caution(msgspec.Struct, frozen=True, kw_only=True):
    """In permille of the paths: how sure to be that the reserve suffices, and how many, the mildest, a target
    is raised for.

    `recharge_permille` of a recharge at dear hours is counted on; `later_ppm` makes each interval's price
    higher than the last one's, by so much of it: of equal hours the later one discharges, the earlier one
    charges.
    """

    reserve_permille: int = 1000
    hold_permille: int = 600
    recharge_permille: int = 500
    later_ppm: int = 100


_DEFAULT: Final = Caution()


class PeakCase(msgspec.Struct, frozen=True, eq=False):
    """What to plan, and the mean import that the guard holds until the next plan."""

    case: SiteCase
    target_w: int


def peak_storage(case: SiteCase) -> PeakStorage:
    """What of a site's storage shaves peaks.

    Raises:
        Refused: `peak_storage` for a storage without power or room.
    """
    limits = case.limits
    return PeakStorage(
        interval_s=limits.interval_s,
        charge_w=int(limits.charge_w_max.max()),
        discharge_w=int(limits.discharge_w_max.max()),
        usable_wh=limits.ceiling_wh - int(limits.floor_wh.max()),
        charge_efficiency_ppm=limits.charge_efficiency_ppm,
        discharge_efficiency_ppm=limits.discharge_efficiency_ppm,
    )


def peak_case(
    case: SiteCase, paths_w: Whole, target_w: int, caution: Caution = _DEFAULT, *, keep_load: bool = False
) -> PeakCase:
    """The case with a target of at least `target_w` and what must stay stored for it.

    `paths_w` is paths x intervals of load less PV; their mean becomes the case's load, but with `keep_load`,
    where a forecast tells it. The target is raised to the month's peak so far, and to what the stored energy
    can hold. A reserve that cannot be reached in time is asked for as far as it can.

    Raises:
        Refused: `series_shape` where the paths have other intervals; `peak_storage`.
    """
    limits = case.limits
    if paths_w.ndim != 2 or paths_w.shape[1] != case.count:
        raise Refused("series_shape", f"paths of {case.count} intervals", place=f"{case.id}.paths_w")
    storage = peak_storage(case)
    above = limits.start_wh - int(limits.floor_wh.max())
    recharge = np.where(_cheap(case), _PERMILLE, caution.recharge_permille)
    least = max(target_w, case.peak_w)
    target = steadiest_w(storage, paths_w, max(above, 0), least, caution.hold_permille, recharge)
    needed = needed_wh(storage, paths_w, target, recharge)
    expected = np.rint(paths_w.mean(axis=0)).astype(np.int64)
    load = np.maximum(expected, 0) + limits.pv_w
    if keep_load:
        load, expected = limits.load_w, limits.load_w - limits.pv_w
    kept = np.minimum(
        reserve_wh(storage, needed, caution.reserve_permille),
        reachable_wh(storage, expected, target, above),
    )
    later = _PPM + caution.later_ppm * np.arange(case.count)
    return PeakCase(
        msgspec.structs.replace(
            case,
            limits=msgspec.structs.replace(
                limits,
                load_w=load,
                floor_wh=limits.floor_wh + kept,
            ),
            buy_micro=case.buy_micro * later // _PPM,
            kept_wh=kept,
            peak_w=target,
        ),
        target,
    )


def _cheap(case: SiteCase) -> np.typing.NDArray[np.bool_]:
    """Where energy bought is worth more later in the horizon, after both losses, or is the cheapest."""
    limits = case.limits
    both = limits.charge_efficiency_ppm * limits.discharge_efficiency_ppm / _PPM**2
    price = case.buy_micro
    later = np.maximum.accumulate(price[::-1])[::-1]
    return np.asarray((price < later * both) | (price == price.min()))
