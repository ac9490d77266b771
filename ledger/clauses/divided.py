"""A clause that divides what it takes by fixed shares."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction
from functools import cached_property

from ledger.clauses.flow import Flow, Part, Terms
from ledger.clauses.share import Shares, weights
from ledger.split import largest_remainder


class Divided(Terms, frozen=True, kw_only=True):
    """Its `shares` total exactly 100 %."""

    shares: Shares

    def __post_init__(self) -> None:
        assert self.weights

    @cached_property
    def weights(self) -> dict[str, Fraction]:
        return weights(self.shares, "shares")

    def named_parties(self) -> Iterator[tuple[str, str]]:
        for party in self.shares:
            yield f"shares.{party}", party

    def divide(self, flow: Flow, taken: int, what: str) -> tuple[Part, ...]:
        """`taken` minor units by the shares; see `divided`."""
        return divided(flow, taken, self.shares, self.weights, what)


def divided(
    flow: Flow, taken: int, shares: Mapping[str, str], parts_of: Mapping[str, Fraction], what: str
) -> tuple[Part, ...]:
    """`taken` minor units by largest remainder (DOMAIN.md 2.3), by party id; no lines for nothing.

    `parts_of` are the weights that `shares` write, and total 1. `what` names the amount divided:
    `70% of the remainder 45,678.91 CNY`.
    """
    if taken == 0:
        return ()
    whole = f"of the {what} {flow.money(taken)}"
    minors = largest_remainder(taken, parts_of)
    return tuple(
        Part(
            party,
            Fraction(weight.numerator * taken, weight.denominator * flow.unit),
            minors[party],
            f"{shares[party]} {whole}",
        )
        for party, weight in sorted(parts_of.items())
    )
