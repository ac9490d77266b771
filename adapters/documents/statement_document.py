"""A statement with what stands above it on paper, and how its numbers are written."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC
from fractions import Fraction
from typing import Final, NamedTuple

import msgspec

from adapters.documents.language import Wording
from adapters.documents.readable import readable_exact, readable_ratio, readable_text
from adapters.documents.statement_proof import StatementProof
from ledger.clauses.flow import exact_text, grouped
from ledger.interval import Instant
from ledger.quantity import decimal_text
from ledger.refusal import Refused
from ledger.settlement.clause_terms import TermRow
from ledger.settlement.line import Line
from ledger.settlement.line_delta import LineDelta
from ledger.settlement.line_vat import VatSum
from ledger.settlement.result import Percentage
from ledger.settlement.run import INITIAL, PROVISIONAL
from ledger.settlement.statement import Statement
from ledger.statement.payment_due import PaymentDue
from ledger.vat_terms import LineVat


class StatementDocument(msgspec.Struct, frozen=True, kw_only=True):
    """`recorded_at` is when the ledger recorded the run; it stands in the file as its time of making, so
    that the same statement is the same bytes whenever it is written.

    `issuer` and `party_name` are names as people know them; `party_name` may be empty. `proof` is that the
    run is in the log, `void` why the run was declared void.
    """

    statement: Statement
    recorded_at: Instant
    issuer: str
    party_name: str = ""
    proof: StatementProof
    void: str = ""
    due: PaymentDue | None = None
    """What is to be paid for it and until when, with the tax on top; None of a provisional one."""
    deltas: tuple[LineDelta, ...] = ()
    """Of a correction: what it changes, line by line."""
    terms: dict[int, tuple[TermRow, ...]] = {}
    """What lines of limits, tiers and guarantees are computed from, by line."""

    def __post_init__(self) -> None:
        if self.recorded_at.tzinfo is None:
            raise Refused("naive_time", "an instant needs its UTC offset", place="recorded_at")
        assert self.proof.sequence == self.statement.sequence, "the proof is of the statement's run"

    @property
    def provisional(self) -> bool:
        return self.statement.run_kind == PROVISIONAL

    @property
    def stamp(self) -> str:
        """The label of what stands across each page, and with `_note` above it; empty for one that counts."""
        if self.void:
            return "void"
        return "provisional" if self.provisional else ""

    @property
    def party(self) -> str:
        """The party's name and id."""
        party = self.statement.party
        return f"{self.party_name} ({party})" if self.party_name else party

    @property
    def file_stem(self) -> str:
        """A file name without its ending: month, contract, party and run."""
        one = self.statement
        return f"{one.month}_{one.contract}_{one.party}_run{one.run}"


def facts(document: StatementDocument, words: Wording) -> list[tuple[str, str]]:
    """What the statement is about, labelled."""
    one = document.statement
    found = {
        "party": document.party,
        "issuer": document.issuer,
        "contract": one.contract,
        "title": one.title,
        "month": one.month,
        "run": f"{one.run} ({words.run_kind(one.run_kind)})",
        **({"void": document.void} if document.void else {}),
        "position": str(one.position),
        "sequence": str(one.sequence),
        "recorded_at": f"{document.recorded_at.astimezone(UTC):%Y-%m-%d %H:%M:%S}",
        "currency": one.currency,
        **_corrected(one, words),
        **_to_pay(document.due, words),
    }
    return [(words.label("field", name), value) for name, value in found.items()]


def _corrected(one: Statement, words: Wording) -> dict[str, str]:
    """Of a correction: which month it is of, whenever it is posted, its class and what changed (DOMAIN.md
    3.10)."""
    if one.run_kind in (INITIAL, PROVISIONAL):
        return {}
    return {
        "origin_month": one.month,
        "classes": ", ".join(words.label("class", name) for name in one.classes or ("follows",)),
        "causes": ", ".join(words.label("cause", name) for name in one.causes),
    }


def _to_pay(due: PaymentDue | None, words: Wording) -> dict[str, str]:
    """Where the statement stands and when it is to be paid, as far as it has been reviewed and issued."""
    if due is None or not due.status:
        return {}
    days = {"issued_on": due.issued_on, "due_on": due.due_on}
    return {
        "status": words.label("status", due.status),
        **{name: str(day) for name, day in days.items() if day is not None},
    }


def delta_counts_in(one: LineDelta) -> str:
    """Which total a line's change is part of, as `counts_in`."""
    if one.kind == "clause":
        return "entitlement"
    return "held" if one.pooled else ""


def share_rows(percentages: Iterable[Percentage], words: Wording) -> list[tuple[str, str]]:
    """A row for each thing that a contract divides: what it is, and the parties' parts that are shown."""
    rows: dict[tuple[str, str], list[str]] = {}
    for one in percentages:
        rows.setdefault((one.clause, one.of), []).append(f"{one.party} {readable_text(one.share)}")
    return [
        (
            ", ".join((words.phrase(clause), *((words.phrase(of),) if of else ()))),
            ", ".join(parts),
        )
        for (clause, of), parts in rows.items()
    ]


def estimated_text(line: Line, words: Wording) -> str:
    """How much of the energy was not measured, labelled; empty where all was."""
    return f"{words.label('column', 'estimated')} {line.estimated}" if line.estimated else ""


def evidence(document: StatementDocument, words: Wording) -> list[tuple[str, str]]:
    """By which the statement can be checked against the ledger, labelled."""
    one = document.statement
    return [
        (words.label("field", name), getattr(one, name))
        for name in ("rules_version", "inputs_digest", "outputs_digest")
    ]


def counts_in(line: Line) -> str:
    """Which total a line is part of: `held`, `entitlement`, or none."""
    if line.kind == "clause":
        return "entitlement"
    return "held" if line.pooled else ""


def rule_of(line: Line, words: Wording) -> str:
    """By which rule the line was made, and whether the contract's pool has no part in it."""
    rule = words.phrase(line.clause)
    return rule if line.pooled else f"{rule}; {words.label('kind', 'not_pooled')}"


def vat_text(one: LineVat | VatSum, words: Wording) -> str:
    """Rate, net, tax, gross and who invoices it, labelled."""
    amounts = (
        f"{words.label('column', name)} {grouped(str(money))}"
        for name, money in (("net", one.net), ("tax", one.tax), ("gross", one.gross))
    )
    rate = f"{words.label('column', 'vat_rate')} {vat_percent(one)}"
    return "; ".join((rate, *amounts, f"{words.label('column', 'supplier')} {one.supplier}"))


def vat_percent(one: LineVat | VatSum) -> str:
    """`13%`."""
    return f"{exact_text(100 * Fraction(one.rate))}%"


def factors(row: TermRow) -> list[str]:
    """What a row multiplies, the quantity first; a factor of one is left out."""
    quantity = quantity_of(exact_text(row.quantity), row.unit)
    found = [readable_ratio(exact_text(one)) for one in (row.price, row.share) if one != 1]
    return [f"{quantity.text} {quantity.unit}", *found]


class Quantity(NamedTuple):
    """A quantity as it is shown: energy in kWh, all else in its own unit. No value: it is not a number."""

    value: Fraction | None
    text: str
    unit: str


def quantity_of(text: str, unit: str) -> Quantity:
    """The quantity of a line or a term as people read it."""
    value = number_of(text)
    if value is None:
        return Quantity(None, text, unit)
    if unit == "Wh" or unit.startswith("Wh "):
        return Quantity(value / 1000, _kwh(value), f"k{unit}")
    return Quantity(value, readable_exact(text), unit)


def number_of(text: str) -> Fraction | None:
    """A decimal or numerator/denominator; None for words such as `each interval's own`."""
    return Fraction(text) if _NUMBER.fullmatch(text) else None


def _kwh(wh: Fraction) -> str:
    """Three decimals where it is whole Wh."""
    if wh.denominator == 1:
        return grouped(decimal_text(wh.numerator, 3))
    return readable_exact(exact_text(wh / 1000))


_NUMBER: Final = re.compile(r"-?\d+(\.\d+|/\d+)?", re.ASCII)
