"""Statements as Parquet: whole minor units and exact text, no doubles."""

from __future__ import annotations

import io

import msgspec
import pytest
from arro3.io import read_parquet

from adapters.documents.statement_parquet import statement_parquet
from ledger.quantity import Money
from ledger.refusal import Refused
from tests.adapters.documents.sample import statement

BOTH = [statement("host-one"), statement("owner-one")]


def table(data: bytes) -> dict[str, list[object]]:
    read = read_parquet(io.BytesIO(data)).read_all()
    return {name: read[name].to_pylist() for name in read.column_names}


def types(data: bytes) -> set[str]:
    return {str(field.type) for field in read_parquet(io.BytesIO(data)).read_all().schema}


def test_lines_and_totals_are_whole_minor_units() -> None:
    files = statement_parquet(BOTH)
    lines, totals = table(files["lines"]), table(files["totals"])
    assert lines["amount_minor"] == [line.amount.minor for one in BOTH for line in one.lines]
    assert lines["exact"] == [line.exact for one in BOTH for line in one.lines]
    assert (lines["quantity"][0], lines["unit"][0]) == ("42000123", "Wh discharged")
    assert lines["quantity"][1] is None, "missing is not zero"
    host = [
        row
        for row in zip(totals["party"], totals["total"], totals["amount_minor"], strict=True)
        if row[0] == "host-one"
    ]
    assert host == [
        ("host-one", name, getattr(BOTH[0], name).minor)
        for name in ("entitlement", "held", "payable", "delta", "pool")
    ]
    assert ("owner-one", "pool") not in zip(totals["party"], totals["total"], strict=True)


def test_a_reader_can_add_up_the_lines() -> None:
    lines = table(statement_parquet(BOTH)["lines"])
    for one in BOTH:
        for total in ("entitlement", "held"):
            rows = zip(lines["party"], lines["counts_in"], lines["amount_minor"], strict=True)
            summed = sum(minor for party, counts, minor in rows if (party, counts) == (one.party, total))  # type: ignore[misc]
            assert summed == getattr(one, total).minor


def test_there_is_no_double_in_the_files() -> None:
    for data in statement_parquet(BOTH).values():
        assert all("Utf8" in kind or "Int64" in kind for kind in types(data)), types(data)


def test_terms_name_their_line() -> None:
    terms = table(statement_parquet(BOTH)["terms"])
    assert list(zip(terms["line"], terms["term"], terms["exact"], strict=True)) == [
        (1, number, term.exact) for number, term in enumerate(BOTH[0].lines[0].basis, 1)
    ]


def test_the_same_statements_are_the_same_bytes() -> None:
    assert statement_parquet(BOTH) == statement_parquet(BOTH)


def test_none_is_a_file_of_no_rows() -> None:
    assert table(statement_parquet([])["lines"])["amount_minor"] == []


def test_large_amounts_are_exact_and_larger_ones_refused() -> None:
    large = msgspec.structs.replace(BOTH[0], held=Money(2**60 + 1, "CNY"))
    assert 2**60 + 1 in table(statement_parquet([large])["totals"])["amount_minor"]
    with pytest.raises(Refused) as refused:
        statement_parquet([msgspec.structs.replace(BOTH[0], held=Money(2**63, "CNY"))])
    assert (refused.value.code, refused.value.place) == ("int64", "amount_minor")


def test_nothing_of_another_party_is_in_the_files() -> None:
    owner = statement_parquet(BOTH[1:])
    for data in owner.values():
        assert "host-one" not in str(table(data))
        assert b"host-one" not in data, "nor in the statistics beside the pages"
