"""What a settled month is corrected against: versions that left it no day, what the run before rests on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec

from adapters.postgres.database import Connection
from adapters.queries import registered, settlement_inputs
from adapters.queries.contracts_in_force import holding
from adapters.settling_again import beside_the_contract, moves_nothing
from ledger.contract import Contract
from ledger.interval import Month
from ledger.refusal import Refused
from ledger.settlement.ended import ended
from ledger.settlement.inputs import Inputs, Part, contract_digest
from ledger.settlement.line import Source
from ledger.settlement.result import Result
from ledger.settlement.settle import settle


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
    would rest on now under the contract version of the run before, where that is another one.

    A version that moves nothing in the month corrects nothing in it: the digests then name it already, and
    only what else changed is a cause.
    """

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
    digests = {contract: msgspec.json.decode(text, type=dict[Part, str]) for contract, text, _ in rows}
    amended = any(_amended(corrected[name], then) for name, then in digests.items())
    versions = registered.load(connection, "contract", Contract, position).versions if amended else {}
    found: dict[str, Before] = {}
    for contract, _, first in rows:
        result, then = corrected[contract], digests[contract]
        unamended: dict[Part, str] | None = None
        if _amended(result, then):
            documents = [one.document for one in versions.get(contract, ())]
            unamended = reading_the_same(documents, result.inputs, then)
            unamended = unamended or read_again(connection, book, position, result, then)
            if _amended_for_nothing(connection, book, position, documents, result, then, unamended):
                then, unamended = {**then, "contract": result.inputs["contract"]}, None
        found[contract] = Before(then, first, unamended)
    return found


def _amended(result: Result, then: Mapping[Part, str]) -> bool:
    """Whether the contract is another one, and held on some day before and now."""
    same = then.get("contract") == result.inputs.get("contract")
    return not same and "site" in then and "site" in result.inputs


def reading_the_same(
    versions: Sequence[Contract], now: Mapping[Part, str], then: Mapping[Part, str]
) -> dict[Part, str] | None:
    """What `read_again` says, without reading: where the contract's versions, oldest first, changed since the
    run before in their terms alone, the month rests on the same facts under both.

    None where that cannot be told: of sites, days or policy that changed since.
    """
    newest = versions[-1] if versions else None
    older = [number for number, one in enumerate(versions) if contract_digest(one) == then["contract"]]
    if newest is None or not older or contract_digest(newest) != now["contract"]:
        return None
    if any(_what_is_read(one) != _what_is_read(newest) for one in versions[older[-1] :]):
        return None
    if "exclusivity" in then and "exclusivity" not in now:
        return None
    kept = {part: digest for part, digest in now.items() if part != "exclusivity" or part in then}
    return {**kept, "contract": then["contract"]}


def _what_is_read(one: Contract) -> tuple[object, ...]:
    """What of a contract decides which readings, prices and facts a month of it is settled from."""
    days = one.effective_from, one.effective_to, one.terminated_on
    return one.id, one.sites, one.zone, days, one.exclusivity


def read_again(
    connection: Connection, book: str, position: int, result: Result, then: Mapping[Part, str]
) -> dict[Part, str] | None:
    """The digests of the month under the version of the run before; None where the month cannot be settled
    under that one any more: the contract alone is the cause then."""
    try:
        one = _under(connection, book, position, result, then["contract"])
    except Refused:
        return None
    return one.digests(claimed="exclusivity" in then)


def _under(connection: Connection, book: str, position: int, result: Result, version: str) -> Inputs:
    """What the month of `result` would be settled from now under that version of its contract."""
    under, names = {result.contract: version}, (result.contract,)
    (one,) = settlement_inputs.load(connection, book, result.month, position, names, under=under)
    return one


def _amended_for_nothing(
    connection: Connection,
    book: str,
    position: int,
    versions: Sequence[Contract],
    result: Result,
    then: Mapping[Part, str],
    unamended: Mapping[Part, str] | None,
) -> bool:
    """Whether the month, which something else changed too, would be settled the same under the version of the
    run before. Where nothing else did, the version is the cause, and the month is not settled once more."""
    if unamended is None or beside_the_contract(unamended) != beside_the_contract(result.inputs):
        return False
    if beside_the_contract(unamended) == beside_the_contract(then):
        return False
    documents = {contract_digest(one): one for one in versions}
    before, now = documents.get(then["contract"]), documents.get(result.inputs["contract"])
    if before is None or now is None:
        return False
    try:
        was = settle(_under(connection, book, position, result, then["contract"]))
    except Refused:
        return False
    return moves_nothing(before, now, was, result)
