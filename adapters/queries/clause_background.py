"""What stands behind a run's clauses, as it was when the run was settled: contract, facts, earlier runs."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from adapters.integrity.proven_events import at
from adapters.integrity.registered_rows import Read, check_read
from adapters.postgres.database import Connection, own_rights
from adapters.queries import registered_page, statements
from adapters.queries.contract_facts import ContractFacts
from adapters.queries.statements import RecordedRun
from ledger.clauses.carry import Carry
from ledger.clauses.facts import NO_FACTS
from ledger.contract import Contract
from ledger.interval import Month
from ledger.settlement.clause_background import Background, EarlierRun
from ledger.settlement.ended import CODE as ENDED
from ledger.settlement.provisional import to_date
from ledger.settlement.result import Result
from ledger.settlement.run import PROVISIONAL


def background(connection: Connection, result: Result) -> Background | None:
    """None where no version of the contract settled the run, as where one had ended.

    Raises:
        Discontinuity: a run, a contract or a fact is not what was recorded.
    """
    contract = _contract(connection, result)
    if contract is None:
        return None
    facts = NO_FACTS
    if any(source.aggregate.partition(".")[0] in _FACTS for source in result.sources):
        kinds = frozenset(f"{kind}.{contract.id}" for kind in _FACTS)
        check_read(connection, Read(kinds, frozenset()), result.position)
        facts, _ = ContractFacts(connection, result.position).of(contract, result.month)
    earlier: tuple[EarlierRun, ...] = ()
    if any(clause.account is not None for clause in contract.clauses):
        earlier = _earlier(connection, result)
    return Background(contract, earlier, facts)


def _contract(connection: Connection, result: Result) -> Contract | None:
    """The version that the run was settled with: its first source says which event registered it."""
    name = f"contract.{result.contract}"
    signed = [source for source in result.sources if source.aggregate == name]
    if not signed or not result.lines:
        return None
    (sequence, _), *_ = signed[0].sequences
    versions = registered_page.versions(connection, "contract", Contract, result.position, result.contract)
    found = next((one.document for one in versions if one.sequence == sequence), None)
    if found is None or result.through is None:
        return found
    return to_date(found, result.through)


def _earlier(connection: Connection, result: Result) -> tuple[EarlierRun, ...]:
    """The paying run of each earlier month that the next one took up: the latest that it could read."""
    runs = statements.runs(connection, result.position, contract=result.contract)
    paying = [one for one in runs if one.run_kind != PROVISIONAL and one.month < str(result.month)]
    taken: list[RecordedRun] = []
    position = result.position
    for month in sorted({one.month for one in paying}, reverse=True):
        of_month = [one for one in paying if one.month == month and one.sequence <= position]
        if of_month:
            taken.append(max(of_month, key=lambda one: one.run))
            position = taken[-1].position
    heads = _heads(connection, taken)
    found: list[EarlierRun] = []
    for one in taken:
        head = heads[one.sequence, one.month]
        if one.run == 1 or all(notice.code != ENDED for notice in head.warnings):
            found.append(EarlierRun(Month.parse(one.month), one.run, one.sequence, head.carry.accounts))
    return tuple(found)


class _Kept(msgspec.Struct, frozen=True):
    accounts: dict[str, Carry]


class _Warning(msgspec.Struct, frozen=True):
    code: str


class _Head(msgspec.Struct, frozen=True):
    contract: str
    month: Month
    carry: _Kept
    warnings: tuple[_Warning, ...] = ()


class _Run(msgspec.Struct, frozen=True):
    result: _Head


class _Event(msgspec.Struct, frozen=True):
    run: _Run | int | None = None


class _Envelope(msgspec.Struct, frozen=True):
    events: tuple[_Event, ...]


_decode = msgspec.json.Decoder(_Envelope).decode
_FACTS = ("capital", "exclusion", "service")


def _heads(connection: Connection, runs: Sequence[RecordedRun]) -> dict[tuple[int, str], _Head]:
    """What the events recorded of the runs' accounts; their lines are not read."""
    contracts = {one.contract for one in runs}
    found: dict[tuple[int, str], _Head] = {}
    with own_rights(connection):
        for event in at(connection, {one.sequence for one in runs}):
            for one in _decode(event.state).events:
                if isinstance(one.run, _Run) and one.run.result.contract in contracts:
                    found[event.sequence, str(one.run.result.month)] = one.run.result
    return found
