"""A line that only one side has, and why the other has none: one cause, or several with their parts of it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Literal, get_args

import msgspec

from ledger.interval import Interval
from ledger.quantity import Money
from ledger.reconciliation.operator_line import sum_of
from ledger.refusal import Refused

LoneKind = Literal[
    "nothing_paid",
    "rounding",
    "named_otherwise",
    "other_period",
    "incomplete_period",
    "unit",
    "bill_effect",
    "run",
    "late",
    "volume",
    "price",
    "estimated",
    "unknown_site",
    "no_contract",
    "other_contract",
    "not_in_force",
    "exclusivity",
    "not_told",
    "unknown",
]
"""In the order in which causes are looked for. One that explains a part of the line leaves the rest to those
after it; any other takes what is left.

`volume`, `price`: by what a line differs from the one that an earlier run of ours had in its place.
`run`: the operator's statement has the figures of an earlier run of ours, which had no such line.
`late`: what the line rests on was recorded after the operator's stated cut-off, or an earlier run of ours had
a line that only the operator has now.
`not_told`: nobody recorded that a market told anything of the stream. `unknown`: somebody has to be asked.
"""

LONE_KINDS: Final[tuple[LoneKind, ...]] = get_args(LoneKind)


class LonePart(msgspec.Struct, frozen=True):
    """What of the line's amount has this cause; `reason` says what the ledger knows of it."""

    kind: LoneKind
    amount: Money
    reason: str


class LoneLine(msgspec.Struct, frozen=True):
    """The parts add up to the amount; `ask` says, of an `unknown` part, what to ask of whom."""

    reference: str
    site: str
    item: str
    interval: Interval
    amount: Money
    parts: tuple[LonePart, ...]
    ask: str = ""

    def __post_init__(self) -> None:
        unknown = any(part.kind == "unknown" for part in self.parts)
        assert bool(self.ask) == unknown, "an unknown cause says what to ask"
        if sum_of((part.amount for part in self.parts), self.amount.currency) != self.amount:
            raise Refused("difference_parts", "the parts are not the line's amount", place=self.reference)

    @property
    def main(self) -> LonePart:
        """The largest part."""
        return max(self.parts, key=lambda part: abs(part.amount.minor))

    @property
    def cause(self) -> LoneKind:
        return self.main.kind

    @property
    def reason(self) -> str:
        return self.main.reason


def lone_totals(
    operator_only: Iterable[LoneLine], ours_only: Iterable[LoneLine], currency: str
) -> dict[LoneKind, Money]:
    """Operator's less ours of all lines that one side has, by the causes that occur."""
    totals: dict[LoneKind, Money] = {}
    zero = Money.zero(currency)
    for sign, lines in ((1, operator_only), (-1, ours_only)):
        for part in (part for line in lines for part in line.parts):
            money = Money(sign * part.amount.minor, currency)
            totals[part.kind] = totals.get(part.kind, zero) + money
    found = {kind: totals[kind] for kind in LONE_KINDS if kind in totals}
    assert sum_of(found.values(), currency) == sum_of(totals.values(), currency)
    return found
