"""ISO 20022 camt.053 (bank to customer statement), versions 001.02 to 001.13, as bookings.

Read are booked entries; announced ones are counted in a notice. `CdtDbtInd` says the direction also of a
reversal (ISO 20022 message definition report, Bank-to-Customer Cash Management, Entry/ReversalIndicator).
"""

from __future__ import annotations

import hashlib
from datetime import date, timedelta

from adapters.reconciliation.rejected import RejectedRow, RowsRejected
from adapters.reconciliation.table import day_of
from adapters.reconciliation.xml_tree import Element, parse
from ledger.quantity import Money
from ledger.reconciliation.bank_payment import BankPayment, BankStatement, Days
from ledger.refusal import Refused

_MIDNIGHT = "T00:00:00"
_SIGNS = {"CRDT": 1, "DBIT": -1}


def read_camt053(data: bytes, account: str, number: str) -> tuple[BankStatement, ...]:
    """The statements in a file, in its order. `account` is our id of the account whose `number` the file
    must name (IBAN or the bank's own).

    Raises:
        RowsRejected: with every entry that cannot be read, by its line: `number`, `money`, `currency`,
            `direction`, `date`, `payment`, `reference_missing`, `entry_total`.
        Refused: what `xml_tree.parse` refuses; `camt053` for another message; `date` of its period; `account`
            for another account; `currency`; `balance` for entries that do not lead from the opening to the
            closing balance; `duplicate_reference`, `row_order`.
    """
    root = parse(data)
    message = root.first("BkToCstmrStmt")
    if root.name != "Document" or message is None:
        raise Refused("camt053", "this is not a camt.053 message: Document/BkToCstmrStmt", place="line 1")
    found = tuple(_statement(one, account, number, data) for one in message.all("Stmt"))
    if not found:
        raise Refused("empty_file", "the message has no statement", place=f"line {message.line}")
    return found


def _statement(stmt: Element, account: str, number: str, data: bytes) -> BankStatement:
    place = f"line {stmt.line}"
    named = stmt.text_at("Acct/Id/IBAN", "Acct/Id/Othr/Id")
    if named.replace(" ", "") != number.replace(" ", ""):
        raise Refused("account", f"the statement is of account {named or 'none'}", place=place)
    opening, closing = _balance(stmt, "OPBD", "PRCD"), _balance(stmt, "CLBD")
    currency = stmt.text_at("Acct/Ccy") or (opening.currency if opening else "")
    if not currency:
        raise Refused("currency", "neither the account nor its opening balance has one", place=place)
    booked: list[BankPayment] = []
    rejected: list[RejectedRow] = []
    announced = 0
    for entry in stmt.all("Ntry"):
        if entry.text_at("Sts/Cd", "Sts/Prtry", "Sts") != "BOOK":
            announced += 1
            continue
        try:
            booked += _bookings(entry, account)
        except Refused as refused:
            rejected.append(RejectedRow(entry.line, refused.place, refused.code, refused.reason))
    if rejected:
        raise RowsRejected(rejected)
    notice = f"{announced} entries that are not booked were left out"
    return BankStatement(
        account=account,
        currency=currency,
        file_digest=hashlib.sha256(data).hexdigest(),
        payments=tuple(sorted(booked, key=lambda one: one.booked_on)),
        stated=_stated(stmt),
        opening=opening,
        closing=closing,
        notices=(notice,) if announced else (),
    )


def _stated(stmt: Element) -> Days | None:
    """The days of FrToDt; a midnight at its end is of the day before."""
    first, last = stmt.text_at("FrToDt/FrDtTm", "FrToDt/FrDt"), stmt.text_at("FrToDt/ToDtTm", "FrToDt/ToDt")
    if not first or not last:
        return None
    try:
        days = Days(day_of(first[:10], "%Y-%m-%d"), day_of(last[:10], "%Y-%m-%d"))
    except Refused as refused:
        raise Refused(refused.code, refused.reason, place=f"line {stmt.line}: FrToDt") from None
    ends_before = last[10:19] == _MIDNIGHT and days.last > days.first
    return Days(days.first, days.last - timedelta(days=1)) if ends_before else days


def _balance(stmt: Element, *codes: str) -> Money | None:
    for balance in stmt.all("Bal"):
        if balance.text_at("Tp/CdOrPrtry/Cd") in codes:
            return _signed(balance)
    return None


def _bookings(entry: Element, account: str) -> list[BankPayment]:
    """One booking of an entry; of a batch whose transactions have amounts that sum to it, one of each."""
    total = _signed(entry)
    details = list(entry.all("NtryDtls/TxDtls"))
    reference = entry.text_at("AcctSvcrRef", "NtryRef") or (
        details[0].text_at("Refs/AcctSvcrRef") if len(details) == 1 else ""
    )
    if len(details) < 2 or any(one.first("Amt") is None for one in details):
        texts = [entry.text_at("AddtlNtryInf"), *(text for one in details for text in _remittance(one))]
        detail = details[0] if len(details) == 1 else None
        return [_booking(entry, detail, account, reference, total, texts)]
    amounts = [_signed(one, entry) for one in details]
    if sum(amounts, Money.zero(total.currency)) != total:
        raise Refused("entry_total", f"its transactions do not sum to {total:,}", place="NtryDtls")
    found = []
    for at, (one, amount) in enumerate(zip(details, amounts, strict=True), 1):
        own = one.text_at("Refs/AcctSvcrRef") or (f"{reference}/{at}" if reference else "")
        found.append(_booking(entry, one, account, own, amount, _remittance(one)))
    return found


def _booking(
    entry: Element, detail: Element | None, account: str, reference: str, amount: Money, texts: list[str]
) -> BankPayment:
    side = "Dbtr" if amount.minor > 0 else "Cdtr"
    name = number = ""
    if detail is not None:
        name = detail.text_at(f"RltdPties/{side}/Pty/Nm", f"RltdPties/{side}/Nm")
        number = detail.text_at(f"RltdPties/{side}Acct/Id/IBAN", f"RltdPties/{side}Acct/Id/Othr/Id")
    return BankPayment(
        account=account,
        reference=reference,
        booked_on=_day(entry),
        amount=amount,
        counterparty_name=name,
        counterparty_account=number,
        remittance=" ".join(text for text in texts if text),
        place=f"line {entry.line}",
    )


def _remittance(detail: Element) -> list[str]:
    """Unstructured texts, numbers of the documents paid, the creditor's and the end-to-end reference."""
    texts = [one.text for one in detail.all("RmtInf/Ustrd")]
    texts += [one.text for one in detail.all("RmtInf/Strd/RfrdDocInf/Nb")]
    texts += [one.text for one in detail.all("RmtInf/Strd/CdtrRefInf/Ref")]
    end_to_end = detail.text_at("Refs/EndToEndId")
    return [*texts, end_to_end if end_to_end != "NOTPROVIDED" else ""]


def _signed(element: Element, entry: Element | None = None) -> Money:
    """Amt by CdtDbtInd, of a transaction without one by its entry's."""
    amount = element.first("Amt")
    if amount is None:
        raise Refused("empty_value", "there is no amount", place="Amt")
    side = element.text_at("CdtDbtInd") or (entry.text_at("CdtDbtInd") if entry else "")
    if side not in _SIGNS:
        raise Refused("direction", f"{side!r} is not CRDT or DBIT", place="CdtDbtInd")
    try:
        money = Money.parse(amount.text, amount.attributes.get("Ccy", ""))
    except Refused as refused:
        raise Refused(refused.code, refused.reason, place="Amt") from None
    if money.minor < 0:
        raise Refused("direction", "an amount below zero: CdtDbtInd says the direction", place="Amt")
    return Money(_SIGNS[side] * money.minor, money.currency)


def _day(entry: Element) -> date:
    """The bank's booking day, as it stands: a time of day and its zone are cut off."""
    text = entry.text_at("BookgDt/Dt", "BookgDt/DtTm")
    if not text:
        raise Refused("empty_value", "there is no booking date", place="BookgDt")
    try:
        return day_of(text[:10], "%Y-%m-%d")
    except Refused as refused:
        raise Refused(refused.code, refused.reason, place="BookgDt") from None
