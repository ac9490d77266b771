"""Where demand is charged: the peak to hold and the energy kept for it, from what the site used before."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from datetime import datetime, timedelta
from typing import Final, NamedTuple

import numpy as np

from adapters.planning.portfolio import Horizon
from dispatch.plan_check import Whole
from dispatch.planning.load_paths import likely_paths
from dispatch.planning.peak_case import PeakCase, peak_case, peak_storage
from dispatch.planning.peak_target import peak_target
from dispatch.planning.seen_load import SeenLoad
from dispatch.planning.site_case import SiteCase
from ledger.calendars import calendar_in
from ledger.refusal import Refused

_DAY: Final = timedelta(days=1)
_KEPT: Final = 4096
"""Targets of a day are asked for again each quarter-hour."""
_TOO_LITTLE: Final = frozenset({"load_history", "peak_days", "peak_storage"})


class PeakAsked(NamedTuple):
    """A site's case, what it was seen to use, a local day's buying prices from midnight on, and when the
    billing period ends. `moved_w` is what the desk bound: it lowers what the meter imports."""

    case: SiteCase
    seen: SeenLoad
    day_micro: Whole
    until: datetime
    zone: str
    moved_w: Whole


class Targets:
    """Peak targets, those of the same inputs found once. Not to be used by two threads at once."""

    def __init__(self) -> None:
        self._found: OrderedDict[bytes, int] = OrderedDict()

    def guarded(self, asked: PeakAsked, horizon: Horizon) -> PeakCase | str:
        """The case with its target and reserve; or why none can be stated, in words."""
        try:
            history, gap = asked.seen.history(calendar_in(asked.zone))
            paths = likely_paths(history, gap + horizon.count)[:, gap:] - asked.moved_w
            return peak_case(asked.case, paths, self._of(asked, horizon), keep_load=True)
        except Refused as refused:
            if refused.code not in _TOO_LITTLE:
                raise
            return f"no peak target, no energy is kept for one: {refused.place}: {refused.reason}"

    def _of(self, asked: PeakAsked, horizon: Horizon) -> int:
        storage = peak_storage(asked.case)
        days = asked.seen.whole_days()
        left = max(1, -(-(asked.until - horizon.start) // _DAY))
        digest = hashlib.sha256(f"{storage} {left} {asked.case.peak_w}".encode())
        digest.update(f"{asked.case.peak_price_micro} {days.shape}".encode())
        for array in (days, asked.day_micro):
            digest.update(np.ascontiguousarray(array).tobytes())
        key = digest.digest()
        if key not in self._found:
            target = peak_target(
                storage, days, asked.day_micro, days_left=left, peak_w=asked.case.peak_w,
                peak_price_micro=asked.case.peak_price_micro,
            )  # fmt: skip
            self._found[key] = target.target_w
        self._found.move_to_end(key)
        if len(self._found) > _KEPT:
            self._found.popitem(last=False)
        return self._found[key]
