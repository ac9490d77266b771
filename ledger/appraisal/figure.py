"""One printed figure, the ways in which it might have been computed, and what that says about it."""

from __future__ import annotations

from fractions import Fraction
from typing import Final, Literal

import msgspec

from ledger.appraisal.assumption import AssumptionSet, Printed
from ledger.appraisal.finance import Answer, rounded

Kind = Literal["natural", "reconstruction", "near_miss", "fitted", "corrected"]
"""natural: the plain reading of stated inputs. reconstruction: the plain form with a hidden input.
near_miss: comes close by a factor that the source does not know. fitted: factors chosen until it was
equal, which proves nothing. corrected: what the figure should have been.
"""

Verdict = Literal["exact", "exact_under_determined", "close", "not_reproducible", "impossible"]
"""exact: one natural or reconstructed variant gives the printed digits; exact_under_determined: several
different ones do; close: the nearest of them is within CLOSE; impossible: contradicts other figures."""

CLOSE: Final = Fraction(5, 1000)


class Variant(msgspec.Struct, frozen=True):
    """`value` in the figure's base unit; `uses` names the assumptions beyond other printed figures."""

    name: str
    kind: Kind
    answer: Answer
    uses: tuple[str, ...]

    @property
    def value(self) -> Fraction:
        return self.answer.value

    def deviation(self, printed: Printed) -> Fraction:
        """This less printed, as a share of printed."""
        return self.value / printed.exact - 1

    def equal(self, printed: Printed) -> bool:
        """Whether it rounds (half away from zero) to the printed digits."""
        return rounded(self.value / printed.factor, printed.places) == printed.value

    def shown(self, printed: Printed, places: int = 2) -> str:
        """The value in the printed unit."""
        return rounded(self.value / printed.factor, places)


class Implied(msgspec.Struct, frozen=True):
    """What a printed figure says about one of its inputs, the others being as stated; [low, high) by its
    rounding."""

    name: str
    unit: str
    formula: str
    value: Fraction
    low: Fraction
    high: Fraction


class Unexplained(msgspec.Struct, frozen=True):
    """The factor by which the printed figure differs from `of`: reported, because nothing explains it."""

    factor: Fraction
    of: str


class Figure(msgspec.Struct, frozen=True):
    """A printed figure, appraised; `variants` has the natural ones first."""

    printed: Printed
    variants: tuple[Variant, ...]
    implied: tuple[Implied, ...] = ()
    unexplained: Unexplained | None = None
    impossible: str = ""
    """Why the figure cannot be, given the others; empty when it can."""
    notes: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return self.printed.name

    @property
    def verdict(self) -> Verdict:
        """By rule, from the variants alone."""
        if self.impossible:
            return "impossible"
        plain = [variant for variant in self.variants if variant.kind in ("natural", "reconstruction")]
        equal = sum(variant.equal(self.printed) for variant in plain)
        if equal:
            return "exact" if equal == 1 else "exact_under_determined"
        if any(abs(variant.deviation(self.printed)) <= CLOSE for variant in plain):
            return "close"
        return "not_reproducible"

    def variant(self, name: str) -> Variant:
        """The variant of that name."""
        return next(variant for variant in self.variants if variant.name == name)

    def hidden(self, assumptions: AssumptionSet) -> tuple[str, ...]:
        """The assumptions, not stated in the source, of the variants that give the printed digits."""
        names = [name for one in self.variants if one.equal(self.printed) for name in one.uses]
        return tuple(name for name in dict.fromkeys(names) if assumptions.standing(name) != "stated")


def implied(name: str, unit: str, formula: str, printed: Printed, per_unit: Fraction) -> Implied:
    """The input that gives the printed figure when each unit of it is worth `per_unit`."""
    low, high = printed.range
    return Implied(name, unit, formula, printed.exact / per_unit, low / per_unit, high / per_unit)


def money(value: Fraction, formula: str, working: str) -> Answer:
    """A year's amount in CNY."""
    return Answer(value, "CNY", formula, working)
