"""What a clause's parts are made of, told when somebody asks why: no settlement holds it.

Each part is a sum of ratio x term, in major units. Told of the same flow, the sums are the parts' exact
amounts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Final, NamedTuple, Protocol, runtime_checkable

from ledger.clauses.carry import Carry
from ledger.clauses.flow import Flow, Part

_ONE: Final = Fraction(1)


class Reached(NamedTuple):
    """What reached the clause, or what it took of that where that is all."""


class Product(NamedTuple):
    """A sum that the contract or a recorded fact states, or what was metered: `quantity` x `price`."""

    label: str
    quantity: Fraction
    unit: str
    price: Fraction
    metered: bool = False


class Moved(NamedTuple):
    """What rounding moved."""

    by: Fraction


class Before(NamedTuple):
    """What earlier months left in the clause's account, each by how much it changed what `measure` counts.

    `since` is the month of the year in which the count begins anew.
    """

    label: str
    total: Fraction
    measure: Callable[[Carry], Fraction]
    since: int | None = None


class Given(NamedTuple):
    """The amount of another part of the same clause, by its position."""

    part: int


Told = tuple[tuple[Fraction, Reached | Product | Moved | Before | Given], ...]


@runtime_checkable
class Tells(Protocol):
    """A clause that says what its parts are made of, in the order in which `apply` gives them."""

    def tell(self, flow: Flow) -> tuple[Told, ...]: ...


class Retold(NamedTuple):
    """A part as a clause makes it again, and what it is made of."""

    part: Part
    told: Told


@runtime_checkable
class Retells(Protocol):
    """A clause whose last parts follow from what it handed on to the next month; the ones before do not."""

    def retell(self, flow: Flow, carry: Carry) -> tuple[Retold, ...]: ...


def carried(carry: Carry) -> Fraction:
    """The money of an account."""
    assert carry.money is not None, "an account of energy has no money"
    return carry.money.exact


def stated(flow: Flow, label: str, quantity: Fraction, price: Fraction) -> Told:
    """A sum that the clause rounds on its own; nothing for nothing."""
    exact = quantity * price
    if not exact:
        return ()
    moved = Fraction(flow.minor(exact), flow.unit) - exact
    product = (_ONE, Product(label, quantity, flow.currency, price))
    return (product, (_ONE, Moved(moved))) if moved else (product,)


def left_before(label: str, minor: int, flow: Flow) -> Told:
    """What an account of money holds of earlier months; nothing for an empty one."""
    return ((_ONE, Before(label, Fraction(minor, flow.unit), carried)),) if minor else ()


def times(ratio: Fraction, told: Told) -> Told:
    return tuple((ratio * each, term) for each, term in told)


def shared(flow: Flow, taken: int, parts: Sequence[Part], told: Told) -> tuple[Told, ...]:
    """What is `taken`, as each part has it by its share."""
    return tuple(times(part.exact * flow.unit / taken, told) for part in parts)


REACHED: Final[Told] = ((_ONE, Reached()),)
