"""Commands for those who check, and for keeping a book: replay, verify, rebuild, backup, restore."""

from __future__ import annotations

from pathlib import Path

from cyclopts import App
from rich.console import Console
from rich.progress import Progress

from adapters import backup as backups
from adapters import replay as replays
from adapters.cli import given_file
from adapters.cli.counted import counted
from adapters.cli.session import Session
from adapters.projections import PROJECTIONS
from adapters.verify import verify as verify_book
from ledger.refusal import Refused

console = Console(stderr=True)


def add_to(app: App, session: Session) -> None:
    """Add the commands."""

    @app.command
    def verify() -> int:
        """Check every envelope against the archive and its chain, and settle every run again.

        Ends with 1 when anything differs, and names it.
        """
        with session.open() as stack, Progress(console=console, transient=True) as bar:
            stack.caught_up()
            task = bar.add_task("verifying", total=None)
            verdict = verify_book(
                stack.log,
                stack.database,
                stack.addresses.nats_monitor_url,
                lambda at, of: bar.update(task, completed=at, total=of),
            )
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

        Ends with 1 when a projection differs, and shows the first row that does.
        """
        with session.open() as stack, console.status("replaying"):
            stack.caught_up()
            proof = replays.replay(stack.log, stack.database)
        for table in proof.tables:
            print(f"{table.table:<16}{counted(table.rows, 'row'):>15}  {table.difference or 'equal'}")
        print(f"replayed up to position {proof.position}: {'equal' if proof.equal else 'DIFFERENT'}")
        return 0 if proof.equal else 1

    @app.command
    def rebuild(*projections: str) -> None:
        """Make projections anew from the stream (all of them without a name) and swap them in."""
        known = {projection.name: projection for projection in PROJECTIONS}
        unknown = [name for name in projections if name not in known]
        if unknown:
            raise Refused(
                "projection", f"{unknown[0]!r} is not one of {', '.join(known)}", place="projection"
            )
        chosen = [known[name] for name in projections] or list(PROJECTIONS)
        with session.open() as stack, console.status("rebuilding"):
            position = replays.rebuild(stack.log, stack.database, chosen)
        print(f"{', '.join(projection.name for projection in chosen)}: rebuilt up to position {position}")

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
