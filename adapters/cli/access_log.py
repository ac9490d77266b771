"""The command that tells who saw what."""

from __future__ import annotations

import itertools
from typing import Annotated, Literal

from cyclopts import App, Parameter

from adapters import access_sealing
from adapters.access_log import AccessLog
from adapters.access_log_text import csv_text, jsonl_text, line_of
from adapters.cli.counted import counted
from adapters.cli.session import ACTOR, Session
from adapters.http.instant import instant_of
from ledger.access_seal import AccessSeal

_LIMIT = 1_000_000


def add_to(app: App, session: Session) -> None:
    """Add the command."""

    @app.command(name="access-log")
    def access_log(
        *,
        actor: Annotated[str | None, Parameter(help="whose reads")] = None,
        what: Annotated[
            str | None, Parameter(help="an action such as statement, or a value that was asked for")
        ] = None,
        since: Annotated[str | None, Parameter(help="from this instant on (2026-09-01T00:00:00Z)")] = None,
        format: Literal["text", "csv", "jsonl"] = "text",
        limit: Annotated[int, Parameter(help="how many at most, from the oldest on")] = _LIMIT,
        seal: Annotated[
            bool, Parameter(negative="", help="only put a digest of all records up to yesterday on record")
        ] = False,
    ) -> None:
        """List who saw what: reads of money, contracts, exports, settings and persons, oldest first."""
        instant = None if since is None else instant_of(since, "since")
        with session.open() as stack:
            log = AccessLog(stack.client, stack.settings.book, stack.database, stack.clock)
            if seal:
                print(_sealed(access_sealing.seal(log, stack.door, actor=ACTOR)))
                return
            found = list(itertools.islice(log.read(actor=actor, what=what, since=instant), limit))
        match format:
            case "csv":
                print(csv_text(found), end="")
            case "jsonl":
                print(jsonl_text(found), end="")
            case "text":
                for one in found:
                    print(line_of(one))
                print(counted(len(found), "record"))


def _sealed(made: AccessSeal | None) -> str:
    if made is None:
        return "nothing to seal: every record up to yesterday is"
    return f"access records {made.first} to {made.last} sealed: sha256 {made.sha256}"
