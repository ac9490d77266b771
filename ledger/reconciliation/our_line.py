"""What our settlement says, in the shape that an operator's lines can be held against."""

from __future__ import annotations

from fractions import Fraction
from typing import Final, Literal
from zoneinfo import ZoneInfo

import msgspec

from ledger.clauses.flow import exact_text
from ledger.interval import Interval
from ledger.quantity import Money
from ledger.reconciliation.stated_quantity import UNITS, StatedQuantity, price_per, stated
from ledger.settlement.line import TAX, Basis, Line
from ledger.settlement.run import Run

ItemFrom = Literal["stream", "note", "term"]
"""What names an item: the stream; the stream and the line's note (markets have one line for each item
of settlement); or the stream and each term's label (a bill's time-of-use periods)."""


class OurTerm(msgspec.Struct, frozen=True):
    """Quantity x price, with the sign of what it adds to the amount."""

    quantity: StatedQuantity
    price: str


class OurLine(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a settlement run; above zero is receivable by us, as on the operator's.

    `terms` is empty where the amount is not a sum of quantities x prices. `exact` is the amount before it
    was rounded, `estimated` the part of the site's energy that was estimated or substituted.
    """

    reference: str
    site: str
    item: str
    interval: Interval
    terms: tuple[OurTerm, ...]
    exact: str
    amount: Money
    estimated: str = ""

    @property
    def stream(self) -> str:
        """The revenue stream that the item is of."""
        return stream_of(self.item)


ROUNDING: Final = "rounding"
"""What the terms of a line, each rounded by itself, leave of its amount is an item of this name."""


def stream_of(item: str) -> str:
    """The stream of an item, ours or the operator's in our words: the item up to its colon.

    >>> stream_of("arbitrage: discharged, peak"), stream_of("spot")
    ('arbitrage', 'spot')
    """
    return item.partition(":")[0]


def our_lines(run: Run, zone: ZoneInfo, *, items: ItemFrom = "stream") -> tuple[OurLine, ...]:
    """The stream lines of a settlement run, which are what an operator's statement is about.

    An operator states what it pays with its tax, also where a tax-exclusive contract divides it without.
    With `term` each term is a line of its own, rounded by itself; what that leaves of the line's amount is
    a line `<stream>: rounding`, so that their sum stays the settlement's.
    """
    interval = run.result.month.interval(zone)
    found: list[OurLine] = []
    for line in run.result.lines:
        if line.kind == "stream":
            line = _with_tax(line)
            name = f"run {run.number}, line {line.number}"
            if items == "term" and line.basis:
                found += _by_term(line, name, interval)
            else:
                item = f"{line.code}: {line.note}" if items == "note" and line.note else line.code
                found.append(_whole(line, name, item, interval))
    return tuple(found)


def _with_tax(line: Line) -> Line:
    tax = sum((Fraction(term.exact) for term in line.basis if term.of == TAX), Fraction(0))
    if not tax:
        return line
    return msgspec.structs.replace(
        line,
        exact=exact_text(Fraction(line.exact) - tax),
        amount=line.amount - Money.round(tax, line.amount.currency),
        basis=tuple(term for term in line.basis if term.of != TAX),
    )


def _whole(line: Line, name: str, item: str, interval: Interval) -> OurLine:
    terms = [_term(basis) for basis in line.basis]
    known = tuple(term for term in terms if term is not None)
    return OurLine(
        reference=name,
        site=line.site or "",
        item=item,
        interval=interval,
        terms=known if len(known) == len(terms) else (),
        exact=line.exact,
        amount=line.amount,
        estimated=line.estimated,
    )


def _by_term(line: Line, name: str, interval: Interval) -> list[OurLine]:
    currency = line.amount.currency
    found = []
    for number, basis in enumerate(line.basis, 1):
        term = _term(basis)
        found.append(
            OurLine(
                reference=f"{name}.{number}",
                site=line.site or "",
                item=f"{line.code}: {basis.label}",
                interval=interval,
                terms=() if term is None else (term,),
                exact=basis.exact,
                amount=Money.round(Fraction(basis.exact), currency),
                estimated=line.estimated,
            )
        )
    left = line.amount - sum((one.amount for one in found), Money.zero(currency))
    if left.minor:
        item = f"{line.code}: {ROUNDING}"
        reference = f"{name}.{len(found) + 1}"
        found.append(
            OurLine(
                reference=reference,
                site=line.site or "",
                item=item,
                interval=interval,
                terms=(),
                exact=str(left),
                amount=left,
            )
        )
    return found


def _term(basis: Basis) -> OurTerm | None:
    """The term with its sign in the quantity; None when it is not quantity x price.

    Energies in Wh have a price for a kWh; every other price is for one of the quantity's unit.
    """
    if basis.unit not in UNITS:
        return None
    try:
        value, price, worth = Fraction(basis.quantity), Fraction(basis.price), Fraction(basis.exact)
    except ValueError:  # "by interval": a day's energy at prices that differ
        return None
    quantity = stated(value, basis.unit)
    each = price_per(price, "kWh" if basis.unit == "Wh" else basis.unit)
    product = quantity.exact * each
    if product not in (worth, -worth):
        return None
    if product != worth:
        quantity = StatedQuantity(exact_text(-quantity.exact), quantity.unit)
    return OurTerm(quantity, exact_text(each))
