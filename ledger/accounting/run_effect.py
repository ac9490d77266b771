"""What a settlement run means for the book's owner, account by account (DOMAIN.md 2.3).

The owner clears: what a statement says is payable to a party the owner owes it, and what the party must pay
it owes the owner. Amounts are on the contract's split basis; VAT between them is posted with the invoice.

- Money that markets pay, and costs, are cash: with the owner they are due from the market or to the
  supplier, with another party they are due from or to that party.
- A market pays with the tax in its prices, and so does a supplier ask: where a tax-exclusive contract takes
  it out of a line, it is due from the market or to the supplier all the same, against output or input tax
  (docs/decisions/0025).
- What stands outside the contract's pool is nobody's to share. Where the owner has its cash it is the
  owner's income, or another party's money that the owner only collected: as the operator of a trading unit,
  which the market pays for all its sites (DOMAIN.md 3.9).
- A bill saving is no cash. Where another party holds it, only what that party must hand on is posted; what
  it may keep of its own saving is neither the owner's income nor its cost.
- As principal (`gross`) the owner shows the whole of the market's money and costs, the fees it charges and
  the shares it gives away. As agent (`net`) it shows only its own lines of the contract.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import Final

import msgspec

from ledger.accounting.account import Account, Role
from ledger.accounting.kept_saving import kept_saving
from ledger.accounting.posting import Posting
from ledger.clauses import FEES
from ledger.contract import Contract
from ledger.quantity import Money
from ledger.refusal import Refused
from ledger.settlement.line import TAX, Line
from ledger.settlement.run import PROVISIONAL, Run
from ledger.stream import BILL_EFFECT, PASS_THROUGH_COSTS, Stream


class Settled(msgspec.Struct, frozen=True):
    """A run and the version of the contract that it was settled with.

    `traded` are the sites and streams of which the market pays the owner, as a trading unit's operator.
    """

    contract: Contract
    run: Run
    traded: frozenset[tuple[str, Stream]] = frozenset()

    def __post_init__(self) -> None:
        if self.contract.id != self.run.result.contract:
            text = f"the run is of {self.run.result.contract}, not of {self.contract.id}"
            raise Refused("run_contract", text, place="contract")

    def collects(self, line: Line) -> bool:
        """Whether the owner has the money of another party's line outside the pool."""
        return not line.pooled and (line.site, line.code) in self.traded


class Effect(msgspec.Struct, frozen=True):
    """What stands to one account: minor units, debits above zero, and the lines it rests on."""

    minor: int
    lines: tuple[int, ...]


Effects = dict[Account, Effect]


def run_effect(owner: str, settled: Settled) -> Effects:
    """The run in full, without memo accounts; the amounts sum to zero.

    Per party other than the owner, accrued receivable and accrued payable together are the opposite of its
    `payable`.

    Raises:
        Refused: `owner_not_party` when the contract does not name the owner.
    """
    contract, result = settled.contract, settled.run.result
    if owner not in contract.party_ids:
        text = f"the book's owner {owner} is no party of contract {contract.id}; they are"
        raise Refused("owner_not_party", f"{text} {', '.join(contract.party_ids)}", place="parties")
    totals = _Totals()
    by_party: dict[str, list[Line]] = defaultdict(list)
    for line in result.lines:
        if line.pooled and line.amount.minor:
            by_party[line.party].append(line)
    gross = contract.owner_position == "gross"
    for party, lines in by_party.items():
        if party == owner:
            _own(totals, lines, gross=gross)
            _tax_in_price(totals, lines, accrued=settled.run.kind == PROVISIONAL)
        else:
            _counterparty(totals, party, lines, gross=gross)
    for line in result.lines:
        if not line.pooled and line.amount.minor and line.code not in BILL_EFFECT:
            _outside_pool(totals, line, owner, collected=settled.collects(line))
    effects = totals.effects()
    assert sum(effect.minor for effect in effects.values()) == 0, "the owner's side of a run balances"
    for party, payable in result.payable.items():
        assert party == owner or _due(effects, party) == -payable.minor, f"{party}: lines and payable differ"
    return effects


def memo_effect(owner: str, settled: Settled) -> Effects:
    """The savings that parties other than the owner hold, per party and stream, against one contra account.

    Streams that the contract does not share are included, but for what the owner collects of them.
    """
    totals = _Totals()
    for line in settled.run.result.lines:
        if line.kind != "stream" or line.party == owner or not line.amount.minor:
            continue
        if line.code in BILL_EFFECT or not (line.pooled or settled.collects(line)):
            totals.add(Account("memo_saving", (line.party, line.code)), line.amount.minor, [line])
            totals.add(Account("memo_contra"), -line.amount.minor, [line])
    return totals.effects()


def change_postings(
    new: Mapping[Account, Effect], old: Mapping[Account, Effect], currency: str
) -> tuple[Posting, ...]:
    """The postings that take the accounts from `old` to `new`; none where nothing changes."""
    postings = []
    for account in sorted({*new, *old}):
        after, before = new.get(account, _NOTHING), old.get(account, _NOTHING)
        if after.minor != before.minor:
            amount = Money(after.minor - before.minor, currency)
            postings.append(Posting(account, amount, after.lines, before.lines))
    return tuple(postings)


_NOTHING: Final = Effect(0, ())


class _Totals:
    def __init__(self) -> None:
        self._minor: dict[Account, int] = defaultdict(int)
        self._lines: dict[Account, set[int]] = defaultdict(set)

    def add(self, account: Account, minor: int, lines: Iterable[Line]) -> None:
        self._minor[account] += minor
        self._lines[account].update(line.number for line in lines)

    def due(self, party: str, minor: int, lines: Iterable[Line]) -> None:
        """What the party owes (above zero) or is owed."""
        if minor:
            role: Role = "accrued_receivable" if minor > 0 else "accrued_payable"
            self.add(Account(role, (party,)), minor, lines)

    def effects(self) -> Effects:
        return {
            account: Effect(minor, tuple(sorted(self._lines[account])))
            for account, minor in sorted(self._minor.items())
            if minor
        }


def _own(totals: _Totals, lines: Iterable[Line], *, gross: bool) -> None:
    """The owner's own lines: its cash, and as agent its income."""
    for line in lines:
        minor = line.amount.minor
        if line.kind == "clause":
            if not gross:
                role: Role = "clause_income" if minor > 0 else "clause_cost"
                totals.add(Account(role, (line.code,)), -minor, [line])
        elif line.code in BILL_EFFECT:
            if not gross:
                totals.add(Account("own_saving", (line.code,)), minor, [line])
        elif line.code in PASS_THROUGH_COSTS:
            totals.add(Account("supplier_payable", (line.code,)), minor, [line])
            _principal(totals, line, gross=gross)
        else:
            totals.add(Account("market_receivable", (line.code,)), minor, [line])
            _principal(totals, line, gross=gross)


def _tax_in_price(totals: _Totals, lines: Iterable[Line], *, accrued: bool) -> None:
    """The tax that a tax-exclusive contract took out of what markets pay the owner, or suppliers ask."""
    for line in lines:
        if line.kind != "stream" or line.code in BILL_EFFECT:
            continue
        taken = sum((Fraction(term.exact) for term in line.basis if term.of == TAX), Fraction(0))
        minor = -Money.round(taken, line.amount.currency).minor
        if not minor:
            continue
        cost = line.code in PASS_THROUGH_COSTS
        output: Role = "vat_output_pending" if accrued else "vat_output"
        totals.add(Account("supplier_payable" if cost else "market_receivable", (line.code,)), minor, [line])
        totals.add(Account("vat_input" if cost else output), -minor, [line])


def _counterparty(totals: _Totals, party: str, lines: Iterable[Line], *, gross: bool) -> None:
    saved: list[Line] = []
    shares: list[Line] = []
    for line in lines:
        minor = line.amount.minor
        if line.kind == "clause" and line.code in FEES:
            totals.due(party, -minor, [line])
            if gross:
                role: Role = "clause_income" if minor < 0 else "clause_cost"
                totals.add(Account(role, (line.code,)), minor, [line])
        elif line.kind == "clause":
            shares.append(line)
        elif line.code in BILL_EFFECT:
            saved.append(line)
        else:
            totals.due(party, minor, [line])
            _principal(totals, line, gross=gross)
    saving = sum(line.amount.minor for line in saved)
    share = sum(line.amount.minor for line in shares)
    kept = kept_saving(saving, share)
    rests_on = [*saved, *shares]
    totals.due(party, saving - kept, rests_on)
    totals.due(party, kept - share, rests_on)
    if gross:
        totals.add(Account("saving_share_income", (party,)), kept - saving, rests_on)
        totals.add(Account("partner_share", (party,)), share - kept, rests_on)


def _outside_pool(totals: _Totals, line: Line, owner: str, *, collected: bool) -> None:
    """What the contract does not share: the owner's own, or what it collects for another; else not here."""
    if line.party != owner and not collected:
        return
    minor = line.amount.minor
    cost = line.code in PASS_THROUGH_COSTS
    totals.add(Account("supplier_payable" if cost else "market_receivable", (line.code,)), minor, [line])
    if line.party == owner:
        _principal(totals, line, gross=True)
    else:
        totals.add(Account("collected_for", (line.party,)), -minor, [line])


def _principal(totals: _Totals, line: Line, *, gross: bool) -> None:
    """The other side of a market's money or a cost, as a principal shows it."""
    if gross:
        role: Role = "stream_cost" if line.code in PASS_THROUGH_COSTS else "stream_income"
        totals.add(Account(role, (line.code,)), -line.amount.minor, [line])


def _due(effects: Effects, party: str) -> int:
    receivable = effects.get(Account("accrued_receivable", (party,)), _NOTHING)
    payable = effects.get(Account("accrued_payable", (party,)), _NOTHING)
    return receivable.minor + payable.minor
