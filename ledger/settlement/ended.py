"""A settled month of which a newer version of its contract left no day: what was settled is taken back."""

from __future__ import annotations

from typing import Final

from ledger.clauses.flow import Notice, NoticeCode
from ledger.contract import Contract
from ledger.interval import Month
from ledger.quantity import Money
from ledger.settlement.inputs import RULES_VERSION, Part, contract_digest, digest_of
from ledger.settlement.line import Source
from ledger.settlement.result import Result
from ledger.waterfall import PriorMonth

CODE: Final[NoticeCode] = "contract_ended"
"""The notice by which such a result is known; it hands nothing on to a later month."""


def ended(contract: Contract, source: Source, month: Month, position: int) -> Result:
    """The month's result under `contract`, the newest version, which holds on none of its days: nothing.

    Its correction takes back, party by party, what the run before it paid, so that the original and all
    deltas stay a fresh settlement, which has no run of the month (DOMAIN.md 2.3, re-settlement). It rests on
    the contract alone: no reading, price or fact is looked at.
    """
    nothing = {party: Money.zero(contract.currency) for party in contract.party_ids}
    inputs: dict[Part, str] = {"contract": contract_digest(contract)}
    name = contract.id
    what = f"contract {name} holds on no day of {month} by its newest version: what was settled is taken back"
    return Result(
        contract=contract.id,
        title=contract.title,
        model=contract.model,
        month=month,
        currency=contract.currency,
        rules_version=RULES_VERSION,
        position=position,
        inputs_digest=digest_of(inputs),
        pool=Money.zero(contract.currency),
        lines=(),
        sources=(source,),
        bills=(),
        entitlement=nothing,
        held=nothing,
        payable=nothing,
        warnings=(Notice(CODE, what),),
        carry=PriorMonth(month, month.first_day, {}),
        sees_pool=tuple(party.id for party in contract.parties if party.sees.pool_total),
        sees_percentages=tuple(party.id for party in contract.parties if party.sees.others_percentages),
        inputs=inputs,
    )
