"""A statement of the market about a trading unit, with the unit as it was and what its members metered."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from types import MappingProxyType
from typing import NamedTuple

from ledger.allocation.allocation import Allocation
from ledger.allocation.unit_allocation import Taken, UnderAgc
from ledger.allocation.unit_fact import UnitFact
from ledger.calendars import DayKind
from ledger.interval import Interval
from ledger.refusal import Refused
from ledger.streams.baseline import Exclusion, Profile
from ledger.trading_unit import Piece, TradingUnit


class Metered(NamedTuple):
    """A member's consumption at its grid connection, with the storage, and the storage's own.

    Both reach back as far as baselines look; `excluded` are the other events and the outages of the site.
    """

    grid: Profile | None
    storage: Profile | None
    day_kind: Callable[[date], DayKind]
    excluded: tuple[Exclusion, ...]


class Shared(NamedTuple):
    """An item's allocation, and the unit of its weights."""

    name: str
    allocation: Allocation
    unit: str


class SharedOut(NamedTuple):
    """The statement's items, what of each member's storage was sold, and a note for each member.

    `measured` is what was read of each member's meters, as plain numbers and text; nothing where the
    statement itself says what they did.
    """

    items: list[Shared]
    taken: dict[str, tuple[Taken, ...]]
    notes: dict[str, str]
    measured: dict[str, list[object]]
    under_agc: Mapping[str, UnderAgc] = MappingProxyType({})
    """Of regulation, the members that AGC called."""


class Case(NamedTuple):
    """A statement with the unit as it was: each member's times in it, and its weight in what was promised."""

    fact: UnitFact
    unit: TradingUnit
    cut: list[Piece]
    standing: dict[str, tuple[Interval, ...]]
    metered: Mapping[str, Metered]

    def profile(self, site: str, *, own_account: bool) -> Profile:
        known = self.metered.get(site)
        found = None if known is None else known.storage if own_account else known.grid
        if found is None:
            measured = "storage" if own_account else "grid connection"
            raise Refused("meter_layout", f"the {measured} has no meter", place=f"site {site}")
        return found


def check_members(case: Case, named: Sequence[str], place: str) -> None:
    """The statement's members are those that stood in the unit: nobody is left out, missing is not zero."""
    for site in named:
        if site not in case.standing:
            raise Refused("member_unknown", f"{site} does not stand in unit {case.unit.id} then", place=place)
    for site in case.standing:
        if site not in named:
            raise Refused(
                "member_missing", f"{site} stands in unit {case.unit.id}; state its part", place=place
            )


def standing(cut: Sequence[Piece]) -> dict[str, tuple[Interval, ...]]:
    """Each member's times, those that follow each other as one; sites in order."""
    found: dict[str, list[Interval]] = {}
    for piece in cut:
        for member in piece.members:
            times = found.setdefault(member.site, [])
            if times and times[-1].end == piece.interval.start:
                times[-1] = Interval(times[-1].start, piece.interval.end)
            else:
                times.append(piece.interval)
    return {site: tuple(found[site]) for site in sorted(found)}
