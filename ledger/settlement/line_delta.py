"""What a correction changes, line by line: the new result less the latest previous one (DOMAIN.md 3.10)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

import msgspec

from ledger.quantity import Money
from ledger.settlement.line import Line, LineKind
from ledger.settlement.statement import Statement

_Which = tuple[str, str, str, str | None, int]

Key = tuple[str, str, str, int]
"""A statement's contract, month, party and run."""


def key_of(one: Statement) -> Key:
    return one.contract, one.month, one.party, one.run


class LineDelta(msgspec.Struct, frozen=True):
    """One item in the run before and in this one; `number` is this run's line, None for one that is gone.

    A clause's change is paid; a pooled stream's is with the party already, and is taken off; one that the
    contract does not share changes nothing that is paid.
    """

    number: int | None
    kind: LineKind
    code: str
    clause: str
    site: str | None
    pooled: bool
    before: Money
    now: Money

    @property
    def delta(self) -> Money:
        return self.now - self.before

    @property
    def paid(self) -> Money:
        """What of it changes what is payable to the party."""
        if self.kind == "clause":
            return self.delta
        return -self.delta if self.pooled else Money.zero(self.now.currency)


def line_deltas(now: Statement, before: Statement | None) -> tuple[LineDelta, ...]:
    """Every item of either run that changed, in the order of this run's lines, then those that are gone.

    An item is known again by its rule and site, and by its place among those that are alike. What is paid of
    all adds up to the statement's delta.
    """
    zero = Money.zero(now.currency)
    old = _told_apart(before.lines if before is not None else ())
    new = _told_apart(now.lines)
    found = [
        _delta(line, line.number, old[which].amount if which in old else zero, line.amount)
        for which, line in new.items()
    ]
    found += [_delta(line, None, line.amount, zero) for which, line in old.items() if which not in new]
    changed = tuple(one for one in found if one.delta.minor)
    paid = sum((one.paid for one in changed), zero)
    assert paid == now.delta, f"the lines change {paid}, the statement {now.delta}"
    return changed


def _delta(line: Line, number: int | None, before: Money, now: Money) -> LineDelta:
    return LineDelta(number, line.kind, line.code, line.clause, line.site, line.pooled, before, now)


def _told_apart(lines: Iterable[Line]) -> dict[_Which, Line]:
    seen: dict[tuple[str, str, str, str | None], int] = defaultdict(int)
    found: dict[_Which, Line] = {}
    for line in lines:
        alike = line.kind, line.code, line.clause, line.site
        found[*alike, seen[alike]] = line
        seen[alike] += 1
    return found
