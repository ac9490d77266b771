"""What the book's owner and a party invoice each other for a statement (DOMAIN.md 2.3, 3.8).

A principal invoices the fees it charges and what a party hands on of a saving that it holds; the party
invoices its share and the costs that it paid. A party's share of a loss is invoiced to it. The market's
money that a party collected for the pool is handed on and not invoiced. An agent invoices the fees that a
party pays it, and its part of the pool as the service that the parties buy from it, each in proportion to
what the pool gives it; shares pass through an agent's hands and nobody invoices them to it.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import date, timedelta
from fractions import Fraction
from typing import Final

from ledger.accounting.account import Account
from ledger.accounting.run_effect import Effect, Effects, Settled, billable
from ledger.clauses import FEES
from ledger.contract import Contract
from ledger.effective import History
from ledger.interval import Month, zone_of
from ledger.quantity import Money
from ledger.refusal import Refused
from ledger.settlement.inputs import contract_digest
from ledger.settlement.line import Line
from ledger.settlement.result import Result
from ledger.settlement.run import PROVISIONAL, Runs
from ledger.split import largest_remainder
from ledger.statement.invoice import Billed, BilledAccount, Billing, nothing_billed
from ledger.vat_terms import vat


def billing(owner: str, party: str, settled: Settled, before: Settled | None) -> Billing:
    """What is billed for a statement: of the run in full, less what the run before it billed.

    Raises:
        Refused: `vat_rate_missing` where the contract's own rates do not reach the month.
    """
    currency, basis = settled.run.result.currency, settled.contract.split_basis
    if party == owner or owner not in settled.contract.party_ids:
        return nothing_billed(currency, basis)
    new = billed(owner, settled, party)
    old = billed(owner, before, party) if before is not None else {}
    return Billing(
        basis,
        _side(owner, settled, before, _of_sign(new, -1), _of_sign(old, -1)),
        _side(party, settled, before, _of_sign(new, 1), _of_sign(old, 1)),
    )


def billed(owner: str, settled: Settled, party: str) -> Effects:
    """Income (credits, below zero) that the owner invoices, and cost that the party invoices."""
    if settled.contract.owner_position == "gross":
        return billable(owner, settled, party) if party in settled.run.result.payable else {}
    totals: dict[Account, int] = defaultdict(int)
    numbers: dict[Account, set[int]] = defaultdict(set)
    for line in settled.run.result.lines:
        if line.kind != "clause" or line.party != owner or not line.amount.minor:
            continue
        part = _part_of(line, settled.run.result, owner).get(party, 0)
        account = Account("clause_income" if line.amount.minor > 0 else "clause_cost", (line.code,))
        totals[account] -= part
        numbers[account].add(line.number)
    return {
        account: Effect(minor, tuple(sorted(numbers[account]))) for account, minor in totals.items() if minor
    }


def _part_of(own: Line, result: Result, owner: str) -> dict[str, int]:
    """Who pays an agent's line, or gets it: a fee's other side, else everyone by its part of the pool."""
    weights: dict[str, int] = defaultdict(int)
    sign = 1 if own.amount.minor > 0 else -1
    if own.code in FEES:
        for line in result.lines:
            if (line.kind, line.clause, line.code) == (
                "clause",
                own.clause,
                own.code,
            ) and line.party != owner:
                weights[line.party] += max(-sign * line.amount.minor, 0)
    if not any(weights.values()):
        for line in result.lines:
            if line.kind == "clause" and line.code not in FEES and line.party != owner:
                weights[line.party] += line.amount.minor
        weights = defaultdict(int, {name: abs(minor) for name, minor in weights.items()})
    if not any(weights.values()):
        weights = defaultdict(int, {name: 1 for name in result.payable if name != owner})
    return largest_remainder(own.amount.minor, {name: Fraction(weight) for name, weight in weights.items()})


def settled_with(runs: Runs, number: int, history: History[Contract]) -> Settled:
    """A run and the version of its contract that it was settled with.

    That version is known by its digest among the run's inputs; else it is the one in force in the month.

    Raises:
        Refused: `unknown_run`.
    """
    found = next((run for run in runs.runs if run.number == number), None)
    if found is None:
        raise Refused("unknown_run", f"there is no run {number}", place="run")
    digest = found.result.inputs.get("contract")
    for version in reversed(history.versions):
        if contract_digest(version.document) == digest:
            return Settled(version.document, found)
    month = found.result.month.interval(zone_of(history.latest.document.zone))
    held = history.at(month.end - timedelta(microseconds=1)) or history.at(month.start)
    return Settled((held or history.latest).document, found)


def run_before(runs: Runs, number: int) -> int | None:
    """The paying run that a run's delta is against."""
    earlier = (run.number for run in runs.runs if run.number < number and run.kind != PROVISIONAL)
    return max(earlier, default=None)


def _of_sign(effects: Effects, sign: int) -> Effects:
    """What one side invoices: credits by the owner, also where a party bears a loss; debits by the party."""
    return {
        account: Effect(abs(effect.minor), effect.lines)
        for account, effect in effects.items()
        if sign * effect.minor > 0
    }


def _side(supplier: str, settled: Settled, before: Settled | None, new: Effects, old: Effects) -> Billed:
    currency = settled.run.result.currency
    accounts = []
    for account in sorted({*new, *old}):
        after, earlier = new.get(account, _NOTHING), old.get(account, _NOTHING)
        amount = Money(after.minor - earlier.minor, currency)
        if amount.minor:
            tax = _tax(supplier, settled, before, account, amount)
            accounts.append(BilledAccount(account, amount, tax, after.lines))
    return Billed(Money(sum(one.amount.minor for one in accounts), currency), tuple(accounts))


def _tax(
    supplier: str, settled: Settled, before: Settled | None, account: Account, amount: Money
) -> Money | None:
    """By the rate of what the account is for; None without a rate, or where its lines bear several."""
    terms, basis, month = settled.contract.vat, settled.contract.split_basis, settled.run.result.month
    if terms is None:
        return None
    items = {account.item} if account.item is not None else _items(account, settled, before)
    taxes = {vat(item, amount, terms, basis, supplier, _tax_point(month)).tax for item in items}
    return taxes.pop() if len(taxes) == 1 else None


def _items(account: Account, settled: Settled, before: Settled | None) -> set[str]:
    """The clauses by which a party gets its share, or hands on a saving."""
    party = account.party
    return {
        line.code
        for run in (settled, before)
        if run is not None
        for line in run.run.result.lines
        if line.kind == "clause" and line.party == party and line.code not in FEES and line.amount.minor
    }


def _tax_point(month: Month) -> date:
    """The month's last day."""
    return month.next().first_day - timedelta(days=1)


_NOTHING: Final = Effect(0, ())
