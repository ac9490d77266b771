"""Net, tax and gross of a settlement's clause lines, as they are invoiced (DOMAIN.md 3.8)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date
from fractions import Fraction

import msgspec

from ledger.accounting.vat import lines_from_gross, lines_from_net
from ledger.contract import Contract
from ledger.quantity import Money
from ledger.settlement.line import Line
from ledger.vat_terms import LineVat


class VatSum(msgspec.Struct, frozen=True):
    """Lines of one supplier and one rate: the sum that an invoice of them has."""

    supplier: str
    rate: str
    net: Money
    tax: Money
    gross: Money


def with_vat(
    contract: Contract, lines: Sequence[Line], clauses: Sequence[int], tax_point: date
) -> list[Line]:
    """The clause lines with their VAT; as they are where the contract states no terms.

    `clauses` are the positions of the lines' clauses. The supplier is a fee's payee, and of all else the
    line's party: what a party is entitled to it supplies, and a line below zero takes back. Amounts are
    gross on a tax-inclusive split basis and net on an exclusive one. The lines of one party, supplier and
    rate are one invoice: its total is rounded once, and by largest remainder the lines add up to it.

    Raises:
        Refused: `vat_rate_missing` where no rate holds at the tax point.
    """
    terms = contract.vat
    if terms is None:
        return list(lines)
    invoices: dict[tuple[str, str, Fraction], dict[str, Money]] = defaultdict(dict)
    for line, clause in zip(lines, clauses, strict=True):
        supplier = _supplier(contract, clause, line)
        rate = terms.rate(line.code, supplier, tax_point)
        invoices[line.party, supplier, rate][_item(line)] = line.amount
    make = lines_from_gross if contract.split_basis == "tax_inclusive" else lines_from_net
    found = {
        one.item: LineVat(supplier=supplier, rate=one.rate, net=one.net, tax=one.tax, gross=one.gross)
        for (_, supplier, rate), amounts in invoices.items()
        for one in make(amounts, rate)
    }
    return [msgspec.structs.replace(line, vat=found[_item(line)]) for line in lines]


def vat_sums(lines: Iterable[Line]) -> tuple[VatSum, ...]:
    """The sums of one party's lines by supplier and rate, in their order; none without VAT."""
    sums: dict[tuple[str, str], VatSum] = {}
    for line in lines:
        if line.vat is not None:
            one = line.vat
            before = sums.get((one.supplier, one.rate))
            sums[one.supplier, one.rate] = VatSum(
                one.supplier,
                one.rate,
                one.net if before is None else before.net + one.net,
                one.tax if before is None else before.tax + one.tax,
                one.gross if before is None else before.gross + one.gross,
            )
    return tuple(sums[key] for key in sorted(sums))


def _supplier(contract: Contract, clause: int, line: Line) -> str:
    terms = contract.clauses[clause]
    payee = getattr(terms, "payee", None)
    return payee if terms.is_fee and isinstance(payee, str) else line.party


def _item(line: Line) -> str:
    """Lines are told apart, and ties decided, in the order of their numbers."""
    return f"{line.number:06d}"
