"""What a contract shows of its settlement to each party, beside the party's own lines."""

from __future__ import annotations

from collections.abc import Sequence

from ledger.contract import Contract
from ledger.settlement.line import Line
from ledger.settlement.result import Percentage


def bills_seen(contract: Contract) -> dict[str, tuple[str, ...]]:
    """The sites whose electricity bill each party sees: a host its own, whatever is shown to others."""
    seen: dict[str, tuple[str, ...]] = {}
    for party in contract.parties:
        if party.role == "host":
            seen[party.id] = tuple(site for site in contract.sites if contract.hosts.get(site) == party.id)
        elif party.sees.host_bill:
            seen[party.id] = contract.sites
    return seen


def sites_seen(contract: Contract, lines: Sequence[Line]) -> dict[str, tuple[str, ...]]:
    """The sites of which each party sees how the storage ran: a host its own, a holder of cash those that it
    is of, and who is no host and is shown the pool all that earn it."""
    held = {(line.party, line.site) for line in lines}
    return {
        party.id: tuple(
            site
            for site in contract.sites
            if (party.sees.pool_total and party.role != "host")
            or contract.hosts.get(site) == party.id
            or (party.id, site) in held
        )
        for party in contract.parties
    }


def percentages(contract: Contract) -> tuple[Percentage, ...]:
    """Every party's part of what each clause divides, as the contract writes it."""
    return tuple(
        Percentage(f"clause {number}, {kind}", stated.of, party, share)
        for number, (kind, clause) in enumerate(zip(contract.clause_types, contract.clauses, strict=True), 1)
        for stated in clause.percentages
        for party, share in sorted(stated.shares.items())
    )
