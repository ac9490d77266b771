"""What a fleet makes of regulation signals: followed within the bands that stand, and noted for measuring."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from types import MappingProxyType
from typing import Final

import msgspec
import numpy as np

from adapters.driving.device_state import millis
from adapters.driving.driven import Driven
from adapters.driving.plans import Plans, SitePlan
from adapters.driving.regulating import FRESH_S, AgcSignal, Followed, RegulationTrace
from adapters.driving.said import Said
from adapters.driving.tried import AtDevice
from adapters.driving.watched_door import StoreLost
from dispatch.control.fleet_turn import Told, Turned, Why
from dispatch.control.interlock import CLOCK_BLOCKED_MS, DeviceLimits, DeviceSnapshot
from dispatch.control.reallocation import NO_GROUP, Capabilities, Whole, proportional
from dispatch.control.regulation_following import (
    STEP_S,
    RegulationBands,
    asked_w,
    follow_signal,
    short_w,
)
from dispatch.control.turn_parts import able_range
from dispatch.devices.profile import Profile
from ledger.refusal import Refused

_METERED_MS: Final = 2_000
"""Meters are read each second while a signal is followed: what one showed earlier is not of this moment."""
_SHORT: Final = timedelta(seconds=5)
"""A band without room for so long is said: right after a start nothing was read yet."""
_WRITES_A_DAY: Final = 86_400 // STEP_S
_NAMED: Final = 10
_NO_BAND: Final[Mapping[Why, str]] = MappingProxyType(
    {
        "lost": "it is lost",
        "guard": "it holds the peak",
        "emergency": "an emergency stands",
        "fallback": "it follows its fallback",
        "nothing_planned": "nothing is planned for it",
        "kept": "it keeps what it has",
    }
)


_Able = tuple[Driven, AtDevice, int, int]
"""A storage that follows, what stands at it, and from what to what it can be told."""


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
        self._said = Said(say, clock)
        self._signals: dict[str, AgcSignal] = {}
        self._over: dict[str, tuple[tuple[str, datetime], ...]] = {}
        self._rules: set[tuple[str, str]] = set()
        self._why: dict[str, Why] = {}
        self._taken_w: dict[str, int] = {}
        self._short_since: dict[str, datetime] = {}

    async def signalled(self, signal: AgcSignal) -> Followed:
        """A market's regulation signal came. While the store does not answer it is followed whatever its
        rule.

        Raises:
            Refused: as `follow` and `AgcSignal.check_rule`.
        """
        here = self._heard(signal)
        if (signal.rule, signal.product) not in self._rules:
            try:
                signal.check_rule(await here[0].executor.door.state(f"market_rule.{signal.rule}"))
            except StoreLost:
                return self.follow(signal)
            self._rules.add((signal.rule, signal.product))
        return self.follow(signal)

    def follow(self, signal: AgcSignal) -> Followed:
        """Its portfolio follows the signal at once, within the bands that stand. What it asks of a site whose
        plan offers regulation is noted, whether or not anybody can follow.

        Raises:
            Refused: none does: `signal_old`, `signal_ahead`, `signal_repeated`, `signal_portfolio`,
                `signal_no_band`, `signal_unable`.
        """
        here = self._heard(signal)
        self._signals[signal.portfolio] = signal
        now = self._clock()
        sold = self._sold({one.site for one in here}, now)
        if not sold:
            wrong = f"no plan of {signal.portfolio} that is in force offers regulation"
            raise Refused("signal_no_band", wrong, place="portfolio")
        found, causes = self._able([one for one in here if one.site in sold], millis(now))
        self._ask(signal, sold, found, millis(signal.at))
        if not found:
            raise Refused("signal_unable", _listed(causes), place="portfolio")
        self._over[signal.portfolio] = _over(found)
        bands, fleet = _regulated(found)
        sold_w = sum(plan.regulation_w for plan in sold.values())
        _give(signal, found, sold_w)
        short = short_w(signal.signal_ppm, bands, fleet, sold_w)
        if not short:
            return Followed(len(found))
        wanted = abs(asked_w(sold_w, signal.signal_ppm))
        has = [
            f"{one.id} has a band of {standing.setpoint.band_w} W around {standing.setpoint.setpoint_w} W"
            for one, standing, _, _ in found
        ]
        why = f"{short} W of the {wanted} W asked for are given by nobody: {_listed([*has, *causes])}"
        return Followed(len(found), f"signal_short: {why}")

    def _follow_on(self, signal: AgcSignal, now: datetime) -> None:
        """The signal around setpoints that came after it, as at a quarter-hour's begin; once they are read
        back, so that nobody gives twice what another is about to give."""
        here, now_ms = self._of(signal.portfolio), millis(now)
        sold = self._sold({one.site for one in here}, now)
        found, _ = self._able([one for one in here if one.site in sold], now_ms)
        told = (one.executor.standing for one in here if not one.lost(now_ms))
        settled = all(standing is None or standing.confirmed for standing in told)
        if found and settled and _over(found) != self._over.get(signal.portfolio):
            self._over[signal.portfolio] = _over(found)
            self._ask(signal, sold, found, now_ms)
            _give(signal, found, sum(plan.regulation_w for plan in sold.values()))

    def _of(self, portfolio: str) -> list[Driven]:
        return [one for one in self._storages.values() if self._plans.portfolio(one.site) == portfolio]

    def _ask(
        self, signal: AgcSignal, sold: Mapping[str, SitePlan], found: Sequence[_Able], at_ms: int
    ) -> None:
        """What the signal wants of each site from then on is noted: what was sold of it, or more where it
        gives another's part, around its plan and what it gives of others' plans."""
        carried = _carried_w(signal, found, sum(plan.regulation_w for plan in sold.values()))
        for name, plan in sold.items():
            parts = (asked_w(plan.regulation_w, signal.signal_ppm), carried.get(name, 0))
            part = max(parts) if signal.signal_ppm > 0 else min(parts)
            self._trace(name).asked(signal, plan.planned_w + self._taken_w.get(name, 0) + part, at_ms)

    def _heard(self, signal: AgcSignal) -> list[Driven]:
        """The storages that it is for.

        Raises:
            Refused: `signal_old`, `signal_ahead`, `signal_repeated`, `signal_portfolio`.
        """
        signal.check_fresh(self._clock())
        before = self._signals.get(signal.portfolio)
        if before is not None and signal.at <= before.at:
            raise Refused("signal_repeated", f"after {before.at.isoformat()}, which came before", place="at")
        here = self._of(signal.portfolio)
        if not here:
            at_site = (one.site for one in self._storages.values() if one.site == signal.portfolio)
            planned = next(map(self._plans.portfolio, at_site), "")
            wrong = f"no storage of {signal.portfolio} is driven here"
            if planned:
                wrong = f"{signal.portfolio} is planned as part of {planned}: signal that"
            raise Refused("signal_portfolio", wrong, place="portfolio")
        return here

    def _sold(self, sites: Iterable[str], now: datetime) -> dict[str, SitePlan]:
        """The plans that offer regulation now."""
        plans = {name: self._plans.of(name, now) for name in sites}
        return {name: plan for name, plan in plans.items() if plan is not None and plan.regulation_w}

    def _able(self, here: Sequence[Driven], now_ms: int) -> tuple[list[_Able], list[str]]:
        """Those that follow, with what they can do; and of the others why not."""
        found: list[_Able] = []
        causes: list[str] = []
        for one in here:
            standing = one.executor.standing
            banded = standing is not None and standing.setpoint.band_w and standing.confirmed
            if standing is not None and banded and not one.still.why and not one.lost(now_ms):
                low, high = able_range(one.executor.snapshot, one.executor.limits)
                found.append((one, standing, low, high))
            else:
                causes.append(f"{one.id}: {self._cause(one, now_ms)}")
        return found, causes

    def _cause(self, one: Driven, now_ms: int) -> str:
        """Why a storage has no band, or less than its part."""
        executor = one.executor
        told = self._why.get(one.id, "plan")
        if one.lost(now_ms):
            return "it is lost"
        if not executor.commissioned:
            return "it is not commissioned"
        if not executor.ready:
            return executor.keeper.waits or "device and record do not agree yet"
        stopped = f"it is stopped ({one.stopped})" if one.stopped else one.still.why
        unable = stopped or _unable(executor.snapshot, executor.limits)
        if unable or told in _NO_BAND:
            return unable or _NO_BAND[told]
        standing = executor.standing
        if standing is None or not standing.confirmed:
            return "its setpoint is not read back yet"
        low, high = able_range(executor.snapshot, executor.limits)
        base_w = standing.setpoint.setpoint_w
        room_w = max(min(high - base_w, base_w - low), 0)
        return f"{base_w} W leaves room for {room_w} W within {low} to {high} W"

    def _trace(self, site: str) -> RegulationTrace:
        if site not in self.traces:
            rated = sum(one.one.device.power_w for one in self._storages.values() if one.site == site)
            self.traces[site] = RegulationTrace(site, rated, partial(self._alarm, site))
        return self.traces[site]

    def _alarm(self, site: str, text: str) -> None:
        """Of the first of the site's storages: what it did is missing on record."""
        alarms = next(one for one in self._storages.values() if one.site == site).executor.alarms
        if text:
            alarms["hour_unrecorded"] = text
        else:
            alarms.pop("hour_unrecorded", None)

    def turn(self, now: datetime, now_ms: int) -> tuple[str, ...]:
        """Signals that stopped coming are followed no longer; what sites did is noted for measuring. Answers
        the sites that are being measured: their storages' meters are wanted each second."""
        for portfolio, signal in tuple(self._signals.items()):
            if signal.fresh(now):
                self._follow_on(signal, now)
                continue
            del self._signals[portfolio]
            self._say(f"{portfolio}: no regulation signal for {FRESH_S} s")
            for one in self._of(portfolio):
                one.executor.follow(None)
        for name, trace in self.traces.items():
            did = _did([one for one in self._storages.values() if one.site == name], now_ms)
            if did is not None:
                trace.sampled(*did)
        return tuple(name for name, trace in self.traces.items() if trace.open)

    def bands(self, turned: Turned, plans: Mapping[str, SitePlan | None]) -> dict[str, int]:
        """Each device's part of the regulation that its site's plan offers, by the room around its
        setpoint. What nobody has room for is said."""
        self._why = {one.device: one.why for one in turned.told}
        found: dict[str, int] = {}
        for name, plan in plans.items():
            if plan is None or not plan.regulation_w:
                self._short_since.pop(name, None)
                self._taken_w.pop(name, None)
                continue
            here = [one for one in turned.told if self._storages[one.device].site == name]
            self._taken_w[name] = sum(one.taken_w for one in here)
            told = [one for one in here if one.why in ("plan", "others_share")]
            rooms = [self._room(one) for one in told]
            of = np.zeros(len(told), dtype=np.int64)
            parts = proportional(np.array([plan.regulation_w]), np.array(rooms, dtype=np.int64), of)
            found |= {one.device: part for one, part in zip(told, parts.tolist(), strict=True)}
            self._tell_short(name, plan.regulation_w, int(parts.sum()))
        for device, part in found.items():
            writes = _writes_a_day(self._storages[device].one.fleet.profile)
            if part and writes < _WRITES_A_DAY:
                wrong = f"its profile allows {writes} writes a day, a signal each {STEP_S} s needs"
                self._said.tell(f"{device}: writes", f"{wrong} {_WRITES_A_DAY}", loud=False)
        return found

    def _tell_short(self, site: str, sold_w: int, given_w: int) -> None:
        now = self._clock()
        if given_w >= sold_w:
            self._short_since.pop(site, None)
            self._said.tell(f"regulation at {site}", "")
        elif now - self._short_since.setdefault(site, now) >= _SHORT:
            here = [one for one in self._storages.values() if one.site == site]
            causes = _listed([f"{one.id}: {self._cause(one, millis(now))}" for one in here])
            wrong = f"{sold_w - given_w} W of the {sold_w} W band of its plan are given by nobody: {causes}"
            self._said.tell(f"regulation at {site}", wrong, loud=False)

    def _room(self, told: Told) -> int:
        one = self._storages[told.device]
        if one.still.why:
            return 0
        low, high = able_range(one.executor.snapshot, one.executor.limits)
        return max(min(high - told.setpoint_w, told.setpoint_w - low), 0)


def _unable(device: DeviceSnapshot, limits: DeviceLimits) -> str:
    """What keeps it from charging or discharging; empty: nothing."""
    stored = device.soc_millipercent
    if device.mode != "remote":
        return f"it tells {device.mode or 'no mode'}"
    if stored is None:
        return "what it stores is not known"
    if stored >= limits.soc_ceiling_millipercent:
        return f"it stores {stored / 1000:g} %, its ceiling is {limits.soc_ceiling_millipercent / 1000:g} %"
    if stored <= limits.soc_floor_millipercent:
        return f"it stores {stored / 1000:g} %, its floor is {limits.soc_floor_millipercent / 1000:g} %"
    if device.clock_ms is not None and abs(device.clock_ms) > CLOCK_BLOCKED_MS:
        return f"its clock is {abs(device.clock_ms)} ms apart from ours"
    return "" if able_range(device, limits) != (0, 0) else "its cells are too hot or too cold, or not read"


def _writes_a_day(profile: Profile) -> int:
    """How often a setpoint may be written."""
    assert profile.control is not None, "a storage is written"
    return min(profile.writes_per_day(profile.by_name[step.point]) for step in profile.control.steps)


def _listed(texts: Sequence[str]) -> str:
    more = f"; and {len(texts) - _NAMED} more" if len(texts) > _NAMED else ""
    return "; ".join(texts[:_NAMED]) + more


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


def _over(found: Sequence[_Able]) -> tuple[tuple[str, datetime], ...]:
    """The commands that a signal is shared out over."""
    return tuple((one.id, standing.written_at) for one, standing, _, _ in found)


def _give(signal: AgcSignal, found: Sequence[_Able], sold_w: int) -> None:
    bands, fleet = _regulated(found)
    shared = follow_signal(signal.signal_ppm, bands, fleet, sold_w)
    for (one, _, _, _), power_w in zip(found, shared.setpoint_w.tolist(), strict=True):
        one.executor.follow(power_w)


def _carried_w(signal: AgcSignal, found: Sequence[_Able], sold_w: int) -> dict[str, int]:
    """By site what its devices are to give of the signal, once their ramps are over."""
    bands, fleet = _regulated(found)
    there = msgspec.structs.replace(fleet, present_w=bands.base_w, ramp_w=fleet.high_w - fleet.low_w)
    shared = follow_signal(signal.signal_ppm, bands, there, sold_w).setpoint_w - bands.base_w
    carried: dict[str, int] = {}
    for (one, _, _, _), part_w in zip(found, shared.tolist(), strict=True):
        carried[one.site] = carried.get(one.site, 0) + part_w
    return carried


def _regulated(found: Sequence[_Able]) -> tuple[RegulationBands, Capabilities]:
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
