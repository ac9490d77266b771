"""What a site's storages do in place of a plan, or of what they were told: said when it begins and when it is
over."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from itertools import groupby
from typing import Final

from adapters.driving.device_state import millis
from adapters.driving.driven import Driven
from adapters.driving.goal import SCHEDULED
from adapters.driving.said import Said
from dispatch.control.setpoint import Setpoint

_SETTLED: Final = timedelta(seconds=4)
"""That it begins is said no sooner: a driver that starts has read no plan yet."""


class FallingBack:
    """Of one fleet."""

    def __init__(self, storages: Mapping[str, Driven], said: Said) -> None:
        self._storages = storages
        self._said = said
        self._since: dict[str, tuple[str, datetime]] = {}

    def tell(self, now: datetime) -> None:
        for one in self._storages.values():
            self._said.tell(f"safe state of {one.id}", _safe(one), well="over: it does as it is told again")
        by_site = sorted(self._storages.values(), key=lambda one: one.site)
        for site, here in groupby(by_site, key=lambda one: one.site):
            self._tell_site(site, [one for one in here if one.ours(millis(now))], now)

    def _tell_site(self, site: str, here: Sequence[Driven], now: datetime) -> None:
        goes_for = {one.id: goal for one in here if (goal := one.executor.goes_for) is not None}
        if not goes_for:
            return
        text = "; ".join(f"{name} {why}" for name, goal in goes_for.items() if (why := _instead(goal)))
        before = self._since.get(site)
        if before is None or before[0] != text:
            before = self._since[site] = (text, now)
        if text and abs(now - before[1]) < _SETTLED:
            return
        told = ", ".join(f"{name} is told {goal.setpoint_w} W" for name, goal in goes_for.items())
        causes = ", ".join(dict.fromkeys(goal.cause for goal in goes_for.values()))
        self._said.tell(f"fallback at {site}", text, well=f"over: {told} by {causes}")


def _instead(goal: Setpoint) -> str:
    """ "" for what is no fallback."""
    if goal.origin != "fallback":
        return ""
    if goal.cause.startswith(SCHEDULED):
        return f"follows its schedule {goal.cause.removeprefix(SCHEDULED)[:12]}"
    return f"is told {goal.setpoint_w} W: {goal.cause}"


def _safe(one: Driven) -> str:
    fallen = one.executor.fell_back
    return "" if fallen is None else f"it went there by itself, {fallen.w} W"
