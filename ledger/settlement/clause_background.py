"""What a run's clause lines rest on beside the run: the contract's terms and what earlier months left.

A run records of a limit, a tier or a guarantee only what it came to. Who asks why is told it from the version
of the contract, the facts and the earlier runs that the run was settled with: each clause is applied once
more, and what it tells counts only where that gives exactly the lines that were recorded.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import msgspec

from ledger.clauses.carry import Carry
from ledger.clauses.facts import NO_FACTS, MonthFacts
from ledger.clauses.flow import Flow, Part
from ledger.clauses.telling import Before, Given, Moved, Product, Reached, Retells, Tells, Told
from ledger.contract import Contract
from ledger.interval import Month
from ledger.settlement.line import Line
from ledger.settlement.result import Result


class EarlierRun(msgspec.Struct, frozen=True):
    """The run of an earlier month whose accounts a later one took up, and the event that recorded it."""

    month: Month
    run: int
    sequence: int
    accounts: dict[str, Carry]

    @property
    def name(self) -> str:
        return f"{self.month} run {self.run}, event {self.sequence}"


class Background(msgspec.Struct, frozen=True):
    """`earlier` are all months before that hand something on, the latest first."""

    contract: Contract
    earlier: tuple[EarlierRun, ...] = ()
    facts: MonthFacts = NO_FACTS


class EarlierPart(msgspec.Struct, frozen=True):
    """What one earlier month changed of an account."""

    run: EarlierRun
    exact: Fraction


class ToldLine(msgspec.Struct, frozen=True):
    """What a clause line is made of; `lines` are the numbers of the clause's lines, in their order."""

    told: Told
    lines: tuple[int, ...]
    account: str


def told_lines(result: Result, background: Background) -> dict[int, ToldLine]:
    """By its number each line that can be told; none for a clause that this contract does not settle so."""
    contract = background.contract
    found: dict[int, ToldLine] = {}
    remaining = result.pool.minor
    before = background.earlier[0].accounts if background.earlier else {}
    kept: dict[str, Carry] = {}
    first, end = contract.days_in(result.month)
    for index, (clause, name) in enumerate(zip(contract.clauses, contract.account_names, strict=True)):
        lines = _lines_of(result, index, contract.clause_types[index])
        flow = Flow(
            month=result.month,
            covered=Fraction((end - first).days, result.month.days),
            currency=contract.currency,
            pool=result.pool.minor,
            remaining=remaining,
            streams={},
            throughput=None,
            capital_cost=contract.stated_capital,
            carried=before.get(name),
            first=first,
            end=end,
            facts=background.facts,
            accounts=kept,
        )
        if isinstance(clause, Tells):
            outcome = clause.apply(flow)
            if outcome.carry is not None:
                kept[name] = outcome.carry
            for line, told in zip(lines, _told(clause, flow, outcome.parts, lines), strict=False):
                found[line.number] = ToldLine(told, tuple(one.number for one in lines), name)
        elif isinstance(clause, Retells) and (carry := result.carry.accounts.get(name)) is not None:
            for line, told in _retold(clause, flow, carry, lines):
                found[line.number] = ToldLine(told, tuple(one.number for one in lines), name)
        remaining -= sum(line.amount.minor for line in lines)
    return found


def by_month(before: Before, account: str, earlier: Sequence[EarlierRun]) -> list[EarlierPart]:
    """What each earlier month changed, the oldest first; they add up to the total.

    Raises:
        AssertionError: the account is not what these runs left.
    """
    parts: list[EarlierPart] = []
    for number, run in enumerate(earlier):
        left = before.measure(run.accounts[account])
        older = earlier[number + 1] if number + 1 < len(earlier) else None
        begun = before.since is not None and run.month.month == before.since
        counts = older is not None and account in older.accounts and not begun
        if not counts or older is None:
            parts.append(EarlierPart(run, left))
            break
        changed = left - before.measure(older.accounts[account])
        if changed:
            parts.append(EarlierPart(run, changed))
        if not older.accounts[account].counts:
            break
    assert sum((one.exact for one in parts), Fraction(0)) == before.total, account
    return parts[::-1]


def value(told: Told, remaining: Fraction, given: Sequence[Fraction]) -> Fraction:
    """What a part comes to, of what reached the clause and of the amounts of its other parts."""
    total = Fraction(0)
    for ratio, term in told:
        match term:
            case Reached():
                total += ratio * remaining
            case Product():
                total += ratio * term.quantity * term.price
            case Moved():
                total += ratio * term.by
            case Before():
                total += ratio * term.total
            case Given():
                total += ratio * given[term.part]
    return total


def _told(clause: Tells, flow: Flow, parts: Sequence[Part], lines: Sequence[Line]) -> tuple[Told, ...]:
    if [_as_recorded(part) for part in parts] != [
        (one.party, Fraction(one.exact), one.amount.minor) for one in lines
    ]:
        return ()
    told = clause.tell(flow)
    amounts = [one.amount.exact for one in lines]
    reached = Fraction(flow.remaining, flow.unit)
    assert [value(one, reached, amounts) for one in told] == [part.exact for part in parts], clause
    return told


def _retold(clause: Retells, flow: Flow, carry: Carry, lines: Sequence[Line]) -> Sequence[tuple[Line, Told]]:
    """The clause's last lines with what they are made of; none where it does not make them again."""
    retold = clause.retell(flow, carry)
    last = lines[len(lines) - len(retold) :]
    made = [_as_recorded(one.part) for one in retold]
    if made != [(one.party, Fraction(one.exact), one.amount.minor) for one in last]:
        return ()
    assert all(value(one.told, Fraction(0), ()) == one.part.exact for one in retold), clause
    return [(line, one.told) for line, one in zip(last, retold, strict=True)]


def _as_recorded(part: Part) -> tuple[str, Fraction, int]:
    return part.party, part.exact, part.minor


def _lines_of(result: Result, index: int, kind: str) -> tuple[Line, ...]:
    rule = f"clause {index + 1}, {kind}"
    return tuple(line for line in result.lines if line.kind == "clause" and line.clause == rule)
