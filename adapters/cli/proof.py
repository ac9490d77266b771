"""Commands for those who check, and for keeping a book: replay, verify, rebuild, backup, restore."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from cyclopts import App
from rich.console import Console
from rich.progress import Progress

from adapters import backup as backups
from adapters import replay as replays
from adapters.cli import given_file
from adapters.cli.counted import counted
from adapters.cli.session import Session
from adapters.continuity import Discontinuity
from adapters.projections import PROJECTIONS
from adapters.projector import check_goes_on
from adapters.settling import Behind
from adapters.stack import Stack
from adapters.verify import verify as verify_book
from ledger.refusal import Refused

console = Console(stderr=True)

_STILL_S: Final = 15.0
"""After how long without any progress of the projections a command stops waiting for them."""


def add_to(app: App, session: Session) -> None:
    """Add the commands."""

    @app.command
    def verify() -> int:
        """Check every envelope against the archive and its chain, and settle every run again.

        Ends with 1 when anything differs, and names it.
        """
        try:
            with session.open() as stack, Progress(console=console, transient=True) as bar:
                _wait_level(stack)
                task = bar.add_task("verifying", total=None)
                verdict = verify_book(
                    stack.log,
                    stack.database,
                    stack.addresses.nats_monitor_url,
                    lambda at, of: bar.update(task, completed=at, total=of),
                )
        except Discontinuity as lost:
            return _fault(lost)
        for fault in verdict.faults:
            print(f"FAULT {fault}")
        found = counted(len(verdict.faults), "fault") if verdict.faults else "all hold"
        print(
            f"{counted(verdict.envelopes, 'envelope')} and {counted(verdict.runs, 'settlement run')} up to"
            f" position {verdict.position}: {found}"
        )
        return 1 if verdict.faults else 0

    @app.command
    def replay() -> int:
        """Fold the whole book from its first event in an empty database and compare every row.

        Ends with 1 when a projection differs, and shows the first row that does, or when the stream has
        lost events.
        """
        try:
            with session.open() as stack, console.status("replaying"):
                _wait_level(stack)
                proof = replays.replay(stack.log, stack.database)
        except Discontinuity as lost:
            return _fault(lost)
        for table in proof.tables:
            print(f"{table.table:<16}{counted(table.rows, 'row'):>15}  {table.difference or 'equal'}")
        print(f"replayed up to position {proof.position}: {'equal' if proof.equal else 'DIFFERENT'}")
        return 0 if proof.equal else 1

    @app.command
    def rebuild(*projections: str) -> int:
        """Make projections anew from the stream (all of them without a name) and swap them in.

        Ends with 1, and changes nothing, when the stream lost events.
        """
        known = {projection.name: projection for projection in PROJECTIONS}
        unknown = [name for name in projections if name not in known]
        if unknown:
            raise Refused(
                "projection", f"{unknown[0]!r} is not one of {', '.join(known)}", place="projection"
            )
        chosen = [known[name] for name in projections] or list(PROJECTIONS)
        try:
            with session.open() as stack, console.status("rebuilding"):
                position = replays.rebuild(stack.log, stack.database, chosen)
        except Discontinuity as lost:
            return _fault(lost)
        print(f"{', '.join(projection.name for projection in chosen)}: rebuilt up to position {position}")
        return 0

    @app.command
    def backup(file: Path) -> None:
        """Write the whole book into one file, while it goes on running."""
        given_file.check_new(file)
        with session.open() as stack, console.status("backing up"):
            manifest = backups.backup(stack.log, file)
        print(f"book {manifest.book} up to sequence {manifest.last_sequence}: {file}")

    @app.command
    def restore(file: Path) -> None:
        """Append a backup to this book's empty stream, on the same sequences, and project it."""
        given_file.check_readable(file, "a backup that `wattledger backup` wrote")
        with session.open(founding=True) as stack, console.status("restoring"):
            manifest = backups.restore(stack.log, file)
            stack.caught_up()
        print(f"book {manifest.book}: {counted(manifest.last_sequence, 'event')} restored and projected")


def _wait_level(stack: Stack) -> None:
    """Wait until the projections are level with the stream, for as long as they move.

    Raises:
        Discontinuity: they stand still where the stream has a hole.
        Behind: they stand still; is a projector running?
    """
    while True:
        before = _lowest(stack)
        try:
            stack.caught_up(_STILL_S)
        except Behind:
            if _lowest(stack) == before:
                check_goes_on(stack.log, before)
                raise
        else:
            return


def _lowest(stack: Stack) -> int:
    return min(position.sequence for position in stack.projector().positions().values())


def _fault(lost: Discontinuity) -> int:
    print(f"FAULT {lost}")
    return 1
