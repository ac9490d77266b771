"""Vouchers for another accounting system: CSV rows in a layout that is data.

Three things meet: the entries, a mapping of our accounts to that system's codes and auxiliary items, and
a profile with its columns. Memo entries are outside the accounts and are not exported.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable
from typing import Literal

import msgspec

from ledger.accounting.account import Account, Role
from ledger.accounting.journal import JournalEntry
from ledger.accounting.posting import Posting
from ledger.interval import Month
from ledger.quantity import Money
from ledger.refusal import Refused
from ledger.toml_file import TomlFile

Auxiliary = Literal["none", "customer", "supplier"]
Reversals = Literal["red_ink", "opposite_side"]
DateFormat = Literal["YYYY-MM-DD", "YYYY/MM/DD"]
EmptySide = Literal["blank", "zero"]
Encoding = Literal["utf-8", "utf-8-sig", "gb18030"]
SummaryLanguage = Literal["zh", "en"]

Field = Literal[
    "date",
    "value_date",
    "year",
    "period",
    "voucher_word",
    "voucher_number",
    "line_number",
    "attachments",
    "summary",
    "account_code",
    "account_name",
    "debit",
    "credit",
    "amount",
    "currency",
    "exchange_rate",
    "customer_code",
    "supplier_code",
    "auxiliary",
    "contract",
    "origin_month",
    "settlement_lines",
    "preparer",
    "empty",
]
"""`amount` is the side that is not zero; `exchange_rate` is always 1: all vouchers of a file are in the
currency in which the accounts are kept. `value_date` is the document's own day, before `date` where its month
was closed."""


class Column(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    header: str
    field: Field


class VoucherProfile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The layout that a system reads. `voucher_word` is its voucher type, such as 记."""

    title: str
    voucher_word: str
    date_format: DateFormat
    empty_side: EmptySide
    reversals: Reversals
    """`red_ink` shows a reversal as negative amounts on the side of the entry that it reverses."""
    encoding: Encoding
    """`utf-8-sig` begins with a byte order mark, which spreadsheets need to see that it is UTF-8."""
    auxiliary_format: str
    """With {kind}, {code} and {name}, such as `{kind}---{code}---{name}`."""
    auxiliary_kinds: dict[Auxiliary, str]
    columns: tuple[Column, ...]
    language: SummaryLanguage = "zh"
    """Of the summary (摘要)."""

    def __post_init__(self) -> None:
        for index, column in enumerate(self.columns):
            if column.header in [other.header for other in self.columns[:index]]:
                raise Refused("duplicate", f"{column.header!r} is named twice", place=f"columns[{index}]")
        fields = {column.field for column in self.columns}
        for needed in ("date", "voucher_number", "summary", "account_code", "debit", "credit"):
            if needed not in fields:
                raise Refused("voucher_column", f"no column holds {needed}", place="columns")
        for kind in ("customer", "supplier"):
            if kind not in self.auxiliary_kinds:
                raise Refused("voucher_column", f"{kind} has no name", place="auxiliary_kinds")


class MappedAccount(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The other system's account; its items' codes follow in `item_codes` where it has sub-accounts."""

    code: str
    name: str
    auxiliary: Auxiliary
    by_item: bool


class MappedParty(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    code: str
    name: str


class MappedItem(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A stream, cost or clause as a sub-account."""

    code: str
    name: str


class VoucherMapping(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Our accounts, parties and items in the other system's codes."""

    accounts: dict[Role, MappedAccount]
    items: dict[str, MappedItem]
    parties: dict[str, MappedParty]

    def account(self, account: Account) -> tuple[str, str]:
        """Code and name.

        Raises:
            Refused: `voucher_account` for an account or item that is not mapped.
        """
        mapped = self.accounts.get(account.role)
        if mapped is None:
            raise Refused("voucher_account", f"{account.role} is not mapped", place="accounts")
        if not mapped.by_item:
            return mapped.code, mapped.name
        item = self.items.get(account.item or "")
        if item is None:
            raise Refused("voucher_account", f"{account} has no mapped item", place="items")
        return f"{mapped.code}{item.code}", f"{mapped.name}-{item.name}"

    def party(self, account: Account) -> tuple[Auxiliary, MappedParty] | None:
        """The auxiliary item of an account that has one.

        Raises:
            Refused: `voucher_party` for a party that is not mapped.
        """
        mapped = self.accounts[account.role]
        if mapped.auxiliary == "none" or account.party is None:
            return None
        party = self.parties.get(account.party)
        if party is None:
            raise Refused("voucher_party", f"{account.party} is not mapped", place="parties")
        return mapped.auxiliary, party


def parse_profile(text: str | bytes) -> VoucherProfile:
    """A column profile in TOML; examples/accounts has one for 用友 and one for 金蝶.

    Raises:
        Refused: as every TOML file, with line and field; `voucher_column`, `duplicate`.
    """
    file = TomlFile(text)
    return file.struct(VoucherProfile, file.root, ())


def parse_mapping(text: str | bytes) -> VoucherMapping:
    """An account mapping in TOML; examples/accounts/voucher_mapping.toml shows one.

    Raises:
        Refused: as every TOML file, with line and field.
    """
    file = TomlFile(text)
    return file.struct(VoucherMapping, file.root, ())


def check_mapped(entries: Iterable[JournalEntry], mapping: VoucherMapping) -> None:
    """That every account, item and party of the entries is mapped; memo entries need no mapping.

    Raises:
        Refused: `voucher_account`, `voucher_party`: all that is missing, by name.
    """
    accounts = {one.account for entry in entries if not entry.is_memo for one in entry.postings}
    roles = {account.role for account in accounts} - mapping.accounts.keys()
    if roles:
        raise Refused("voucher_account", f"not mapped: {', '.join(sorted(roles))}", place="accounts")
    by_item = (account for account in accounts if mapping.accounts[account.role].by_item)
    items = {account.item or str(account) for account in by_item} - mapping.items.keys()
    if items:
        raise Refused("voucher_account", f"not mapped: {', '.join(sorted(items))}", place="items")
    with_party = (account for account in accounts if mapping.accounts[account.role].auxiliary != "none")
    parties = {account.party for account in with_party if account.party is not None} - mapping.parties.keys()
    if parties:
        raise Refused("voucher_party", f"not mapped: {', '.join(sorted(parties))}", place="parties")


def voucher_rows(
    entries: Iterable[JournalEntry],
    mapping: VoucherMapping,
    profile: VoucherProfile,
    *,
    preparer: str,
    first_number: int = 1,
    summary: Callable[[str], str] = str,
) -> list[list[str]]:
    """The header, then a row per posting. A voucher is an entry; numbers begin anew each month. All are in
    one currency, as `in_currency` chooses them.

    `first_number` is the first free one of the earliest month. `summary` says an entry's description in the
    language of the accounts, which are English in the journal.

    Raises:
        Refused: `voucher_number` below 1; `voucher_currency` for a second currency; `voucher_account`,
            `voucher_party` for what is not mapped.
    """
    if first_number < 1:
        raise Refused("voucher_number", f"{first_number} is not from 1", place="first_number")
    rows = [[column.header for column in profile.columns]]
    month: Month | None = None
    number = first_number - 1
    booked = sorted((entry for entry in entries if not entry.is_memo), key=lambda entry: entry.posted_on)
    _check_currency(booked)
    check_mapped(booked, mapping)
    for entry in booked:
        of = Month.of(entry.posted_on)
        number = number + 1 if month in (None, of) else 1
        month = of
        sides = [_sides(entry, posting, profile) for posting in entry.postings]
        assert sum((debit - credit).minor for debit, credit in sides) == 0, "a voucher balances"
        for line, posting in enumerate(entry.postings, 1):
            values = _values(entry, posting, mapping, profile)
            values |= {
                "voucher_number": str(number),
                "line_number": str(line),
                "preparer": _inert(preparer),
                "summary": _inert(summary(entry.description)),
            }
            rows.append([values[column.field] for column in profile.columns])
    return rows


def _check_currency(entries: list[JournalEntry]) -> None:
    for entry in entries:
        first = entries[0].currency
        if entry.currency != first:
            text = (
                f"{entry.description!r} of {entry.posted_on} is in {entry.currency}, the vouchers before it"
                f" are in {first}: one file is of one currency, as there are no exchange rates"
            )
            raise Refused("voucher_currency", text, place="entries")


def voucher_file(rows: Iterable[Iterable[str]], profile: VoucherProfile) -> bytes:
    """The rows as CSV with CRLF line ends in the profile's encoding, as import tools expect.

    Raises:
        Refused: `encoding` for a character that the encoding does not have.
    """
    try:
        return voucher_csv(rows).encode(profile.encoding)
    except UnicodeEncodeError as error:
        lost = error.object[error.start : error.end]
        raise Refused("encoding", f"{profile.encoding} has no {lost!r}", place="encoding") from None


def voucher_csv(rows: Iterable[Iterable[str]]) -> str:
    """The rows as CSV with CRLF line ends."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerows(rows)
    return text.getvalue()


def _values(
    entry: JournalEntry, posting: Posting, mapping: VoucherMapping, profile: VoucherProfile
) -> dict[Field, str]:
    code, name = mapping.account(posting.account)
    debit, credit = _sides(entry, posting, profile)
    reference = entry.reference
    shape = "%Y-%m-%d" if profile.date_format == "YYYY-MM-DD" else "%Y/%m/%d"
    values: dict[Field, str] = {
        "date": entry.posted_on.strftime(shape),
        "value_date": entry.value_date.strftime(shape),
        "year": str(entry.posted_on.year),
        "period": str(entry.posted_on.month),
        "voucher_word": profile.voucher_word,
        "attachments": "0",
        "account_code": code,
        "account_name": name,
        "debit": _shown(debit, profile),
        "credit": _shown(credit, profile),
        "amount": str(debit if debit.minor else credit),
        "currency": entry.currency,
        "exchange_rate": "1",
        "customer_code": "",
        "supplier_code": "",
        "auxiliary": "",
        "contract": reference.contract or "",
        "origin_month": str(reference.month) if reference.month is not None else "",
        "settlement_lines": " ".join(map(str, posting.lines)),
        "empty": "",
    }
    found = mapping.party(posting.account)
    if found is not None:
        kind, party = found
        values["customer_code" if kind == "customer" else "supplier_code"] = party.code
        shown = profile.auxiliary_format.replace("{kind}", profile.auxiliary_kinds[kind])
        values["auxiliary"] = shown.replace("{code}", party.code).replace("{name}", party.name)
    return values


def _sides(entry: JournalEntry, posting: Posting, profile: VoucherProfile) -> tuple[Money, Money]:
    """Debit and credit; of a reversal in red ink both below zero, on the sides of what it reverses."""
    if entry.kind == "reversal" and profile.reversals == "red_ink":
        return -posting.credit, -posting.debit
    return posting.debit, posting.credit


def _shown(side: Money, profile: VoucherProfile) -> str:
    if side.minor or profile.empty_side == "zero":
        return str(side)
    return ""


def _inert(text: str) -> str:
    """A text that a spreadsheet does not take for a formula."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@") else text
