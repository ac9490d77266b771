"""A receipt's text says what was submitted, and nothing else reads as one."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.refusal import Refused
from trading.receipt import BidReceipt

AT = datetime(2026, 9, 2, 1, 0, 0, 123456, tzinfo=UTC)
RECEIPT = BidReceipt(
    origin="example.org/book",
    bid="b1",
    revision=2,
    digest="ab" * 32,
    market="shandong",
    product="day_ahead",
    day="2026-09-03",
    submitted_by="anna",
    submitted_at=AT,
    gate_opens=AT,
    gate_closes=AT,
    margin_s=2,
    sequence=17,
    envelope_sha256="cd" * 32,
)


def test_its_text_is_a_line_a_field() -> None:
    assert RECEIPT.text.splitlines()[:3] == ["example.org/book bid receipt v1", "bid b1", "revision 2"]
    assert BidReceipt.parse(RECEIPT.text) == RECEIPT


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        "example.org/book bid receipt v1",
        RECEIPT.text[:-1],
        RECEIPT.text + "\n",
        RECEIPT.text + "note x\n",
        RECEIPT.text.replace("revision 2", "revision 02"),
        RECEIPT.text.replace("revision 2", "revision 2\nrevision 2"),
        RECEIPT.text.replace("revision 2", "revision NaN"),
        RECEIPT.text.replace("revision 2\n", ""),
        RECEIPT.text.replace("receipt v1", "receipt v2"),
        RECEIPT.text.replace("bid b1\nrevision 2", "revision 2\nbid b1"),
        RECEIPT.text.replace("bid b1", "bid b1\u2028revision 3"),
        RECEIPT.text.replace("\n", "\r\n"),
    ],
)
def test_another_text_is_refused(text: str) -> None:
    if "\u2028" in text:
        assert BidReceipt.parse(text).revision == 2
        return
    with pytest.raises(Refused) as refused:
        BidReceipt.parse(text)
    assert refused.value.code == "bid_receipt"


@settings(derandomize=True, max_examples=200)
@given(st.integers(0, len(RECEIPT.text) - 1), st.characters())
def test_each_character_counts(at: int, letter: str) -> None:
    text = RECEIPT.text[:at] + letter + RECEIPT.text[at + 1 :]
    try:
        found = BidReceipt.parse(text)
    except Refused:
        return
    assert found.text == text
    assert (found == RECEIPT) == (text == RECEIPT.text)
