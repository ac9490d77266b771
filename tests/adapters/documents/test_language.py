"""Both languages have every word, and the ledger's own notes are said in Chinese."""

from __future__ import annotations

import re
from typing import get_args

import pytest

from adapters.documents.language import LANGUAGES, Wording, _labels, _phrases
from adapters.documents.revenue_document import DIGITS
from ledger.clauses import Clause
from ledger.kpi.kpi import KPI_NAMES
from ledger.kpi.monthly_revenue import Dimension, Scope
from ledger.refusal import Refused
from ledger.settlement.behind_the_meter import RULES
from ledger.settlement.statement import _WITHHELD
from ledger.stream import PASS_THROUGH_COSTS, STREAMS

ZH = Wording("zh")
CHINESE = re.compile(r"[\u4e00-\u9fff]")


def test_every_label_has_every_language() -> None:
    for section, labels in _labels().items():
        for name, texts in labels.items():
            assert set(texts) == set(LANGUAGES), f"{section}.{name}"


def test_every_stored_name_has_a_label() -> None:
    """A new stream, clause, key figure or dimension needs a line in labels.toml."""
    codes = {*STREAMS, *PASS_THROUGH_COSTS, *(kind.__struct_config__.tag for kind in get_args(Clause))}
    assert codes == set(_labels()["code"])
    assert set(_labels()["kpi"]) == set(KPI_NAMES) == set(DIGITS)
    assert set(get_args(Dimension)) <= set(_labels()["heading"])
    assert set(get_args(Scope)) == set(_labels()["scope"])


@pytest.mark.parametrize(
    ("english", "chinese"),
    [
        ("discharged, peak", "放电，高峰"),
        ("charged, deep", "充电，深谷"),
        ("clause 2, remainder_split", "合同第 2 款，剩余收益分成"),
        ("70% of the loss -730.47 CNY", "亏损 -730.47 CNY 的 70%"),
        ("30% of the arbitrage + demand_charge 1.00 CNY", "峰谷套利 + 需量电费 1.00 CNY 的 30%"),
        ("0.1 CNY/kWh x 17,808.976 kWh charged and discharged", "0.1 CNY/kWh × 充放电 17,808.976 kWh"),
        ("200 CNY/kWh.year x 500 kWh nameplate x 1/12 year", "200 CNY/kWh·年 × 铭牌容量 500 kWh × 1/12 年"),
        ("no spot item this month: counted as nothing", "本月没有“现货市场”项目：按没有计"),
    ],
)  # fmt: skip
def test_a_note_in_chinese(english: str, chinese: str) -> None:
    assert ZH.phrase(english) == chinese
    assert Wording("en").phrase(english) == english


def test_every_rule_and_withheld_notice_is_said_in_chinese() -> None:
    for text in (*RULES.values(), *_WITHHELD.values()):
        assert CHINESE.search(ZH.phrase(text)), text


def test_a_text_that_nobody_knows_stays_as_recorded() -> None:
    assert ZH.phrase("something new, as written") == "something new, as written"
    assert ZH.code("brand_new") == "brand new"
    assert ZH.run_kind("correction 12") == "更正 12"


def test_every_phrase_fills_the_groups_that_it_has() -> None:
    for phrase in _phrases():
        used = {int(number) for number in re.findall(r"\{(\d+)[wp]?\}", phrase.text)}
        assert used <= set(range(1, phrase.pattern.groups + 1)), phrase.pattern.pattern
        assert "{" not in re.sub(r"\{\d+[wp]?\}", "", phrase.text)


def test_another_language_is_refused() -> None:
    with pytest.raises(Refused) as refused:
        Wording("fr")  # type: ignore[arg-type]
    assert refused.value.code == "language"
