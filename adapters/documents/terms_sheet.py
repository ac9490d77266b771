"""The sheet of a workbook that computes each line's exact amount from its terms, and says where it cannot."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from fractions import Fraction
from typing import Final, Literal

from adapters.documents.language import Wording
from adapters.documents.spreadsheet import Cell, Formula, Look, Number, Sheet, here
from adapters.documents.statement_document import Quantity, StatementDocument, number_of, quantity_of
from ledger.clauses.flow import exact_text
from ledger.quantity import MINOR_DIGITS, Money
from ledger.settlement.clause_terms import TermRow
from ledger.settlement.line import TAX, Basis, Line

Made = Literal["computed", "in_part", "recorded"]

_TERMS: Final = ("number", "term", "quantity", "unit", "price", "exact", "exact_text", "part", "made")
_FACTORS: Final = (("", 1), ("*-1", -1), ("/1000", Fraction(1, 1000)), ("/-1000", Fraction(-1, 1000)))
"""A charge is a cost, and a price may be one of a MWh."""
_EXACT: Final = 5


class TermsSheet:
    """The rows of all lines, as they are written; `made` says of each line whether its terms compute it."""

    def __init__(self, sheet: Sheet, document: StatementDocument, words: Wording) -> None:
        self._sheet, self._words = sheet, words
        self._told = document.terms
        self._digits = MINOR_DIGITS[document.statement.currency]
        self._rows: dict[int, list[int]] = defaultdict(list)
        self.made: dict[int, Made] = {}
        self._amounts = {
            line.number: (place, line.amount.exact) for place, line in enumerate(document.statement.lines, 1)
        }
        sheet.head(*(words.label("column", name) for name in _TERMS))

    def write(self, lines: Sequence[Line], of_lines: Sheet, rounding_column: int) -> None:
        """Every line's rows. A term that is the amount of a line above is computed from that one's rows and
        from its rounding in `of_lines`: the sum over all rows would hold the term itself."""
        for line in lines:
            told = self._told.get(line.number)
            if told is not None:
                done = self._told_rows(line, told, of_lines, rounding_column)
            else:
                done = [self._term(line, term) for term in line.basis or _alone(line)]
            self.made[line.number] = _of_all(done)

    def exact(self, line: Line, row: int) -> Cell:
        """The sum of a line's rows, as the formula of a cell whose sheet has the line's number in `row`."""
        if not (self._told.get(line.number) or line.basis or _alone(line)):
            return exact_cell(line.exact)
        last = self._sheet.row - 1
        numbers, amounts = self._sheet.span(1, last, 0), self._sheet.span(1, last, _EXACT)
        return Formula(f"=SUMIF({numbers},{here(row, 0)},{amounts})", Fraction(line.exact))

    def _term(self, line: Line, term: Basis) -> bool:
        if term.of == TAX:
            return self._tax(line, term)
        shown = quantity_of(term.quantity, term.unit)
        made = _product(shown, term, self._sheet.row)
        price = (
            exact_cell(term.price) if number_of(term.price) is not None else self._words.phrase(term.price)
        )
        return self._add(line, term.label, quantity_cell(shown), shown.unit, price, made, term.exact, None)

    def _tax(self, line: Line, term: Basis) -> bool:
        """Its part of the amount with it, to which the rows above come; where a fen more or less lets lines
        add up to their invoice, it stands in the formula."""
        row, digits, currency = self._sheet.row, self._digits, line.amount.currency
        gross, rate = Fraction(term.quantity), Fraction(term.price)
        part = -rate / (1 + rate)
        above = "+".join(here(at, _EXACT) for at in self._rows[line.number])
        with_tax = sum((Fraction(one.exact) for one in line.basis if one.of != TAX), Fraction(0))
        same = Money.round(with_tax, currency).exact == gross
        quantity: Cell = Formula(f"=ROUND({above},{digits})", gross) if same else Number(gross)
        moved = Money.round(Fraction(term.exact), currency) - Money.round(gross * part, currency)
        taken = f"=ROUND({here(row, 2)}*{here(row, 4)}{moved_by(moved)},{digits})"
        price = Formula(f"=-{term.price}/(1+{term.price})", part)
        made = Formula(taken, Fraction(term.exact))
        return self._add(line, term.label, quantity, term.unit, price, made, term.exact, None)

    def _told_rows(
        self, line: Line, told: Sequence[TermRow], of_lines: Sheet, rounding_column: int
    ) -> list[bool]:
        done: list[bool] = []
        above: list[int] = []
        for one in told:
            row = self._sheet.row
            quantity: Cell = Number(one.quantity)
            made = f"={here(row, 2)}*{here(row, 4)}*{here(row, 7)}"
            if one.kind == "line":
                place, value = self._amounts[one.line]
                cells = [here(at, _EXACT) for at in self._rows[one.line]]
                rounding = of_lines.at(place, rounding_column)
                quantity = Formula(f"=ROUND({'+'.join((*cells, rounding))},{self._digits})", value)
            elif one.kind == "rounded":
                total = "+".join(f"{here(at, 2)}*{here(at, 4)}" for at in above)
                quantity = Formula(f"=ROUND({total},{self._digits})-({total})", one.quantity)
            cell: Cell = Number(one.exact) if one.kind == "recorded" else Formula(made, one.exact)
            price, part = (exact_cell(exact_text(value)) for value in (one.price, one.share))
            exact = exact_text(one.exact)
            done.append(self._add(line, one.label, quantity, one.unit, price, cell, exact, part))
            above = [*above, row] if one.kind == "product" else []
        return done

    def _add(
        self,
        line: Line,
        label: str,
        quantity: Cell,
        unit: str,
        price: Cell,
        made: Cell,
        exact: str,
        part: Cell,
    ) -> bool:
        """Write a row, and say whether it is computed from other cells: a fraction's own division is not."""
        self._rows[line.number].append(self._sheet.row)
        computed = isinstance(made, Formula) and any(letter.isalpha() for letter in made.text)
        self._sheet.add(
            Number(Fraction(line.number), "plain"),
            self._words.phrase(label),
            quantity,
            self._words.phrase(unit),
            price,
            made,
            exact,
            part,
            self._words.label("made", "computed" if computed else "recorded"),
        )
        return computed


def exact_cell(exact: str) -> Cell:
    """A decimal as a number, and a fraction as the division that it is."""
    value = Fraction(exact)
    return Formula(f"={value.numerator}/{value.denominator}", value) if "/" in exact else Number(value)


def moved_by(by: Money) -> str:
    """What is added in a formula; nothing for nothing."""
    return f"{'+' if by.minor > 0 else ''}{by}" if by.minor else ""


def _of_all(done: Sequence[bool]) -> Made:
    if done and all(done):
        return "computed"
    return "in_part" if any(done) else "recorded"


def _alone(line: Line) -> tuple[Basis, ...]:
    """A line that is one quantity x price, such as a fee, as its only term."""
    if line.basis or number_of(line.quantity) is None or number_of(line.price) is None:
        return ()
    term = Basis(line.note or line.clause, line.quantity, line.unit, line.price, line.exact)
    return (term,) if isinstance(_product(quantity_of(line.quantity, line.unit), term, 0), Formula) else ()


def quantity_cell(shown: Quantity) -> Cell:
    look: Look = "energy" if shown.unit.startswith("kWh") else "exact"
    return Number(shown.value, look) if shown.value is not None else shown.text


def _product(shown: Quantity, term: Basis, row: int) -> Cell:
    """Quantity x price where that is the term's exact amount, with the sign and the unit that it has."""
    price = number_of(term.price)
    if shown.value is not None and price is not None:
        for text, factor in _FACTORS:
            if shown.value * price * factor == Fraction(term.exact):
                return Formula(f"={here(row, 2)}*{here(row, 4)}{text}", Fraction(term.exact))
    return exact_cell(term.exact)
