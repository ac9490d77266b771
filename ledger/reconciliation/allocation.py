"""Differences between sites that cancel out: the same total, divided otherwise."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple

from ledger.interval import Interval
from ledger.quantity import Money
from ledger.reconciliation.difference import Part
from ledger.reconciliation.figures import Figures


class SiteDifference(NamedTuple):
    """One matched line of one site, and what its difference is made of so far."""

    site: str
    item: str
    interval: Interval
    theirs: Figures
    ours: Figures
    parts: tuple[Part, ...]

    @property
    def unexplained(self) -> int:
        return sum(part.amount.minor for part in self.parts if part.kind == "unexplained")


def with_allocation(found: Sequence[SiteDifference]) -> list[tuple[Part, ...]]:
    """The parts of each line, with `allocation` where the sites of an item and period cancel out.

    Amounts and quantities that both sum to the operator's make every such line's difference allocation,
    apart from lines of an earlier run and of rounding; otherwise what is unexplained at several sites is, if
    it cancels.
    """
    parts = [one.parts for one in found]
    groups: dict[tuple[str, Interval], list[int]] = defaultdict(list)
    for at, one in enumerate(found):
        kinds = {part.kind for part in one.parts}
        if one.site and kinds and not kinds & {"run", "allocation"} and kinds != {"rounding"}:
            groups[one.item, one.interval].append(at)
    for members in groups.values():
        lines = [found[at] for at in members]
        if len({one.site for one in lines}) < 2:
            continue
        if _cancel(lines):
            for at in members:
                parts[at] = (_allocated(found[at], found[at].theirs.amount - found[at].ours.amount),)
        elif sum(one.unexplained for one in lines) == 0:
            for at in members:
                parts[at] = tuple(_renamed(part, found[at]) for part in parts[at])
    return parts


def _cancel(lines: Sequence[SiteDifference]) -> bool:
    """Whether quantities and amounts both sum to the operator's.

    Where quantities went from site to site each amount was rounded anew: a minor unit a site may be left.
    """
    left = sum(one.theirs.amount.minor - one.ours.amount.minor for one in lines)
    known = [
        one.theirs.quantity - one.ours.quantity
        for one in lines
        if one.theirs.quantity is not None
        and one.ours.quantity is not None
        and one.theirs.unit == one.ours.unit
    ]
    if sum(known, Fraction(0)):
        return False
    moved = any(known) and len(known) == len(lines)
    return abs(left) <= (len(lines) if moved else 0)


def _renamed(part: Part, line: SiteDifference) -> Part:
    return _allocated(line, part.amount) if part.kind == "unexplained" else part


def _allocated(line: SiteDifference, amount: Money) -> Part:
    return Part("allocation", amount, f"all sites of {line.item} together are equal; {line.site} is not")
