"""The proof on a statement's files: another program reads it back, and it leads to the signed root."""

from __future__ import annotations

import csv
import hashlib
import io
from base64 import b64decode

import msgspec
import pytest

from adapters import statement_text
from adapters.documents.language import LANGUAGES, Language, Wording
from adapters.documents.statement_document import StatementDocument
from adapters.documents.statement_parquet import statement_parquet
from adapters.documents.statement_pdf import statement_pdf
from adapters.documents.statement_proof import StatementProof
from adapters.documents.statement_xlsx import statement_xlsx
from ledger.settlement.statement import ShownBill
from ledger.transparency.base64_text import base64_text
from ledger.transparency.checkpoint import open_checkpoint
from ledger.transparency.note import Note, cosign
from tests.adapters.documents.sample import Workbook, document, pdf_pages, proof
from tests.adapters.documents.test_statement_parquet import table
from tests.adapters.documents.test_statement_shown import SHARES, changed
from tests.ledger.kpi.sample import cny
from tests.ledger.transparency.signers import LOG, WITNESS


def with_proof(found: StatementProof) -> StatementDocument:
    return msgspec.structs.replace(document(), proof=found)


UNSIGNED = StatementProof(book="main", sequence=57)


def sheet(one: StatementDocument, language: Language) -> list[tuple[str, str]]:
    book = Workbook(statement_xlsx(one, language))
    cells = book.sheets[Wording(language).label("heading", "proof")]
    return [(str(cells[f"A{row}"][1]), str(cells[f"B{row}"][1])) for row in range(1, len(cells) // 2 + 1)]


def test_a_workbook_s_proof_leads_by_hand_to_the_signed_root() -> None:
    """RFC 9162 2.1.3.2, from the cells alone."""
    rows = dict(sheet(document(), "en"))
    index, size = int(rows["Number of the leaf"]), int(rows["Tree size"])
    node = b64decode(rows["Leaf hash"])
    at, last, number = index, size - 1, 0
    while last:
        if at % 2 or at < last:
            number += 1
            sibling = b64decode(rows[f"Path to the root, hash {number}"])
            node = hashlib.sha256(b"\1" + (sibling + node if at % 2 else node + sibling)).digest()
        at, last = at // 2, last // 2
    assert f"Path to the root, hash {number + 1}" not in rows
    opened = open_checkpoint(Note.parse(rows["Checkpoint's text"].encode()), LOG.key.name, LOG.key).checkpoint
    assert (index, size) == (56, opened.size)
    assert node == opened.root == b64decode(rows["Root hash"])


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_last_page_has_the_roots_and_the_signature(language: Language) -> None:
    last = "".join(pdf_pages(statement_pdf(document(), language))[-1].split())
    inclusion = proof(57).inclusion
    assert inclusion is not None
    assert inclusion.note is not None
    (signature,) = inclusion.note.signatures
    for shown in (
        base64_text(inclusion.leaf),
        base64_text(inclusion.root),
        base64_text(signature.key_id + signature.signature),
        LOG.key.name,
        f"{Wording(language).label('proof', 'size')}100",
    ):
        assert shown.replace(" ", "") in last, shown


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("found", [UNSIGNED, proof(57, signed=False)])
def test_what_no_checkpoint_covers_says_so(found: StatementProof, language: Language) -> None:
    one, said = with_proof(found), Wording(language).label("proof", "not_signed")
    assert said in [value for _, value in sheet(one, language)]
    assert said.replace(" ", "") in "".join("".join(pdf_pages(statement_pdf(one, language))).split())
    assert said not in [value for _, value in sheet(document(), language)]
    assert any(label == "Tree size" for label, _ in sheet(one, "en")) == (found.inclusion is not None)


def test_a_witness_that_signs_later_changes_no_file() -> None:
    inclusion = proof(57).inclusion
    assert inclusion is not None
    note = inclusion.note
    assert note is not None
    later = msgspec.structs.replace(
        inclusion, note=note.with_signature(cosign(note.text, WITNESS, 1_788_000_000))
    )
    witnessed = with_proof(StatementProof(book="main", sequence=57, inclusion=later))
    assert statement_xlsx(witnessed, "en") == statement_xlsx(document(), "en")
    assert statement_pdf(witnessed, "zh") == statement_pdf(document(), "zh")


def test_tables_hold_the_percentages_and_bills_that_paper_shows() -> None:
    bills = (ShownBill("S1", cny("200000.00"), cny("165992.64")),)
    one = changed(percentages=SHARES, bills=bills).statement
    text = statement_text.csv_text([one])
    assert 'percentage,host-one,,"clause 2, tiered_share, bracket 2",50%,,,,,,41,' in text
    assert "bill,without_storage,S1,,,,,,200000.00,CNY,41," in text
    assert "bill,with_storage,S1,,,,,,165992.64,CNY,41," in text
    assert len({len(row) for row in csv_rows(text)}) == 1, "every row has every column"
    tables = statement_parquet([one])
    shares, owed = table(tables["percentages"]), table(tables["bills"])
    assert list(zip(shares["of"], shares["share_of"], shares["share"], strict=True)) == [
        (part.of, part.party, part.share) for part in SHARES
    ]
    assert (owed["site"], owed["without_storage_minor"], owed["with_storage"]) == (
        ["S1"],
        [20_000_000],
        ["165992.64"],
    )
    assert table(statement_parquet([document("owner-one").statement])["bills"])["site"] == []


def csv_rows(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text)))
