"""What a settled month is corrected against: versions that left it no day, what the run before rests on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec

from adapters.postgres.database import Connection
from adapters.queries import registered, settlement_inputs
from adapters.queries.contracts_in_force import holding
from ledger.contract import Contract
from ledger.interval import Month
from ledger.refusal import Refused
from ledger.settlement.ended import ended
from ledger.settlement.inputs import Part
from ledger.settlement.line import Source
from ledger.settlement.result import Result


class Ended(NamedTuple):
    """The contracts that were settled for a month and hold on none of its days by now; and whether any of the
    asked ones does."""

    results: dict[str, Result]
    contracts: dict[str, Contract]
    others: bool


def ended_contracts(connection: Connection, month: Month, position: int, asked: Sequence[str]) -> Ended:
    """Of the contracts asked for, or of all: those whose newest version left the settled month without any
    day, each with the result that takes back what was paid."""
    rows = connection.execute(
        "SELECT DISTINCT contract FROM ledger.settlement"
        " WHERE month = %s AND sequence <= %s AND run_kind <> 'provisional' ORDER BY contract",
        [str(month), position],
    )
    settled = [name for (name,) in rows if not asked or name in asked]
    if not settled:
        return Ended({}, {}, others=True)
    versions = registered.load(connection, "contract", Contract, position).versions
    gone = {name: versions[name][-1] for name in settled if holding(versions[name], month) is None}
    left = [name for name in (asked or versions) if name not in gone]
    results = {
        name: ended(newest.document, _source(name, newest.sequence), month, position)
        for name, newest in gone.items()
    }
    others = bool(left) if asked else any(holding(versions[name], month) for name in left)
    return Ended(results, {name: newest.document for name, newest in gone.items()}, others)


def _source(contract: str, sequence: int) -> Source:
    return Source(f"contract.{contract}", ((sequence, sequence),))


class Before(NamedTuple):
    """Of a corrected month: the digests of the run before, the position of the first one, and what the month
    would rest on now under the contract version of the run before, where that is another one."""

    inputs: dict[Part, str]
    first_position: int
    unamended: dict[Part, str] | None


def before(
    connection: Connection, book: str, month: Month, position: int, corrected: Mapping[str, Result]
) -> dict[str, Before]:
    """What the runs before `corrected`, by contract, were settled from."""
    if not corrected:
        return {}
    rows = connection.execute(
        "SELECT DISTINCT ON (contract) contract, (result->'inputs')::text,"
        " min(position) OVER (PARTITION BY contract) FROM ledger.settlement"
        " WHERE contract = ANY(%s) AND month = %s AND run_kind <> 'provisional'"
        " ORDER BY contract, run DESC",
        [list(corrected), str(month)],
    ).fetchall()
    found: dict[str, Before] = {}
    for contract, text, first in rows:
        digests = msgspec.json.decode(text, type=dict[Part, str])
        unamended = _unamended(connection, book, position, corrected[contract], digests)
        found[contract] = Before(digests, first, unamended)
    return found


def _unamended(
    connection: Connection, book: str, position: int, result: Result, then: Mapping[Part, str]
) -> dict[Part, str] | None:
    """None where the contract is the same, held on no day before or now, or where the month cannot be settled
    under the older version any more: the contract alone is the cause then."""
    same = then.get("contract") == result.inputs.get("contract")
    if same or "site" not in then or "site" not in result.inputs:
        return None
    try:
        (one,) = settlement_inputs.load(
            connection,
            book,
            result.month,
            position,
            (result.contract,),
            under={result.contract: then["contract"]},
        )
    except Refused:
        return None
    return one.digests(claimed="exclusivity" in then)
