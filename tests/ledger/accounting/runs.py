"""Settlement runs of the worked contracts, with stream and clause lines as a settlement writes them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from fractions import Fraction

import msgspec

from ledger.accounting.run_effect import Settled
from ledger.clauses.facts import NO_FACTS, MonthFacts
from ledger.contract import Contract
from ledger.interval import Month
from ledger.quantity import Money
from ledger.settlement.line import Line
from ledger.settlement.line_vat import with_vat
from ledger.settlement.result import Result
from ledger.settlement.run import RecordSettlement, Run, Runs
from ledger.stream import PASS_THROUGH_COSTS
from ledger.waterfall import PriorMonth, StreamItem, distribute
from tests.ledger.contract_samples import APRIL, APRIL_THROUGHPUT, yuan

OWNER = "operator"
THROUGHPUT = msgspec.structs.replace(APRIL_THROUGHPUT, charge_cost=Fraction("32400"))


def with_streams(terms: Contract, holders: Mapping[str, str], *, position: str = "gross") -> Contract:
    """The contract with these streams and costs, each with who holds its cash."""
    return msgspec.structs.replace(
        terms,
        pool_streams=tuple(name for name in holders if name not in PASS_THROUGH_COSTS),
        pass_through_costs=tuple(name for name in holders if name in PASS_THROUGH_COSTS),
        cash_holder=dict(holders),
        owner_position=position,
    )


def result_of(
    terms: Contract,
    amounts: Mapping[str, str],
    month: Month = APRIL,
    prior: PriorMonth | None = None,
    owner: str = OWNER,
    facts: MonthFacts = NO_FACTS,
) -> Result:
    """A month's result; a cost's amount is what is owed, and its line is below zero."""
    site = terms.sites[0]
    items = [StreamItem(name, yuan(text), terms.holder_of(name, site)) for name, text in amounts.items()]
    split = distribute(terms, month, items, THROUGHPUT, prior, facts)
    lines: list[Line] = []

    def add(kind: str, code: str, party: str, amount: Money, *, pooled: bool = True) -> None:
        number, exact = len(lines) + 1, str(amount)
        lines.append(
            Line(number, kind, code, code, None, party, "", "", "", exact, amount, "0", (), (), pooled=pooled)  # type: ignore[arg-type]
        )

    for item in items:
        signed = -item.amount if item.stream in PASS_THROUGH_COSTS else item.amount
        add("stream", item.stream, item.holder or "host", signed, pooled=item.holder is not None)
    for line in split.lines:
        add("clause", line.type, line.party, line.amount)
    taxed = with_vat(owner, terms, lines, month.next().first_day - timedelta(days=1))
    return Result(
        contract=terms.id,
        title=terms.title,
        model=terms.model,
        month=month,
        currency=terms.currency,
        rules_version="test",
        position=1,
        inputs_digest="test",
        pool=split.pool,
        lines=taxed.lines,
        sources=(),
        bills=(),
        entitlement=split.entitlement,
        held=split.held,
        payable=split.payable,
        warnings=(),
        carry=split.carry,
        sees_pool=(),
        agent_parts=taxed.parts,
    )


def runs_of(
    terms: Contract,
    revisions: list[Mapping[str, str]],
    month: Month = APRIL,
    prior: PriorMonth | None = None,
    facts: MonthFacts = NO_FACTS,
) -> list[Settled]:
    """The runs that the ledger records for a month's results, oldest first."""
    state: Runs | None = None
    for amounts in revisions:
        (event,) = RecordSettlement(result_of(terms, amounts, month, prior, facts=facts)).decide(state, {})
        state = event.apply(state)
    assert state is not None
    return [Settled(terms, run) for run in state.runs]


def provisional(terms: Contract, amounts: Mapping[str, str]) -> Settled:
    """The first run of a month that is not over."""
    result = msgspec.structs.replace(result_of(terms, amounts), through=date(2026, 4, 14))
    (event,) = RecordSettlement(result).decide(None, {})
    return Settled(terms, event.run)


def renumbered(settled: Settled, number: int, kind: str) -> Settled:
    """The same result as another run, alone in its month."""
    result = settled.run.result
    return Settled(settled.contract, Run(number, kind, result, result.digest(), result.payable))


def may(day: int) -> date:
    return date(2026, 5, day)
