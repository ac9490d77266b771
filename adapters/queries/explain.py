"""From a line of a statement down to the events that made it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import msgspec

from adapters.integrity.published import ARCHIVED, Archived
from adapters.nats import wire
from adapters.postgres.database import Connection
from adapters.queries import registered_page, statements
from adapters.queries.clause_background import background
from ledger.contract import Contract
from ledger.refusal import Refused
from ledger.settlement.amount_tree import AmountName, AmountTrees
from ledger.settlement.explanation import AmountExplained
from ledger.settlement.line import Line, Source
from ledger.settlement.result import Result
from ledger.settlement.run import PROVISIONAL
from ledger.settlement.settle import check_line

_EVENTS_SHOWN = 200
_LISTED = 20
_WHENEVER = 1 << 62


class Evidence(msgspec.Struct, frozen=True):
    """One archived event that a line rests on."""

    sequence: int
    aggregate: str
    version: int
    kinds: tuple[str, ...]
    recorded_at: datetime
    actor: str
    sha256: str


class Explanation(msgspec.Struct, frozen=True):
    """A line, its terms, and its events; `events_in_all` may exceed the events shown.

    `sources` begin with the runs of earlier months that the line rests on.
    """

    contract: str
    month: str
    run: int
    line: Line
    sources: tuple[str, ...]
    events: tuple[Evidence, ...]
    events_in_all: int
    leaves: AmountExplained
    """What sums to the line's amount, as the reader may see it."""


class AmountExplanation(msgspec.Struct, frozen=True):
    """An amount of a run that is no line: a total of a party, the pool, a bill."""

    contract: str
    month: str
    run: int
    name: AmountName
    leaves: AmountExplained


def explain(
    connection: Connection,
    contract: str,
    month: str,
    number: int,
    *,
    run: int | None = None,
    party: str | None = None,
    reader: str | None = None,
    position: int = _WHENEVER,
) -> Explanation:
    """Line `number` of a run (the latest up to `position` without `run`); with `party` only one of that
    party's lines.

    With a `reader` the leaves are those that this party may see.

    Raises:
        Refused: `unknown_contract`, `unknown_settlement` for a month or run that was not settled,
            `unknown_line` for a line that is not there or is another party's; each names what there is.
    """
    recorded = _run(connection, position, contract, month, run)
    result = statements.result(connection, contract, month, recorded)
    assert result is not None, "a run that is listed has its result"
    lines = [line for line in result.lines if party is None or line.party == party]
    line = next((line for line in lines if line.number == number), None)
    if line is None:
        there = _listed([str(line.number) for line in lines])
        reason = f"run {recorded} of {contract} for {month} has no line {number}; its lines are {there}"
        raise Refused("unknown_line", reason, place="line")
    check_line(line)
    trees = AmountTrees(result, reader, background(connection, result))
    leaves = trees.line(number)
    earlier = [(run.sequence, run.sequence) for run in trees.earlier_runs]
    sources = [
        *(Source(f"settlement.{contract}_{run.month}", (bounds,))
          for run, bounds in zip(trees.earlier_runs, earlier, strict=True)),
        *(result.sources[index] for index in line.sources),
    ]  # fmt: skip
    ranges = [bounds for source in sources for bounds in source.sequences]
    rows = connection.execute(
        f"{ARCHIVED} WHERE e.sequence IN (SELECT s.sequence FROM ledger.envelope AS s"  # noqa: S608
        " JOIN unnest(%s::bigint[], %s::bigint[]) AS r (first, last) ON s.sequence BETWEEN r.first AND r.last"
        " GROUP BY s.sequence ORDER BY s.sequence <> ALL (%s), s.sequence LIMIT %s) ORDER BY e.sequence",
        [
            [first for first, _ in ranges],
            [last for _, last in ranges],
            [sequence for sequence, _ in earlier],
            _EVENTS_SHOWN,
        ],
    )
    return Explanation(
        contract=contract,
        month=month,
        run=recorded,
        line=line,
        sources=tuple(f"{source.aggregate}: {_shown(source.sequences)}" for source in sources),
        events=tuple(_evidence(Archived(*row)) for row in rows),
        events_in_all=len({n for first, last in ranges for n in range(first, last + 1)}),
        leaves=leaves,
    )


def explain_amount(
    connection: Connection,
    contract: str,
    month: str,
    name: AmountName,
    *,
    party: str = "",
    site: str = "",
    run: int | None = None,
    reader: str | None = None,
    position: int = _WHENEVER,
) -> AmountExplanation:
    """An amount of a run (the latest up to `position` without `run`), also of a party that only the run that
    paid before it names; `delta` as the statement's: against that run.

    Raises:
        Refused: `unknown_contract`, `unknown_settlement`; what `AmountTrees.amount` refuses.
    """
    recorded = _run(connection, position, contract, month, run)
    result = statements.result(connection, contract, month, recorded)
    assert result is not None, "a run that is listed has its result"
    before: Result | None = None
    if name == "delta" or (party and party not in result.entitlement):
        runs = statements.runs(connection, position, month=month, contract=contract)
        paid = [one.run for one in runs if one.run < recorded and one.run_kind != PROVISIONAL]
        before = statements.result(connection, contract, month, paid[-1]) if paid else None
    trees = AmountTrees(result, reader, background(connection, result))
    found = trees.amount(
        name,
        party=party,
        site=site,
        before=before,
        background_before=None if before is None or name != "delta" else background(connection, before),
    )
    return AmountExplanation(contract, month, recorded, name, found)


def _run(connection: Connection, position: int, contract: str, month: str, run: int | None) -> int:
    """The number of the run that is meant: the month's last one, unless `run` says which."""
    runs = statements.runs(connection, position, contract=contract)
    of_month = [one.run for one in runs if one.month == month]
    if run in of_month or (run is None and of_month):
        return of_month[-1] if run is None else run
    if of_month:
        there = _listed(map(str, of_month))
        reason = f"contract {contract} has no run {run} for {month}; its runs are {there}"
        raise Refused("unknown_settlement", reason, place="run")
    if not registered_page.versions(connection, "contract", Contract, position, contract):
        known = registered_page.page(connection, "contract", Contract, position)
        there = _listed(entry.id for entry in known)
        reason = f"no contract {contract!r} is registered; there are: {there}"
        raise Refused("unknown_contract", reason, place="contract")
    settled = _listed(dict.fromkeys(one.month for one in runs))
    reason = f"contract {contract} is not settled for {month}; months settled: {settled}"
    raise Refused("unknown_settlement", reason, place="month")


def _listed(names: Iterable[str]) -> str:
    """The first of them, for a message."""
    all_names = list(names)
    more = f" and {len(all_names) - _LISTED} more" if len(all_names) > _LISTED else ""
    return (", ".join(all_names[:_LISTED]) or "none") + more


def _shown(ranges: tuple[tuple[int, int], ...]) -> str:
    return ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in ranges)


class _Kind(msgspec.Struct, frozen=True):
    kind: str


class _Head(msgspec.Struct, frozen=True):
    recorded_at: datetime
    actor: str
    events: tuple[_Kind, ...]


def _evidence(row: Archived) -> Evidence:
    payload = row.checked()
    header, head = wire.header_of(payload), msgspec.json.decode(wire.state_of(payload), type=_Head)
    kinds = tuple(event.kind for event in head.events)
    return Evidence(
        row.sequence, header.aggregate, header.version, kinds, head.recorded_at, head.actor, row.hash.hex()
    )
