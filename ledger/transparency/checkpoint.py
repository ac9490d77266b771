"""Checkpoints (C2SP tlog-checkpoint): what a log says its tree is, and how two sayings are compared."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, Self

import msgspec

from ledger.refusal import Refused
from ledger.transparency.base64_text import base64_bytes, base64_text
from ledger.transparency.merkle import (
    EMPTY_ROOT,
    HashReader,
    check_consistency,
    checked_hash,
    checked_size,
    root_at,
)
from ledger.transparency.note import Note, OpenedNote, checked_text, open_note, sign_text
from ledger.transparency.note_key import KeyKind, NoteKey, NoteSigner

_SIZE: Final = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)
_LINES_MIN: Final = 3


class Checkpoint(msgspec.Struct, frozen=True):
    """The log `origin` has `size` entries, and `root` is the root of their tree."""

    origin: str
    """A line that names the log for good, such as `ledger.example/main`."""
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()
    """Further lines, which no witness vouches for."""

    def __post_init__(self) -> None:
        for place, line in (("origin", self.origin), *(("extensions", line) for line in self.extensions)):
            if not line or "\n" in line:
                raise Refused("checkpoint", f"{line[:60]!r} is not one line of text", place=place)
            checked_text(line + "\n")
        checked_size(self.size, "size")
        checked_hash(self.root, "root")
        if self.size == 0 and self.root != EMPTY_ROOT:
            raise Refused("checkpoint", "a log without entries has the SHA-256 of nothing", place="root")

    @classmethod
    def parse(cls, text: str) -> Self:
        """From the text of a note.

        Raises:
            Refused: `checkpoint` for fewer than three lines, an empty one, a size with a leading zero or a
                root that is not that of no entries; `log_size`, `base64`, `hash_bytes`, `note`.
        """
        *lines, rest = text.split("\n")
        if len(lines) < _LINES_MIN or rest:
            shape = "a checkpoint is the lines origin, size and root, each with its end"
            raise Refused("checkpoint", shape, place="text")
        origin, size, root, *extensions = lines
        if not _SIZE.fullmatch(size):
            raise Refused("checkpoint", f"{size[:60]!r} is not a size such as 0 or 20852163", place="line 2")
        return cls(origin, int(size), base64_bytes(root, "line 3"), tuple(extensions))

    @property
    def text(self) -> str:
        """The note's text; `parse` gives the same checkpoint back."""
        lines = (self.origin, str(self.size), base64_text(self.root), *self.extensions)
        return "".join(f"{line}\n" for line in lines)

    def signed(self, signer: NoteSigner) -> Note:
        """The checkpoint under the log's own signature, whose key has the origin as its name.

        Whoever calls it has made sure with `extends` that it follows what was signed before.

        Raises:
            Refused: `checkpoint_origin`; `note_signer`.
        """
        if signer.key.name != self.origin:
            text = f"{signer.key.name} does not sign for {self.origin!r}"
            raise Refused("checkpoint_origin", text, place="signer")
        return sign_text(self.text, [signer])


class OpenedCheckpoint(msgspec.Struct, frozen=True):
    """A checkpoint that its log signed, with the witnesses that cosigned it."""

    checkpoint: Checkpoint
    note: OpenedNote


def open_checkpoint(
    note: Note, origin: str, log_key: NoteKey, witness_keys: Sequence[NoteKey] = ()
) -> OpenedCheckpoint:
    """The checkpoint of `origin` in a note, when the log signed it and every known witness's line holds.

    Raises:
        Refused: `note_keys`, `note_forged`, `note_unsigned`, also when only witnesses signed;
            `note_signer` for a log key that is not ED25519; `checkpoint_origin` when it is another log's;
            as `Checkpoint.parse` for the text.
    """
    if log_key.kind is not KeyKind.ED25519:
        raise Refused("note_signer", f"a log signs as ED25519, not {log_key.kind.name}", place="log key")
    opened = open_note(note, [log_key, *witness_keys])
    if log_key not in (key for key, _ in opened.by):
        raise Refused("note_unsigned", f"{log_key.name} did not sign this", place="signatures")
    checkpoint = Checkpoint.parse(opened.text)
    if checkpoint.origin != origin:
        raise Refused("checkpoint_origin", f"{checkpoint.origin!r} is not {origin!r}", place="origin")
    return OpenedCheckpoint(checkpoint, opened)


def extends(old: Checkpoint, new: Checkpoint, proof: Sequence[bytes]) -> None:
    """Accept that `new` only appended to `old`: `proof` is the consistency proof between their sizes.

    Two roots of one size are a split view, whatever the proof: the log showed two histories, and the two
    signed checkpoints together are the evidence. So is a larger tree for which the log has no proof that
    holds. An empty log is extended by every other and needs none.

    Raises:
        Refused: `checkpoint_origin` for two logs; `checkpoint_behind` when `new` is the smaller, so that
            they are to be compared the other way; `hash_bytes`, or `consistency_proof` for a proof where
            none is needed; `split_view`.
    """
    if old.origin != new.origin:
        raise Refused("checkpoint_origin", f"{new.origin!r} is not {old.origin!r}", place="origin")
    if new.size < old.size:
        raise Refused("checkpoint_behind", f"{new.size} leaves are fewer than {old.size}", place="size")
    if new.size == old.size and new.root != old.root:
        raise Refused("split_view", f"{old.origin} has two roots at {old.size} leaves", place="root")
    if old.size in {0, new.size}:
        if proof:
            text = f"from {old.size} to {new.size} leaves there is nothing to prove"
            raise Refused("consistency_proof", text, place="proof")
        return
    for at, node in enumerate(proof):
        checked_hash(node, f"proof {at}")
    try:
        check_consistency(old.size, new.size, proof, old.root, new.root)
    except Refused as refused:
        text = f"{old.origin}: {new.size} leaves do not follow from {old.size}: {refused.reason}"
        raise Refused("split_view", text, place=refused.place) from refused


def check_held(checkpoint: Checkpoint, size: int, hashes: HashReader) -> None:
    """Accept that a checkpoint is one of the log whose first `size` leaves we hold.

    Raises:
        Refused: `checkpoint_ahead` when it has more leaves; `split_view` when ours have another root.
    """
    if checkpoint.size > size:
        text = f"{checkpoint.size} leaves are more than the {size} that are held"
        raise Refused("checkpoint_ahead", text, place="size")
    if root_at(checkpoint.size, hashes) != checkpoint.root:
        text = f"{checkpoint.origin} has another root at {checkpoint.size} leaves than what is held"
        raise Refused("split_view", text, place="root")
