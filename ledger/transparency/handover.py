"""Handing a log from one signing key to the next: a checkpoint that names both keys, signed by both.

Who keeps the former key learns the next one from a signature that it can check, and who has the next one only
learns under which key the checkpoints before stand.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Self

import msgspec

from ledger.refusal import Refused
from ledger.transparency.checkpoint import Checkpoint
from ledger.transparency.note import Note, open_note, sign_text
from ledger.transparency.note_key import NoteKey, NoteSigner

_FORMER: Final = "former-key "
_NEXT: Final = "next-key "


class Handover(msgspec.Struct, frozen=True):
    """Up to `size` envelopes the log signs as `former`, from there on as `following`."""

    size: int
    former: NoteKey
    following: NoteKey
    note: Note

    @classmethod
    def signed(cls, checkpoint: Checkpoint, former: NoteSigner, following: NoteSigner) -> Self:
        """The checkpoint with two lines more, under both signatures.

        Raises:
            Refused: `key_handover` for one key, or one of another log; `note_signer`.
        """
        names = {former.key.name, following.key.name, checkpoint.origin}
        if len(names) > 1 or former.key == following.key:
            raise Refused("key_handover", "a log is handed from one key of its own to another", place="keys")
        lines = (f"{_FORMER}{former.key}", f"{_NEXT}{following.key}")
        text = msgspec.structs.replace(checkpoint, extensions=lines).text
        return cls(checkpoint.size, former.key, following.key, sign_text(text, [former, following]))

    @classmethod
    def opened(cls, note: Note) -> Self:
        """From a note whose two signatures hold.

        Raises:
            Refused: `key_handover` for another checkpoint, or one that not both keys signed; `note_forged`,
                `note_unsigned`, `note_key`; as `Checkpoint.parse`.
        """
        checkpoint = Checkpoint.parse(note.text)
        lines = checkpoint.extensions
        if len(lines) != 2 or not (lines[0].startswith(_FORMER) and lines[1].startswith(_NEXT)):
            raise Refused("key_handover", "it does not name a former and a next key", place="extensions")
        former = NoteKey.parse(lines[0].removeprefix(_FORMER))
        following = NoteKey.parse(lines[1].removeprefix(_NEXT))
        if {former.name, following.name} != {checkpoint.origin} or former == following:
            raise Refused("key_handover", "its keys are not two of this log", place="extensions")
        if len(open_note(note, [former, following]).by) != 2:
            raise Refused("key_handover", "not both keys signed it", place="signatures")
        return cls(checkpoint.size, former, following, note)


class LogKeys(msgspec.Struct, frozen=True):
    """The key that signs a log now, and how it came to it, oldest first."""

    current: NoteKey
    handovers: tuple[Handover, ...] = ()

    @classmethod
    def leading_to(cls, current: NoteKey, kept: Iterable[Handover]) -> Self:
        """Of the handovers that were kept those that lead to `current`: one that was begun and never finished
        leads nowhere."""
        found: list[Handover] = []
        due = current
        for one in sorted(kept, key=lambda one: one.size, reverse=True):
            if one.following == due and (not found or one.size < found[-1].size):
                found.append(one)
                due = one.former
        return cls(current, tuple(reversed(found)))

    @classmethod
    def holding(cls, key: NoteKey, kept: Iterable[Handover]) -> Self:
        """The keys of the log of which `key` is one: of the handovers that were kept those that lead to it
        and on from it."""
        handovers = sorted(kept, key=lambda one: one.size, reverse=True)
        chains = (cls.leading_to(one.following, handovers) for one in handovers)
        return next((one for one in chains if key in one.known), cls(key))

    @property
    def known(self) -> tuple[NoteKey, ...]:
        """All of them, the oldest first."""
        return (*(one.former for one in self.handovers), self.current)

    def at(self, size: int) -> NoteKey:
        """Whose signature a checkpoint of `size` envelopes must have: a former key's counts no further than
        its handover, whoever holds it by now."""
        return next((one.former for one in self.handovers if size <= one.size), self.current)
