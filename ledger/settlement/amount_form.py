"""Amounts of a settlement as linear forms of what they are made of.

A clause that divides what reached it has a ratio of everything before it, so that each of its lines is a sum
of ratios of the pool's stream lines, of sums that clauses state by themselves, and of rounding (DOMAIN.md
2.3).
"""

from __future__ import annotations

from fractions import Fraction
from itertools import groupby
from typing import Final, NamedTuple

from ledger.clauses import FEES
from ledger.clauses.flow import exact_text
from ledger.clauses.telling import Before, Given, Moved, Product, Reached
from ledger.settlement.clause_background import Background, EarlierRun, ToldLine, by_month, told_lines
from ledger.settlement.explanation import Leaf, LeafKind, Term, rounding_leaves, term_leaves
from ledger.settlement.line import Basis, Line
from ledger.settlement.result import Result

_ZERO: Final = Fraction(0)
_ONE: Final = Fraction(1)


class Constant(NamedTuple):
    """A sum that no stream line holds, of the line `owner` (None: of the pool)."""

    reference: str
    owner: int | None
    label: str
    exact: Fraction
    leaves: tuple[Leaf, ...]


class Form:
    """Sum of `lines[n]` x the amount of stream line n, and of `constants[c]` x c."""

    def __init__(self) -> None:
        self.lines: dict[int, Fraction] = {}
        self.constants: dict[Constant, Fraction] = {}

    def add(self, other: Form, ratio: Fraction = _ONE) -> None:
        for number, each in other.lines.items():
            self.lines[number] = self.lines.get(number, _ZERO) + ratio * each
        for constant, each in other.constants.items():
            self.count(constant, ratio * each)

    def count(self, constant: Constant, ratio: Fraction) -> None:
        self.constants[constant] = self.constants.get(constant, _ZERO) + ratio


class AmountForms:
    """The forms of one result's amounts; to a `reader` the contract may not show what it divides.

    Without a `background` a clause's limit or account is the one sum that was recorded of it.
    """

    def __init__(self, result: Result, reader: str | None, background: Background | None = None) -> None:
        self._result, self._reader = result, reader
        self._earlier = () if background is None else background.earlier
        self._told = {} if background is None else told_lines(result, background)
        self.earlier_used: dict[int, EarlierRun] = {}
        """The runs that the forms made so far name, by the event that recorded each."""
        self._by_number = {line.number: line for line in result.lines}
        self._pooled = [line for line in result.lines if line.kind == "stream" and line.pooled]
        self._clauses = [line for line in result.lines if line.kind == "clause"]
        self._forms: dict[int, Form] = {}

    def entitlement(self, party: str) -> Form:
        form = Form()
        for line in self._clauses:
            if line.party == party:
                form.add(self.rounded(line))
        return form

    def held(self, party: str) -> Form:
        own = [line for line in self._pooled if line.party == party]
        return self._of_lines(f"held by {party}", own, self._result.held[party].exact)

    def pool(self) -> Form:
        return self._of_lines("pool", self._pooled, self._result.pool.exact)

    def _of_lines(self, name: str, lines: list[Line], total: Fraction) -> Form:
        """The lines, and what was taken off their sum before it was divided: its tax."""
        form = Form()
        form.lines = dict.fromkeys((line.number for line in lines), _ONE)
        tax = total - sum((line.amount.exact for line in lines), _ZERO)
        if tax:
            form.constants[_stated("tax", name, None, "value added tax, taken off before the split", tax)] = (
                _ONE
            )
        return form

    def rounded(self, line: Line) -> Form:
        form = Form()
        form.add(self._exact(line))
        moved = Fraction(line.rounding)
        if moved:
            leaves = rounding_leaves(f"line {line.number}", moved)
            form.constants[Constant(f"line {line.number}", line.number, "rounding", moved, leaves)] = _ONE
        return form

    def _exact(self, line: Line) -> Form:
        """A clause line's exact amount."""
        if line.number not in self._forms:
            self._forms[line.number] = self._made(line)
        return self._forms[line.number]

    def _made(self, line: Line) -> Form:
        form, name = Form(), f"line {line.number}"
        hidden = self._reader is not None and self._reader not in self._result.sees_pool
        if hidden and line.party == self._reader and line.code not in FEES:
            text = "what the contract divides, which it does not show to this party"
            form.constants[_stated("withheld", name, line.number, text, Fraction(line.exact))] = _ONE
            return form
        told = self._told.get(line.number)
        if told is not None:
            self._add_told(form, line, told)
            return form
        if not line.basis:
            label = line.note or line.clause
            term = Term("clause", name, label, line.quantity, line.unit, line.price, Fraction(line.exact))
            leaves = term_leaves(term, self._result.currency)
            form.constants[Constant(name, line.number, line.clause, term.value, leaves)] = _ONE
        for one in line.basis:
            self._add_term(form, line, one)
        return form

    def _add_told(self, form: Form, line: Line, told: ToldLine) -> None:
        name = f"line {line.number}"
        for ratio, term in told.told:
            match term:
                case Reached():
                    form.add(self._reached(line), ratio)
                case Given():
                    form.add(self.rounded(self._by_number[told.lines[term.part]]), ratio)
                case Product():
                    value, each = term.quantity * term.price, exact_text(term.price)
                    quantity = exact_text(term.quantity)
                    leaf = Leaf(
                        kind="event" if term.metered else "clause", reference=name, label=term.label,
                        quantity=quantity, unit=term.unit, price=each, exact=exact_text(value),
                    )  # fmt: skip
                    form.count(Constant(name, line.number, term.label, value, (leaf,)), ratio)
                case Moved():
                    label = "rounding by the clause"
                    leaf = Leaf(kind="rounding", reference=name, label=label, exact=exact_text(term.by))
                    form.count(Constant(name, line.number, label, term.by, (leaf,)), ratio)
                case Before():
                    self._add_months(form, line, term, told.account, ratio)

    def _add_months(self, form: Form, line: Line, term: Before, account: str, ratio: Fraction) -> None:
        """What earlier months left, a leaf for each month, named by the run that holds it."""
        parts = by_month(term, account, self._earlier)
        leaves = tuple(
            Leaf(
                kind="earlier_month",
                reference=part.run.name,
                label=f"{term.label} {part.run.month}",
                exact=exact_text(part.exact),
            )
            for part in parts
        )
        self.earlier_used.update({part.run.sequence: part.run for part in parts})
        form.count(Constant(f"line {line.number}", line.number, account, term.total, leaves), ratio)

    def _add_term(self, form: Form, line: Line, term: Basis) -> None:
        name = f"line {line.number}"
        if term.of == "remaining":
            form.add(self._reached(line), Fraction(term.price))
        elif term.of.startswith("stream:"):
            stream = term.of.removeprefix("stream:")
            own = [one for one in self._pooled if one.code == stream]
            form.add(self._of_lines(f"stream {stream}", own, Fraction(term.quantity)), Fraction(term.price))
        else:
            kind: LeafKind = "earlier_month" if term.of == "earlier_month" else "clause"
            label = term.label if kind == "earlier_month" else line.note or line.clause
            form.constants[_stated(kind, name, line.number, label, Fraction(term.exact))] = _ONE

    def _reached(self, line: Line) -> Form:
        """The pool less what the clauses above took."""
        form = self.pool()
        for clause, of_clause in groupby(self._clauses, key=lambda one: one.clause):
            if clause == line.clause:
                break
            lines = list(of_clause)
            if sum(one.amount.minor for one in lines):
                for one in lines:
                    form.add(self.rounded(one), -_ONE)
        return form


def _stated(kind: LeafKind, reference: str, owner: int | None, label: str, exact: Fraction) -> Constant:
    leaf = Leaf(kind=kind, reference=reference, label=label, exact=exact_text(exact))
    return Constant(reference, owner, label, exact, (leaf,))
