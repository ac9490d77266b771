"""A plan on record: what each site is to do, what it rests on, and why it was made.

The head of a portfolio's plans of a local day is one aggregate, its sites are recorded in parts beside it in
the same save. A later plan of the day replaces the one before.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Any, Final, Literal, get_args

import msgspec

from dispatch.plan_check import PlannedSite, Whole
from ledger.identity import checked_id
from ledger.interval import Instant
from ledger.refusal import Refused

Trigger = Literal["day_ahead", "rolling", "site_lost", "limit_imposed", "response_called", "asked"]
"""Why a plan was made."""

Basis = Literal["optimised", "incumbent", "relaxed", "last_plan", "rule", "hold"]
"""What a plan rests on, best first: proven by the solver; its best when time was up; limits that had to give
way; the plan before; the time-of-use rule; setpoints of 0."""

BASES: Final[tuple[Basis, ...]] = get_args(Basis)

_NUMBERS_A_PART: Final = 60_000
"""Setpoints and stored energies of one part: below 512 kB as stored, far from the stream's 1 MB a message."""


class PlanHead(msgspec.Struct, frozen=True, kw_only=True):
    """What a plan is of. Money in 10^-6 units: `objective_micro` was minimised, no plan has less than
    `bound_micro`.

    `peak_w` has, of each site whose demand is charged, the mean import of a billed interval that is to be
    held between this plan and the next (`dispatch/planning/guard.py`), W; a site that it lacks has no peak to
    hold.
    `streams` says on which markets the plan trades, at which prices, `streams_left_out` on which of the
    unit's it does not, and why.
    `inputs` is a digest of all that it was made from but the plans before it.
    `basis` and `reason` say what it rests on, `passed_over` which plans did not pass the check and why.
    `solver_ms` is how long the solver was asked. `rests_on` names what it was made from: forecasts, terms,
    awards, as aggregate and version. `notes` say what else to know, such as a horizon that is shorter than
    was asked for, `refused` which sites are left out and why. `offers` are W a block, W a slot.
    `regulation_from` says of each block of `regulation_w` with which interval it begins, the first with 0;
    empty in plans that did not say it.
    `discharged_wh` has, of each site whose cells have a limit a day, what its local day had taken out of them
    before the plan begins.
    `read_through` is the sequence number up to which it knows the book, which is before its own; 0 where it
    was not said.
    """

    portfolio: str
    day: date
    start: Instant
    interval_s: int
    count: int
    trigger: Trigger
    inputs: str
    basis: Basis
    reason: str
    objective: str
    objective_micro: int | None
    bound_micro: int | None
    gap_ppm: int | None
    solver_ms: int
    peak_w: dict[str, int] = {}
    discharged_wh: dict[str, int] = {}
    streams: tuple[str, ...] = ()
    streams_left_out: tuple[str, ...] = ()
    rests_on: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    passed_over: tuple[str, ...] = ()
    violations: tuple[str, ...] = ()
    regulation_w: tuple[int, ...] = ()
    regulation_from: tuple[int, ...] = ()
    response_w: tuple[int, ...] = ()
    parts: int = 1
    read_through: int = 0

    def __post_init__(self) -> None:
        checked_id(self.portfolio, "portfolio")
        if self.trigger not in get_args(Trigger):
            raise Refused("not_allowed", f"one of {', '.join(get_args(Trigger))}", place="trigger")
        if self.basis not in BASES:
            raise Refused("not_allowed", f"one of {', '.join(BASES)}", place="basis")
        if self.interval_s <= 0 or self.count <= 0 or self.parts <= 0:
            raise Refused("plan_shape", "intervals and parts are above 0", place="plan")
        begins = self.regulation_from
        if begins and (
            len(begins) != len(self.regulation_w)
            or list(begins) != sorted(set(begins))
            or begins[0] != 0
            or begins[-1] >= self.count
        ):
            wrong = f"an interval of 0 to {self.count - 1} for each block, ascending from 0"
            raise Refused("plan_shape", wrong, place="regulation_from")


class SitePlanned(msgspec.Struct, frozen=True, kw_only=True):
    """A site's part, per interval: W at the AC side (above 0 discharging), Wh stored at the end, W of it at
    spot.

    What is 0 throughout is left empty. An event has of `regulation_w` a number a block of its market, a plan
    that was read (`RecordedPlan`) one an interval.
    """

    site: str
    setpoint_w: tuple[int, ...]
    stored_wh: tuple[int, ...]
    curtailed_w: tuple[int, ...] = ()
    spot_w: tuple[int, ...] = ()
    regulation_w: tuple[int, ...] = ()
    response_w: tuple[int, ...] = ()


class NumberedPlan(msgspec.Struct, frozen=True):
    """The newest plan of a day, which is its `number`th."""

    number: int
    head: PlanHead


class PlanMade(msgspec.Struct, frozen=True, tag_field="kind", tag="plan.made.v1"):
    head: PlanHead

    def apply(self, state: NumberedPlan | None) -> NumberedPlan:
        return NumberedPlan(1 if state is None else state.number + 1, self.head)


class SitesPlanned(msgspec.Struct, frozen=True, tag_field="kind", tag="plan.sites.v1"):
    """Part of the plan of that number."""

    number: int
    part: int
    sites: tuple[SitePlanned, ...]

    def apply(self, _: object) -> SitesPlanned:
        return self


class MakePlan(msgspec.Struct, frozen=True):
    """Record the head of a plan, which is to be the day's `number`th: saved together with its parts."""

    head: PlanHead
    number: int

    @property
    def aggregate(self) -> str:
        return plan_aggregate(self.head.portfolio, self.head.day)

    @property
    def reads(self) -> tuple[str, ...]:
        return ()

    def decide(self, state: NumberedPlan | None, _: Mapping[str, Any]) -> tuple[PlanMade]:
        """Raises:
        Refused: `plan_overtaken` when another plan of the day was made meanwhile."""
        newest = 0 if state is None else state.number
        if self.number != newest + 1:
            wrong = (
                f"another plan of {self.head.portfolio} on {self.head.day} was recorded while this one was"
                f" made, such as by the planning role: number {newest} holds, and none of this one is kept;"
                " look at it (wattledger plan show), and plan again only where it is not what you want"
            )
            raise Refused("plan_overtaken", wrong, place="number")
        return (PlanMade(self.head),)


class PlanSites(msgspec.Struct, frozen=True):
    """Record a part of a plan's sites."""

    portfolio: str
    day: date
    number: int
    part: int
    sites: tuple[SitePlanned, ...]

    @property
    def aggregate(self) -> str:
        return part_aggregate(self.portfolio, self.day, self.part)

    @property
    def reads(self) -> tuple[str, ...]:
        return ()

    def decide(self, _: object, __: Mapping[str, object]) -> tuple[SitesPlanned]:
        return (SitesPlanned(self.number, self.part, self.sites),)


def money(micro: int) -> str:
    """To a hundredth, as plans are talked of.

    >>> money(12_345_678), money(-5_000)
    ('12.35', '-0.01')
    """
    cents = (abs(micro) + 5_000) // 10_000
    return f"{'-' if micro < 0 else ''}{cents // 100}.{cents % 100:02}"


def plan_aggregate(portfolio: str, day: date) -> str:
    """The aggregate of the plans of a day's heads."""
    return f"plan.{portfolio}_{day.isoformat()}"


def part_aggregate(portfolio: str, day: date, part: int) -> str:
    """The aggregate of a part of a day's plans."""
    return f"plan_sites.{portfolio}_{day.isoformat()}_{part}"


def commands_of(
    head: PlanHead, number: int, sites: Sequence[PlannedSite]
) -> tuple[MakePlan | PlanSites, ...]:
    """The head and its parts, to be saved together or not at all."""
    parts = tuple(_parts(sites, head.count))
    whole = msgspec.structs.replace(head, parts=len(parts))
    rest = (PlanSites(head.portfolio, head.day, number, i, part) for i, part in enumerate(parts))
    return (MakePlan(whole, number), *rest)


def _parts(sites: Sequence[PlannedSite], count: int) -> Iterator[tuple[SitePlanned, ...]]:
    size = max(1, _NUMBERS_A_PART // (2 * count))
    for first in range(0, len(sites), size):
        yield tuple(
            SitePlanned(
                site=site.id,
                setpoint_w=_numbers(site.setpoint_w),
                stored_wh=_numbers(site.stored_wh),
                curtailed_w=_if_any(site.curtailed_w),
                spot_w=_if_any(site.spot_w),
                regulation_w=_if_any(site.regulation_w),
                response_w=_if_any(site.response_w),
            )
            for site in sites[first : first + size]
        )


def _numbers(values: Whole) -> tuple[int, ...]:
    return tuple(values.tolist())


def _if_any(values: Whole) -> tuple[int, ...]:
    return _numbers(values) if values.any() else ()
