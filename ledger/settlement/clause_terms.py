"""What a party's clause lines are made of, row by row, as it may be computed again by hand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Final, Literal

import msgspec

from ledger.clauses.telling import Before, Given, Moved, Product, Reached
from ledger.quantity import Money
from ledger.settlement.clause_background import Background, ToldLine, by_month, told_lines
from ledger.settlement.result import Result

RowKind = Literal["reached", "product", "rounded", "line", "recorded"]
"""`product` is the contract's; `rounded` is what rounds the products right above it to minor units; `line` is
the amount of another line; `recorded` cannot be computed from this run alone."""

_ONE: Final = Fraction(1)


class TermRow(msgspec.Struct, frozen=True, kw_only=True):
    """`exact` = `quantity` x `price` x `share`, in major units. `line` is the other line's number."""

    kind: RowKind
    label: str
    quantity: Fraction
    unit: str
    price: Fraction = _ONE
    share: Fraction
    line: int = 0

    @property
    def exact(self) -> Fraction:
        return self.quantity * self.price * self.share


def clause_terms(result: Result, background: Background, party: str) -> dict[int, tuple[TermRow, ...]]:
    """By number the party's lines of limits, tiers and guarantees; none to whom the pool is not shown.

    A line that rests on another party's is left out: its recorded terms stand.
    """
    if party not in result.sees_pool:
        return {}
    told = told_lines(result, background)
    own = {line.number: line for line in result.lines if line.party == party}
    found: dict[int, tuple[TermRow, ...]] = {}
    for number, one in told.items():
        if number not in own:
            continue
        given = {one.lines[term.part] for _, term in one.told if isinstance(term, Given)}
        if given <= own.keys():
            rows = tuple(_rows(result, background, number, one))
            assert sum((row.exact for row in rows), Fraction(0)) == Fraction(own[number].exact), number
            found[number] = rows
    return found


def _rows(result: Result, background: Background, number: int, one: ToldLine) -> Iterator[TermRow]:
    amounts = {line.number: line.amount.exact for line in result.lines}
    clause = next(line.clause for line in result.lines if line.number == number)
    above: list[tuple[Fraction, Fraction]] = []
    for share, term in one.told:
        match term:
            case Product():
                above.append((share, term.quantity * term.price))
                yield TermRow(
                    kind="product", label=term.label, quantity=term.quantity, unit=term.unit,
                    price=term.price, share=share,
                )  # fmt: skip
                continue
            case Moved():
                kind: RowKind = "rounded" if _rounds(above, share, term.by, result.currency) else "recorded"
                yield _row(result, kind, "rounding by the clause", term.by, share)
            case Reached():
                yield _row(result, "reached", "what reached the clause", _reached(result, clause), share)
            case Given():
                line = one.lines[term.part]
                label = f"amount of line {line}"
                yield TermRow(
                    kind="line", label=label, quantity=amounts[line], unit=result.currency, share=share,
                    line=line,
                )  # fmt: skip
            case Before():
                for part in by_month(term, one.account, background.earlier):
                    label = f"{term.label} {part.run.month}"
                    yield _row(result, "recorded", label, part.exact, share)
        above.clear()


def _row(result: Result, kind: RowKind, label: str, value: Fraction, share: Fraction) -> TermRow:
    return TermRow(kind=kind, label=label, quantity=value, unit=result.currency, share=share)


def _rounds(above: Sequence[tuple[Fraction, Fraction]], share: Fraction, by: Fraction, currency: str) -> bool:
    """Whether this is what rounding the sum of the products above moves, at their share."""
    total = sum((exact for _, exact in above), Fraction(0))
    return (
        bool(above)
        and all(one == share for one, _ in above)
        and Money.round(total, currency).exact - total == by
    )


def _reached(result: Result, clause: str) -> Fraction:
    """The pool less what the clauses above took."""
    remaining = result.pool.exact
    for line in result.lines:
        if line.kind == "clause":
            if line.clause == clause:
                break
            remaining -= line.amount.exact
    return remaining
