"""Any amount of a settlement as the exact leaves that sum to it: `amount` = sum of all leaves x ratios.

Here stand the tree and its check, which needs nothing but the tree; `ledger.settlement.amount_tree` grows
it from a run's result.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Final, Literal, NamedTuple

import msgspec

from ledger.clauses.flow import exact_text
from ledger.quantity import MINOR_DIGITS, Money, exact
from ledger.refusal import Refused

LeafKind = Literal["event", "price", "clause", "earlier_month", "tax", "rounding", "withheld"]
"""`event`: a quantity that was metered or told, with or without one price. `price`: an item of an electricity
bill at its price. `clause`: a sum that the contract states. `earlier_month`: what earlier months left. `tax`:
taken off before the split. `rounding`: the move to whole minor units, by half away from zero or largest
remainder. `withheld`: what the reader may not see, in one sum."""


class Leaf(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="leaf", omit_defaults=True):
    """`exact` in major units; where there is a `price`, it is `quantity` x `price`. Neither is rounded."""

    kind: LeafKind
    reference: str
    """What it stands on: a line, an item of a bill."""
    label: str
    exact: str
    quantity: str = ""
    unit: str = ""
    price: str = ""


class Branch(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="branch", omit_defaults=True):
    """`exact` is the sum of its parts, and `ratio` of it counts in what the branch is a part of."""

    reference: str
    label: str
    exact: str
    ratio: str = "1"
    parts: tuple[Leaf | Branch, ...]
    sources: tuple[int, ...] = ()
    """Positions in the settlement's list of sources."""


class AmountExplained(msgspec.Struct, frozen=True, kw_only=True):
    """An amount and its tree; `leaves_in_all` counts them, so that none can be left out unseen."""

    amount: Money
    leaves_in_all: int
    tree: Branch


def explained(amount: Money, tree: Branch) -> AmountExplained:
    """The tree of an amount, checked.

    Raises:
        Refused: as `check_explanation`.
    """
    made = AmountExplained(amount=amount, leaves_in_all=sum(1 for _ in leaves(tree)), tree=tree)
    check_explanation(made)
    return made


def leaves(tree: Branch) -> Iterator[tuple[Fraction, Leaf]]:
    """Every leaf with how much of it counts in the whole: contribution = that x its `exact`."""
    waiting: list[tuple[Fraction, Branch]] = [(_ONE, tree)]
    while waiting:
        share, branch = waiting.pop()
        share *= Fraction(branch.ratio)
        for part in branch.parts:
            if isinstance(part, Leaf):
                yield share, part
            else:
                waiting.append((share, part))


def check_explanation(found: AmountExplained) -> None:
    """That the leaves sum exactly to the amount, each is its quantity x price, and none is missing.

    Raises:
        Refused: `explanation_leaf`, `explanation_sum`, `explanation_count`, naming the branch or leaf.
    """
    if found.tree.ratio != "1" or Fraction(found.tree.exact) != found.amount.exact:
        raise Refused("explanation_sum", f"{found.tree.exact} is not {found.amount:,}", place="tree")
    count = _checked_leaves(found.tree, "tree")
    if count != found.leaves_in_all:
        reason = f"{count} leaves are there, and {found.leaves_in_all} make up the amount"
        raise Refused("explanation_count", reason, place="leaves_in_all")


def _checked_leaves(branch: Branch, place: str) -> int:
    total, count = Fraction(0), 0
    for number, part in enumerate(branch.parts):
        at = f"{place}.parts[{number}]"
        if isinstance(part, Branch):
            count += _checked_leaves(part, at)
            total += Fraction(part.ratio) * Fraction(part.exact)
            continue
        value = Fraction(part.exact)
        if part.price and Fraction(part.quantity) * Fraction(part.price) != value:
            reason = f"{part.label}: {part.quantity} x {part.price} is not {part.exact}"
            raise Refused("explanation_leaf", reason, place=at)
        count += 1
        total += value
    if total != Fraction(branch.exact):
        reason = f"{branch.label}: its parts sum to {exact_text(total)}, not to {branch.exact}"
        raise Refused("explanation_sum", reason, place=place)
    return count


class Term(NamedTuple):
    """What is to become a leaf: `value` in major units, and the product that may have made it."""

    kind: LeafKind
    reference: str
    label: str
    quantity: str
    unit: str
    price: str
    value: Fraction


def term_leaves(term: Term, currency: str) -> tuple[Leaf, ...]:
    """A term as a leaf: with its price where quantity x price is its value, else without.

    A price may be written as a product (`40 x 0.9`), and Wh are shown as the kWh of their price. Where the
    product, or its opposite, comes within half a minor unit of the value, the value was rounded, and what
    that moved is a leaf beside it.
    """
    kind, reference, label, quantity, unit, price, value = term
    amount, each = _number(quantity), _product(price)
    if amount is not None and unit.startswith("Wh"):
        amount, unit = amount / 1000, f"k{unit}"
    if amount is not None and each is not None:
        near = Fraction(1, 2 * 10 ** MINOR_DIGITS[currency])
        for sign in (1, -1):
            full = sign * amount * each
            if abs(value - full) <= near:
                leaf = Leaf(
                    kind=kind,
                    reference=reference,
                    label=label,
                    quantity=exact_text(sign * amount),
                    unit=unit,
                    price=exact_text(each),
                    exact=exact_text(full),
                )
                return (leaf, *rounding_leaves(reference, value - full))
    shown = f"{label}, priced {price}" if price else label
    told = quantity if amount is None else exact_text(amount)
    return (
        Leaf(kind=kind, reference=reference, label=shown, quantity=told, unit=unit, exact=exact_text(value)),
    )


def rounding_leaves(reference: str, moved: Fraction) -> tuple[Leaf, ...]:
    """What rounding to whole minor units moved; none where it moved nothing."""
    if not moved:
        return ()
    return (Leaf(kind="rounding", reference=reference, label="rounding", exact=exact_text(moved)),)


def _number(text: str) -> Fraction | None:
    try:
        return Fraction(text) if "/" in text else exact(text)
    except (Refused, ValueError, ZeroDivisionError):
        return None


def _product(text: str) -> Fraction | None:
    value = _ONE
    for factor in text.split(" x "):
        number = _number(factor)
        if number is None:
            return None
        value *= number
    return value


_ONE: Final = Fraction(1)
