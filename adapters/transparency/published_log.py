"""A book's log as others see it: its checkpoints, signed only on top of what was signed before."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

import msgspec

from adapters.nats import wire
from adapters.nats.log import Log
from adapters.postgres.database import Connection, Database
from adapters.transparency.checkpoint_folder import CheckpointFolder
from adapters.transparency.inclusion import Inclusion
from adapters.transparency.log_key import adopt, make_seed, next_key_file, signer_of
from adapters.transparency.proven_root import path_checked, proven_root
from adapters.transparency.seen_checkpoint import note_seen, seen_checkpoint
from adapters.transparency.stored_tree import StoredTree, check_event
from adapters.transparency.streamed import check_streamed
from ledger.refusal import Refused
from ledger.setting_record import SettingStated
from ledger.transparency.checkpoint import Checkpoint, check_held, extends, open_checkpoint
from ledger.transparency.entry_bundle import EntryBundle, entry_of, envelope_leaf
from ledger.transparency.handover import Handover, LogKeys
from ledger.transparency.merkle import leaf_hash
from ledger.transparency.note import Note, open_note
from ledger.transparency.note_key import KeyKind, NoteKey, NoteSigner
from ledger.transparency.tile import HashTile


class _Stated(msgspec.Struct, frozen=True):
    events: tuple[SettingStated, ...]


_decode_stated = msgspec.json.Decoder(_Stated).decode

DAMAGED: Final = frozenset(
    {"checkpoint_gone", "log_envelope", "tile_content", "tree_archive", "tree_leaf", "tree_stream"}
)
"""What a log's own tree and files are refused for, whatever was asked."""
PASSING: Final = frozenset({"checkpoint_behind", "tree_archive", "tree_stream"})
"""Refusals of a moment in which projections catch up; any other one stays until somebody acts."""


class Consistency(msgspec.Struct, frozen=True):
    """`path` shows that the tree of `old` envelopes begins that of `new`; empty where they are equal, and for
    no envelopes, which every tree extends."""

    old: int
    new: int
    old_root: bytes
    root: bytes
    path: tuple[bytes, ...]


class PublishedLog:
    """The log of one book under its `origin`.

    With `makes_key` a key file that is missing is made, unless checkpoints of another key are there. Without
    it only a process that has the file signs. With the `stream` nothing is signed that it does not hold.
    """

    def __init__(
        self,
        database: Database,
        book: str,
        origin: str,
        folder: CheckpointFolder,
        key_file: Path,
        *,
        makes_key: bool,
        stream: Log | None = None,
    ) -> None:
        self.database = database
        self.book = book
        self.origin = origin
        self.folder = folder
        self.key_file = key_file
        self.makes_key = makes_key
        self.stream = stream

    # ------------------------------------------------------------------ signing

    def signer(self) -> NoteSigner | None:
        """Who signs here; None when this process has no key.

        Raises:
            Refused: `log_key`, `note_key_name`.
        """
        found = signer_of(self.key_file, self.origin)
        if found is None and self.makes_key and self.folder.newest() is None:
            make_seed(self.key_file)
            found = signer_of(self.key_file, self.origin)
        return found

    def key(self) -> NoteKey:
        """What signatures are checked with.

        Raises:
            Refused: `log_key` without the key's file.
        """
        return self._signer().key

    def keys(self) -> LogKeys | None:
        """The key that signs, and those before it with the handovers between; None when this process has no
        key.

        Raises:
            Refused: `log_key`; what `Handover.opened` refuses a kept handover for.
        """
        signer = self.signer()
        if signer is None:
            return None
        return LogKeys.leading_to(signer.key, self.handovers())

    def recorded_key(self) -> NoteKey | None:
        """The key that the book has on record as this log's (`log-key`), which needs no file; None where none
        is."""
        with self.database.reading(self.book) as connection:
            found = connection.execute(
                "SELECT payload FROM ledger.envelope WHERE book = %s AND aggregate = 'setting.log-key'"
                " ORDER BY version DESC LIMIT 1",
                [self.book],
            ).fetchone()
        if found is None:
            return None
        (event,) = _decode_stated(wire.state_of(bytes(found[0]))).events
        key = NoteKey.parse(event.value)
        return key if key.name == self.origin else None

    def key_missing_text(self) -> str:
        """That checkpoints are there, and not the key that signed them."""
        newest = self.folder.newest()
        assert newest is not None, "asked where checkpoints are"
        return (
            f"checkpoints up to {newest[0]} envelopes lie in {self.folder.path}, and the key that signed them"
            " is missing: nothing more is signed until it is put back"
        )

    def handovers(self) -> list[Handover]:
        """What is kept of how the log came to its key.

        Raises:
            Refused: as `Handover.opened`.
        """
        return [Handover.opened(Note.parse(content)) for content in self.folder.handovers()]

    def lost_handovers(self) -> tuple[Handover, ...]:
        """Those whose file is gone: the checkpoint of that size is the same note and is still there.

        Without one nothing before it is under a known key, not even the oldest checkpoint.
        """
        keys, oldest = self.keys(), self.folder.oldest()
        if keys is None or oldest is None:
            return ()
        try:
            self._opened(*oldest, keys)
        except Refused:
            kept = self.handovers()
            among = (one for one in self.folder.every() if b"\nformer-key " in one)
            whole = LogKeys.leading_to(keys.current, [*kept, *_handovers(among)])
            return tuple(one for one in whole.handovers if one.size not in {old.size for old in kept})
        return ()

    def put_back_text(self, size: int) -> str:
        """How the file of a lost handover is put back."""
        kept, lost = self.folder.file(size), self.folder.handover_file(size)
        return f"the handover of the log's key at {size} is gone; copy {kept} to {lost}, it is the same note"

    def check_handovers(self) -> None:
        """Raises:
        Refused: `key_handover` where one is gone: what was signed before it could not be told from a
            forgery."""
        for lost in self.lost_handovers():
            place = str(self.folder.handover_file(lost.size))
            raise Refused("key_handover", self.put_back_text(lost.size), place=place)

    def rotate_key(self, state: Callable[[NoteKey], object]) -> Handover:
        """Hand the log to a new key: the checkpoint that both sign names both, and from then on the new one
        signs alone. Of the former one's secret nothing is left here.

        `state` puts the new key on record as an event and waits until it is projected; nobody signs
        meanwhile. What was interrupted is done by asking again.

        Raises:
            Refused: as `sign`; `key_handover` when nothing new is there to sign, or where other books'
                checkpoints lie beside: their key is in the same file.
        """
        self.sign()
        beside = [one.name for one in self.folder.path.parent.iterdir() if self._is_of_another_book(one)]
        if beside:
            text = f"books {', '.join(sorted(beside))} may be signed with this key too: give each a key file"
            raise Refused("key_handover", text, place="WATTLEDGER_LOG_KEY")
        with self.folder.locked():
            former = self._signer()
            make_seed(next_key_file(self.key_file))
            following = signer_of(next_key_file(self.key_file), self.origin)
            assert following is not None, "it was just made"
            state(following.key)
            kept, new = self._checked()
            if kept is not None and Checkpoint.parse(kept.text).size == new.size:
                text = f"the checkpoint of {new.size} envelopes is signed already"
                raise Refused("key_handover", text, place="size")
            found = Handover.signed(new, former, following)
            self._keep(new.size, found.note)
            self.folder.keep_handover(new.size, found.note.content())
            adopt(self.key_file)
            return found

    def _is_of_another_book(self, folder: Path) -> bool:
        return folder != self.folder.path and CheckpointFolder(folder).newest() is not None

    def sign(self) -> Note:
        """The checkpoint of the whole tree, signed and kept unless it was already.

        Nothing is signed unless it extends the newest one kept, the archive ends with the tree, and the
        stream holds what is new.

        Raises:
            Refused: `split_view` when the tree is not a continuation of what was signed;
                `checkpoint_behind` when it is smaller; `tree_archive`, `tree_leaf` when the archive does not
                end with it; `tree_stream`, `tree_leaf` when the stream has not what is new of it;
                `checkpoint_gone` when a newer one was there; `log_key`; the codes of `open_checkpoint` for a
                kept file that is not ours.
        """
        self._signer()
        with self.folder.locked():
            signer = self._signer()
            kept, new = self._checked()
            if kept is not None and Checkpoint.parse(kept.text).size == new.size:
                return kept
            note = new.signed(signer)
            self._keep(new.size, note)
            return note

    def _checked(self) -> tuple[Note | None, Checkpoint]:
        """The newest checkpoint kept, and that of the whole tree, which may be signed on top of it."""
        kept = self._newest(self.keys())
        with self.database.reading(self.book) as connection:
            tree = StoredTree.projected(connection, self.book)
            _check_archive(connection, self.book, tree)
            new = Checkpoint(self.origin, tree.size, tree.root(tree.size))
            self._check_none_gone(connection, kept)
            if kept is not None:
                _check_extends(Checkpoint.parse(kept.text), new, tree)
            if self.stream is not None:
                signed = 0 if kept is None else Checkpoint.parse(kept.text).size
                check_streamed(self.stream, tree, signed)
        return kept, new

    def _keep(self, size: int, note: Note) -> None:
        self.folder.keep(size, note.content())
        note_seen(self.database, self.book, size, note)

    def _check_none_gone(self, connection: Connection, newest: Note | None) -> None:
        seen = seen_checkpoint(connection)
        size = 0 if newest is None else Checkpoint.parse(newest.text).size
        if seen is not None and size < seen[0]:
            text = (
                f"the checkpoint of {seen[0]} envelopes was there and is gone; nothing is signed without it"
            )
            raise Refused("checkpoint_gone", text, place=str(self.folder.path))

    def _signer(self) -> NoteSigner:
        signer = self.signer()
        if signer is None:
            text = f"{self.key_file} is not there: this process signs and checks nothing"
            raise Refused("log_key", text, place="WATTLEDGER_LOG_KEY")
        return signer

    def _newest(self, keys: LogKeys | None) -> Note | None:
        found = self.folder.newest()
        return None if found is None else self._opened(*found, keys)

    def _opened(self, size: int, content: bytes, keys: LogKeys | None) -> Note:
        """What was kept of a size, when it is of that size and log and, where we know the key, signed."""
        note = Note.parse(content)
        if keys is None:
            checkpoint = Checkpoint.parse(note.text)
        else:
            checkpoint = open_checkpoint(note, self.origin, keys.at(size)).checkpoint
        if (checkpoint.origin, checkpoint.size) != (self.origin, size):
            text = f"the file of {self.origin} at {size} holds {checkpoint.origin} at {checkpoint.size}"
            raise Refused("checkpoint_origin", text, place=str(self.folder.path))
        return note

    # ------------------------------------------------------------------ what was signed

    def latest(self) -> Note | None:
        """The newest checkpoint that was kept.

        Raises:
            Refused: the codes of `open_checkpoint`.
        """
        return self._newest(self.keys())

    def covering(self, sequence: int) -> Note | None:
        """The first checkpoint that covers an envelope, signed now if need be; None while there is none.

        Once it is there it is always the same, so that a statement's proof stays the same bytes.

        Raises:
            Refused: as `sign`, but for what passes by itself.
        """
        found = self.folder.covering(sequence)
        if found is not None:
            return self._opened(*found, self.keys())
        if self.signer() is None:
            return None
        try:
            note = self.sign()
        except Refused as refused:
            if refused.code in PASSING:
                return None
            raise
        return note if Checkpoint.parse(note.text).size >= sequence else None

    def proof(self, sequence: int) -> Inclusion | None:
        """That the archived envelope at `sequence` is in the log, under the first checkpoint that covers it;
        None while there is none.

        Raises:
            Refused: `log_index` for an event that the log does not have; as `covering` and `inclusion`.
        """
        with self.database.reading(self.book) as connection:
            check_event(sequence, StoredTree.projected(connection, self.book).size)
        note = self.covering(sequence)
        return None if note is None else self._proved(sequence, Checkpoint.parse(note.text), note)

    def inclusion(self, sequence: int, size: int) -> Inclusion:
        """That the archived envelope at `sequence` is among the first `size`, which may be unsigned.

        Raises:
            Refused: `log_size` for more than there are; `log_index` for a sequence beyond `size`;
                `inclusion_proof` when archive, tree and checkpoint do not agree.
            Discontinuity: as `proven_root`.
        """
        with self.database.reading(self.book) as connection:
            root = self._root(connection, StoredTree.projected(connection, self.book), size)
        return self._proved(sequence, Checkpoint(self.origin, size, root), self.signed_at(size))

    def _proved(self, sequence: int, checkpoint: Checkpoint, note: Note | None) -> Inclusion:
        with self.database.reading(self.book) as connection:
            path = StoredTree.projected(connection, self.book).inclusion(sequence, checkpoint.size)
            leaf = archived_leaf(connection, self.book, sequence)
        return Inclusion(sequence, leaf, checkpoint.size, checkpoint.root, path, note)

    def consistency(self, old: int, new: int) -> Consistency:
        """That the first `old` envelopes begin the first `new`.

        Raises:
            Refused: `log_size` for more than there are, or `old` above `new`.
            Discontinuity: as `proven_root`, or where the path does not lead from one root to the other.
        """
        with self.database.reading(self.book) as connection:
            tree = StoredTree.projected(connection, self.book)
            tree.consistency(old, new)
            roots = self._root(connection, tree, old), self._root(connection, tree, new)
            return Consistency(old, new, *roots, path_checked(tree, (old, new), roots))

    def _root(self, connection: Connection, tree: StoredTree, size: int) -> bytes:
        """The root of the first `size`, under the first checkpoint that covers them, or the newest."""
        found = self.folder.covering(size) or self.folder.newest()
        signed = None if found is None else Checkpoint.parse(self._opened(*found, self.keys()).text)
        return proven_root(connection, self.book, tree, size, signed)

    def signed_at(self, size: int) -> Note | None:
        """The checkpoint that was kept of this very size.

        Raises:
            Refused: the codes of `open_checkpoint`.
        """
        content = self.folder.at(size)
        return None if content is None else self._opened(size, content, self.keys())

    # ------------------------------------------------------------------ witnesses (C2SP tlog-cosignature)

    def keep_cosignatures(self, given: Note, witnesses: Sequence[NoteKey]) -> tuple[int, dict[NoteKey, int]]:
        """Add the signatures of these witnesses to the checkpoint of the same text that is kept here; answers
        its size, and when each says to have seen it, in POSIX seconds.

        Other lines of `given` say nothing and are left out. A witness's newer signature replaces its older.

        Raises:
            Refused: `unknown_checkpoint` where none of that size is kept; `split_view` for another text;
                `note_signer` for a key that is none of a witness; `note_unsigned`, `note_forged`,
                `note_keys`, and the codes of `open_checkpoint` for the kept file; `note_signatures`.
        """
        for key in witnesses:
            if key.kind is not KeyKind.COSIGNATURE_V1:
                text = f"{key.name} signs as {key.kind.name}; a witness's key is COSIGNATURE_V1"
                raise Refused("note_signer", text, place="witness")
        size = Checkpoint.parse(given.text).size
        with self.folder.locked():
            kept = self.signed_at(size)
            if kept is None:
                raise Refused("unknown_checkpoint", f"no checkpoint of {size} is kept here", place="size")
            if kept.text != given.text:
                text = f"it is another checkpoint of {size} than the one that is kept: keep both as evidence"
                raise Refused("split_view", text, place="text")
            opened = open_note(given, witnesses)
            for _, line in opened.by:
                kept = kept.with_signature(line)
            self.folder.with_signature(size, kept.content())
        return size, opened.witnessed_s

    # ------------------------------------------------------------------ files of the log (C2SP tlog-tiles)

    def tile(self, tile: HashTile) -> bytes:
        """A tile of what was signed.

        Raises:
            Refused: `tile_beyond` for one beyond the newest checkpoint; `tile_content` for a damaged one.
        """
        tile.check_held(self.signed_size())
        with self.database.reading(self.book) as connection:
            return StoredTree.projected(connection, self.book).tile(tile)

    def entries(self, bundle: EntryBundle) -> bytes:
        """The envelopes of a bundle, or what stands for them in the log.

        Raises:
            Refused: `tile_beyond` for one beyond the newest checkpoint; `entry_bundle` when the archive has
                not all of them; `tree_leaf` when one is not the tree's.
        """
        bundle.check_held(self.signed_size())
        first = bundle.first + 1
        with self.database.reading(self.book) as connection:
            tree = StoredTree.projected(connection, self.book)
            tile = HashTile(0, bundle.index, bundle.width)
            leaves = tile.hashes(tree.tile(tile))
            rows = connection.execute(
                "SELECT payload FROM ledger.envelope WHERE book = %s AND sequence BETWEEN %s AND %s"
                " ORDER BY sequence",
                [self.book, first, bundle.first + bundle.width],
            ).fetchall()
        entries = [entry_of(bytes(payload)) for (payload,) in rows]
        content = bundle.content(entries)
        for at, (entry, leaf) in enumerate(zip(entries, leaves, strict=True), first):
            if leaf_hash(entry) != leaf:
                raise Refused("tree_leaf", f"the archived envelope {at} is not the tree's", place="sequence")
        return content

    def signed_size(self) -> int:
        """How many envelopes the newest checkpoint covers; 0 without any."""
        note = self.latest()
        return 0 if note is None else Checkpoint.parse(note.text).size

    # ------------------------------------------------------------------ what others kept

    def check(self, checkpoint: Checkpoint) -> int:
        """Accept that today's tree goes on from a checkpoint; answers today's size.

        Raises:
            Refused: `checkpoint_origin`; `checkpoint_ahead` when the tree is smaller; `split_view`.
        """
        if checkpoint.origin != self.origin:
            text = f"{checkpoint.origin!r} is not {self.origin!r}"
            raise Refused("checkpoint_origin", text, place="origin")
        with self.database.reading(self.book) as connection:
            tree = StoredTree.projected(connection, self.book)
            check_held(checkpoint, tree.size, tree.peaks(min(checkpoint.size, tree.size)))
        return tree.size


def _handovers(contents: Iterable[bytes]) -> Iterator[Handover]:
    """Those of the notes that hand a log over; what is none was not written by the program."""
    for content in contents:
        try:
            yield Handover.opened(Note.parse(content))
        except Refused:
            continue


def _check_extends(old: Checkpoint, new: Checkpoint, tree: StoredTree) -> None:
    extends(old, new, tree.consistency(old.size, new.size) if old.size <= new.size else ())


def _check_archive(connection: Connection, book: str, tree: StoredTree) -> None:
    """That the archive ends with the tree's last leaf."""
    found = connection.execute("SELECT max(sequence) FROM ledger.envelope WHERE book = %s", [book]).fetchone()
    archived = int(found[0] or 0) if found else 0
    if archived != tree.size:
        text = f"the archive has {archived} envelopes, the tree {tree.size}"
        raise Refused("tree_archive", text, place="size")
    if tree.size and archived_leaf(connection, book, tree.size) != tree.leaf(tree.size):
        text = f"the archived envelope {tree.size} is not the tree's last leaf"
        raise Refused("tree_leaf", text, place=f"sequence {tree.size}")


def archived_leaf(connection: Connection, book: str, sequence: int) -> bytes:
    """The leaf hash of the envelope that the archive holds at `sequence`.

    Raises:
        Refused: `log_index` when it holds none; `log_envelope`.
    """
    found = connection.execute(
        "SELECT payload FROM ledger.envelope WHERE book = %s AND sequence = %s", [book, sequence]
    ).fetchone()
    if found is None:
        raise Refused("log_index", f"the archive has no envelope {sequence}", place="sequence")
    return envelope_leaf(bytes(found[0]))
