"""What became of runs: finality, statements, disputes, invoices, payments, netting, the close."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

from adapters.postgres.database import Connection
from adapters.queries import statements
from adapters.queries.statements import RecordedRun
from adapters.queries.story.links_of import followed
from adapters.queries.story.telling import threads
from ledger.settlement.result import Result

_OF_RUN: Final = ("made_final_by", "committed_by", "closed_by", "corrects_dispute", "stated_by")
_OF_STATEMENT: Final = ("paid_by", "has_number", "uses_credit", "credit_used_by")


def after_runs(connection: Connection, position: int, runs: Collection[int]) -> set[int]:
    """What followed from these runs, and what approved it."""
    found = followed(connection, position, runs, *_OF_RUN)
    lives = threads(connection, position, found, ("statement",))
    found |= lives | followed(connection, position, lives, *_OF_STATEMENT)
    return found | approvals(connection, position, found)


def before_events(connection: Connection, position: int, events: Collection[int]) -> set[int]:
    """The imports that brought events, and the proposals that let them take effect."""
    imports = threads(connection, position, followed(connection, position, events, "of_import"), ("import",))
    return imports | approvals(connection, position, events)


def approvals(connection: Connection, position: int, events: Collection[int]) -> set[int]:
    """The proposals, whole, that let events take effect."""
    found = followed(connection, position, events, "approved_by")
    return threads(connection, position, found, ("proposal",))


def recorded_runs(connection: Connection, position: int, events: Collection[int]) -> list[RecordedRun]:
    """Those of the events that recorded a run."""
    return [one for one in statements.runs(connection, position) if one.sequence in events]


def lines_on(result: Result, events: Collection[int]) -> list[int]:
    """The numbers of the lines that rest on one of the events."""
    positions = {
        number
        for number, source in enumerate(result.sources)
        if any(first <= event <= last for first, last in source.sequences for event in events)
    }
    return [line.number for line in result.lines if positions.intersection(line.sources)]


def lines_text(numbers: Sequence[int]) -> str:
    return f"lines {', '.join(map(str, numbers))}" if numbers else "no line"


def result_of(connection: Connection, run: RecordedRun) -> Result:
    found = statements.result(connection, run.contract, run.month, run.run)
    assert found is not None, "a run that is listed has its result"
    return found
