"""Who supplies what to whom by a settlement: what is invoiced for each of its lines (DOMAIN.md 2.3, 3.8).

A principal supplies the fees that it charges and what a party hands on of a saving that it holds; the party
supplies its share, as far as it is not its own saving, and the costs that it paid. A party's share of a loss
is invoiced to it. The market's money that a party collected for the pool is handed on and not invoiced.

An agent supplies the fees that a party pays it, and its part of the pool as the service that the parties buy
from it, each in proportion to what the pool gives it; where it adds to the pool they invoice it. What is paid
because the contract ends early is no part of the pool: an agent's part of it is between the one who pays and
the one who receives. Shares pass through an agent's hands and nobody invoices them to it; a fee between two
others is theirs alone, also where the book's owner has no part in the contract.

A saving that is handed on is invoiced by the category of the one clause that divides the rest of the pool,
not by its stream's: the host buys the storage's service, and not electricity a second time. Change it in the
contract, `[vat.categories]` at that clause's name; it then holds for all that the clause gives, and a saving
has no category of its own (docs/decisions/0023).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import Final

import msgspec

from ledger.accounting.account import Account, Role
from ledger.accounting.kept_saving import kept_saving
from ledger.accounting.vat import parts_of_rounded_sum
from ledger.clauses import FEES, EarlyTermination
from ledger.contract import Contract
from ledger.quantity import Money
from ledger.settlement.line import Line
from ledger.split import largest_remainder
from ledger.stream import BILL_EFFECT, PASS_THROUGH_COSTS


class Supply(msgspec.Struct, frozen=True):
    """What `supplier` invoices `customer` for one line, on the contract's split basis.

    Below zero it takes off the invoice that it is part of. `item` is the cost or clause whose category gives
    the rate: of a saving that is handed on, the clause that divides the rest of the pool.
    """

    line: int
    """The line that it rests on: of an agent, its own."""
    item: str
    supplier: str
    customer: str
    amount: Money
    account: Account | None
    """Of the book's owner; None between two others."""
    also_on: tuple[int, ...] = ()
    """The same fee on the other side's statement."""


def supplies(
    owner: str, contract: Contract, lines: Sequence[Line], rules_version: str = ""
) -> tuple[Supply, ...]:
    """What is invoiced for a settlement's lines, by party and line; each is one supply at most per party.

    `rules_version` is that of a run that was settled before: what it is invoiced by stays as it was.
    """
    if owner in contract.party_ids and contract.owner_position == "gross":
        return tuple(_to_principal(owner, contract, lines))
    payments = () if rules_version in _TERMINATION_OF_THE_POOL else _termination_payments(lines)
    own = tuple(_by_agent(owner, contract, lines, payments)) if owner in contract.party_ids else ()
    return (*own, *_between_others(owner, lines))


class _Entry(msgspec.Struct, frozen=True):
    """What stands to an account of the owner for one line: debits, which the party invoices, above zero."""

    account: Account
    line: Line
    item: str
    minor: int


def _to_principal(owner: str, contract: Contract, lines: Sequence[Line]) -> Iterable[Supply]:
    by_party: dict[str, list[Line]] = defaultdict(list)
    for line in lines:
        if line.pooled and line.amount.minor and line.party != owner:
            by_party[line.party].append(line)
    for party in sorted(by_party):
        entries = [*_fees_and_costs(by_party[party]), *_shares(contract, party, by_party[party])]
        totals: dict[Account, int] = defaultdict(int)
        for entry in entries:
            totals[entry.account] += entry.minor
        for entry in sorted(entries, key=lambda one: one.line.number):
            total, line = totals[entry.account], entry.line
            if total and entry.minor:
                ours = total < 0
                yield Supply(
                    line.number,
                    entry.item,
                    owner if ours else party,
                    party if ours else owner,
                    Money(-entry.minor if ours else entry.minor, line.amount.currency),
                    entry.account,
                    _mirrored(line, owner, lines) if line.code in FEES else (),
                )


def _fees_and_costs(lines: Iterable[Line]) -> Iterable[_Entry]:
    for line in lines:
        minor = line.amount.minor
        if line.kind == "clause" and line.code in FEES:
            role: Role = "clause_income" if minor < 0 else "clause_cost"
            yield _Entry(Account(role, (line.code,)), line, line.code, minor)
        elif line.kind == "stream" and line.code in PASS_THROUGH_COSTS:
            yield _Entry(Account("stream_cost", (line.code,)), line, line.code, -minor)


def _shares(contract: Contract, party: str, lines: Iterable[Line]) -> Iterable[_Entry]:
    """What a party hands on of the saving that it holds, and its share beyond what it keeps of that."""
    saved = [line for line in lines if line.kind == "stream" and line.code in BILL_EFFECT]
    shares = [line for line in lines if line.kind == "clause" and line.code not in FEES]
    saving, share = (sum(line.amount.minor for line in group) for group in (saved, shares))
    kept = kept_saving(saving, share)
    rest = contract.clause_types[[one.phase for one in contract.clauses].index("rest")]
    handed_on = Account("saving_share_income", (party,))
    for line, minor in _divided(saved, saving, saving - kept):
        yield _Entry(handed_on, line, rest, -minor)
    for line, minor in _divided(shares, share, share - kept):
        yield _Entry(Account("partner_share", (party,)), line, line.code, minor)


def _divided(lines: Sequence[Line], whole: int, invoiced: int) -> Iterable[tuple[Line, int]]:
    """`invoiced` of the lines' `whole`, to the unit, each line in proportion to its amount."""
    if not invoiced:
        return ()
    currency = lines[0].amount.currency
    exact = {_key(line): line.amount.exact * Fraction(invoiced, whole) for line in lines}
    parts = parts_of_rounded_sum(exact, currency)
    return ((line, parts[_key(line)].minor) for line in lines)


class _Paid(msgspec.Struct, frozen=True):
    """What the payer's line of a termination pays of a receiver's; `minor` above zero."""

    payer: Line
    receiver: Line
    minor: int


def _termination_payments(lines: Iterable[Line]) -> tuple[_Paid, ...]:
    """Who pays whom when a contract ends early: a payer's line stands before those that receive it."""
    found: list[_Paid] = []
    payer: Line | None = None
    for line in lines:
        if line.kind != "clause" or line.code != TERMINATION:
            continue
        if line.amount.minor < 0:
            payer = line
        elif line.amount.minor:
            assert payer is not None, f"line {line.number} is paid by nobody"
            found.append(_Paid(payer, line, line.amount.minor))
    return tuple(found)


def _by_agent(
    owner: str, contract: Contract, lines: Sequence[Line], payments: Sequence[_Paid]
) -> Iterable[Supply]:
    ended = {one.number for each in payments for one in (each.payer, each.receiver)}
    pool = [line for line in lines if line.number not in ended]
    for own in lines:
        if own.kind != "clause" or own.party != owner or not own.amount.minor:
            continue
        ours = own.amount.minor > 0
        account = Account("clause_income" if ours else "clause_cost", (own.code,))
        parts = (
            _of_termination(own, payments) if own.number in ended else _part_of(own, owner, contract, pool)
        )
        for party, minor in sorted(parts.items()):
            if minor:
                yield Supply(
                    own.number,
                    own.code,
                    owner if ours else party,
                    party if ours else owner,
                    Money(abs(minor), own.amount.currency),
                    account,
                    _mirrored(own, party, lines, -minor) if own.code in FEES else (),
                )


def _of_termination(own: Line, payments: Iterable[_Paid]) -> dict[str, int]:
    """Who pays an agent's line of a termination, or is paid by it; what it pays itself is nobody's."""
    found: dict[str, int] = defaultdict(int)
    for one in payments:
        if one.payer.party == one.receiver.party:
            continue
        if own.number == one.receiver.number:
            found[one.payer.party] += one.minor
        elif own.number == one.payer.number:
            found[one.receiver.party] -= one.minor
    return found


def _part_of(own: Line, owner: str, contract: Contract, lines: Iterable[Line]) -> dict[str, int]:
    """Who pays an agent's line, or gets it: a fee's other side, else everyone by its part of the pool."""
    weights: dict[str, int] = defaultdict(int)
    sign = 1 if own.amount.minor > 0 else -1
    others = [line for line in lines if line.kind == "clause" and line.party != owner]
    if own.code in FEES:
        for line in others:
            if (line.clause, line.code) == (own.clause, own.code):
                weights[line.party] += max(-sign * line.amount.minor, 0)
    if not any(weights.values()):
        for line in others:
            if line.code not in FEES:
                weights[line.party] += line.amount.minor
        weights = defaultdict(int, {name: abs(minor) for name, minor in weights.items()})
    if not any(weights.values()):
        weights = defaultdict(int, {name: 1 for name in contract.party_ids if name != owner})
    return largest_remainder(own.amount.minor, {name: Fraction(weight) for name, weight in weights.items()})


def _between_others(owner: str, lines: Sequence[Line]) -> Iterable[Supply]:
    """The fees that one party pays another, neither of them the owner."""
    for line in lines:
        if line.kind == "clause" and line.code in FEES and line.amount.minor > 0 and line.party != owner:
            for payer in lines:
                if payer.party not in (owner, line.party) and _other_side(line, payer, -line.amount.minor):
                    yield Supply(
                        line.number,
                        line.code,
                        line.party,
                        payer.party,
                        line.amount,
                        None,
                        (payer.number,),
                    )


def _mirrored(line: Line, party: str, lines: Iterable[Line], minor: int | None = None) -> tuple[int, ...]:
    """The line of `party` that is the other side of a fee's."""
    wanted = -line.amount.minor if minor is None else minor
    return tuple(one.number for one in lines if one.party == party and _other_side(line, one, wanted))[:1]


def _other_side(line: Line, other: Line, minor: int) -> bool:
    return (other.kind, other.clause, other.code, other.amount.minor) == (
        "clause",
        line.clause,
        line.code,
        minor,
    )


TERMINATION: Final = str(EarlyTermination.__struct_config__.tag)
_TERMINATION_OF_THE_POOL: Final = frozenset({"2026-11", *(f"2026-11.{number}" for number in range(1, 9))})
"""Rules under which an agent's part of a termination was invoiced like its part of the pool."""


def _key(line: Line) -> str:
    """Ties are decided in the order of the lines' numbers."""
    return f"{line.number:06d}"
