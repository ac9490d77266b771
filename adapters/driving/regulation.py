"""What a fleet makes of regulation signals: followed within the bands that stand, and noted for measuring."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final

import numpy as np

from adapters.driving.device_state import millis
from adapters.driving.driven import Driven
from adapters.driving.plans import Plans, SitePlan
from adapters.driving.regulating import FRESH_S, AgcSignal, RegulationTrace
from adapters.driving.tried import AtDevice
from dispatch.control.fleet_turn import Told, Turned
from dispatch.control.reallocation import NO_GROUP, Capabilities, Whole, proportional
from dispatch.control.regulation_following import (
    SIGNAL_PPM_MAX,
    STEP_S,
    RegulationBands,
    follow_signal,
)
from dispatch.control.turn_parts import able_range
from ledger.refusal import Refused

_METERED_MS: Final = 2_000
"""Meters are read each second while a signal is followed: what one showed earlier is not of this moment."""


class Regulation:
    """Of one fleet. `traces` are what each regulated site was asked and did, until it is told."""

    def __init__(
        self,
        storages: Mapping[str, Driven],
        plans: Plans,
        clock: Callable[[], datetime],
        say: Callable[[str], None],
    ) -> None:
        self.traces: Final[dict[str, RegulationTrace]] = {}
        self._storages = storages
        self._plans = plans
        self._clock = clock
        self._say = say
        self._signals: dict[str, AgcSignal] = {}

    def signalled(self, signal: AgcSignal) -> int:
        """A market's regulation signal came: its portfolio follows at once, within the bands that stand.

        Answers how many devices follow it.

        Raises:
            Refused: none does: `signal_old`, `signal_ahead`, `signal_repeated`, `signal_portfolio`,
                `signal_no_band`, `signal_unable`.
        """
        signal.check_fresh(self._clock())
        before = self._signals.get(signal.portfolio)
        if before is not None and signal.at <= before.at:
            raise Refused("signal_repeated", f"after {before.at.isoformat()}, which came before", place="at")
        here = [one for one in self._storages.values() if self._plans.portfolio(one.site) == signal.portfolio]
        if not here:
            wrong = f"no storage of {signal.portfolio} is driven here"
            raise Refused("signal_portfolio", wrong, place="portfolio")
        self._signals[signal.portfolio] = signal
        return self._follow(signal, here)

    def _follow(self, signal: AgcSignal, here: Sequence[Driven]) -> int:
        now_ms = millis(self._clock())
        found: list[tuple[Driven, AtDevice, int, int]] = []
        banded = False
        for one in here:
            standing = one.executor.standing
            if standing is None or not standing.setpoint.band_w:
                continue
            banded = True
            if standing.confirmed and not one.still.why and not one.lost(now_ms):
                low, high = able_range(one.executor.snapshot, one.executor.limits)
                found.append((one, standing, low, high))
        if not banded:
            wrong = f"no setpoint of {signal.portfolio} has a band: no plan in force offers regulation"
            raise Refused("signal_no_band", wrong, place="portfolio")
        if not found:
            wrong = (
                f"all of {signal.portfolio} with a band are lost, in doubt or stand still under the signal"
            )
            raise Refused("signal_unable", wrong, place="portfolio")
        shared = follow_signal(signal.signal_ppm, *_regulated(found))
        for (one, _, _, _), power_w in zip(found, shared.setpoint_w.tolist(), strict=True):
            one.executor.follow(power_w)
        for name in {one.site for one, _, _, _ in found}:
            points = [standing.setpoint for one, standing, _, _ in found if one.site == name]
            band = sum(point.band_w for point in points) * signal.signal_ppm // SIGNAL_PPM_MAX
            self._trace(name).asked(signal, sum(point.setpoint_w for point in points) + band)
        return len(found)

    def _trace(self, site: str) -> RegulationTrace:
        if site not in self.traces:
            rated = sum(one.one.device.power_w for one in self._storages.values() if one.site == site)
            self.traces[site] = RegulationTrace(site, rated)
        return self.traces[site]

    def turn(self, now: datetime, now_ms: int) -> tuple[str, ...]:
        """Signals that stopped coming are followed no longer; what sites did is noted for measuring. Answers
        the sites that are being measured: their storages' meters are wanted each second."""
        for portfolio, signal in tuple(self._signals.items()):
            if not signal.fresh(now):
                del self._signals[portfolio]
                self._say(f"{portfolio}: no regulation signal for {FRESH_S} s")
                for one in self._storages.values():
                    if self._plans.portfolio(one.site) == portfolio:
                        one.executor.follow(None)
        for name, trace in self.traces.items():
            did = _did([one for one in self._storages.values() if one.site == name], now_ms)
            if did is not None:
                trace.sampled(*did)
        return tuple(name for name, trace in self.traces.items() if trace.open)

    def bands(self, turned: Turned, plans: Mapping[str, SitePlan | None]) -> dict[str, int]:
        """Each device's part of the regulation that its site's plan offers, by the room around its
        setpoint."""
        found: dict[str, int] = {}
        for name, plan in plans.items():
            if plan is None or not plan.regulation_w:
                continue
            told = [
                one for one in turned.told if self._storages[one.device].site == name and one.why == "plan"
            ]
            rooms = [self._room(one) for one in told]
            of = np.zeros(len(told), dtype=np.int64)
            parts = proportional(np.array([plan.regulation_w]), np.array(rooms, dtype=np.int64), of)
            found |= {one.device: part for one, part in zip(told, parts.tolist(), strict=True)}
        return found

    def _room(self, told: Told) -> int:
        one = self._storages[told.device]
        if one.still.why:
            return 0
        low, high = able_range(one.executor.snapshot, one.executor.limits)
        return max(min(high - told.setpoint_w, told.setpoint_w - low), 0)


def _did(here: Sequence[Driven], now_ms: int) -> tuple[int, int] | None:
    """When, and what all a site's storages did then: by its own meter where one has it, whatever it says
    itself; None where one was not read just now."""
    metered = [one.metered for one in here if one.metered is not None]
    own = [one.executor.snapshot.power_w for one in here if one.metered is None and not one.lost(now_ms)]
    known = [power for power in own if power is not None]
    at = [millis(one.at) for one in metered] or [now_ms]
    apart = max(now_ms, *at) - min(now_ms, *at) if metered else 0
    if len(known) + len(metered) < len(here) or apart > _METERED_MS:
        return None
    return max(at), sum(known) + sum(one.w for one in metered)


def _regulated(
    found: Sequence[tuple[Driven, AtDevice, int, int]],
) -> tuple[RegulationBands, Capabilities]:
    """The bands that stand, and what the devices can do in a step of the signal."""
    none = np.full(len(found), NO_GROUP, dtype=np.int64)

    def column(values: Iterable[int]) -> Whole:
        return np.array(list(values), dtype=np.int64)

    ramps = [one.one.fleet.profile.limits for one, _, _, _ in found]
    bands = RegulationBands(
        base_w=column(standing.setpoint.setpoint_w for _, standing, _, _ in found),
        band_w=column(standing.setpoint.band_w for _, standing, _, _ in found),
    )
    return bands, Capabilities(
        device=tuple(one.id for one, _, _, _ in found),
        present_w=column(standing.target_w for _, standing, _, _ in found),
        low_w=column(low for _, _, low, _ in found),
        high_w=column(high for _, _, _, high in found),
        ramp_w=column(0 if one is None else one.ramp_w_per_s * STEP_S for one in ramps),
        feeder=none,
        industry=none,
    )
