"""What the book's owner and a party invoice each other for a statement (DOMAIN.md 2.3, 3.8).

Who supplies what to whom is the rule of `ledger.settlement.supply`; the tax is that of the run's lines, and
here both are summed by account.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import timedelta

import msgspec

from ledger.accounting.account import Account
from ledger.accounting.run_effect import Settled
from ledger.contract import Contract
from ledger.effective import History
from ledger.interval import zone_of
from ledger.quantity import Money
from ledger.refusal import Refused
from ledger.settlement.inputs import contract_digest
from ledger.settlement.result import Result
from ledger.settlement.run import PROVISIONAL, Runs
from ledger.settlement.supply import Supply, supplies
from ledger.statement.invoice import Billed, BilledAccount, Billing, nothing_billed


class _Sum(msgspec.Struct, frozen=True):
    """What one side invoices of an account for a run; `tax` None where its contract states no rates."""

    minor: int
    tax: int | None
    lines: tuple[int, ...]


_Sums = dict[Account, _Sum]


def billing(owner: str, party: str, settled: Settled, before: Settled | None) -> Billing:
    """What is billed for a statement: of the run in full, less what the run before it billed.

    The tax of a correction is the new run's less the old one's, account by account.
    """
    currency, basis = settled.run.result.currency, settled.contract.split_basis
    if party == owner or owner not in settled.contract.party_ids:
        return nothing_billed(currency, basis)
    new = _between(owner, party, settled)
    old = _between(owner, party, before) if before is not None else []
    terms = [one.contract.vat for one in (settled, before) if one is not None]
    taxed = all(one is not None for one in terms)
    issued, received = (
        _side(currency, _summed(new, supplier), _summed(old, supplier), taxed=taxed)
        for supplier in (owner, party)
    )
    return Billing(basis, issued, received, tax_asked=True)


def _between(owner: str, party: str, settled: Settled) -> list[tuple[Supply, Money | None]]:
    """What the owner and the party supply each other, with the tax that the run's lines have."""
    result = settled.run.result
    return [
        (one, _tax_of(one, party, result))
        for one in supplies(owner, settled.contract, result.lines, result.rules_version)
        if one.account is not None and party in (one.supplier, one.customer)
    ]


def _tax_of(supply: Supply, party: str, result: Result) -> Money | None:
    """The tax of the party's own line, or of its part of an agent's; above zero as the supplier states it."""
    numbers = {supply.line, *supply.also_on}
    of_line = [line.vat for line in result.lines if line.number in numbers and line.party == party]
    of_part = [one.vat for one in result.agent_parts if (one.line, one.party) == (supply.line, party)]
    found = next((one for one in (*of_line, *of_part) if one is not None), None)
    if found is None:
        return None
    assert found.supplier == supply.supplier, f"line {supply.line} is invoiced by {supply.supplier}"
    return found.tax if supply.supplier == party else -found.tax


def _summed(found: Iterable[tuple[Supply, Money | None]], supplier: str) -> _Sums:
    amounts: dict[Account, int] = defaultdict(int)
    taxes: dict[Account, list[Money | None]] = defaultdict(list)
    lines: dict[Account, set[int]] = defaultdict(set)
    for one, tax in found:
        if one.supplier == supplier and one.account is not None:
            amounts[one.account] += one.amount.minor
            taxes[one.account].append(tax)
            lines[one.account].add(one.line)
    return {
        account: _Sum(minor, _total(taxes[account]), tuple(sorted(lines[account])))
        for account, minor in amounts.items()
    }


def _total(taxes: Iterable[Money | None]) -> int | None:
    known = [None if one is None else one.minor for one in taxes]
    return None if None in known else sum(one for one in known if one is not None)


def _side(currency: str, new: _Sums, old: _Sums, *, taxed: bool) -> Billed:
    nothing = _Sum(0, 0, ())
    accounts = []
    for account in sorted({*new, *old}):
        after, earlier = new.get(account, nothing), old.get(account, nothing)
        amount = Money(after.minor - earlier.minor, currency)
        tax = None
        if taxed and after.tax is not None and earlier.tax is not None:
            tax = Money(after.tax - earlier.tax, currency)
        if amount.minor or (tax is not None and tax.minor):
            accounts.append(BilledAccount(account, amount, tax, after.lines))
    return Billed(Money(sum(one.amount.minor for one in accounts), currency), tuple(accounts))


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
