"""What a difference between an operator's line and ours is made of; its parts always add up to it."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Final, Literal, NamedTuple, get_args

import msgspec

from ledger.clauses.flow import exact_text
from ledger.quantity import MINOR_DIGITS, Money
from ledger.reconciliation.figures import Figures
from ledger.refusal import Refused

DifferenceClass = Literal["volume", "price", "rule", "run", "allocation", "unexplained"]
CLASSES: Final[tuple[DifferenceClass, ...]] = get_args(DifferenceClass)


class Part(msgspec.Struct, frozen=True):
    """Operator's less ours, as far as it has this cause."""

    kind: DifferenceClass
    amount: Money
    reason: str


class Policy(msgspec.Struct, frozen=True):
    """`rounded_parts` is of how many amounts, each rounded by itself, the operator's amount may be the sum:
    1 where it is rounded once, 96 where a day's intervals are each rounded (DOMAIN.md 3.0)."""

    rounded_parts: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.rounded_parts <= _ROUNDED_PARTS_MAX:
            raise Refused("rounded_parts", f"1 to {_ROUNDED_PARTS_MAX}", place="rounded_parts")


_ROUNDED_PARTS_MAX: Final = 10_000


class Rival(NamedTuple):
    """The same lines in another run of ours, or under another version of the rules."""

    name: str
    figures: Figures
    exact: Fraction
    """The amount before rounding."""


def parts_of(
    theirs: Figures, ours: Figures, runs: Sequence[Rival], rules: Sequence[Rival], policy: Policy
) -> tuple[Part, ...]:
    """The causes of the difference between two lines, none zero; operator's less ours.

    With q, p and R for quantity, price and rounding to the minor unit, half away from zero:
    volume = R(q_o p_u) - R(q_u p_u), price = R(q_o p_o) - R(q_o p_u), and the rest is rule or unexplained.
    Each product is rounded before it is subtracted, so a fault of one kind leaves nothing to another.

    Equal figures in an earlier run make all of it `run`; equal figures under other rules all of it `rule`.
    """
    difference = theirs.amount - ours.amount
    if theirs.same(ours):
        return ()
    for run in runs:
        if run.figures.same(theirs):
            return _kept(Part("run", difference, f"the figures of {run.name}"))
    for rule in rules:
        if rule.figures.same(theirs):
            return _kept(Part("rule", difference, f"the figures under {rule.name}"))
    zero = Money.zero(difference.currency)
    found = _volume_and_price(theirs, ours)
    rest = difference - sum((part.amount for part in found), zero)
    if rest.minor:
        found.append(_rest(rest, theirs, ours, rules, policy))
    assert sum((part.amount for part in found), zero) == difference, "the parts add up to the difference"
    return _kept(*found)


def _kept(*parts: Part) -> tuple[Part, ...]:
    return tuple(part for part in parts if part.amount.minor)


def _volume_and_price(theirs: Figures, ours: Figures) -> list[Part]:
    """Empty where either side's quantity or our price is not stated, or the units differ."""
    quantity, price = theirs.quantity, ours.price
    if quantity is None or price is None or ours.quantity is None or ours.worth is None:
        return []
    if theirs.unit != ours.unit:
        return []
    currency = ours.amount.currency
    at_our_price = Money.round(quantity * price, currency)
    volume = Part(
        "volume",
        at_our_price - Money.round(ours.worth, currency),
        f"({exact_text(quantity)} - {exact_text(ours.quantity)}) {ours.unit} x {exact_text(price)}",
    )
    if theirs.worth is None:
        return [volume]
    stated = "several prices" if theirs.price is None else exact_text(theirs.price)
    reason = f"{exact_text(quantity)} {ours.unit} x ({stated} - {exact_text(price)})"
    return [volume, Part("price", Money.round(theirs.worth, currency) - at_our_price, reason)]


def _rest(rest: Money, theirs: Figures, ours: Figures, rules: Sequence[Rival], policy: Policy) -> Part:
    """What quantity and price leave: other rounding, other rules, or nothing that we know of."""
    if theirs.worth is None or ours.worth is None:
        return Part("unexplained", rest, "quantity and price are not both stated on either side")
    minor = Fraction(policy.rounded_parts, 10 ** MINOR_DIGITS[rest.currency])
    ours_is_worth = ours.amount == Money.round(ours.worth, rest.currency)
    if ours_is_worth and abs(theirs.amount.exact - theirs.worth) < minor:
        return Part("rule", rest, f"{exact_text(theirs.worth)} rounded otherwise")
    for rule in rules:
        if rule.figures.worth:
            factor = rule.exact / rule.figures.worth
            if theirs.amount == Money.round(theirs.worth * factor, rest.currency):
                reason = f"{rule.name} on the operator's figures: x {exact_text(factor)}"
                return Part("rule", rest, reason)
    return Part("unexplained", rest, "neither quantity, price nor a known rule gives it")
