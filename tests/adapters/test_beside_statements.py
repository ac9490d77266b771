"""A correction says what it changes of each line, in every form, and a statement what is to be paid."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

import pytest

from adapters import statement_text
from adapters.documents.statement_document import StatementDocument
from adapters.documents.statement_pdf import statement_pdf
from adapters.documents.statement_xlsx import statement_xlsx
from adapters.queries import statements
from adapters.queries.beside_statements import Beside, beside
from ledger.settlement.line_delta import Key, LineDelta, key_of
from ledger.settlement.statement import Statement
from tests.adapters.conftest import Bench
from tests.adapters.documents.sample import RECORDED, Workbook, pdf_pages, proof
from tests.adapters.test_corrections import AUGUST, JULY, founded, record, settle
from tests.stack import NatsServer, PostgresServer


@pytest.fixture(scope="module")
def corrected(
    nats_server: NatsServer, migrated: PostgresServer
) -> Iterator[tuple[list[Statement], dict[Key, Beside], int]]:
    """August's statements after July was revised, what stands beside them, and the position."""
    bench = founded(Bench(nats_server, migrated))
    for month, wh in ((JULY, 1_000), (AUGUST, 12_000)):
        record(bench, month, wh, "first")
    settle(bench, JULY, AUGUST)
    record(bench, JULY, 9_000, "revised")
    settle(bench, JULY)
    bench.project()
    with bench.database.reading(bench.book) as connection:
        position = 1 << 60
        found = statements.latest(connection, position, month="2026-08")
        yield found, beside(connection, position, found), position
    bench.close()


Corrected = tuple[list[Statement], dict[Key, Beside], int]


def test_the_deltas_of_the_lines_add_up_to_the_statements(corrected: Corrected) -> None:
    found, told, _ = corrected
    assert {one.run_kind for one in found} == {"correction 1"}
    changed = 0
    for one in found:
        deltas = told[key_of(one)].deltas
        assert sum(change.paid.minor for change in deltas) == one.delta.minor
        changed += len(deltas)
        assert all(change.code == "guarantee" for change in deltas), "August's own energy did not change"
    assert changed


def test_every_form_shows_the_delta_of_each_line(corrected: Corrected) -> None:
    found, told, _ = corrected
    (one,) = [each for each in found if told[key_of(each)].deltas][:1]
    beside_it = told[key_of(one)]
    (change,) = beside_it.deltas
    shown = f"{abs(change.delta.minor) / 100:,.2f}"
    text = statement_text.text(one, due=beside_it.due, deltas=beside_it.deltas)
    assert f"line {change.number}, guarantee: " in text
    assert shown in text
    rows = list(csv.DictReader(io.StringIO(statement_text.csv_text(found, _deltas(told)))))
    of_lines = [row for row in rows if row["row"] == "delta" and row["party"] == one.party]
    assert [(row["code"], row["amount"]) for row in of_lines] == [("guarantee", str(change.delta))]
    document = StatementDocument(
        statement=one,
        recorded_at=RECORDED,
        issuer="issuer",
        proof=proof(one.sequence, size=one.sequence + 5),
        due=beside_it.due,
        deltas=beside_it.deltas,
    )
    paper = "".join(pdf_pages(statement_pdf(document, "en")))
    assert "Changes of this run" in paper
    assert shown in paper
    book = Workbook(statement_xlsx(document, "en"))
    for sheet, address, stored in book.formulas():
        assert float(book.value(sheet, address)) == pytest.approx(stored, abs=1e-6), (sheet, address)
    last = max(int(at[1:]) for at in book.sheets["Changes of this run"] if at[0] == "H")
    assert book.value("Changes of this run", f"H{last}") == one.delta.exact


def _deltas(told: dict[Key, Beside]) -> dict[Key, tuple[LineDelta, ...]]:
    return {key: one.deltas for key, one in told.items()}


def test_what_is_to_be_paid_is_the_correction_alone(corrected: Corrected) -> None:
    """No tax comes on top where the contract states none."""
    found, told, _ = corrected
    for one in found:
        due = told[key_of(one)].due
        assert due is not None
        assert (due.amount, due.tax, due.with_tax, due.status) == (one.delta, None, one.delta, "")
