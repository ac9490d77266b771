"""What a difference between an operator's line and ours is made of; its parts always add up to it."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Final, Literal, NamedTuple, get_args

import msgspec

from ledger.clauses.flow import exact_text
from ledger.quantity import MINOR_DIGITS, Money
from ledger.reconciliation.figures import Figures
from ledger.reconciliation.stated_quantity import decimals_hint
from ledger.refusal import Refused

DifferenceClass = Literal["volume", "price", "rule", "run", "allocation", "rounding", "unexplained"]
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
        if not 1 <= self.rounded_parts <= ROUNDED_PARTS_MAX:
            raise Refused("rounded_parts", f"1 to {ROUNDED_PARTS_MAX}", place="rounded_parts")


ROUNDED_PARTS_MAX: Final = 10_000


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
    volume = R(q_o p_u) - R(q_u p_u), price = R(q_o p_o) - R(q_o p_u), and the rest is rounding, rule or
    unexplained. Each product is rounded before it is subtracted, so a fault of one kind leaves nothing to
    another. Where q_o is q_u as the operator prints it, volume is `rounding`, and so is price where p_o is
    p_u as printed (DOMAIN.md 3.0); an operator that pays for what it metered, and prints it rounded, is
    compared by what it paid for.

    Equal figures in an earlier run make all of it `run`; equal figures under other rules all of it `rule`:
    each but for what printing them moves.
    """
    difference = theirs.amount - ours.amount
    if theirs.same(ours):
        return ()
    if not _as_printed(ours, theirs):
        for rival in runs:
            if (found := _of_rival("run", run_reason(rival.name), rival, theirs, ours)) is not None:
                return found
        for rival in rules:
            if (
                found := _of_rival("rule", f"the figures under {rival.name}", rival, theirs, ours)
            ) is not None:
                return found
    zero = Money.zero(difference.currency)
    paid = _paid_for(theirs, ours)
    parts = _volume_and_price(paid, ours)
    rest = difference - sum((part.amount for part in parts), zero)
    if rest.minor:
        parts.append(_rest(rest, paid, ours, rules, policy))
    assert sum((part.amount for part in parts), zero) == difference, "the parts add up to the difference"
    return _kept(*parts)


def run_reason(name: str) -> str:
    """Why a difference is `run`: the operator has the figures of that other run."""
    return f"the figures of {name}"


def _kept(*parts: Part) -> tuple[Part, ...]:
    return tuple(part for part in parts if part.amount.minor)


def _as_printed(ours: Figures, theirs: Figures) -> bool:
    """Whether their amount is that of our figures, with the quantity as they print it."""
    if not theirs.printed_otherwise(ours) or theirs.quantity is None or ours.price is None:
        return False
    if theirs.price not in (None, ours.price) and not theirs.priced_otherwise(ours):
        return False
    return theirs.amount == Money.round(theirs.quantity * ours.price, theirs.amount.currency)


def _of_rival(
    kind: DifferenceClass, reason: str, rival: Rival, theirs: Figures, ours: Figures
) -> tuple[Part, ...] | None:
    """The whole difference where the rival's figures are theirs, as they print them; None where not."""
    if rival.figures.same(theirs):
        return _kept(Part(kind, theirs.amount - ours.amount, reason))
    if not _as_printed(rival.figures, theirs):
        return None
    moved = Part("rounding", theirs.amount - rival.figures.amount, _printed(theirs, rival.figures))
    return _kept(Part(kind, rival.figures.amount - ours.amount, reason), moved)


def _paid_for(theirs: Figures, ours: Figures) -> Figures:
    """Their figures, with our quantity or price in place of one that they print rounded, where only that
    gives their amount."""
    if theirs.worth is None or theirs.quantity is None or theirs.price is None:
        return theirs
    quantities, prices = [theirs.quantity], [theirs.price]
    if theirs.printed_otherwise(ours) and ours.quantity is not None:
        quantities.append(ours.quantity)
    if theirs.priced_otherwise(ours) and ours.price is not None:
        prices.append(ours.price)
    for price in prices:
        for quantity in quantities:
            if Money.round(quantity * price, theirs.amount.currency) == theirs.amount:
                return theirs._replace(quantity=quantity, price=price, worth=quantity * price)
    return theirs


def _volume_and_price(theirs: Figures, ours: Figures) -> list[Part]:
    """Empty where either side's quantity or our price is not stated, or the units differ."""
    quantity, price = theirs.quantity, ours.price
    if quantity is None or price is None or ours.quantity is None or ours.worth is None:
        return []
    if theirs.unit != ours.unit:
        return []
    currency = ours.amount.currency
    at_our_price = Money.round(quantity * price, currency)
    moved = at_our_price - Money.round(ours.worth, currency)
    if theirs.printed_otherwise(ours):
        volume = Part("rounding", moved, _printed(theirs, ours))
    else:
        difference = f"({exact_text(quantity)} - {exact_text(ours.quantity)}) {ours.unit}"
        volume = Part("volume", moved, f"{difference} x {exact_text(price)}{rounding_hint(theirs, ours)}")
    if theirs.worth is None:
        return [volume]
    stated = "several prices" if theirs.price is None else exact_text(theirs.price)
    reason = f"{exact_text(quantity)} {ours.unit} x ({stated} - {exact_text(price)})"
    kind: DifferenceClass = "rounding" if theirs.priced_otherwise(ours) else "price"
    return [volume, Part(kind, Money.round(theirs.worth, currency) - at_our_price, reason)]


def rounding_hint(theirs: Figures, ours: Figures) -> str:
    """Where their quantity is ours in a coarser step: what the profile states if they print it so."""
    step = theirs.rounded_to(ours)
    if step is None:
        return ""
    same = f"ours rounded to {exact_text(step)} {ours.unit} is theirs"
    return f"; {same}: if they print it so, state {decimals_hint(step, ours.unit)} in the profile"


def _printed(theirs: Figures, ours: Figures) -> str:
    """How the operator prints our quantity, and what it is paid at."""
    assert theirs.quantity is not None
    assert ours.quantity is not None
    assert ours.price is not None
    unit, moved = ours.unit, exact_text(theirs.quantity - ours.quantity)
    printed = f"{exact_text(ours.quantity)} {unit} printed as {exact_text(theirs.quantity)} {unit}"
    return f"{printed}: {moved} {unit} x {exact_text(ours.price)}"


def _rest(rest: Money, theirs: Figures, ours: Figures, rules: Sequence[Rival], policy: Policy) -> Part:
    """What quantity and price leave: other rounding, other rules, or nothing that we know of."""
    if theirs.worth is None or ours.worth is None:
        return Part("unexplained", rest, "quantity and price are not both stated on either side")
    minor = Fraction(policy.rounded_parts, 10 ** MINOR_DIGITS[rest.currency])
    ours_is_worth = ours.amount == Money.round(ours.worth, rest.currency)
    if ours_is_worth and abs(theirs.amount.exact - theirs.worth) < minor:
        return Part("rounding", rest, f"{exact_text(theirs.worth)} rounded otherwise")
    for rule in rules:
        if rule.figures.worth:
            factor = rule.exact / rule.figures.worth
            if theirs.amount == Money.round(theirs.worth * factor, rest.currency):
                reason = f"{rule.name} on the operator's figures: x {exact_text(factor)}"
                return Part("rule", rest, reason)
    return Part("unexplained", rest, "neither quantity, price nor a known rule gives it")
