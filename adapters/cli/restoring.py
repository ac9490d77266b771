"""What `wattledger restore` proves a backup with, and what becomes of the log that it was signed under."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

from adapters import backup as backups
from adapters.cli import given_file
from adapters.cli.session import ACTOR, Session, check_folder
from adapters.settings import Settings
from adapters.stack import Stack, running
from adapters.transparency.checkpoint_folder import CheckpointFolder
from adapters.transparency.log_key import signer_of
from ledger.refusal import Refused
from ledger.repair_record import BeyondCheckpoint, RecordRepair, Repair, Step
from ledger.setting_record import StateSetting
from ledger.transparency.checkpoint import Checkpoint, open_checkpoint
from ledger.transparency.handover import Handover, LogKeys
from ledger.transparency.note import Note

_REASON_MAX: Final = 200
"""With both logs' names it is one setting."""


class Wanted(NamedTuple):
    """What a person said: that the log's key is lost, that the backup may end before a signed checkpoint, and
    why. Either way another log begins."""

    new_log: bool
    beyond: bool
    reason: str

    @property
    def begins_log(self) -> bool:
        return self.new_log or self.beyond


class Proof(NamedTuple):
    """The checkpoints that the backup is compared with. `former` is the newest of a log that ends here, and
    `lost` the newest that counts more envelopes than the backup has."""

    checkpoints: Sequence[Checkpoint]
    former: Checkpoint | None = None
    lost: Checkpoint | None = None


def wanted(*, new_log: bool, beyond: bool, reason: str) -> Wanted:
    """Raises:
    Refused: `reason` for one without the other."""
    if (new_log or beyond) != bool(reason.strip()):
        text = "--reason goes with --new-log or --beyond-checkpoint, and they with it"
        raise Refused("reason", text, place="--reason")
    if len(reason) > _REASON_MAX or not reason.isprintable():
        raise Refused("reason", f"at most {_REASON_MAX} printable characters", place="--reason")
    return Wanted(new_log, beyond, reason)


def run(session: Session, file: Path, given: Path | None, asked: Wanted) -> tuple[backups.Manifest, int]:
    """Restore the file once it is proven; answers how many checkpoints it was compared with.

    Raises:
        Refused: `checkpoint`, `log_key`, `log_origin`, `checkpoint_ahead`, and as `backups.restore`.
    """
    settings = session.settings
    manifest = backups.checked(file, beyond=True)
    proof = _proof(settings, manifest, given, asked)
    if proof.former is not None:
        backups.checked(file, proof.checkpoints, beyond=asked.beyond)
        _set_aside(session, proof.former)
    with session.open(founding=True) as stack:
        backups.restore(stack.log, file, proof.checkpoints, beyond=asked.beyond)
        stack.caught_up()
        _record(stack, file, manifest, proof, asked)
        stack.caught_up()
    return manifest, len(proof.checkpoints)


def _proof(settings: Settings, manifest: backups.Manifest, given: Path | None, asked: Wanted) -> Proof:
    """Before anything is started: else a process that signs makes a key where none is."""
    own = [Note.parse(manifest.checkpoint.encode())] if manifest.checkpoint else []
    kept = CheckpointFolder(settings.checkpoint_folder).newest()
    files = [Note.parse(kept[1])] if kept is not None else []
    files += [Note.parse(given_file.read(given, "a signed checkpoint"))] if given is not None else []
    notes = [*own, *files]
    found = {Checkpoint.parse(note.text).origin for note in notes}
    if len(found) > 1:
        text = f"these checkpoints are of {len(found)} logs, {', '.join(sorted(found))}"
        raise Refused("checkpoint_origin", text, place=str(settings.checkpoint_folder))
    for note in notes:
        _check_signed(settings, note, asked)
    known = [Checkpoint.parse(note.text) for note in notes]
    former = max(known, key=lambda one: one.size, default=None)
    last = manifest.last_sequence
    ahead = former if former is not None and former.size > last else None
    if ahead is not None and not asked.beyond:
        text = (
            f"the checkpoint of {ahead.origin} counts {ahead.size} envelopes, this backup has {last}: restore"
            f" a newer one; or let these {ahead.size - last} be lost, on record, with --beyond-checkpoint"
            " --reason TEXT and another WATTLEDGER_LOG_ORIGIN, as the log of that checkpoint ends"
        )
        raise Refused("checkpoint_ahead", text, place="FILE")
    if former is None or (former.origin == settings.origin and not asked.begins_log):
        former = None
    elif former.origin == settings.origin or not asked.begins_log:
        raise _another_log(settings, former)
    return Proof([Checkpoint.parse(note.text) for note in files], former, ahead)


def _another_log(settings: Settings, former: Checkpoint) -> Refused:
    if former.origin == settings.origin:
        text = f"another log needs another name than {former.origin}: set WATTLEDGER_LOG_ORIGIN"
    else:
        text = (
            f"the checkpoints are of {former.origin}, and {settings.origin} would be another log: set"
            " WATTLEDGER_LOG_ORIGIN to that name, or begin another with --new-log --reason TEXT"
        )
    return Refused("log_origin", text, place="WATTLEDGER_LOG_ORIGIN")


def _check_signed(settings: Settings, note: Note, asked: Wanted) -> None:
    """That the key that signed it is here, unless another log begins or another machine signs."""
    checkpoint = Checkpoint.parse(note.text)
    signer = signer_of(settings.log_key_file, checkpoint.origin)
    if signer is not None:
        kept = CheckpointFolder(settings.checkpoint_folder).handovers()
        keys = LogKeys.leading_to(signer.key, [Handover.opened(Note.parse(one)) for one in kept])
        try:
            open_checkpoint(note, checkpoint.origin, keys.at(checkpoint.size))
        except Refused as refused:
            if not asked.new_log:
                text = f"{refused}; {_ways_out(settings, checkpoint)}"
                raise Refused("log_key", text, place="WATTLEDGER_LOG_KEY") from None
    elif settings.embedded and not asked.new_log:
        text = f"{settings.log_key_file} is not there, and {_ways_out(settings, checkpoint)}"
        raise Refused("log_key", text, place="WATTLEDGER_LOG_KEY")


def _ways_out(settings: Settings, checkpoint: Checkpoint) -> str:
    return (
        f"checkpoints of {checkpoint.origin} up to {checkpoint.size} envelopes were signed with its key: put"
        f" that key's file to {settings.log_key_file} and the checkpoints to {settings.checkpoint_folder};"
        " or, where the key is lost, set WATTLEDGER_LOG_ORIGIN to another name and give"
        " --new-log --reason TEXT"
    )


def _set_aside(session: Session, former: Checkpoint) -> None:
    """The checkpoints of a log that ended stay as evidence, beside those of the one that begins; before
    anybody projects, and signs."""
    settings = session.settings
    check_folder(settings, founding=True)
    with running(settings, session.clock) as stack:
        backups.check_empty(stack.log)
    folder = settings.checkpoint_folder
    if folder.is_dir():
        folder.rename(folder.with_name(f"{folder.name}.ended-{former.size}"))


def _record(stack: Stack, file: Path, manifest: backups.Manifest, proof: Proof, asked: Wanted) -> None:
    last, former = manifest.last_sequence, proof.former
    if proof.lost is not None:
        count = proof.lost.size - last
        with file.open("rb") as content:
            sha256 = hashlib.file_digest(content, "sha256").hexdigest()
        repair = Repair(
            sha256[:32],
            last,
            max((one.size for one in proof.checkpoints if one.size <= last), default=0),
            (
                Step("stream_restored", "stream", min(1, last), last, last),
                Step("envelopes_lost", "stream", last + 1, proof.lost.size, count),
            ),
            (),
            file.name,
            sha256,
            BeyondCheckpoint("stream", last + 1, proof.lost.size, count, asked.reason),
        )
        stack.door.execute(RecordRepair(repair), command_id=f"restore:{sha256}", actor=ACTOR)
    if former is not None:
        value = f"{stack.settings.origin}, after {former.origin} at {former.size}: {asked.reason}"
        stack.door.record(StateSetting("log-origin", value), actor=ACTOR)
