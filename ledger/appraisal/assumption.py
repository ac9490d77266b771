"""The inputs of an appraisal, each with its unit, where it comes from, and whether it was stated at all."""

from __future__ import annotations

import re
from collections.abc import Iterable
from fractions import Fraction
from functools import cached_property
from typing import Final, Literal

import msgspec

from ledger.clauses.flow import one_of
from ledger.identity import checked_id
from ledger.quantity import MINOR_DIGITS, exact
from ledger.refusal import Refused

Standing = Literal["stated", "hidden", "medium_confidence"]
"""stated: in the source's text. hidden: not there, and needed to reach a figure. medium_confidence: from
general knowledge of the trade, not verified ([M] in DOMAIN.md)."""

PrintedUnit = Literal["10^4 CNY", "CNY/kWh", "%", "year"]
_UNIT: Final[dict[PrintedUnit, tuple[int, int, str]]] = {
    "10^4 CNY": (10_000, 1, "CNY"),
    "CNY/kWh": (1, 1, "CNY/kWh"),
    "%": (1, 100, "1"),
    "year": (1, 1, "year"),
}
_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,63}")


class Assumption(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One number: `value` is a plain decimal in `unit`, such as `1.4085` CNY/kWh."""

    name: str
    value: str
    unit: str
    standing: Standing
    source: str
    note: str = ""

    def __post_init__(self) -> None:
        _check_name(self.name)
        _check_number(self.value)
        one_of(self.standing, Standing, "standing")
        for place in ("unit", "source"):
            if not getattr(self, place).strip():
                raise Refused("empty", f"{self.name} needs its {place}", place=place)


class Printed(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A figure as the source prints it; its decimals say how it was rounded."""

    name: str
    value: str
    unit: PrintedUnit
    source: str

    def __post_init__(self) -> None:
        _check_name(self.name)
        if _check_number(self.value) <= 0:
            raise Refused("printed", f"{self.value} is not above zero", place="value")
        one_of(self.unit, PrintedUnit, "unit")
        if not self.source.strip():
            raise Refused("empty", f"{self.name} needs its source", place="source")

    @property
    def base_unit(self) -> str:
        """The unit of `exact`: CNY, CNY/kWh, 1 (a share) or year."""
        return _UNIT[self.unit][2]

    @property
    def factor(self) -> Fraction:
        """What one printed unit is in base units."""
        multiple, divisor, _ = _UNIT[self.unit]
        return Fraction(multiple, divisor)

    @property
    def exact(self) -> Fraction:
        """The figure in base units."""
        return exact(self.value) * self.factor

    @property
    def places(self) -> int:
        return len(self.value.partition(".")[2])

    @property
    def range(self) -> tuple[Fraction, Fraction]:
        """Everything in [low, high) in base units is printed like this."""
        half = self.factor / (2 * 10**self.places)
        return self.exact - half, self.exact + half


class AssumptionSet(msgspec.Struct, frozen=True, kw_only=True, dict=True, forbid_unknown_fields=True):
    """All that an appraisal is computed from, and what its source printed."""

    id: str
    title: str
    source: str
    currency: str
    exclusive: tuple[str, ...]
    """Printed streams that the source itself presents as alternatives: never added up."""
    assumptions: tuple[Assumption, ...]
    printed: tuple[Printed, ...]

    def __post_init__(self) -> None:
        checked_id(self.id, "id")
        for place in ("title", "source"):
            if not getattr(self, place).strip():
                raise Refused("empty", f"an assumption set needs its {place}", place=place)
        if self.currency not in MINOR_DIGITS:
            raise Refused(
                "currency", f"{self.currency!r} is not one of {', '.join(MINOR_DIGITS)}", place="currency"
            )
        _check_once([one.name for one in self.assumptions], "assumptions")
        _check_once([one.name for one in self.printed], "printed")
        _check_once(self.exclusive, "exclusive")
        for number, name in enumerate(self.exclusive):
            if name not in self._printed:
                raise Refused(
                    "unknown_figure", f"no figure {name!r} is printed", place=f"exclusive[{number}]"
                )

    @cached_property
    def _by_name(self) -> dict[str, Assumption]:
        return {one.name: one for one in self.assumptions}

    @cached_property
    def _printed(self) -> dict[str, Printed]:
        return {one.name: one for one in self.printed}

    def value(self, name: str, unit: str) -> Fraction:
        """The exact value of an assumption that is in `unit`.

        Raises:
            Refused: `unknown_assumption`; `unit` when it is stated in another.
        """
        found = self._by_name.get(name)
        if found is None:
            raise Refused(
                "unknown_assumption", f"the set does not state {name} ({unit})", place="assumptions"
            )
        if found.unit != unit:
            raise Refused("unit", f"{name} is in {found.unit}, not {unit}", place=f"assumptions.{name}")
        return exact(found.value)

    def standing(self, name: str) -> Standing:
        """Whether the assumption was stated."""
        return self._by_name[name].standing

    def figure(self, name: str) -> Printed:
        """A printed figure.

        Raises:
            Refused: `unknown_figure`, listing those that are printed.
        """
        if name not in self._printed:
            raise Refused(
                "unknown_figure", f"no figure {name!r} is printed; there are: {', '.join(self._printed)}",
                place="printed",
            )  # fmt: skip
        return self._printed[name]


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise Refused("name", f"{name!r} is not a name such as price_peak", place="name")


def _check_number(text: str) -> Fraction:
    try:
        return exact(text)
    except Refused as refused:
        raise Refused(refused.code, refused.reason, place="value") from None


def _check_once(names: Iterable[str], place: str) -> None:
    seen: set[str] = set()
    for number, name in enumerate(names):
        if name in seen:
            raise Refused("duplicate", f"{name!r} is named twice", place=f"{place}[{number}]")
        seen.add(name)
