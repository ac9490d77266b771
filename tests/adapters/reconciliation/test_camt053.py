"""camt.053: booked entries with their direction, and nothing that XML can smuggle in."""

from __future__ import annotations

from datetime import date

import pytest

from adapters.reconciliation.camt053 import read_camt053
from adapters.reconciliation.rejected import RowsRejected
from ledger.reconciliation.bank_payment import BankStatement, Days
from ledger.refusal import Refused
from tests.adapters.reconciliation.files import changed, sample

NAME = "camt053.xml"
IBAN = "DE00 0000 0000 0000 0000 01"


def read(*changes: tuple[str, str]) -> BankStatement:
    (found,) = read_camt053(changed(NAME, "utf-8", *changes), "eur", IBAN)
    return found


def refused(code: str, data: bytes) -> Refused:
    with pytest.raises(Refused) as caught:
        read_camt053(data, "eur", IBAN)
    assert caught.value.code == code
    return caught.value


def test_the_sample_is_read_to_the_cent() -> None:
    found = read()
    assert [(one.reference, str(one.amount)) for one in found.payments] == [
        ("SIM-REF-1", "500.10"),
        ("SIM-REF-2/1", "-10.00"),
        ("SIM-REF-2/2", "-20.00"),
        ("SIM-REF-3", "10.00"),
    ]
    assert (str(found.opening), str(found.closing)) == ("1000.00", "1480.10")
    first, batch = found.payments[:2]
    assert first.counterparty_name == "Example Plant GmbH"
    assert first.counterparty_account == "DE00000000000000000011"
    assert first.remittance == "Storage share August, invoice RE-2026-0081"
    assert (batch.counterparty_name, batch.remittance) == ("Example Owner One", "RE-77")
    assert found.notices == ("1 entries that are not booked were left out",)


@pytest.mark.parametrize(
    ("first", "last", "days"),
    [
        ("2026-08-31T00:00:00+02:00", "2026-09-03T23:59:59+02:00", (date(2026, 8, 31), date(2026, 9, 3))),
        ("2026-08-31T00:00:00", "2026-09-04T00:00:00", (date(2026, 8, 31), date(2026, 9, 3))),
        ("2026-09-04T00:00:00", "2026-09-04T00:00:00", (date(2026, 9, 4), date(2026, 9, 4))),
    ],
)
def test_the_days_that_a_statement_states(first: str, last: str, days: tuple[date, date]) -> None:
    """A midnight at the end is of the day before."""
    period = f"<FrToDt><FrDtTm>{first}</FrDtTm><ToDtTm>{last}</ToDtTm></FrToDt><Acct>"
    found = read(("<Acct>", period))
    assert found.stated == Days(*days)
    assert found.days is not None
    assert found.days.first == min(days[0], *(one.booked_on for one in found.payments))
    assert read().stated is None
    data = changed(NAME, "utf-8", ("<Acct>", period.replace(first, "soon")))
    assert "FrToDt" in refused("date", data).place


def test_an_older_version_is_read_too() -> None:
    """Version 001.02 writes Sts and the debtor's name without their later inner elements."""
    text = sample(NAME).decode().replace("camt.053.001.08", "camt.053.001.02")
    text = (
        text.replace("<Sts><Cd>BOOK</Cd></Sts>", "<Sts>BOOK</Sts>").replace("<Pty>", "").replace("</Pty>", "")
    )
    (found,) = read_camt053(text.encode(), "eur", IBAN)
    assert found.payments == read().payments


def test_entries_must_lead_to_the_closing_balance() -> None:
    with pytest.raises(Refused) as caught:
        read(("1480.10", "1480.11"))
    assert caught.value.code == "balance"
    with pytest.raises(Refused) as caught:
        read(("OPBD", "PRCD"), ("1000.00", "1000.01"))
    assert caught.value.code == "balance"


def test_a_batch_is_the_sum_of_its_transactions() -> None:
    with pytest.raises(RowsRejected) as caught:
        read(("20.00", "21.00"))
    assert (caught.value.code, caught.value.place) == ("entry_total", "row 21, NtryDtls")


def test_a_batch_without_amounts_is_one_booking() -> None:
    found = read(('<Amt Ccy="EUR">20.00</Amt>', ""))
    assert [str(one.amount) for one in found.payments] == ["500.10", "-30.00", "10.00"]


@pytest.mark.parametrize(
    ("code", "before", "after"),
    [
        ("direction", "<CdtDbtInd>DBIT</CdtDbtInd>", ""),
        ("direction", "<CdtDbtInd>DBIT</CdtDbtInd>", "<CdtDbtInd>OUT</CdtDbtInd>"),
        ("direction", '"EUR">500.10', '"EUR">-500.10'),
        ("money", '"EUR">500.10', '"EUR">500.101'),
        ("number", '"EUR">500.10', '"EUR">500,10'),
        ("currency", '<Amt Ccy="EUR">500.10', "<Amt>500.10"),
        ("empty_value", "<BookgDt><Dt>2026-09-15</Dt></BookgDt><ValDt>", "<ValDt>"),
        ("date", "<BookgDt><Dt>2026-09-15</Dt>", "<BookgDt><Dt>15.09.2026</Dt>"),
        ("reference_missing", "<AcctSvcrRef>SIM-REF-3</AcctSvcrRef>", ""),
        ("duplicate_reference", "SIM-REF-3", "SIM-REF-1"),
        ("currency", '"EUR">500.10', '"USD">500.10'),
    ],
)
def test_a_bad_entry_is_refused(code: str, before: str, after: str) -> None:
    refused(code, changed(NAME, "utf-8", (before, after)))


def test_another_account_is_refused() -> None:
    refused("account", sample(NAME).replace(b"<IBAN>DE00000000000000000001", b"<IBAN>DE00000000000000000002"))


def test_a_document_type_and_its_entities_are_refused_unread() -> None:
    head, _, body = sample(NAME).partition(b"<Document")
    for doctype in (
        b'<!DOCTYPE Document [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]>',
        b'<!DOCTYPE Document SYSTEM "file:///etc/passwd">',
        b'<!DOCTYPE Document [<!ENTITY % x SYSTEM "http://127.0.0.1:9/x"> %x;]>',
    ):
        found = refused("xml_doctype", head + doctype + b"<Document" + body)
        assert found.place == "line 3"
    refused("xml", sample(NAME).replace(b"RE-77", b"&a;"))


def test_what_is_no_statement() -> None:
    refused("truncated_file", sample(NAME)[:-40])
    refused("truncated_file", sample(NAME)[: sample(NAME).index(b"<AcctSvcrRef>") + 5])
    refused("empty_file", b" \n")
    refused("xml", b"<Document><a></b></Document>")
    refused("xml", b"a,b,c\n1,2,3\n")
    refused("camt053", b"<Document><BkToCstmrAcctRpt/></Document>")
    refused("empty_file", b"<Document><BkToCstmrStmt></BkToCstmrStmt></Document>")
    refused("xml_depth", b"<Document>" + b"<a>" * 60 + b"</a>" * 60 + b"</Document>")
