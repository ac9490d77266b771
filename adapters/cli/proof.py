"""Commands for those who check, and for keeping a book: replay, verify, rebuild, repair, backup, restore."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Final

from cyclopts import App, Parameter
from rich.console import Console
from rich.progress import Progress

from adapters import access_sealing
from adapters import backup as backups
from adapters import replay as replays
from adapters.access_log import AccessLog
from adapters.cli import given_file, repairing, restoring
from adapters.cli.counted import counted
from adapters.cli.session import Session
from adapters.continuity import Discontinuity, check_goes_on
from adapters.integrity import known_damage
from adapters.integrity.fault import Fault
from adapters.nats.stream import WeakStream
from adapters.projections import PROJECTIONS
from adapters.settling import Behind
from adapters.stack import Stack
from adapters.verify import check_runs
from adapters.verify import verify as verify_book
from ledger.refusal import Refused
from ledger.repair_record import Believed

console = Console(stderr=True)

_LOOK_S: Final = 2.0
_STILL_S: Final = 15.0
"""After how long without any progress of the projections a command stops waiting for them."""


def add_to(app: App, session: Session) -> None:
    """Add the commands."""

    @app.command
    def verify() -> int:
        """Check everything that is kept: stream, archive, tree, signed checkpoints, and every row.

        Every envelope is compared in all copies and with its aggregate's chain, every run settled again, and
        every projection's row compared with a replay. Ends with 1 when anything differs: names it by code
        and place, and says what to do.
        """
        faults: list[Fault] = []
        rows = 0
        try:
            with session.open() as stack, Progress(console=console, transient=True) as bar:
                _wait_level(stack)
                task = bar.add_task("verifying", total=None)
                verdict = verify_book(
                    stack.log,
                    stack.database,
                    stack.addresses.nats_monitor_url,
                    lambda at, of: bar.update(task, completed=at, total=of),
                    stack.published,
                )
                faults += verdict.faults
                if not any(fault.code.startswith("stream_") for fault in faults):
                    proof = replays.replay(stack.log, stack.database)
                    faults += proof.faults
                    rows = sum(table.rows for table in proof.tables)
                seen = _access_checked(stack, faults)
                faults += seen.faults
                known_damage.note(stack.database, stack.settings.book, faults)
        except (Discontinuity, WeakStream) as lost:
            return _fault(lost)
        for fault in faults:
            print(f"FAULT {fault}")
        for one in verdict.void:
            print(one)
        if seen.records or seen.forgotten:
            gone = f", {seen.forgotten} more forgotten by age" if seen.forgotten else ""
            print(f"{counted(seen.records, 'sealed access record')} as sealed{gone}")
        for remedy in dict.fromkeys(fault.remedy for fault in faults):
            print(f"  {remedy}")
        print(
            f"{counted(verdict.envelopes, 'envelope')}, {counted(verdict.checkpoints, 'signed checkpoint')},"
            f" {counted(verdict.runs, 'settlement run')} and {counted(rows, 'row')} up to position"
            f" {verdict.position}: {counted(len(faults), 'fault') if faults else 'all hold'}"
        )
        return 1 if faults else 0

    @app.command
    def replay() -> int:
        """Fold the whole book from its first event in an empty database and compare every row.

        Every settlement run is settled again. Ends with 1 when a row or a run differs, and shows the first
        row that does and the event from which it does, or when the stream has lost events.
        """
        try:
            with session.open() as stack, console.status("replaying"):
                if (halting := _wait_level(stack)) is not None:
                    raise Discontinuity(halting.message, code=halting.code, place=halting.place)
                proof = replays.replay(stack.log, stack.database)
                with stack.database.reading(stack.settings.book) as connection:
                    runs, wrong = check_runs(connection, stack.settings.book, proof.position)
                if proof.faults:
                    known_damage.note(stack.database, stack.settings.book, proof.faults)
        except Discontinuity as lost:
            return _fault(lost)
        for table in proof.tables:
            print(f"{table.table:<16}{counted(table.rows, 'row'):>15}  {table.difference or 'equal'}")
        print(f"{'settlement runs':<16}{counted(runs, 'run'):>15}  {'DIFFERENT' if wrong else 'equal'}")
        for fault in wrong:
            print(f"FAULT {fault}")
        if proof.first is not None:
            first = proof.first
            print(
                f"first differs from event {first.sequence} on: {', '.join(first.kinds)} of {first.aggregate}"
            )
        equal = proof.equal and not wrong
        print(f"replayed up to position {proof.position}: {'equal' if equal else 'DIFFERENT'}")
        return 0 if equal else 1

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
    def backup(file: Path) -> int:
        """Write the whole book into one file, while it goes on running, with its newest signed checkpoint.

        Ends with 1, and writes nothing, when the stream lost events or is not what was archived and signed.
        """
        given_file.check_new(file, ())
        given_file.check_absent(file)
        try:
            with session.open() as stack, console.status("backing up"):
                manifest = backups.backup(stack.log, stack.database, file, stack.published.latest())
        except Discontinuity as lost:
            return _fault(lost)
        print(f"book {manifest.book} up to sequence {manifest.last_sequence}: {file}")
        return 0

    @app.command
    def restore(
        file: Path,
        *,
        checkpoint: Annotated[
            Path | None, Parameter(help="a signed checkpoint of the book that somebody kept")
        ] = None,
        beyond_checkpoint: Annotated[
            bool,
            Parameter(negative="", help="let what a signed checkpoint counts beyond the backup be lost"),
        ] = False,
        new_log: Annotated[
            bool, Parameter(negative="", help="begin another log: the key of the backup's is lost")
        ] = False,
        reason: Annotated[str, Parameter(help="why; it is on record")] = "",
    ) -> None:
        """Append a backup to this book's empty stream, on the same sequences, and project it.

        The file's events are proven first: against the checkpoint in it, the newest in the folder of
        checkpoints, and the one given. Bring the log's key and checkpoints first: without them, and with a
        backup that ends before a checkpoint, the log cannot go on, and another name for it
        (WATTLEDGER_LOG_ORIGIN) and a reason are needed.
        """
        given_file.check_readable(file, "a backup that `wattledger backup` wrote")
        if checkpoint is not None:
            given_file.check_readable(checkpoint, "a signed checkpoint")
        asked = restoring.wanted(new_log=new_log, beyond=beyond_checkpoint, reason=reason)
        with console.status("restoring"):
            manifest, known = restoring.run(session, file, checkpoint, asked)
        proven = f", proven against {counted(known, 'checkpoint')}" if known else ""
        print(
            f"book {manifest.book}: {counted(manifest.last_sequence, 'event')} restored{proven} and projected"
        )

    @app.command
    def repair(
        *,
        dry_run: bool = False,
        backup: Path | None = None,
        beyond_checkpoint: Annotated[
            Believed | None, Parameter(help="which copy holds where no signed checkpoint proves either")
        ] = None,
        reason: Annotated[str, Parameter(help="why that copy; it is on record")] = "",
    ) -> int:
        """Restore a damaged book from what is proven right, after its content was kept as evidence.

        Needs the operator's identity and the book to itself: end `wattledger up` first. Writes what it did as
        an event. Ends with 1, and changes nothing, when of some sequences no copy is proven right (a backup
        may then have them), or when some stand in another copy than the stream only and no signed checkpoint
        proves them: --beyond-checkpoint archive puts them into the stream, --beyond-checkpoint stream sets
        them aside.
        """
        if backup is not None:
            given_file.check_readable(backup, "a backup that `wattledger backup` wrote")
        wanted = repairing.wanted(beyond_checkpoint, reason)
        return repairing.run(session, console, dry_run=dry_run, backup=backup, wanted=wanted)


def _access_checked(stack: Stack, faults: list[Fault]) -> access_sealing.Checked:
    """What was seen, by its seals; nothing where the book that has them is damaged itself."""
    if any(fault.code.startswith(("stream_", "chain_")) for fault in faults):
        return access_sealing.Checked(0, 0, ())
    log = AccessLog(stack.client, stack.settings.book, stack.database, stack.clock)
    return access_sealing.check(log, stack.door)


def _wait_level(stack: Stack) -> Fault | None:
    """Wait until the projections are level with the stream, for as long as they move; answers the message
    that none of them gets past, if there is one.

    Raises:
        Discontinuity: they stand still where the stream has a hole.
        Behind: they stand still; is a projector running?
    """
    before, since = _lowest(stack), time.monotonic()
    while True:
        try:
            stack.caught_up(_LOOK_S)
        except Behind:
            if (halting := _halting(stack)) is not None:
                return halting
            lowest = _lowest(stack)
            if lowest != before:
                before, since = lowest, time.monotonic()
            elif time.monotonic() - since > _STILL_S:
                check_goes_on(stack.log, before)
                raise
        else:
            return None


def _halting(stack: Stack) -> Fault | None:
    with stack.database.reading(stack.settings.book) as connection:
        return known_damage.halting(connection)


def _lowest(stack: Stack) -> int:
    return min(position.sequence for position in stack.projector().positions().values())


def _fault(lost: Discontinuity | WeakStream) -> int:
    fault = lost.fault if isinstance(lost, Discontinuity) else Fault("stream_weak", "stream", str(lost))
    print(f"FAULT {fault}")
    print(f"  {fault.remedy}")
    return 1
