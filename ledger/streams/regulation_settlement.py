"""What frequency regulation earns at a site in a month: mileage and capacity, one line each per product.

Energy delivered under AGC is another line: `ledger.streams.agc_energy`.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Final, NamedTuple, assert_never

import numpy as np

from ledger.clauses.flow import exact_text, quotient_text
from ledger.clauses.share import amount
from ledger.quantity import Money
from ledger.refusal import Refused
from ledger.settlement.line import Basis
from ledger.streams.earned import Earned
from ledger.streams.performance_factor import Whole, whole_line, whole_product
from ledger.streams.regulation import (
    AgcInstructions,
    CapacityPart,
    MileagePart,
    Pays,
    RegulationAward,
    RegulationPerformance,
)
from ledger.streams.regulation_market import (
    Bools,
    Curve,
    Ints,
    Performance,
    RegulationMarket,
    check_fact,
    laid_out,
    measured,
    performance,
    refuse_first,
)

_MEGA: Final = 10**6
_HOUR_S: Final = 3600
AGC_ENERGY_NOTE: Final = "energy under AGC settles at the real-time energy price, not here"


class _Position(NamedTuple):
    """One product of a site: what was awarded, what was measured, and where the two do not meet."""

    market: RegulationMarket
    product: str
    capacity_w: Ints
    """What the awards are paid as capacity for; `mileage_award_w` as mileage."""
    mileage_award_w: Ints
    done: Performance
    awarded: Bools
    orphan: Bools
    """Instructed without an award."""
    idle: Bools
    """Awarded without an instruction."""


class _Part(NamedTuple):
    """A line's quantity and money by settlement period, each over one divisor."""

    name: str
    unit: str
    quantity: Whole
    quantity_divisor: int
    money: Whole
    divisor: int
    shared: bool


def regulation_earned(
    market: RegulationMarket,
    site: str,
    awards: Sequence[RegulationAward],
    performances: Sequence[RegulationPerformance | AgcInstructions],
) -> tuple[Earned, ...]:
    """The lines of one site over the market's period, products in the rule's order, mileage first.

    R = M x sum of D x B x K; capacity = MW x h x price x (1 - weight x (1 - K)) (DOMAIN.md 3.6). A period
    that no award speaks of has none; an awarded one must have its performance and its price.

    Raises:
        Refused: `site`, `rule`, `product`, `award_overlap`, `performance_missing`, `performance_overlap`,
            `instruction_without_award`, `score_missing`, `price_missing`, `share_missing`,
            `available_missing`, `available`, `interval`, `length`, and what `measured` refuses.
    """
    for fact in (*awards, *performances):
        check_fact(market.rule, fact)
        if fact.site != site:
            raise Refused("site", f"the fact is of {fact.site}, not of {site}", place=fact.id)
    lines: list[Earned] = []
    for product in market.rule.products:
        won = [fact for fact in awards if fact.product == product]
        told = [fact for fact in performances if fact.product == product]
        if won or told:
            lines += _product_lines(_position(market, product, won, told))
    return tuple(lines)


def committed_w(market: RegulationMarket, product: str, awards: Sequence[RegulationAward]) -> Ints:
    """Capacity that the product's awards commit in each settlement period, in W: no other stream may sell it.

    Awards of its mileage and of its capacity are of the same power.

    Raises:
        Refused: `award_overlap`, `interval`, `length`.
    """
    largest: Ints = np.maximum(*_awarded_w(market, product, awards))
    return largest


def _awarded_w(
    market: RegulationMarket, product: str, awards: Sequence[RegulationAward]
) -> tuple[Ints, Ints]:
    """The power in each settlement period that is paid for mileage, and for capacity."""
    own = [fact for fact in awards if fact.product == product]

    def paid(pays: Pays) -> Ints:
        won = [(fact, fact.capacity_w) for fact in own if fact.pays in ("mileage_and_capacity", pays)]
        return laid_out(market, won, "award_overlap")[0]

    mileage_w = paid("mileage")
    if all(fact.pays == "mileage_and_capacity" for fact in own):
        return mileage_w, mileage_w
    return mileage_w, paid("capacity")


def _position(
    market: RegulationMarket,
    product: str,
    awards: Sequence[RegulationAward],
    performances: Sequence[RegulationPerformance | AgcInstructions],
) -> _Position:
    rule = market.rule
    mileage_award_w, capacity_w = _awarded_w(market, product, awards)
    done = performance(market, _measured(market, performances))
    awarded, instructed = np.maximum(capacity_w, mileage_award_w) > 0, done.counts > 0
    orphan = instructed & ~awarded
    idle = awarded & done.known & ~instructed
    if rule.unawarded == "refused":
        refuse_first(market, orphan, "instruction_without_award", f"{product} was instructed, not awarded")
    if rule.mileage is not None:
        apart = instructed & awarded & (mileage_award_w == 0)
        refuse_first(market, apart, "instruction_without_award", f"only capacity of {product} was awarded")
    if rule.needs_performance:
        missing = awarded & ~done.known
        refuse_first(market, missing, "performance_missing", f"awarded {product} has no performance record")
    return _Position(market, product, capacity_w, mileage_award_w, done, awarded, orphan, idle)


def _measured(
    market: RegulationMarket, facts: Sequence[RegulationPerformance | AgcInstructions]
) -> list[RegulationPerformance]:
    return [
        fact if isinstance(fact, RegulationPerformance) else measured(market.rule, fact) for fact in facts
    ]


def _product_lines(at: _Position) -> list[Earned]:
    rule = at.market.rule
    lines = []
    if rule.mileage is not None:
        lines.append(_line(at, _mileage(at, rule.mileage), orphans=True, idle=True))
    if rule.capacity is not None:
        idle = rule.uninstructed == "unpaid"
        lines.append(_line(at, _capacity(at, rule.capacity), orphans=rule.mileage is None, idle=idle))
    return lines


def _mileage(at: _Position, rule: MileagePart) -> _Part:
    market, done = at.market, at.done
    price = market.curve(at.product, "mileage")
    match rule.quantity:
        case "measured":
            won = at.mileage_award_w > 0
            paid = won | at.orphan if market.rule.unawarded == "mileage_paid" else won
            quantity: Whole = np.where(paid, done.mileage_w, 0)
            divisor, unit = _MEGA, "MW"
        case "award_x_ratio":
            ratio = market.curve(at.product, "mileage_ratio")
            capacity_w = np.where(_paid_award(at), at.mileage_award_w, 0)
            refuse_first(market, (capacity_w > 0) & ~ratio.known, "price_missing", "no mileage ratio")
            quantity = whole_product(capacity_w, ratio.mantissas, terms=market.periods)
            divisor, unit = _MEGA * 10**ratio.scale * (_HOUR_S // market.rule.period_s), "MW.h"
        case never:
            assert_never(never)
    _check(at, quantity, price, scored=True)
    money = whole_product(quantity, done.score, price.mantissas, terms=market.periods)
    scale = 10 ** (done.scale + price.scale)
    return _Part("mileage", unit, quantity, divisor, money, divisor * scale, rule.shared)


def _capacity(at: _Position, rule: CapacityPart) -> _Part:
    market, done = at.market, at.done
    price = market.curve(at.product, "capacity") if rule.price is None else _fixed(market, rule.price)
    quantity: Whole = np.where(_paid_award(at), at.capacity_w, 0)
    if rule.hours == "available":
        missing = (quantity > 0) & ~done.available
        refuse_first(market, missing, "available_missing", "the seconds under AGC are not stated")
        quantity = whole_product(quantity, done.available_s, terms=market.periods)
        divisor = _MEGA * _HOUR_S
    else:
        divisor = _MEGA * (_HOUR_S // market.rule.period_s)
    weight = market.rule.capacity_weight
    _check(at, quantity, price, scored=weight != 0)
    if weight == 0:
        money = whole_product(quantity, price.mantissas, terms=market.periods)
        return _Part("capacity", "MW.h", quantity, divisor, money, divisor * 10**price.scale, shared=False)
    whole = 10**done.scale
    factor = whole_line(done.score, weight.numerator, (weight.denominator - weight.numerator) * whole)
    money = whole_product(quantity, factor, price.mantissas, terms=market.periods)
    scale = weight.denominator * whole * 10**price.scale
    return _Part("capacity", "MW.h", quantity, divisor, money, divisor * scale, shared=False)


def _paid_award(at: _Position) -> Bools:
    return at.awarded & ~at.idle if at.market.rule.uninstructed == "unpaid" else at.awarded


def _fixed(market: RegulationMarket, text: str) -> Curve:
    scale = len(text.partition(".")[2])
    mantissa = int(amount(text, "price") * 10**scale)
    return Curve(np.full(market.periods, mantissa), np.ones(market.periods, dtype=np.bool_), scale)


def _check(at: _Position, quantity: Whole, price: Curve, *, scored: bool) -> None:
    paid = quantity != 0
    if scored:
        refuse_first(at.market, paid & ~at.done.scored, "score_missing", f"{at.product} has no K")
    refuse_first(at.market, paid & ~price.known, "price_missing", f"{at.product} has no price")


def _line(at: _Position, part: _Part, *, orphans: bool, idle: bool) -> Earned:
    """The part's days as terms, and a term for whatever was not paid as an award that was instructed."""
    market, notes = at.market, [f"{at.product} {part.name}"]
    regular = part
    if at.orphan.any():
        quantity, money = (np.where(at.orphan, 0, values) for values in (part.quantity, part.money))
        regular = part._replace(quantity=quantity, money=money)
    exact, terms = _days(market, regular)
    if at.orphan.any() and orphans:
        paid, term = _orphans(at, part)
        exact += paid
        terms.append(term)
        notes.append(term.label)
    if at.idle.any():
        unpaid = market.rule.uninstructed == "unpaid"
        label = f"award without instruction: {_where(market, at.idle)}, "
        label += "not paid" if unpaid else "capacity paid, no mileage"
        notes.append(label)
        if idle:
            held_w = np.maximum(at.capacity_w, at.mileage_award_w)
            hours = Fraction(int(held_w[at.idle].sum()) * market.rule.period_s, _MEGA * _HOUR_S)
            terms.append(Basis(label, exact_text(hours), "MW.h", "0", "0"))
    if market.rule.energy == "real_time":
        notes.append(AGC_ENERGY_NOTE)
    rounded = Money.round(exact, market.rule.currency)
    return Earned("ancillary", exact, rounded, tuple(terms), "; ".join(notes))


def _days(market: RegulationMarket, part: _Part) -> tuple[Fraction, list[Basis]]:
    """All days' money, and each day's term, whose price is its mean over the quantity, K and M included."""
    terms: list[Basis] = []
    total = Fraction(0)
    plain = 0
    sums = [np.add.reduceat(values, market.day_starts).tolist() for values in (part.quantity, part.money)]
    for day, quantity, money in zip(market.days, *sums, strict=True):
        if not quantity:
            continue
        label, divisor = f"{day} {part.name}", part.divisor
        if part.shared:
            share = market.share(day)
            label = f"{label}, M = {share}"
            money, divisor = money * share.numerator, divisor * share.denominator
            total += Fraction(money, divisor)
        else:
            plain += money
        volume = quotient_text(quantity, part.quantity_divisor)
        price = quotient_text(money * part.quantity_divisor, divisor * quantity)
        terms.append(Basis(label, volume, part.unit, price, quotient_text(money, divisor)))
    return total + Fraction(plain, part.divisor), terms


def _orphans(at: _Position, part: _Part) -> tuple[Fraction, Basis]:
    """What the instructions without an award earned: nothing, or their mileage."""
    label = f"instruction without award: {_where(at.market, at.orphan)}, "
    watts = Fraction(int(at.done.mileage_w[at.orphan].sum()), _MEGA)
    if at.market.rule.unawarded == "unpaid":
        return Fraction(0), Basis(f"{label}not paid", exact_text(watts), "MW", "0", "0")
    money = part._replace(
        quantity=np.where(at.orphan, part.quantity, 0), money=np.where(at.orphan, part.money, 0)
    )
    exact, _ = _days(at.market, money)
    price = exact_text(exact / watts) if watts else "0"
    return exact, Basis(f"{label}mileage paid", exact_text(watts), "MW", price, exact_text(exact))


def _where(market: RegulationMarket, marked: Bools) -> str:
    first = market.at(int(marked.argmax())).strftime("%Y-%m-%dT%H:%MZ")
    count = int(marked.sum())
    return f"{count} period{'s' if count > 1 else ''} from {first}"
