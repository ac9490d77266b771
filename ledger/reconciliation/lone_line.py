"""A line that only one side has, and why the other has none."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Literal, get_args

import msgspec

from ledger.interval import Interval
from ledger.quantity import Money
from ledger.reconciliation.operator_line import sum_of

LoneKind = Literal[
    "nothing_paid",
    "rounding",
    "named_otherwise",
    "other_period",
    "incomplete_period",
    "unit",
    "bill_effect",
    "late",
    "estimated",
    "unknown_site",
    "no_contract",
    "other_contract",
    "not_in_force",
    "exclusivity",
    "not_told",
    "unknown",
]
"""In the order in which causes are looked for: the first that is found is the line's.

`late`: what the line rests on was recorded after the operator's cut-off, or an earlier run had it otherwise.
`not_told`: nobody recorded that a market told anything of the stream. `unknown`: somebody has to be asked.
"""

LONE_KINDS: Final[tuple[LoneKind, ...]] = get_args(LoneKind)


class LoneLine(msgspec.Struct, frozen=True):
    """`reason` says what the ledger knows of the cause; `ask`, of an `unknown` one, what to ask of whom."""

    reference: str
    site: str
    item: str
    interval: Interval
    amount: Money
    cause: LoneKind
    reason: str
    ask: str = ""

    def __post_init__(self) -> None:
        assert bool(self.ask) == (self.cause == "unknown"), "an unknown cause says what to ask"


def lone_totals(
    operator_only: Iterable[LoneLine], ours_only: Iterable[LoneLine], currency: str
) -> dict[LoneKind, Money]:
    """Operator's less ours of all lines that one side has, by the causes that occur."""
    totals: dict[LoneKind, Money] = {}
    zero = Money.zero(currency)
    for line in operator_only:
        totals[line.cause] = totals.get(line.cause, zero) + line.amount
    for line in ours_only:
        totals[line.cause] = totals.get(line.cause, zero) - line.amount
    found = {kind: totals[kind] for kind in LONE_KINDS if kind in totals}
    assert sum_of(found.values(), currency) == sum_of(totals.values(), currency)
    return found
