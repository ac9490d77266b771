"""Stream lines on a contract's split basis: without the tax in their prices where it is tax-exclusive."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import date
from fractions import Fraction

import msgspec

from ledger.accounting.vat import VatLine, lines_from_gross
from ledger.clauses.flow import exact_text
from ledger.contract import Contract
from ledger.quantity import Money
from ledger.settlement.line import TAX, Basis, Line


def on_basis(contract: Contract, lines: Sequence[Line], tax_point: date) -> list[Line]:
    """The stream lines as the contract divides them, so that they are what the parties hold.

    Markets' prices hold the tax (DOMAIN.md 3.8): of a tax-exclusive contract a term takes it out, at the rate
    of the party that holds the stream's cash. A stream's net is rounded once a holder and its lines add up to
    it. Lines of streams that the contract does not share stay as they are.

    Raises:
        Refused: `vat_rate_missing`.
    """
    terms = contract.vat
    if contract.split_basis == "tax_inclusive" or terms is None:
        return list(lines)
    streams: dict[tuple[str, str], dict[str, Money]] = defaultdict(dict)
    for line in lines:
        if line.pooled:
            streams[line.code, line.party][f"{line.number:06d}"] = line.amount
    nets = {
        int(one.item): one
        for (code, holder), amounts in streams.items()
        for one in lines_from_gross(amounts, terms.rate(code, holder, tax_point))
    }
    return [_without_tax(line, nets[line.number]) if line.number in nets else line for line in lines]


def _without_tax(line: Line, found: VatLine) -> Line:
    """A term less: the tax, a whole amount of money, so that what was rounded stays what it was."""
    if not found.tax.minor:
        return line
    currency = line.amount.currency
    taken = exact_text(-found.tax.exact)
    term = Basis("value-added tax in the price", str(found.gross), currency, found.rate, taken, TAX)
    stated = line.basis or (Basis("with tax", line.exact, currency, "1", line.exact),)
    return msgspec.structs.replace(
        line,
        exact=exact_text(Fraction(line.exact) - found.tax.exact),
        amount=found.net,
        basis=(*stated, term),
    )
