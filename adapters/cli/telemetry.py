"""The command that shows what was read of a device."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

import msgspec
from cyclopts import App, Parameter, validators

from adapters.cli.counted import counted
from adapters.cli.session import Session
from adapters.http.instant import instant_of
from adapters.settling import lowest_position
from adapters.telemetry.history import History
from adapters.telemetry.shown import LIMIT_MAX, check_known, csv_text, lines_of, shown
from ledger.interval import Interval

_MINUTES = 10


def add_to(app: App, session: Session) -> None:
    """Add the command."""

    @app.command
    def telemetry(
        device: str,
        *,
        start: Annotated[
            str | None,
            Parameter(name="--from", help="from this instant on; if not stated 10 minutes before --to"),
        ] = None,
        end: Annotated[
            str | None, Parameter(name="--to", help="up to this instant; if not stated now")
        ] = None,
        limit: Annotated[
            int,
            Parameter(
                help="how many samples at most, the newest", validator=validators.Number(gte=1, lte=LIMIT_MAX)
            ),
        ] = 20,
        fast: Annotated[
            bool, Parameter(negative="", help="the fast channel's, of minutes; never settled from")
        ] = False,
        format: Literal["text", "csv", "json"] = "text",
    ) -> None:
        """Show the newest samples of a device, the quality of each value, and the gaps between them."""
        with session.open() as stack:
            until = stack.clock() if end is None else instant_of(end, "--to")
            since = until - timedelta(minutes=_MINUTES) if start is None else instant_of(start, "--from")
            history = History(stack.client, stack.settings.book, "fast" if fast else "seconds")
            found = shown(history, device, Interval(since, until), limit)
            if not found.samples:
                with stack.database.reading(stack.settings.book) as connection:
                    position = lowest_position(connection)
                    check_known(stack.client, stack.settings.book, connection, position, device)
        match format:
            case "csv":
                print(csv_text(found), end="")
            case "json":
                print(msgspec.json.format(msgspec.json.encode(found), indent=2).decode())
            case "text":
                for line in lines_of(found):
                    print(line)
                more = ", and older ones" if found.more else ""
                print(counted(len(found.samples), "sample") + more)
