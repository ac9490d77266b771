"""Signed notes (C2SP signed-note): a text, an empty line, and a line for each signature.

Nothing in a text is to be believed before `open_note` accepted a signature under a key that was known before.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final, Self

import msgspec

from ledger.refusal import Refused
from ledger.transparency.base64_text import base64_bytes, base64_text
from ledger.transparency.cosignature import cosigned_message, cosigned_time, timestamped
from ledger.transparency.note_key import KEY_ID_BYTES, KeyKind, NoteKey, NoteSigner, checked_key_name

NOTE_BYTES_MAX: Final = 1_000_000
NOTE_SIGNATURES_MAX: Final = 100
"""The standard asks for 16 at least; a hundred post-quantum ones still fit."""

_DASH: Final = "\u2014 "
_FORBIDDEN: Final = re.compile(r"[\x00-\x09\x0b-\x1f\ud800-\udfff]")


class NoteSignature(msgspec.Struct, frozen=True):
    """One signature line: who signed, the key's id, and what the kind of key puts after it."""

    name: str
    key_id: bytes
    signature: bytes

    def __post_init__(self) -> None:
        checked_key_name(self.name, "name")
        if len(self.key_id) != KEY_ID_BYTES:
            raise Refused("note_signature", f"a key id has {KEY_ID_BYTES} bytes", place="key_id")
        if not self.signature:
            raise Refused("note_signature", "there is no signature behind the key id", place="signature")

    @classmethod
    def parse(cls, line: str, place: str) -> Self:
        """From a line without its end.

        Raises:
            Refused: `note_signature`, `note_key_name` or `base64`, naming `place`.
        """
        name, space, encoded = line.removeprefix(_DASH).partition(" ")
        if not (line.startswith(_DASH) and space):
            raise Refused("note_signature", f"{line[:60]!r} is not '{_DASH}name base64'", place=place)
        value = base64_bytes(encoded, place)
        if len(value) <= KEY_ID_BYTES:
            raise Refused("note_signature", "there is no signature behind the key id", place=place)
        return cls(checked_key_name(name, place), value[:KEY_ID_BYTES], value[KEY_ID_BYTES:])

    @property
    def line(self) -> str:
        return f"{_DASH}{self.name} {base64_text(self.key_id + self.signature)}\n"


class Note(msgspec.Struct, frozen=True):
    """A text and its signatures, not yet checked."""

    text: str
    """Ends with a line's end; may hold empty lines."""
    signatures: tuple[NoteSignature, ...]

    def __post_init__(self) -> None:
        checked_text(self.text)
        if not 1 <= len(self.signatures) <= NOTE_SIGNATURES_MAX:
            text = f"{len(self.signatures)} is not 1..{NOTE_SIGNATURES_MAX} signatures"
            raise Refused("note_signatures", text, place="signatures")

    @classmethod
    def parse(cls, content: bytes) -> Self:
        """From a note's bytes; the text ends at the last empty line.

        Raises:
            Refused: `note_size`, `note` for what is not UTF-8, has a control character or no signature
                behind an empty line; `note_signature`, `note_key_name`, `base64`, `note_signatures`.
        """
        if len(content) > NOTE_BYTES_MAX:
            raise Refused("note_size", f"{len(content)} bytes are more than {NOTE_BYTES_MAX}", place="note")
        try:
            whole = content.decode("utf-8")
        except UnicodeDecodeError as wrong:
            raise Refused("note", "a note is UTF-8", place=f"byte {wrong.start}") from None
        text, empty_line, block = whole.rpartition("\n\n")
        if not (empty_line and block.endswith("\n")):
            raise Refused("note", "a note is a text, an empty line and signature lines", place="note")
        lines = block.removesuffix("\n").split("\n")
        checked_text(text + "\n")
        parsed = (NoteSignature.parse(line, f"signature {at}") for at, line in enumerate(lines))
        return cls(text + "\n", tuple(parsed))

    def content(self) -> bytes:
        """The note's bytes."""
        return f"{self.text}\n{''.join(signature.line for signature in self.signatures)}".encode()

    def with_signature(self, new: NoteSignature) -> Note:
        """The note with one signature more; an older one of the same key is replaced.

        Raises:
            Refused: `note_signatures`.
        """
        kept = (old for old in self.signatures if (old.name, old.key_id) != (new.name, new.key_id))
        return Note(self.text, (*kept, new))


class OpenedNote(msgspec.Struct, frozen=True):
    """A text that known keys signed, and which they are."""

    text: str
    by: tuple[tuple[NoteKey, NoteSignature], ...]
    """Each known key that signed, with its first signature; never empty."""
    unknown: tuple[NoteSignature, ...]
    """Lines of other keys: they say nothing."""

    @property
    def witnessed_s(self) -> dict[NoteKey, int]:
        """When each known witness that cosigned says to have seen the text, in POSIX seconds."""
        times_s = {
            key: cosigned_time(line.signature) for key, line in self.by if key.kind is KeyKind.COSIGNATURE_V1
        }
        return {key: time_s for key, time_s in times_s.items() if time_s is not None}


def checked_text(text: str) -> str:
    """`text`, when a note can hold it.

    Raises:
        Refused: `note` unless it ends with a line's end and has no other control character.
    """
    if not text.endswith("\n"):
        raise Refused("note", "a note's text ends with a line's end", place="text")
    found = _FORBIDDEN.search(text)
    if found is not None:
        raise Refused("note", f"{found[0]!r} cannot stand in a note", place=f"character {found.start()}")
    return text


def open_note(note: Note, keys: Sequence[NoteKey]) -> OpenedNote:
    """The text of a note, when a known key signed it and every signature under a known key holds.

    Raises:
        Refused: `note_keys` when two of `keys` have one name and id; `note_forged` when a signature says to
            be of a known key and is not; `note_unsigned` when no known key signed.
    """
    known = {(key.name, key.key_id): key for key in keys}
    if len(known) != len(keys):
        raise Refused("note_keys", "each key is named once, and no two have one name and id", place="keys")
    by: dict[NoteKey, NoteSignature] = {}
    unknown: dict[NoteSignature, None] = {}
    for at, line in enumerate(note.signatures):
        key = known.get((line.name, line.key_id))
        if key is None:
            unknown.setdefault(line)
        elif key.accepts(note.text, line.signature):
            by.setdefault(key, line)
        else:
            text = f"not a signature of {key.name} ({key.key_id.hex()}) over this text"
            raise Refused("note_forged", text, place=f"signature {at}")
    if not by:
        raise Refused("note_unsigned", "no known key signed this", place="signatures")
    return OpenedNote(note.text, tuple(by.items()), tuple(unknown))


def sign_text(text: str, signers: Iterable[NoteSigner]) -> Note:
    """A note of `text` with a signature of each signer, in their order.

    Raises:
        Refused: `note`, `note_signatures`; `note_signer` for a signer of another kind than ED25519, or one
            whose signature its own key does not accept.
    """
    checked_text(text)
    return Note(text, tuple(_signature(text, signer) for signer in signers))


def cosign(text: str, signer: NoteSigner, time_s: int) -> NoteSignature:
    """A witness's signature of a checkpoint's text at a POSIX time in seconds.

    Raises:
        Refused: `cosignature_time`; `note_signer` as `sign_text` does, for the other kind.
    """
    _check_kind(signer.key, KeyKind.COSIGNATURE_V1)
    return _accepted(text, signer.key, timestamped(time_s, signer.sign(cosigned_message(text, time_s))))


def _signature(text: str, signer: NoteSigner) -> NoteSignature:
    _check_kind(signer.key, KeyKind.ED25519)
    return _accepted(text, signer.key, signer.sign(text.encode()))


def _check_kind(key: NoteKey, kind: KeyKind) -> None:
    if key.kind is not kind:
        raise Refused("note_signer", f"{key.name} signs as {key.kind.name}, not {kind.name}", place="signer")


def _accepted(text: str, key: NoteKey, signature: bytes) -> NoteSignature:
    """A signer that holds another secret than its key's would publish what nobody accepts."""
    if not key.accepts(text, signature):
        raise Refused("note_signer", f"its signature is not of the key {key}", place=key.name)
    return NoteSignature(key.name, key.key_id, signature)
