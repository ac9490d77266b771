"""Months settled in order, each with its own pool, energy and facts: what several clauses' tests need."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any, NamedTuple

from ledger.clauses import Clause, LossSplit, RemainderSplit
from ledger.clauses.facts import NO_FACTS, MonthFacts
from ledger.contract import Contract
from ledger.interval import Month
from ledger.quantity import Money
from ledger.waterfall import Distribution, PriorMonth, StreamItem, Throughput, distribute
from tests.ledger.contract_samples import JANUARY, contract

HALVES = {"host": "50%", "operator": "50%"}
LOSS = LossSplit(shares={"operator": "100%"}, carry_forward=False)
REST = RemainderSplit(shares=HALVES)


class Given(NamedTuple):
    """One month's input."""

    pool: str = "0"
    discharge_kwh: int = 0
    charge_kwh: int = 0
    charge_cost: str | None = None
    discharge_value: str | None = None
    facts: MonthFacts = NO_FACTS


def settled(
    terms: Contract, months: Sequence[Given], first: Month = JANUARY, prior: PriorMonth | None = None
) -> list[Distribution]:
    """Each month with what the one before carried."""
    found: list[Distribution] = []
    month = first
    for given in months:
        throughput = Throughput(
            given.charge_kwh * 1000,
            given.discharge_kwh * 1000,
            None if given.charge_cost is None else Fraction(given.charge_cost),
            None if given.discharge_value is None else Fraction(given.discharge_value),
        )
        items = (StreamItem("arbitrage", Money.round(Fraction(given.pool), terms.currency)),)
        found.append(distribute(terms, month, items, throughput, prior, given.facts))
        month, prior = month.next(), found[-1].carry
    return found


def with_rest(*clauses: Clause, **changes: Any) -> Contract:
    """A contract whose pool the operator bears when it is a loss, with fees after the split at the end."""
    before = [clause for clause in clauses if clause.phase in ("before_split", "tier")]
    rest = [clause for clause in clauses if clause.phase == "rest"]
    after = [clause for clause in clauses if clause.phase == "after_split"]
    return contract((*before, LOSS, *(rest or [REST]), *after), **changes)


def by_party(month: Distribution, kind: str) -> dict[str, str]:
    """What the clauses of one type give in sum, without parties that they give nothing."""
    sums: dict[str, int] = {}
    for line in month.lines:
        if line.type == kind:
            sums[line.party] = sums.get(line.party, 0) + line.amount.minor
    return {party: str(Money(minor, month.pool.currency)) for party, minor in sorted(sums.items()) if minor}
