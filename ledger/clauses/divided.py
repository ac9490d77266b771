"""A clause that divides what it takes by fixed shares."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction
from functools import cached_property
from typing import Final

from ledger.clauses.flow import Flow, Part, Stated, Terms
from ledger.clauses.share import Shares, weights
from ledger.split import largest_remainder

_NONE: Final = Fraction(0)


class Divided(Terms, frozen=True, kw_only=True):
    """Its `shares` total exactly 100 %."""

    shares: Shares

    def __post_init__(self) -> None:
        assert self.parts_of

    @cached_property
    def parts_of(self) -> dict[str, Fraction]:
        return weights(self.shares, "shares")

    @property
    def percentages(self) -> tuple[Stated, ...]:
        return (Stated(self.shares),)

    def named_parties(self) -> Iterator[tuple[str, str]]:
        for party in self.shares:
            yield f"shares.{party}", party

    def divide(self, flow: Flow, taken: int, what: str, *, earlier: int = 0) -> tuple[Part, ...]:
        """`taken` minor units by the shares; see `divided`."""
        return divided(flow, taken, self.shares, self.parts_of, what, earlier=earlier)


def divided(
    flow: Flow,
    taken: int,
    shares: Mapping[str, str],
    parts_of: Mapping[str, Fraction],
    what: str,
    *,
    earlier: int = 0,
) -> tuple[Part, ...]:
    """`taken` minor units by largest remainder (DOMAIN.md 2.3), by party id; no lines for nothing.

    `parts_of` are the weights that `shares` write, and total 1. `what` names the amount divided:
    `70% of the remainder 45,678.91 CNY`. Where less than what reached the clause is taken, `earlier` minor
    units of it were left due by earlier months.
    """
    if taken == 0:
        return ()
    whole = f"of the {what} {flow.money(taken)}"
    minors = largest_remainder(taken, parts_of)
    all_of_it = taken == flow.remaining
    return tuple(
        Part(
            party,
            Fraction(weight.numerator * taken, weight.denominator * flow.unit),
            minors[party],
            f"{shares[party]} {whole}",
            per_remaining=weight if all_of_it else _NONE,
            earlier=_NONE if all_of_it or not earlier else weight * earlier / flow.unit,
        )
        for party, weight in sorted(parts_of.items())
    )
