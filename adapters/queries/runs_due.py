"""Which runs of which contract's month are due, as of a sequence number."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import date
from functools import partial
from typing import NamedTuple

import msgspec

from adapters.integrity.run_rows import Asked, check_runs
from adapters.postgres.database import Connection
from adapters.queries import lives, registered
from adapters.queries.contracts_in_force import holding
from adapters.queries.run_calendars import RunCalendars
from ledger.contract import Contract
from ledger.interval import Month
from ledger.month_close import Closed
from ledger.refusal import Refused
from ledger.settlement.run import PROVISIONAL
from ledger.settlement.run_due import Progress, StageDue, day_or_why, stages_due
from ledger.statement.life import Life


class MonthDue(msgspec.Struct, frozen=True):
    """A contract's month. `query_until` is the last day to query a final run that is in time, None where no
    official calendar tells it; `corrected_until` the last month in which it can be corrected without a
    waiver, None where the calendar looks back without end."""

    month: str
    contract: str
    calendar: str
    stages: tuple[StageDue, ...]
    query_until: date | None
    corrected_until: str | None


class NotTold(msgspec.Struct, frozen=True):
    """A contract's month of which nobody can tell what is due, and why, as a refusal says it."""

    contract: str
    month: str
    code: str
    reason: str


class RunsDue(NamedTuple):
    """What is due, and the contracts' months that are refused beside it."""

    months: list[MonthDue]
    refused: list[NotTold]


class _Final(msgspec.Struct, frozen=True):
    final: int


class _Runs(msgspec.Struct):
    through: date | None = None
    paying: int | None = None
    parties: int = 0


def runs_due(connection: Connection, position: int, on: date, *, month: Month | None = None) -> RunsDue:
    """Every contract's month up to that of `on` that is not closed, or `month` alone, oldest first.

    A contract that names a run calendar that is not published for the month is refused alone.

    Raises:
        Refused: `run_calendar_missing` where every contract is refused for it; `contract_change`.
    """
    contracts = registered.load(connection, "contract", Contract, position).versions
    finals = registered.load(connection, "settlement", _Final, position).versions
    calendars = RunCalendars(connection, position)
    found = RunsDue([], [])
    missing: Refused | None = None
    for each in _months(connection, position, contracts, on) if month is None else [month]:
        runs = _runs(connection, position, each)
        stood: dict[str, list[Life]] = defaultdict(list)
        for life in lives.of_month(connection, position, str(each)):
            stood[life.key.contract].append(life)
        for name, versions in contracts.items():
            held = holding(versions, each)
            if held is None:
                continue
            contract = held.document
            calendar = calendars.published(contract, each)
            if calendar is None:
                missing = missing or calendars.missing(contract, each)
                reason = calendars.missing(contract, each).reason
                found.refused.append(NotTold(name, str(each), "run_calendar_missing", reason))
                continue
            final = finals.get(f"{name}_{each}")
            progress = _progress(
                runs.get(name, _Runs()), stood[name], final[-1].document.final if final else None
            )
            stages = stages_due(calendar, each, contract.days_in(each), progress, on)
            back = calendar.look_back_months
            until = None if back is None else str(_later(each, back))
            query_until, _ = day_or_why(partial(calendar.query_until, each))
            found.months.append(MonthDue(str(each), name, calendar.id, stages, query_until, until))
    if missing is not None and not found.months:
        raise missing
    return found


def _months(
    connection: Connection,
    position: int,
    contracts: Mapping[str, tuple[registered.Recorded[Contract], ...]],
    on: date,
) -> Iterator[Month]:
    """From the first one that is not closed and has a contract to that of `on`."""
    begins = [one.document.effective_from for versions in contracts.values() for one in versions]
    if not begins:
        return
    month = Month.of(min(begins))
    closings = registered.load(connection, "closing", Closed, position).versions.get("book")
    if closings:
        month = max(month, closings[-1].document.month.next())
    while month <= Month.of(on):
        yield month
        month = month.next()


def _later(month: Month, count: int) -> Month:
    for _ in range(count):
        month = month.next()
    return month


def _runs(connection: Connection, position: int, month: Month) -> dict[str, _Runs]:
    check_runs(connection, Asked.of(position, month))
    rows = connection.execute(
        "SELECT contract, run, run_kind, CASE run_kind WHEN %(p)s THEN (result->>'through')::date END,"
        " (SELECT count(*) FROM jsonb_object_keys(result->'entitlement'))"
        " FROM ledger.settlement WHERE month = %(month)s AND sequence <= %(position)s ORDER BY contract, run",
        {"p": PROVISIONAL, "month": str(month), "position": position},
    )
    found: dict[str, _Runs] = defaultdict(_Runs)
    for contract, run, kind, through, parties in rows:
        if kind == PROVISIONAL:
            found[contract].through = through
        else:
            found[contract].paying, found[contract].parties = run, parties
    return found


def _progress(runs: _Runs, stood: list[Life], final: int | None) -> Progress:
    own = [life for life in stood if life.key.run == runs.paying]
    complete = runs.paying is not None and len(own) >= runs.parties
    return Progress(
        through=runs.through,
        initial=runs.paying is not None,
        reviewed=complete,
        approved=complete and all(life.status != "reviewed" for life in own),
        final=runs.paying is not None and final == runs.paying,
        disputed_on=tuple(
            dispute.raised_on for life in stood for dispute in life.disputes if dispute.status == "open"
        ),
    )
