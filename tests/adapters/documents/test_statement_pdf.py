"""Statements as PDF, read back by another program."""

from __future__ import annotations

import io
import re
import socket
from datetime import datetime

import msgspec
import pytest
from pypdf import PdfReader

from adapters.documents.language import LANGUAGES, Language
from adapters.documents.readable import readable_exact
from adapters.documents.statement_pdf import statement_page, statement_pdf, statement_pdfs
from adapters.documents.typesetting import Typesetters
from tests.adapters.documents.sample import document, long_document, pdf_pages
from tests.ledger.kpi.sample import run


def squeezed(text: str) -> str:
    return re.sub(r"\s+", "", text)


def test_a_chinese_statement_shows_every_number_of_it() -> None:
    one = document()
    text = squeezed("".join(pdf_pages(statement_pdf(one, "zh"))))
    for word in (
        "结算单",
        "示范虚拟电厂",
        "某企业(host-one)",
        "应得金额",
        "峰谷套利S1",
        "放电，高峰",
        "最大需量",
        "本月没有“现货市场”项目",
    ):
        assert word in text, word
    for line in one.statement.lines:
        assert f"{line.amount.minor / 100:,.2f}" in text
        assert readable_exact(line.rounding) in text
    for number in ("42,000.123kWh", "1.144372", "48,063.764757756", "33,337.49", "-71.40"):
        assert number in text, number
    assert one.statement.inputs_digest in text
    assert one.statement.outputs_digest in text
    assert "账本位置41" in text
    assert "记账事件序号57" in text
    assert "2026-09-0102:03:04" in text


def test_the_totals_say_who_pays() -> None:
    host, owner = (
        squeezed("".join(pdf_pages(statement_pdf(document(party), "en"))))
        for party in ("host-one", "owner-one")
    )
    payable = -document().statement.payable.minor
    assert f"Payablebytheparty{payable / 100:,.2f}" in host
    assert f"Payabletotheparty{payable / 100:,.2f}" in owner
    assert "Poolofthecontract" in host, "the contract shows it to the host"
    assert "Poolofthecontract" not in owner


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_same_statement_is_the_same_bytes(language: Language) -> None:
    assert statement_pdf(document(), language) == statement_pdf(document(), language)
    later = msgspec.structs.replace(
        document(), recorded_at=datetime.fromisoformat("2026-09-02T00:00:00+00:00")
    )
    assert statement_pdf(later, language) != statement_pdf(document(), language), "the instant is in the file"


def test_spawned_processes_write_the_same_bytes_in_order() -> None:
    """Also after this process has used typst, where a fork would hang."""
    documents = [document(), document("owner-one"), long_document(30)]
    alone = [statement_pdf(one, "zh") for one in documents]
    with Typesetters(workers=1) as typesetters:
        assert statement_pdfs(documents, "zh", typesetters) == alone


def test_nothing_of_another_party_is_in_the_file() -> None:
    """The template's data is all that reaches the file; the owner's has no trace of the host or its site."""
    for language in LANGUAGES:
        page = statement_page([document("owner-one")], language)
        pdf = statement_pdf(document("owner-one"), language)
        held = (
            msgspec.json.encode(page.data).decode()
            + "".join(pdf_pages(pdf))
            + str(PdfReader(io.BytesIO(pdf)).metadata)
        )
        for foreign in ("host-one", "arbitrage", "峰谷套利", "1.144372", "spot", "现货"):
            assert foreign not in held, foreign
        assert b"host-one" not in pdf
        assert "owner-one" in held, "the search finds what is there"


def test_a_provisional_statement_says_so_on_every_page() -> None:
    provisional = document(settled=run(kind="provisional"))
    for language, mark in (("zh", "暂估"), ("en", "PROVISIONAL")):
        assert all(mark in page for page in pdf_pages(statement_pdf(provisional, language)))
        assert mark not in "".join(pdf_pages(statement_pdf(document(), language)))


def test_words_are_never_markup() -> None:
    evil = '#panic("x") $x$ *b* `c` \\ @label <l> [ ] { }'
    one = document()
    statement = msgspec.structs.replace(one.statement, title=evil, warnings=(evil,))
    text = squeezed(
        "".join(
            pdf_pages(statement_pdf(msgspec.structs.replace(one, statement=statement, issuer=evil), "en"))
        )
    )
    assert text.count(squeezed('#panic("x")')) >= 3


def test_fonts_come_from_the_package_and_are_in_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_network(*_: object) -> None:
        raise AssertionError("no network")

    monkeypatch.setattr(socket.socket, "connect", no_network)
    reader = PdfReader(io.BytesIO(statement_pdf(document(), "zh")))
    fonts = [font.get_object() for page in reader.pages for font in page["/Resources"]["/Font"].values()]  # type: ignore[index,union-attr]
    assert fonts
    assert all("NotoSansSC" in font["/BaseFont"] for font in fonts)  # type: ignore[index]
    assert reader.metadata is not None
    assert reader.metadata.creation_date == datetime.fromisoformat("2026-09-01T02:03:04+00:00")
