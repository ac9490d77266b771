"""What a site's storage holds, and what its peak is guarded by, as its devices and meters tell it now."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from adapters.driving.device_state import millis
from adapters.driving.driven import Driven
from adapters.driving.driven_site import DrivenSite
from adapters.driving.plans import SitePlan
from adapters.driving.site_now import SiteNow
from dispatch.control.site_load import PowerRange
from dispatch.control.turn_parts import SiteGuard

_SOC_WHOLE: Final = 100_000


def stored_wh(site: DrivenSite, here: Sequence[Driven]) -> int | None:
    """What the site's storage holds: its nameplate by the part that its devices tell, weighed by their
    energy. None where a device does not tell it."""
    limits = [one.one.fleet.profile.limits for one in here]
    socs = [one.executor.snapshot.soc_millipercent for one in here]
    known = [soc for soc in socs if soc is not None]
    capacity = sum(one.energy_wh for one in limits if one is not None)
    if len(known) < len(here) or not capacity:
        return None
    held = sum(soc * one.energy_wh for soc, one in zip(known, limits, strict=True) if one is not None)
    return held * site.site.storage_energy_wh // (capacity * _SOC_WHOLE)


def site_guard(
    site: DrivenSite,
    now: SiteNow,
    load: PowerRange | None,
    here: Sequence[Driven],
    plan: SitePlan,
    now_ms: int,
) -> SiteGuard | None:
    """None where something that it needs is not known: then the interlocks are what is left."""
    assert plan.peak_w is not None, "there is a peak to hold"
    limits, stored = site.guard_limits(plan.peak_w, plan.interval_s), stored_wh(site, here)
    if limits is None or load is None or stored is None:
        return None
    billed = now.billed(millis(plan.start), now_ms, plan.peak_w)
    if not 0 <= billed.elapsed_s < plan.interval_s:
        return None
    return SiteGuard(limits=limits, billed=billed, behind_w=load.high_w, stored_wh=stored)
