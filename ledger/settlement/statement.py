"""A partner's statement of one run: its own lines, what it is owed, and nothing of anybody else."""

from __future__ import annotations

from typing import Final

import msgspec

from ledger.clauses import FEES
from ledger.clauses.flow import NoticeCode
from ledger.quantity import Money
from ledger.settlement.cause import Cause, CorrectionClass
from ledger.settlement.line import Line
from ledger.settlement.line_vat import AgentPart, VatSum, vat_sums
from ledger.settlement.result import Percentage, Result
from ledger.settlement.run import Run
from ledger.stream import OF_THE_BILL


class PoolUse(msgspec.Struct, frozen=True):
    """What one clause of the contract did with the pool, over all parties; a fee between two parties is 0."""

    clause: str
    amount: Money


class ShownBill(msgspec.Struct, frozen=True):
    """A site's electricity bill without and with its storage; above zero is owed to the grid."""

    site: str
    without_storage: Money
    with_storage: Money


class Statement(msgspec.Struct, frozen=True):
    """`payable` = `entitlement` - `held`; above zero the party receives it.

    `pool` is None where the contract does not show it to this party; else `pool_uses` add up to it.
    `sequence` is the event that recorded the run, `position` what the run was read at. `month` is the origin
    month of a correction, whenever it is posted.
    """

    party: str
    contract: str
    title: str
    month: str
    run: int
    run_kind: str
    causes: tuple[Cause, ...]
    """Of a correction: what changed since the run before it."""
    classes: tuple[CorrectionClass, ...]
    """Of a correction: data error (退补), rule or price change (清算)."""
    currency: str
    entitlement: Money
    held: Money
    payable: Money
    delta: Money
    pool: Money | None
    pool_uses: tuple[PoolUse, ...]
    lines: tuple[Line, ...]
    warnings: tuple[str, ...]
    """Each once; what is said of several sites names them."""
    rules_version: str
    position: int
    sequence: int
    inputs_digest: str
    outputs_digest: str
    agent_parts: tuple[AgentPart, ...] = ()
    """This party's, where the book's owner acts as agent and the contract states VAT terms."""
    percentages: tuple[Percentage, ...] = ()
    """The contract's, of this party, and of the others where it shows theirs."""
    bills: tuple[ShownBill, ...] = ()
    """A host's own, or all where the contract shows the host's bill."""
    sites: tuple[str, ...] = ()
    """The sites whose operation the party may see."""

    @property
    def vat(self) -> tuple[VatSum, ...]:
        """What is invoiced of the lines, by supplier and rate; none where the contract states no terms."""
        return vat_sums(line.vat for line in self.lines if line.vat is not None)

    @property
    def agent_vat(self) -> tuple[VatSum, ...]:
        """What is invoiced beside them: the party's part of what the agent gets of the pool, or adds."""
        return vat_sums(one.vat for one in self.agent_parts)


_WITHHELD: Final[dict[NoticeCode, str]] = {
    "implausible_fee": "a fee of this contract is implausibly high; it was computed as written",
    "missing_stream": "a stream or an audit form was not available this month",
    "carry_dropped": "an account of earlier months was not carried on",
    "provisional": "the month is not over: nothing is payable on this",
    "uncovered_days": "a site is under no contract for days of which a market told something",
    "behind_the_meter": "capacity behind the meter is not paid by the market's rule",
    "rebound_in_peak": "a storage recharged after a response inside the demand charge's window",
    "opening_stock": "a storage's stock at the start of its first month was not stated",
    "contract_ended": "the contract ended before this month: what was settled is taken back",
}
"""What a party that may not see the pool is told of a notice."""


def _shown(line: Line, result: Result, party: str) -> Line:
    """The line without the note that would tell the pool's size, or the terms that would tell the host's
    bill, to who may not see them."""
    if line.kind == "clause" and line.code not in FEES and party not in result.sees_pool:
        return msgspec.structs.replace(line, basis=(), note="")
    if line.kind == "stream" and line.code in OF_THE_BILL and line.site not in _bills_of(result, party):
        return msgspec.structs.replace(line, basis=(), note="")
    return line


def statements(run: Run, sequence: int) -> list[Statement]:
    """The statement of every party of a run, by party id.

    A party that the contract no longer names has one too, when the run takes back what it was owed before:
    without lines, and with that as its delta.
    """
    result = run.result
    zero = Money.zero(result.currency)
    uses = _pool_uses(result)
    return [
        Statement(
            party=party,
            contract=result.contract,
            title=result.title,
            month=str(result.month),
            run=run.number,
            run_kind=run.kind,
            causes=run.causes,
            classes=run.classes,
            currency=result.currency,
            entitlement=result.entitlement.get(party, zero),
            held=result.held.get(party, zero),
            payable=result.payable.get(party, zero),
            delta=run.delta.get(party, zero),
            pool=result.pool if party in result.sees_pool else None,
            pool_uses=uses if party in result.sees_pool else (),
            lines=tuple(_shown(line, result, party) for line in result.lines if line.party == party),
            warnings=tuple(
                dict.fromkeys(
                    notice.message if party in result.sees_pool else _WITHHELD[notice.code]
                    for notice in result.warnings
                )
            ),
            rules_version=result.rules_version,
            position=result.position,
            sequence=sequence,
            inputs_digest=result.inputs_digest,
            outputs_digest=run.outputs_digest,
            agent_parts=tuple(one for one in result.agent_parts if one.party == party),
            percentages=tuple(
                one for one in result.percentages if one.party == party or party in result.sees_percentages
            ),
            bills=tuple(
                ShownBill(bill.site, bill.without_storage, bill.with_storage)
                for bill in result.bills
                if bill.site in _bills_of(result, party)
            ),
            sites=result.sees_sites.get(party, ()),
        )
        for party in sorted({*result.entitlement, *run.delta})
    ]


def _bills_of(result: Result, party: str) -> tuple[str, ...]:
    return result.sees_bill.get(party, ())


def _pool_uses(result: Result) -> tuple[PoolUse, ...]:
    """Each clause's lines of all parties, summed, in the contract's order."""
    sums: dict[str, Money] = {}
    for line in result.lines:
        if line.kind == "clause":
            sums[line.clause] = sums.get(line.clause, Money.zero(result.currency)) + line.amount
    uses = tuple(PoolUse(clause, amount) for clause, amount in sums.items())
    assert sum(use.amount.minor for use in uses) == result.pool.minor, "the clauses use up the pool"
    return uses
