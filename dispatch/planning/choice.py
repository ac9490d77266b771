"""Always a plan: the solver's, else the last one shifted, else the rule's, else standing still.

Each is checked by `dispatch.plan_check` before it is taken; what was passed over, and why, is part of the
answer.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Final, NamedTuple

import msgspec
import numpy as np

from dispatch.optimiser.plan import Plan
from dispatch.plan_check import (
    Markets,
    PlannedSite,
    Rule,
    Violation,
    Whole,
    check_exclusivity,
    check_portfolio,
    check_site,
    overrun,
)
from dispatch.planning.following import follow
from dispatch.planning.plan_record import Basis
from dispatch.planning.site_case import SiteCase
from dispatch.time_of_use_rule import Schedule, Storage, schedule
from ledger.exclusivity.conflict import Conflicts
from ledger.interval import Instant

_MAY_BE_OVERRUN: Final = frozenset[Rule](("stored_energy", "cycles", "import_limit", "export_limit", "ramp"))
_SOLVED: Final = frozenset[Basis](("optimised", "incumbent", "relaxed"))
_WAYS: Final[dict[Basis, str]] = {
    "last_plan": "the plan before",
    "rule": "the time-of-use rule's plan",
    "hold": "standing still",
}
_PERMILLE: Final = 1000
_PPM: Final = 1_000_000


class Offers(msgspec.Struct, frozen=True, eq=False, kw_only=True):
    """What the portfolio offers its markets: W a block, W a slot, and W a slot that no site stands behind."""

    regulation_w: Whole
    response_w: Whole
    shortfall_w: Whole


class Before(msgspec.Struct, frozen=True, eq=False):
    """The last plan's setpoints by site, and how many intervals of it are over by now."""

    setpoint_w: dict[str, Whole]
    shift: int


class Chosen(msgspec.Struct, frozen=True, eq=False, kw_only=True):
    """A plan that passed the check, or, as `hold`, one that stands still with what it breaks all the same.

    `apart` are the sites that are not planned as `basis` says, but as `reason` does."""

    basis: Basis
    reason: str
    sites: tuple[PlannedSite, ...]
    offers: Offers
    passed_over: tuple[str, ...] = ()
    violations: tuple[Violation, ...] = ()
    apart: tuple[str, ...] = ()


class _Candidate(NamedTuple):
    basis: Basis
    reason: str
    sites: tuple[PlannedSite, ...]
    offers: Offers


def choose(
    cases: Sequence[SiteCase],
    markets: Markets,
    solved: Plan | None,
    why: str,
    *,
    start: Instant,
    before: Before | None = None,
    conflicts: Mapping[str, Conflicts] | None = None,
) -> Chosen:
    """The best of the plans that can be commanded.

    `solved` is what the solver found, None with the reason in `why`. A plan is taken, the solver's as
    relaxed, where its sites overrun limits no further than the same sites standing still (`overrun`). A site
    that does is planned by the next way by itself, as long as no market needs it; the others keep theirs.
    `conflicts` has of each site the exclusivity matrix that settlement obeys; of a site that it lacks every
    claim is granted.
    """
    passed: list[str] = []
    asked = _Asked(tuple(cases), markets, start, conflicts or {})
    for candidate in _candidates(asked, solved, why, before):
        broken = asked.broken(candidate)
        unexcused = _unexcused(asked, candidate, broken)
        apart = {violation.site for violation in unexcused}
        if unexcused and candidate.basis != "hold":
            passed.append(f"{candidate.basis}: {_said(unexcused)}")
        if unexcused and candidate.basis != "hold" and len(apart) < len(asked.cases):
            candidate = _by_themselves(asked, candidate, apart, before)
            broken = asked.broken(candidate)
            unexcused = _unexcused(asked, candidate, broken)
        if not unexcused or candidate.basis == "hold":
            return Chosen(
                basis="relaxed" if broken and candidate.basis in _SOLVED else candidate.basis,
                reason=candidate.reason or _failed(solved, passed),
                sites=candidate.sites,
                offers=candidate.offers,
                passed_over=tuple(passed),
                violations=broken,
                apart=tuple(sorted(apart)) if candidate.basis != "hold" else (),
            )
    raise AssertionError("standing still is always taken")


def _failed(solved: Plan | None, passed: Sequence[str]) -> str:
    """Why it is not the solver's plan."""
    return f"the solver's plan does not pass the check: {passed[0]}" if solved and passed else ""


class _Asked(NamedTuple):
    cases: tuple[SiteCase, ...]
    markets: Markets
    start: Instant
    conflicts: Mapping[str, Conflicts]

    def broken(self, candidate: _Candidate) -> tuple[Violation, ...]:
        found: list[Violation] = []
        for case, planned in zip(self.cases, candidate.sites, strict=True):
            found += check_site(case.limits, self.markets, planned)
            matrix = self.conflicts.get(case.id)
            if matrix is not None:
                found += check_exclusivity(matrix, case.limits, self.markets, planned, self.start)
        offers = candidate.offers
        shared = check_portfolio(
            self.markets, candidate.sites, offers.regulation_w, offers.response_w, offers.shortfall_w
        )
        return (*found, *shared)

    def following(self, wish: Callable[[SiteCase], Whole]) -> tuple[PlannedSite, ...]:
        return tuple(follow(case.limits, wish(case), self.markets) for case in self.cases)

    def nothing(self) -> Offers:
        blocks = 0 if self.markets.block is None else int(self.markets.block[-1]) + 1
        slots = 0 if self.markets.slot is None else len(self.markets.slot)
        none = [np.zeros(size, dtype=np.int64) for size in (blocks, slots, slots)]
        return Offers(regulation_w=none[0], response_w=none[1], shortfall_w=none[2])


def _candidates(asked: _Asked, solved: Plan | None, why: str, before: Before | None) -> Iterator[_Candidate]:
    if solved is not None:
        yield _of_solver(asked, solved)
    if before is not None and all(case.id in before.setpoint_w for case in asked.cases):
        last = before
        sites = asked.following(lambda case: _shifted(last, case))
        yield _Candidate("last_plan", why, sites, asked.nothing())
    yield _Candidate("rule", why, asked.following(_rule), asked.nothing())
    still = asked.following(lambda case: np.zeros(case.count, dtype=np.int64))
    yield _Candidate("hold", why, still, asked.nothing())


def _of_solver(asked: _Asked, plan: Plan) -> _Candidate:
    basis: Basis = "optimised"
    if plan.status in ("stopped", "relaxed"):
        basis = "incumbent" if plan.status == "stopped" else "relaxed"
    sites = tuple(
        PlannedSite(
            id=site.id,
            setpoint_w=site.setpoint_w,
            stored_wh=site.stored_wh,
            curtailed_w=site.curtailed_w,
            spot_w=site.spot_w,
            regulation_w=site.regulation_w,
            response_w=site.response_w,
        )
        for site in plan.sites
    )
    if not (plan.regulation_w.any() or plan.response_w.any()):
        # The solver knows one ceiling: what began above it could be charged so far again.
        sites = tuple(
            follow(case.limits, site.setpoint_w, asked.markets)
            if case.limits.start_wh > case.limits.ceiling_wh and not site.spot_w.any()
            else site
            for case, site in zip(asked.cases, sites, strict=True)
        )
    offers = Offers(regulation_w=plan.regulation_w, response_w=plan.response_w, shortfall_w=plan.shortfall_w)
    return _Candidate(basis, plan.reason, sites, offers)


def _shifted(before: Before, case: SiteCase) -> Whole:
    """What the last plan still says, then the rule."""
    wish = _rule(case)
    left = before.setpoint_w[case.id][before.shift :][: case.count]
    wish[: len(left)] = left
    return wish


def _rule(case: SiteCase) -> Whole:
    """The time-of-use rule as setpoints: never exporting, and no import above the peak that there is
    anyway."""
    limits = case.limits
    room = limits.ceiling_wh - int(limits.floor_wh.max())
    power = int(max(limits.charge_w_max.max(), limits.discharge_w_max.max()))
    if room <= 0 or power <= 0:
        return np.zeros(case.count, dtype=np.int64)
    storage = Storage(
        energy_wh=room,
        power_w=power,
        charge_permille=max(1, limits.charge_efficiency_ppm * _PERMILLE // _PPM),
        discharge_permille=max(1, limits.discharge_efficiency_ppm * _PERMILLE // _PPM),
    )
    net = np.maximum(limits.load_w - limits.pv_w, 0)
    highest = max(case.peak_w, int(net.max(initial=0)))
    if not case.peak_price_micro:
        highest = int(limits.import_w_max.max())
    hours = Fraction(limits.interval_s, 3600)
    most = Schedule(*(w * limits.interval_s // 3600 for w in (limits.charge_w_max, limits.discharge_w_max)))
    done = schedule(
        storage,
        net * limits.interval_s // 3600,
        case.buy_micro,
        limits.interval_s,
        stored_wh=min(max(limits.start_wh - int(limits.floor_wh.max()), 0), room),
        ceiling_wh=int(highest * hours),
        power_wh=most,
    )
    wish: Whole = (done.discharge_wh - done.charge_wh) * 3600 // limits.interval_s
    return wish


def _unexcused(asked: _Asked, candidate: _Candidate, broken: tuple[Violation, ...]) -> tuple[Violation, ...]:
    """What is broken without need: anything but a limit that may be overrun, and such limits of a site where
    standing still overruns them less."""
    needless: set[str] = set()
    touched = {violation.site for violation in broken if violation.rule in _MAY_BE_OVERRUN}
    for case, planned in zip(asked.cases, candidate.sites, strict=True):
        if case.id in touched:
            still = follow(case.limits, np.zeros(case.count, dtype=np.int64), asked.markets)
            if overrun(case.limits, planned) > overrun(case.limits, still):
                needless.add(case.id)
    return tuple(one for one in broken if one.rule not in _MAY_BE_OVERRUN or one.site in needless)


def _by_themselves(
    asked: _Asked, candidate: _Candidate, apart: Collection[str], before: Before | None
) -> _Candidate:
    """The candidate with the sites `apart` planned by the first way that overruns nothing needlessly: as last
    planned, by the rule, standing still."""
    sites, ways = list(candidate.sites), list[str]()
    for number, case in enumerate(asked.cases):
        if case.id not in apart:
            continue
        wishes: list[tuple[Basis, Whole]] = [("rule", _rule(case))]
        if before is not None and case.id in before.setpoint_w:
            wishes.insert(0, ("last_plan", _shifted(before, case)))
        still = follow(case.limits, np.zeros(case.count, dtype=np.int64), asked.markets)
        way: Basis = "hold"
        sites[number] = still
        for basis, wish in wishes:
            planned = follow(case.limits, wish, asked.markets)
            if overrun(case.limits, planned) <= overrun(case.limits, still):
                sites[number], way = planned, basis
                break
        ways.append(f"{case.id}: {_WAYS[way]} stands in for the {candidate.basis} one")
    reason = "; ".join(filter(None, (candidate.reason, *ways)))
    return candidate._replace(sites=tuple(sites), reason=reason)


def _said(broken: Sequence[Violation]) -> str:
    more = f" and {len(broken) - 1} more" if len(broken) > 1 else ""
    return f"{broken[0].said()}{more}"
