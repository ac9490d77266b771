"""Net, tax and gross of a settlement's lines, as they are invoiced (DOMAIN.md 3.8)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date
from fractions import Fraction
from typing import NamedTuple

import msgspec

from ledger.accounting.vat import VatLine, lines_from_gross, lines_from_net
from ledger.contract import Contract
from ledger.quantity import Money
from ledger.settlement.line import Line
from ledger.settlement.supply import Supply, supplies
from ledger.vat_terms import LineVat


class AgentPart(msgspec.Struct, frozen=True):
    """What an agent and a party invoice each other of the agent's own `line`, as the party sees it.

    It stands on no line of the party's: it is the party's part of what the agent gets of the pool.
    """

    line: int
    party: str
    vat: LineVat


class Taxed(NamedTuple):
    """A settlement's lines with their VAT, and an agent's parts beside them."""

    lines: tuple[Line, ...]
    parts: tuple[AgentPart, ...]


class VatSum(msgspec.Struct, frozen=True):
    """What is invoiced by one supplier at one rate: the sum that an invoice of it has."""

    supplier: str
    rate: str
    net: Money
    tax: Money
    gross: Money


def with_vat(owner: str, contract: Contract, lines: Sequence[Line], tax_point: date) -> Taxed:
    """The lines that are invoiced with their VAT; as they are where the contract states no terms.

    Who invoices whom is the rule of `supplies`; `owner` is the book's. Amounts are gross on a tax-inclusive
    split basis and net on an exclusive one, above zero where the line's party invoices them. What one
    supplier invoices one customer at one rate is rounded once, and by largest remainder its lines add up to
    it. A line has the part of it that is invoiced, which may be less than its amount, or nothing.

    Raises:
        Refused: `vat_rate_missing` where no rate holds at the tax point.
    """
    if contract.vat is None:
        return Taxed(tuple(lines), ())
    found = supplies(owner, contract, lines)
    by_number = {line.number: line for line in lines}
    on_lines: dict[int, list[LineVat]] = defaultdict(list)
    parts: list[AgentPart] = []
    for supply, vat in zip(found, _taxed(contract, found, tax_point), strict=True):
        shown = [by_number[number] for number in (supply.line, *supply.also_on)]
        for line in shown:
            on_lines[line.number].append(_seen_by(line.party, supply, vat))
        other = supply.customer if supply.supplier == owner else supply.supplier
        if supply.account is not None and other not in {line.party for line in shown}:
            parts.append(AgentPart(supply.line, other, _seen_by(other, supply, vat)))
    return Taxed(
        tuple(msgspec.structs.replace(line, vat=_one(on_lines[line.number])) for line in lines), tuple(parts)
    )


def vat_sums(found: Iterable[LineVat]) -> tuple[VatSum, ...]:
    """The sums by supplier and rate, in their order."""
    sums: dict[tuple[str, str], VatSum] = {}
    for one in found:
        before = sums.get((one.supplier, one.rate))
        sums[one.supplier, one.rate] = VatSum(
            one.supplier,
            one.rate,
            one.net if before is None else before.net + one.net,
            one.tax if before is None else before.tax + one.tax,
            one.gross if before is None else before.gross + one.gross,
        )
    return tuple(sums[key] for key in sorted(sums))


def _taxed(contract: Contract, found: Sequence[Supply], tax_point: date) -> list[VatLine]:
    """Each supply's net, tax and gross, as its supplier states them."""
    terms = contract.vat
    assert terms is not None
    invoices: dict[tuple[str, str, Fraction], dict[str, Money]] = defaultdict(dict)
    of: list[tuple[tuple[str, str, Fraction], str]] = []
    for supply in found:
        rate = terms.rate(supply.item, supply.supplier, tax_point)
        key, name = (supply.supplier, supply.customer, rate), f"{supply.line:06d}"
        assert name not in invoices[key], "one supply a line, supplier and customer"
        invoices[key][name] = supply.amount
        of.append((key, name))
    make = lines_from_gross if contract.split_basis == "tax_inclusive" else lines_from_net
    made = {(key, one.item): one for key, amounts in invoices.items() for one in make(amounts, key[2])}
    return [made[each] for each in of]


def _seen_by(party: str, supply: Supply, vat: VatLine) -> LineVat:
    """Above zero where the party invoices it."""
    net, tax, gross = vat.net, vat.tax, vat.gross
    if party != supply.supplier:
        net, tax, gross = -net, -tax, -gross
    return LineVat(supplier=supply.supplier, rate=vat.rate, net=net, tax=tax, gross=gross)


def _one(of_line: Sequence[LineVat]) -> LineVat | None:
    """An agent's own line may be invoiced to several; its VAT is their sum where one invoices at one rate."""
    sums = vat_sums(of_line)
    if len(sums) != 1:
        return None
    (one,) = sums
    return LineVat(supplier=one.supplier, rate=one.rate, net=one.net, tax=one.tax, gross=one.gross)
