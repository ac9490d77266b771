"""From settlement runs to journal entries: accrual, reversal, recognition, correction, statement issue.

A provisional run is accrued and reversed by the next run. The first run that is not provisional is
recognised; making it final posts nothing. Every later one posts what changes, in the month of its posting
and under the origin month (DOMAIN.md 3.10). The original and all changes together are what the
latest run alone would post.
"""

from __future__ import annotations

from datetime import date
from typing import Final

from ledger.accounting.account import Account, Role
from ledger.accounting.journal import EntryKind, JournalEntry, Reference
from ledger.accounting.posting import Posting
from ledger.accounting.run_effect import (
    Effects,
    Settled,
    change_postings,
    memo_effect,
    run_effect,
)
from ledger.quantity import Money
from ledger.refusal import Refused
from ledger.settlement.run import PROVISIONAL


def run_entries(
    owner: str,
    settled: Settled,
    on: date,
    *,
    accrued: Settled | None = None,
    recognised: Settled | None = None,
) -> tuple[JournalEntry, ...]:
    """The entries of one run, posted on the day `on`; empty when nothing changes.

    `accrued` is the provisional run that is not reversed yet, `recognised` the latest recognised run of the
    same contract and month. Savings that others hold follow as a memo entry of their own.

    Raises:
        Refused: `run_order` when `accrued` or `recognised` is of another month, not of its kind or not
            before this run, or when a provisional run follows a recognised one; `owner_not_party`.
    """
    _check_order(settled, accrued, recognised)
    currency = settled.run.result.currency
    entries: list[JournalEntry] = []
    if accrued is not None:
        text = f"Reversal of the accrual of {_of(accrued)}"
        undone = _reversed(change_postings(run_effect(owner, accrued), {}, currency))
        entries += _entries(accrued, None, "reversal", text, on, undone)
        undone = _reversed(change_postings(memo_effect(owner, accrued), {}, currency))
        entries += _entries(accrued, None, "memo", f"Savings held by others, {text}", on, undone)
    kind, verb = _kind(settled, recognised)
    text = f"{verb} of {_of(settled)}"
    before = run_effect(owner, recognised) if recognised is not None else {}
    postings = change_postings(run_effect(owner, settled), before, currency)
    entries += _entries(settled, recognised, kind, text, on, postings)
    before = memo_effect(owner, recognised) if recognised is not None else {}
    postings = change_postings(memo_effect(owner, settled), before, currency)
    entries += _entries(settled, recognised, "memo", f"Savings held by others, {text}", on, postings)
    return tuple(entries)


def statement_entry(
    owner: str, settled: Settled, party: str, on: date, *, before: Settled | None = None
) -> JournalEntry | None:
    """A party's statement is issued: what was accrued for it becomes receivable or payable, net.

    A statement asks for one sum (DOMAIN.md 2.3, cash due), so what its fees and shares are both ways is set
    off in it, and its payment clears it. `before` is the run that this run's delta is against; None for the
    initial run. None when this statement changes nothing.

    Raises:
        Refused: `statement_party` for the owner or a party that is not in the run; `run_order` for a
            provisional run, or one not after `before`.
    """
    if party == owner or party not in {*settled.run.result.payable, *settled.run.delta}:
        raise Refused("statement_party", f"{party} is no counterparty of this run", place="party")
    if settled.run.kind == PROVISIONAL:
        raise Refused("run_order", "a provisional run is accrued, not stated", place="run")
    _check_before(settled, before, "before")
    new = _accrued(run_effect(owner, settled), party)
    old = _accrued(run_effect(owner, before), party) if before is not None else {}
    currency = settled.run.result.currency
    cleared = _reversed(change_postings(new, old, currency))
    asked = -sum(one.amount.minor for one in cleared)
    assert asked == -settled.run.delta[party].minor, "the entry says what the statement says"
    if not cleared:
        return None
    postings = [*cleared]
    if asked:
        role: Role = "receivable" if asked > 0 else "payable"
        lines = sorted({number for one in cleared for number in one.lines})
        replaced = sorted({number for one in cleared for number in one.replaced_lines})
        postings.append(
            Posting(Account(role, (party,)), Money(asked, currency), tuple(lines), tuple(replaced))
        )
    text = f"Statement to {party}, {_of(settled)}"
    return JournalEntry(on, "statement", text, _reference(settled, before, party), tuple(postings))


def _accrued(effects: Effects, party: str) -> Effects:
    accounts = (Account(role, (party,)) for role in _ACCRUED)
    return {account: effects[account] for account in accounts if account in effects}


_ACCRUED: Final[tuple[Role, ...]] = ("accrued_receivable", "accrued_payable")


def _entries(
    settled: Settled,
    before: Settled | None,
    kind: EntryKind,
    text: str,
    on: date,
    postings: tuple[Posting, ...],
) -> list[JournalEntry]:
    return [JournalEntry(on, kind, text, _reference(settled, before), postings)] if postings else []


def _reversed(postings: tuple[Posting, ...]) -> tuple[Posting, ...]:
    return tuple(posting.reversed() for posting in postings)


def _kind(settled: Settled, recognised: Settled | None) -> tuple[EntryKind, str]:
    if settled.run.kind == PROVISIONAL:
        return "accrual", "Accrual"
    return ("recognition", "Recognition") if recognised is None else ("correction", "Correction")


def _of(settled: Settled) -> str:
    run = settled.run
    return f"{run.result.contract}, origin month {run.result.month}, run {run.number} ({run.kind})"


def _reference(settled: Settled, before: Settled | None, party: str | None = None) -> Reference:
    run = settled.run
    replaces = before.run.number if before is not None else None
    return Reference(run.result.contract, run.result.month, run.number, replaces, party)


def _check_order(settled: Settled, accrued: Settled | None, recognised: Settled | None) -> None:
    _check_before(settled, accrued, "accrued")
    _check_before(settled, recognised, "recognised")
    if accrued is not None and accrued.run.kind != PROVISIONAL:
        raise Refused("run_order", f"run {accrued.run.number} is not provisional", place="accrued")
    if recognised is not None and recognised.run.kind == PROVISIONAL:
        raise Refused("run_order", f"run {recognised.run.number} is provisional", place="recognised")
    if recognised is not None and settled.run.kind == PROVISIONAL:
        raise Refused("run_order", "a recognised month is corrected, not accrued again", place="run")


def _check_before(settled: Settled, before: Settled | None, place: str) -> None:
    if before is None:
        return
    run, other = settled.run, before.run
    if (other.result.contract, other.result.month) != (run.result.contract, run.result.month):
        raise Refused("run_order", f"{_of(before)} is of another month than {_of(settled)}", place=place)
    if other.result.currency != run.result.currency:
        raise Refused("currency", f"{other.result.currency} became {run.result.currency}", place=place)
    if other.number >= run.number:
        raise Refused("run_order", f"run {other.number} is not before run {run.number}", place=place)
