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

    `notes` has the newest of them whole. Without the log's key no signature can be checked, so none is there.
    """

    checkpoints: tuple[Checkpoint, ...]
    newest: Note | None
    faults: tuple[Fault, ...]


def signed(published: PublishedLog, *, at_most: int = _READ_MAX) -> Signed:
    """The newest `at_most` checkpoints of a book's log.

    Raises:
        Refused: `log_key` for a key file that is not one.
    """
    keys = published.keys()
    files = _files(published.folder.path)
    if keys is None:
        return Signed((), None, ())
    found: list[Checkpoint] = []
    lost = published.lost_handovers()
    faults = [_lost(published, one.size) for one in lost]
    keys = LogKeys.leading_to(keys.current, [*published.handovers(), *lost])
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
    return Signed(tuple(found), newest, tuple(faults))


def guard(published: PublishedLog, log: Log) -> None:
    """What a writer runs after every connect: the newest checkpoint is the log's, no newer one is gone, and
    the stored tree goes on from it.

    Raises:
        Discontinuity: `checkpoint_file`, `checkpoint_split` or `checkpoint_ahead`.
    """
    if published.signer() is None:
        return
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


def _opened(file: Path, origin: str, keys: LogKeys) -> tuple[Note, Checkpoint]:
    note = Note.parse(file.read_bytes())
    return note, open_checkpoint(note, origin, keys.at(Checkpoint.parse(note.text).size)).checkpoint


def _latest(file: Path, origin: str, keys: LogKeys, newest: int) -> list[Fault]:
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
