"""A document of a closed month stands in the first open one and keeps its own day (DOMAIN.md 3.10)."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import msgspec
import pytest
from beancount import loader

from ledger.accounting import voucher
from ledger.accounting.beancount_text import beancount_text
from ledger.accounting.book_journal import Recorded
from ledger.accounting.hledger_text import hledger_text
from ledger.accounting.journal import DESCRIPTION_MAX, JournalEntry
from ledger.accounting.market_receipt import MarketReceipt, RecordMarketReceipt
from ledger.accounting.party_account import party_account
from ledger.accounting.trial_balance import trial_balance
from ledger.month_close import Closed, MonthClosed
from ledger.refusal import Refused
from tests.ledger.accounting.books import ISSUED, PaperBook
from tests.ledger.accounting.runs import OWNER, with_streams
from tests.ledger.accounting.test_billing import vat_terms
from tests.ledger.contract_samples import APRIL, eaas, yuan

ACCOUNTS = Path(__file__).parents[3] / "examples" / "accounts"
LATE = date(2026, 4, 29)
OPEN = date(2026, 5, 1)


@pytest.fixture
def book() -> PaperBook:
    """April is settled, its statement issued in April, and closed."""
    made = PaperBook(vat_terms(with_streams(eaas(), {"demand_response": OWNER})))
    made.settle({"demand_response": "45678.91"})
    made.issue(on=date(2026, 4, 30))
    made.journal.post(Recorded("closing.book", ISSUED, MonthClosed(Closed(APRIL, {}, (), "ada"))))
    return made


def last(book: PaperBook) -> JournalEntry:
    return book.journal.journal.entries[-1]


def test_money_of_a_closed_month_keeps_the_banks_day(book: PaperBook) -> None:
    april = trial_balance(book.journal.journal, "CNY", date(2026, 4, 1), OPEN)
    book.pay("b1", "-100.00", on=LATE)
    entry = last(book)
    assert (entry.posted_on, entry.value_date, entry.late_of) == (OPEN, LATE, LATE)
    assert entry.description == "Receipt from host, b1; value date 2026-04-29, a closed month"
    book.pay("w1", "-1.00", "write_off", on=LATE)
    assert (last(book).kind, last(book).value_date) == ("write_off", LATE)
    one = MarketReceipt(document="m", stream="demand_response", amount=yuan("9.00"), on=LATE)
    book.do(RecordMarketReceipt(one))
    assert (last(book).kind, last(book).posted_on, last(book).value_date) == ("market_receipt", OPEN, LATE)
    assert trial_balance(book.journal.journal, "CNY", date(2026, 4, 1), OPEN) == april, "April is closed"


def test_what_is_of_an_open_month_has_one_day(book: PaperBook) -> None:
    book.pay("b1", "-100.00", on=OPEN)
    assert (last(book).posted_on, last(book).value_date, last(book).late_of) == (OPEN, OPEN, None)
    assert "value date" not in last(book).description
    assert "value-date" not in beancount_text([last(book)], "a book")


def test_exports_show_both_days(book: PaperBook) -> None:
    book.pay("b1", "-100.00", on=LATE)
    text = beancount_text(book.journal.journal, "a book")
    _, errors, _ = loader.load_string(text)
    assert errors == []
    assert '2026-05-01 * "Receipt from host, b1; value date 2026-04-29, a closed month"' in text
    assert '  value-date: "2026-04-29"' in text
    assert "    ; value-date:2026-04-29" in hledger_text([last(book)])
    (row,) = party_account(book.journal.journal, "host", "CNY", OPEN, None).rows
    assert (row.posted_on, row.value_date) == (OPEN, LATE)
    mapping = voucher.parse_mapping((ACCOUNTS / "voucher_mapping.toml").read_bytes())
    mapping = msgspec.structs.replace(mapping, parties={"host": voucher.MappedParty("1", "Host")})
    profile = voucher.parse_profile((ACCOUNTS / "voucher_kingdee.toml").read_bytes())
    columns = (*profile.columns, voucher.Column("业务日期", "value_date"))
    profile = msgspec.structs.replace(profile, columns=columns, date_format="YYYY/MM/DD")
    _, *rows = voucher.voucher_rows([last(book)], mapping, profile, preparer="")
    assert {row[-1] for row in rows} == {"2026/04/29"}
    at = next(number for number, column in enumerate(profile.columns) if column.field == "date")
    assert {row[at] for row in rows} == {"2026/05/01"}


def test_a_late_entry_is_after_its_own_day_and_its_text_has_room(book: PaperBook) -> None:
    book.pay("b1", "-100.00", on=OPEN)
    entry = msgspec.structs.replace(last(book), description="x" * DESCRIPTION_MAX)
    late = entry.posted_late(date(2026, 6, 1))
    assert late.description.endswith("x; value date 2026-05-01, a closed month")
    assert len(late.description) == DESCRIPTION_MAX
    with pytest.raises(Refused) as refused:
        entry.posted_late(OPEN)
    assert refused.value.code == "value_date"
