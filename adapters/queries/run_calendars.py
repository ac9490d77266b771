"""The run calendar that a contract's month is under, as of a sequence number."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from adapters.postgres.database import Connection
from adapters.queries import registered
from ledger.contract import Contract
from ledger.interval import Month, zone_of
from ledger.refusal import Refused
from ledger.settlement.run_calendar import PLAIN, RunCalendar

_TICK: Final = timedelta(microseconds=1)


class RunCalendars:
    """All published run calendars, read once."""

    def __init__(self, connection: Connection, position: int) -> None:
        self._register = registered.load(connection, "run_calendar", RunCalendar, position)

    def published(self, contract: Contract, month: Month) -> RunCalendar | None:
        """The version in force at the month's end; `plain` is known without being published, and None is what
        is not published for the month."""
        end = month.interval(zone_of(contract.zone)).end
        held = self._register.at(contract.run_calendar, end - _TICK)
        if held is not None:
            return held.document
        return PLAIN if contract.run_calendar == PLAIN.id else None

    def missing(self, contract: Contract, month: Month) -> Refused:
        """What is told of a contract whose calendar is not `published`; it is refused alone."""
        return Refused(
            "run_calendar_missing",
            f"contract {contract.id} names run calendar {contract.run_calendar!r}, which is not published for"
            f" {month}: publish it with wattledger register run-calendar FILE --from {month.first_day} or an"
            " earlier day (examples/calendars)",
            place="run_calendar",
        )
