"""An operator's statement held against our settlement: matched, differing by cause, missing, doubtful."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

from ledger.interval import Interval
from ledger.quantity import Money
from ledger.reconciliation.difference import CLASSES, DifferenceClass, Part
from ledger.reconciliation.lone_line import LoneKind, LoneLine, lone_totals
from ledger.reconciliation.operator_line import sum_of
from ledger.reconciliation.our_line import stream_of
from ledger.refusal import Refused


class MatchedLines(msgspec.Struct, frozen=True):
    """Lines of either side that are about the same thing; `parts` is empty where their figures are equal.

    The parts add up to `operator_amount` - `our_amount`.
    """

    site: str
    item: str
    interval: Interval
    operator: tuple[str, ...]
    ours: tuple[str, ...]
    reason: str
    operator_amount: Money
    our_amount: Money
    parts: tuple[Part, ...] = ()
    note: str = ""

    def __post_init__(self) -> None:
        if self.parts_sum != self.difference:
            raise Refused(
                "difference_parts",
                f"the parts add up to {self.parts_sum:,}, not to {self.difference:,}",
                place=", ".join(self.operator),
            )

    @property
    def difference(self) -> Money:
        """Operator's less ours."""
        return self.operator_amount - self.our_amount

    @property
    def parts_sum(self) -> Money:
        return sum_of((part.amount for part in self.parts), self.our_amount.currency)


class DoubtfulLines(msgspec.Struct, frozen=True):
    """Lines of which it is not certain which belong together: a person matches them."""

    site: str
    item: str
    interval: Interval
    operator: tuple[str, ...]
    ours: tuple[str, ...]
    reason: str
    operator_amount: Money
    our_amount: Money


class LineReport(msgspec.Struct, frozen=True, kw_only=True, tag="operator_statement"):
    """`by_class` sums the parts of all matched lines; every class is there. `by_cause` sums the lines that
    one side has, operator's less ours; the causes that occur are there.

    operator_total - our_total = all of `by_class` + all of `by_cause` + the doubtful difference: what is
    explained and what is not (`unexplained`, `unknown`, doubtful) are all of it, to the minor unit.
    """

    operator: str
    ours: str
    """Our run that was compared."""
    currency: str
    operator_total: Money
    our_total: Money
    matched: tuple[MatchedLines, ...]
    by_class: dict[DifferenceClass, Money]
    by_cause: dict[LoneKind, Money]
    operator_only: tuple[LoneLine, ...]
    ours_only: tuple[LoneLine, ...]
    doubtful: tuple[DoubtfulLines, ...]
    streams: tuple[str, ...]
    """What the operator's statement is about."""

    def __post_init__(self) -> None:
        if set(self.by_class) != set(CLASSES) or self.by_class != class_totals(self.matched, self.currency):
            raise Refused("report_total", "by_class is not the sum of the parts", place="by_class")
        if self.by_cause != lone_totals(self.operator_only, self.ours_only, self.currency):
            raise Refused("report_total", "by_cause is not the sum of the lone lines", place="by_cause")
        explained = sum_of((*self.by_class.values(), *self.by_cause.values()), self.currency)
        explained += sum_of((one.operator_amount - one.our_amount for one in self.doubtful), self.currency)
        if explained != self.operator_total - self.our_total:
            raise Refused(
                "report_total",
                f"{explained:,} is listed of a difference of {self.operator_total - self.our_total:,}",
                place="operator_total",
            )

    @property
    def differences(self) -> tuple[MatchedLines, ...]:
        """The matched lines whose figures differ in money."""
        return tuple(line for line in self.matched if line.parts)

    @property
    def beside(self) -> tuple[LoneLine, ...]:
        """Our lines of streams that the operator's statement is not about; not those that it has under
        another name."""
        return tuple(
            line
            for line in self.ours_only
            if stream_of(line.item) not in self.streams and line.cause not in _THERE
        )

    @property
    def our_compared(self) -> Money:
        """Our total without what is `beside`."""
        return self.our_total - sum_of((line.amount for line in self.beside), self.currency)

    @property
    def unexplained(self) -> Money:
        """What nobody can explain yet: `unexplained`, `unknown`, and lines that are not certain to match."""
        found = self.by_class["unexplained"] + self.by_cause.get("unknown", Money.zero(self.currency))
        return found + sum_of((one.operator_amount - one.our_amount for one in self.doubtful), self.currency)

    @property
    def settled(self) -> bool:
        """Whether nothing is left to look at."""
        return not (self.differences or self.operator_only or self.ours_only or self.doubtful)


def class_totals(matched: Iterable[MatchedLines], currency: str) -> dict[DifferenceClass, Money]:
    """The parts of all matched lines, by class."""
    totals = {kind: Money.zero(currency) for kind in CLASSES}
    for line in matched:
        for part in line.parts:
            totals[part.kind] += part.amount
    return totals


_THERE: Final[frozenset[LoneKind]] = frozenset({"named_otherwise", "unit"})
"""The causes by which the operator's statement has our line all the same."""
