"""Closing a month: what is still missing, and the command once nothing is."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from adapters.front_door import FrontDoor
from adapters.postgres.database import Connection
from adapters.queries import lives, registered
from ledger.contract import Contract
from ledger.interval import Interval, Month, zone_of
from ledger.month_close import AGGREGATE, CloseMonth, Closing
from ledger.refusal import Refused
from ledger.settlement.run import Runs
from ledger.statement.life import Life, StatementKey


class ContractCheck(msgspec.Struct, frozen=True):
    """How far a contract's month has come; `run` is its latest paying run, None before it is settled."""

    contract: str
    run: int | None
    final: bool
    not_issued: tuple[str, ...]
    """The parties whose statement of that run has not been issued."""
    not_invoiced: tuple[str, ...]
    """The parties whose invoices do not add up to the statement: shown, and closed all the same."""


class Checklist(msgspec.Struct, frozen=True):
    """What stands between a month and its close."""

    month: str
    closed: bool
    contracts: tuple[ContractCheck, ...]
    open_disputes: tuple[str, ...]
    open_imports: tuple[str, ...]

    @property
    def ready(self) -> bool:
        """Whether it can be closed, once the open disputes are named."""
        return not self.open_imports and all(one.final and not one.not_issued for one in self.contracts)


def checklist(door: FrontDoor, connection: Connection, month: Month, position: int) -> Checklist:
    """The month's checklist as of `position`.

    Raises:
        Refused: `no_contract` when none holds in the month.
    """
    spans = _in_force(connection, month, position)
    found = lives.of_month(connection, position, str(month))
    closing = door.state(AGGREGATE)
    last = closing.last if isinstance(closing, Closing) else None
    imports = connection.execute(
        "SELECT id FROM ledger.meter_import WHERE status = 'open' AND from_seq <= %(p)s"
        " AND (to_seq IS NULL OR to_seq > %(p)s) AND covers_from < %(end)s AND covers_to > %(start)s"
        " ORDER BY id",
        {
            "p": position,
            "start": min(span.start for span in spans.values()),
            "end": max(span.end for span in spans.values()),
        },
    )
    return Checklist(
        str(month),
        last is not None and month <= last,
        tuple(_check(door.state(f"settlement.{name}_{month}"), name, found) for name in spans),
        tuple(sorted({one.id for life in found for one in life.disputes if one.freezes})),
        tuple(name for (name,) in imports),
    )


def close_command(
    door: FrontDoor, connection: Connection, month: Month, position: int, carried: Iterable[str], by: str
) -> CloseMonth:
    """The command that closes the month; it is decided on the aggregates themselves.

    Raises:
        Refused: `no_contract`, `open_import`.
    """
    check = checklist(door, connection, month, position)
    if check.open_imports:
        raise Refused(
            "open_import", f"imports {', '.join(check.open_imports)} are not finished", place="month"
        )
    statements = [
        StatementKey(one.contract, str(month), party, one.run)
        for one in check.contracts
        if one.run is not None
        for party in _parties(door.state(f"settlement.{one.contract}_{month}"))
    ]
    names = tuple(one.contract for one in check.contracts)
    return CloseMonth(month, names, tuple(statements), tuple(carried), by)


def _check(state: object, name: str, found: Iterable[Life]) -> ContractCheck:
    latest = state.latest if isinstance(state, Runs) else None
    if not isinstance(state, Runs) or latest is None:
        return ContractCheck(name, None, final=False, not_issued=(), not_invoiced=())
    of_run = {
        life.key.party: life for life in found if life.key.contract == name and life.key.run == latest.number
    }
    not_issued = tuple(
        party for party in sorted(latest.delta) if party not in of_run or of_run[party].issued_on is None
    )
    not_invoiced = tuple(
        party for party, life in sorted(of_run.items()) if life.invoiced != life.amount - life.frozen
    )
    return ContractCheck(name, latest.number, state.final == latest.number, not_issued, not_invoiced)


def _parties(state: object) -> list[str]:
    latest = state.latest if isinstance(state, Runs) else None
    return sorted(latest.delta) if latest is not None else []


def _in_force(connection: Connection, month: Month, position: int) -> dict[str, Interval]:
    """The contracts that hold on a day of the month, and the month in each one's zone."""
    contracts = registered.load(connection, "contract", Contract, position)
    found: dict[str, Interval] = {}
    for name, versions in sorted(contracts.versions.items()):
        for version in versions:
            span = month.interval(zone_of(version.document.zone))
            if version.period is not None and version.period.overlaps(span):
                found[name] = span
    if not found:
        raise Refused("no_contract", f"no contract holds in {month}", place="month")
    return found
