"""Statements as files: PDFs of three pages by two processes, workbooks, and rows of Parquet."""

from __future__ import annotations

import functools
from datetime import UTC, datetime
from fractions import Fraction

from adapters.documents.statement_document import StatementDocument
from adapters.documents.statement_parquet import statement_parquet
from adapters.documents.statement_pdf import statement_pdf, statement_pdfs
from adapters.documents.statement_proof import StatementProof
from adapters.documents.statement_xlsx import statement_xlsx
from adapters.documents.typesetting import Typesetters
from adapters.transparency.inclusion import Inclusion
from benchmarks.figure import Figure, seconds, seconds_and
from benchmarks.rig import Rig
from ledger.clauses.flow import exact_text
from ledger.quantity import Money
from ledger.settlement.line import Basis, Line
from ledger.settlement.statement import Statement
from ledger.transparency.checkpoint import Checkpoint
from ledger.transparency.merkle import HASH_BYTES, leaf_hash, node_hash
from ledger.transparency.note_key import KeyKind, NoteSigner

_WANTED = 20
_LINES = 20
_PERIODS = ("sharp", "peak", "flat", "valley", "deep")
_SIGNER = NoteSigner.of_seed("benchmark/main", KeyKind.ED25519, bytes(32))
_RECORDED = datetime(2026, 9, 1, tzinfo=UTC)


def measure(_: Rig, *, quick: bool) -> list[Figure]:
    """Every document is another one, so that nothing is typeset from memory."""
    count = 8 if quick else 80
    documents = [_document(number) for number in range(count)]
    first = statement_pdf(_document(count), "zh")
    pages = first.count(b"/Type/Page") - first.count(b"/Type/Pages")
    assert pages == 3, f"{pages} pages"
    with Typesetters(workers=2) as typesetters:
        statement_pdfs([_document(count + 1 + spare) for spare in range(8)], "zh", typesetters)
        took, made = seconds_and(lambda: statement_pdfs(documents, "zh", typesetters))
    assert len(set(made)) == count
    rate = count / took
    books = count / seconds(lambda: [statement_xlsx(one, "zh") for one in documents])
    many = [one.statement for one in documents] * (1 if quick else 50)
    rows = sum(len(one.lines) for one in many)
    parquet = rows / seconds(lambda: statement_parquet(many))
    return [
        Figure("statements of three pages, 2 processes", rate, None, "", "PDF/A/s", rate, _WANTED),
        Figure("the same statements as workbooks, 1 process", books, None, "", "XLSXs/s", books, None),
        Figure("statement lines as Parquet", parquet, None, "", "lines/s", parquet, None),
    ]


def _document(number: int) -> StatementDocument:
    lines = tuple(_line(line, number) for line in range(1, _LINES + 1))
    total = Money(sum(line.amount.minor for line in lines), "CNY")
    zero = Money.zero("CNY")
    statement = Statement(
        party="host", contract=f"contract-{number}", title="Storage at twenty sites", month="2026-08", run=1,
        run_kind="initial", causes=(), classes=(), currency="CNY", entitlement=zero, held=total,
        payable=-total, delta=-total,
        pool=None, pool_uses=(), lines=lines, warnings=(), rules_version="2026-11", position=number,
        sequence=number + 1, inputs_digest=f"{number:064x}", outputs_digest=f"{number + 1:064x}",
    )  # fmt: skip
    return StatementDocument(
        statement=statement,
        recorded_at=_RECORDED,
        issuer="示范虚拟电厂",
        party_name="某企业",
        proof=_proof(number + 1),
    )


def _proof(sequence: int) -> StatementProof:
    """In a log that ends with the event; all before it is one hash of zeros where it is a power of two."""
    leaf, before = leaf_hash(str(sequence).encode()), bytes(HASH_BYTES)
    path = (before,) * (sequence - 1).bit_count()
    root = functools.reduce(lambda node, sibling: node_hash(sibling, node), path, leaf)
    note = Checkpoint(_SIGNER.key.name, sequence, root).signed(_SIGNER)
    return StatementProof(
        book="main", sequence=sequence, inclusion=Inclusion(sequence, leaf, sequence, root, path, note)
    )


def _line(line: int, number: int) -> Line:
    """Arbitrage at one site: five periods, one of them charging."""
    basis: list[Basis] = []
    exact = Fraction(0)
    for place, period in enumerate(_PERIODS):
        wh = 1_000_003 * (line + place) + 17 * number
        worth = Fraction(wh, 1000) * Fraction(f"0.{6 - place}71413") * (-1 if period == "deep" else 1)
        way = "charged" if period == "deep" else "discharged"
        basis.append(Basis(f"{way}, {period}", str(wh), "Wh", f"0.{6 - place}71413", exact_text(worth)))
        exact += worth
    amount = Money.round(exact, "CNY")
    rounding = exact_text(amount.exact - exact)
    return Line(
        line, "stream", "arbitrage", "DOMAIN.md 3.1, direct form", f"S{line}", "host", "", "", "",
        exact_text(exact), amount, rounding, tuple(basis), (),
    )  # fmt: skip
