"""The limits that a site's plan keeps: its storage's terms and its connection's, with what is imposed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

import msgspec
import numpy as np

from adapters.planning.known_sites import KnownSite
from adapters.planning.portfolio import Horizon, local_days
from adapters.planning.site_power import Expected
from adapters.planning.starts import Start
from adapters.queries.registered import Recorded, last_holding
from dispatch.plan_check import SiteLimits
from dispatch.planning.imposed_limit import ImposedLimit

_FIELDS: Final = ("charge_w", "discharge_w", "import_w", "export_w")


def limits_of(
    one: KnownSite, power: Expected, horizon: Horizon, start: Start, used_wh: int, now: datetime | None
) -> SiteLimits:
    """`used_wh`: what the local day of the start has taken out of the cells before it. `now`: when the plan
    is made."""
    terms, count = one.terms.document, horizon.count
    ramp = terms.ramp_w_per_min
    day, most = local_days(horizon, one.site.document.zone), terms.day_discharge_wh
    each = None if most is None else (max(0, most - used_wh), *(most,) * int(day[-1]))
    limits = SiteLimits(
        id=one.site.id,
        interval_s=horizon.interval_s,
        load_w=power.load_w,
        pv_w=np.maximum(power.pv_w, 0),
        import_w_max=np.full(count, terms.import_w, dtype=np.int64),
        export_w_max=np.full(count, terms.export_w, dtype=np.int64),
        charge_w_max=np.full(count, terms.charge_w, dtype=np.int64),
        discharge_w_max=np.full(count, terms.discharge_w, dtype=np.int64),
        floor_wh=np.full(count, terms.floor_wh + terms.reserve_wh, dtype=np.int64),
        ceiling_wh=terms.ceiling_wh,
        start_wh=start.stored_wh,
        charge_efficiency_ppm=terms.charge_ppm,
        discharge_efficiency_ppm=terms.discharge_ppm,
        discharge_wh_max=each,
        day=None if most is None else day,
        ramp_w=None if ramp is None else ramp * horizon.interval_s // 60,
        start_setpoint_w=start.setpoint_w,
    )
    return with_imposed(limits, one.imposed, horizon, now)


def limiting(one: KnownSite, horizon: Horizon, now: datetime | None) -> list[Recorded[ImposedLimit]]:
    """What is imposed that is below the site's terms somewhere in the horizon, as it was recorded."""
    found: dict[int, Recorded[ImposedLimit]] = {}
    for instant in _changes(one.imposed, horizon, now) if one.imposed else ():
        held = last_holding(one.imposed, instant)
        if held is None:
            continue
        limits = ((getattr(held.document, field), getattr(one.terms.document, field)) for field in _FIELDS)
        if any(limit is not None and limit < most for limit, most in limits):
            found[held.sequence] = held
    return [found[sequence] for sequence in sorted(found)]


def with_imposed(
    limits: SiteLimits, imposed: Sequence[Recorded[ImposedLimit]], horizon: Horizon, now: datetime | None
) -> SiteLimits:
    """The limits with what is imposed: in each interval the least that is left within it.

    Of the interval that is running `now`, what is over counts no more. What ran before is as low as what is
    left at once: a storage that is lost has stopped, whatever its ramp.
    """
    if not imposed:
        return limits
    found = {f"{field}_max": getattr(limits, f"{field}_max").copy() for field in _FIELDS}
    step = timedelta(seconds=horizon.interval_s)
    for instant in _changes(imposed, horizon, now):
        held, number = last_holding(imposed, instant), (instant - horizon.start) // step
        for field, most in found.items():
            limit = None if held is None else getattr(held.document, field.removesuffix("_max"))
            if limit is not None:
                most[number] = min(int(most[number]), limit)
    low, high = -int(found["charge_w_max"][0]), int(found["discharge_w_max"][0])
    before = min(max(limits.start_setpoint_w, low), high)
    return msgspec.structs.replace(limits, **found, start_setpoint_w=before)


def _changes(
    imposed: Sequence[Recorded[ImposedLimit]], horizon: Horizon, now: datetime | None
) -> set[datetime]:
    """When an interval begins, or what is imposed may change; in the running interval from `now` on."""
    found = {horizon.at(number) for number in range(horizon.count)}
    for one in imposed:
        ends = () if one.period is None else (one.period.start, one.period.end)
        found |= {end for end in ends if end is not None and horizon.start < end < horizon.end}
    if now is None:
        return found
    running = horizon.at((now - horizon.start) // timedelta(seconds=horizon.interval_s))
    return {now if running <= instant < now else instant for instant in found}
