"""The signed checkpoints that are kept in files: which can be believed, and what was done to the others."""

from __future__ import annotations

from pathlib import Path
from typing import Final, NamedTuple

from adapters.continuity import Discontinuity
from adapters.integrity.fault import Fault, ahead
from adapters.nats.log import Log
from adapters.postgres.database import Connection
from adapters.transparency.published_log import PublishedLog
from adapters.transparency.seen_checkpoint import note_seen, seen_checkpoint
from ledger.refusal import Refused
from ledger.transparency.checkpoint import Checkpoint, open_checkpoint
from ledger.transparency.handover import LogKeys
from ledger.transparency.note import Note

_DEPTH: Final = 4
_READ_MAX: Final = 1000


class Signed(NamedTuple):
    """The checkpoints whose signatures hold, the smallest first, and what is wrong with the files.

    `newest` is the last of them whole. Where no key of the log is known none of them is there: then
    `unchecked` has what the files say, to be compared with the book by size and root, and proves nothing.
    """

    checkpoints: tuple[Checkpoint, ...]
    newest: Note | None
    faults: tuple[Fault, ...]
    unchecked: tuple[Checkpoint, ...] = ()

    @property
    def compared(self) -> tuple[Checkpoint, ...]:
        """What a book must not contradict."""
        return self.checkpoints or self.unchecked


def signed(published: PublishedLog, *, at_most: int = _READ_MAX) -> Signed:
    """The newest `at_most` checkpoints of a book's log.

    Without the key's file they are checked with the key that the book has on record. That it is missing is a
    fault where it is for this process to have it, and where no key is on record either.

    Raises:
        Refused: `log_key` for a key file that is not one.
    """
    files = _files(published.folder.path)
    lost = published.lost_handovers()
    faults = [_lost(published, one.size) for one in lost]
    keys = published.keys()
    if keys is None and files:
        recorded = published.recorded_key()
        if published.makes_key or recorded is None:
            faults.append(Fault("checkpoint_key", str(published.key_file), published.key_missing_text()))
        keys = None if recorded is None else LogKeys.leading_to(recorded, published.handovers())
    elif keys is not None:
        keys = LogKeys.leading_to(keys.current, [*published.handovers(), *lost])
    found: list[Checkpoint] = []
    newest: Note | None = None
    for size in sorted(files)[-at_most:]:
        file = files[size]
        try:
            note, checkpoint = _opened(file, published.origin, keys)
            if checkpoint.size != size:
                raise Refused("checkpoint", f"it is of {checkpoint.size} envelopes", place="size")
        except Refused as refused:
            faults.append(Fault("checkpoint_file", str(file), str(refused)))
            continue
        newest = note
        found.append(checkpoint)
    faults += _latest(published.folder.path / "latest", published.origin, keys, max(files, default=0))
    if keys is None:
        return Signed((), None, tuple(faults), tuple(found))
    return Signed(tuple(found), newest, tuple(faults))


def guard(published: PublishedLog, log: Log) -> None:
    """What a writer runs after every connect: the newest checkpoint is the log's, no newer one is gone, and
    the stored tree goes on from it.

    Size and root are compared without the key too: whoever takes it away switches nothing off.

    Raises:
        Discontinuity: `checkpoint_file`, `checkpoint_split` or `checkpoint_ahead`.
    """
    with published.database.reading(published.book) as connection:
        gone = check_not_rolled_back(connection, published)
    if gone:
        raise Discontinuity(gone[0].message, code="checkpoint_file", place=gone[0].place)
    place = str(published.folder.path)
    try:
        note = published.latest()
    except Refused as refused:
        raise Discontinuity(str(refused), code="checkpoint_file", place=place) from refused
    if note is None:
        return
    checkpoint = Checkpoint.parse(note.text)
    try:
        published.check(checkpoint)
    except Refused as refused:
        if refused.code != "checkpoint_ahead":
            raise Discontinuity(str(refused), code="checkpoint_split", place=place) from refused
        last = log.client.run(log.last_sequence())
        # PostgreSQL may have lost its last moments; the projector brings them back from the stream.
        if last < checkpoint.size:
            text = ahead(last, checkpoint.size)
            raise Discontinuity(text, code="checkpoint_ahead", place=f"sequence {last + 1}") from refused
    if published.signer() is not None:
        note_seen(published.database, published.book, checkpoint.size, note)


def check_not_rolled_back(connection: Connection, published: PublishedLog) -> list[Fault]:
    """Compare the files with the newest checkpoint that was seen before."""
    seen = seen_checkpoint(connection)
    if seen is None:
        return []
    size, content = seen
    kept = published.folder.at(size)
    place = str(published.folder.path)
    if kept is None:
        return [_gone(published.folder.path, size)]
    if _text(kept) != _text(content):
        return [Fault("checkpoint_file", place, f"the checkpoint of {size} envelopes is another than before")]
    return []


def _lost(published: PublishedLog, size: int) -> Fault:
    place = str(published.folder.handover_file(size))
    return Fault("checkpoint_file", place, published.put_back_text(size))


def _gone(folder: Path, size: int) -> Fault:
    return Fault("checkpoint_file", str(folder), f"the checkpoint of {size} envelopes was there and is gone")


def _text(note: bytes) -> bytes:
    """What was signed; witnesses may have added signatures since."""
    return note.rpartition(b"\n\n")[0]


def _opened(file: Path, origin: str, keys: LogKeys | None) -> tuple[Note, Checkpoint]:
    note = Note.parse(file.read_bytes())
    said = Checkpoint.parse(note.text)
    if keys is not None:
        return note, open_checkpoint(note, origin, keys.at(said.size)).checkpoint
    if said.origin != origin:
        raise Refused("checkpoint_origin", f"{said.origin!r} is not {origin!r}", place="origin")
    return note, said


def _latest(file: Path, origin: str, keys: LogKeys | None, newest: int) -> list[Fault]:
    """What others collect as the newest: it is the newest, unless it was put back."""
    if not file.is_file():
        return [Fault("checkpoint_file", str(file), "it is gone")] if newest else []
    try:
        _, checkpoint = _opened(file, origin, keys)
    except Refused as refused:
        return [Fault("checkpoint_file", str(file), str(refused))]
    if checkpoint.size > newest:
        return [_gone(file.parent, checkpoint.size)]
    if checkpoint.size < newest:
        return [
            Fault(
                "checkpoint_file", str(file), f"it is of {checkpoint.size} envelopes, the newest of {newest}"
            )
        ]
    return []


def _files(folder: Path) -> dict[int, Path]:
    """Every checkpoint's file by the size that it is named for."""
    found = {}
    for file in folder.glob("/".join(["[0-9][0-9][0-9]"] * _DEPTH)):
        found[int("".join(file.relative_to(folder).parts))] = file
    return found
