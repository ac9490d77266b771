"""What the journal says of an entry, in Chinese: the summaries (摘要) of vouchers."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Final

import pytest

from adapters.documents.language import Wording
from ledger.accounting import voucher
from tests.ledger.accounting.test_voucher import KINGDEE, MAPPING, YONYOU, receipt, recognised

ROOT: Final = Path(__file__).parents[3] / "ledger" / "accounting"
CHINESE: Final = re.compile(r"[\u4e00-\u9fff]")
SAID: Final = {
    "Accrual of c-1, origin month 2026-04, run 1 (provisional)": (
        "暂估 c-1，归属月份 2026-04，第 1 次结算（暂估）"
    ),
    "Correction of c-1, origin month 2026-04, run 3 (correction 1)": (
        "更正 c-1，归属月份 2026-04，第 3 次结算（更正 1）"
    ),
    "Reversal of the accrual of c-1, origin month 2026-04, run 1 (provisional)": (
        "冲回暂估 c-1，归属月份 2026-04，第 1 次结算（暂估）"
    ),
    "Statement to host, c-1, origin month 2026-04, run 2 (initial)": (
        "结算单 host，c-1，归属月份 2026-04，第 2 次结算（首次结算）"
    ),
    "Receipt from host, slip 7": "收 host 款，slip 7",
    "Payment to host, slip 7": "付 host 款，slip 7",
    "Refund to host, slip 7": "退 host 款，slip 7",
    "Refund from host, slip 7": "收 host 退款，slip 7",
    "Write-off, host, w 1": "核销 host，w 1",
    "Write-back, host, w 1": "转回核销 host，w 1",
    "Credit on account, credit 1, host": "预收预付冲抵，credit 1，host",
    "Netting, n 1, host": "轧差，n 1，host",
    "Market receipt for demand_response, m 1": "市场收款（需求响应），m 1",
    "Paid back to the market for spot, m 1": "退回市场（现货市场），m 1",
    "Handed over to host, h 1": "代收转付 host，h 1",
    "Bank charges, fee 5": "银行手续费，fee 5",
    "Late interest charged to host, i 1": "应收 host 滞纳金，i 1",
    "Late interest owed to host, i 1": "应付 host 滞纳金，i 1",
    "Pending tax of the statement to host, c-1, 2026-04, run 1": (
        "结算单待开票税额 host，c-1，2026-04，第 1 次结算"
    ),
    "Tax asked with the statement to host, c-1, 2026-04, run 1": (
        "随结算单应收付的待开票税额 host，c-1，2026-04，第 1 次结算"
    ),
    "Tax of invoice 77, host: net 1.00, tax 0.06, gross 1.06 CNY": (
        "发票 77 税额，host：不含税 1.00，税额 0.06，价税合计 1.06 CNY"
    ),
    "Tax of red-letter (of 77) invoice 78, host: net -1.00, tax -0.06, gross -1.06 CNY": (
        "红字发票 78（冲 77）税额，host：不含税 -1.00，税额 -0.06，价税合计 -1.06 CNY"
    ),
    "Operator's line of unit U1, 2026-04, statement f 1": "交易单元 U1 运营商留存，2026-04，结算单 f 1",
    "Correction of the operator's line of unit U1, 2026-04, statement f 1": (
        "更正交易单元 U1 运营商留存，2026-04，结算单 f 1"
    ),
    "Receipt from host, slip 7; value date 2026-04-30, a closed month": (
        "收 host 款，slip 7；业务日期 2026-04-30，所属月份已关账"
    ),
}


@pytest.mark.parametrize(("english", "chinese"), SAID.items())
def test_a_summary_is_said_in_chinese(english: str, chinese: str) -> None:
    assert Wording("zh").phrase(english) == chinese


def test_every_summary_that_the_journal_writes_is_tried() -> None:
    """A new text with a capital and a blank, in a module that makes entries, has an example above."""
    openings = set()
    for path in sorted(ROOT.glob("*.py")):
        if "JournalEntry(" not in path.read_text() or path.name == "journal.py":
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.JoinedStr) and isinstance(node.values[0], ast.Constant):
                text = str(node.values[0].value)
                if re.match(r"[A-Z][a-z']+[ ,-]", text):
                    openings.add(text)
    assert openings
    silent = [text for text in openings if not any(text in said for said in SAID)]
    assert set(silent) <= {"Savings held by others, "}, silent


@pytest.mark.parametrize("profile", [YONYOU, KINGDEE])
def test_the_example_profiles_have_chinese_summaries(profile: voucher.VoucherProfile) -> None:
    words = Wording(profile.language)
    entries = [*recognised(), receipt()]
    rows = voucher.voucher_rows(entries, MAPPING, profile, preparer="x", summary=words.phrase)
    column = rows[0].index("摘要")
    assert all(CHINESE.search(row[column]) for row in rows[1:])
