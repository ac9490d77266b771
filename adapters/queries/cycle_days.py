"""Which days of a billing cycle a contract is settled for, where the cycle is not the calendar month."""

from __future__ import annotations

from collections.abc import Sequence

from adapters.queries.contracts_in_force import holding
from adapters.queries.registered import Recorded
from ledger.contract import Contract
from ledger.interval import Interval, Month, midnight, zone_of
from ledger.refusal import Refused
from ledger.signed_contract import held_days


def contract_days(
    versions: Sequence[Recorded[Contract]], contract: Contract, cycle: Interval
) -> Interval | None:
    """The part of `cycle` in which the contract holds, under this version or under those before it.

    The version in force in the cycle's month settles the whole cycle. None where the contract begins after
    the cycle: its first days are in the next one.
    """
    first, zone = contract.effective_from, zone_of(contract.zone)
    held = (days for days in held_days([one.document for one in versions]) if days is not None)
    for days in sorted(held, reverse=True):
        if days.first < first <= days.end:
            first = days.first
    start = max(cycle.start, midnight(first, zone))
    end = min(cycle.end, midnight(contract.terminated_on or contract.effective_to, zone))
    return Interval(start, end) if start < end else None


def refuse_tail(
    versions: Sequence[Recorded[Contract]], contract: Contract, cycle: Interval, month: Month, site: str
) -> None:
    """Refuse a contract that ends between its last cycle's end and the end of that month: those days would
    be settled in no month.

    Raises:
        Refused: `cycle_tail`; `contract_change`.
    """
    if holding(versions, month.next()) is not None:
        return
    end = contract.terminated_on or contract.effective_to
    if midnight(end, zone_of(contract.zone)) > cycle.end:
        last = cycle.end.astimezone(zone_of(contract.zone)).date()
        raise Refused(
            "cycle_tail",
            f"contract {contract.id} ends on {end}, inside the billing cycle of site {site} that begins on"
            f" {last}: let it end on {last}, where the next contract begins",
            place=f"contract {contract.id}",
        )
