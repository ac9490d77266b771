"""The keys of signed notes (C2SP signed-note): who signs, how, and checking what was signed."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from enum import IntEnum
from typing import Final, Self

import msgspec
from nacl.exceptions import BadSignatureError
from nacl.signing import SigningKey, VerifyKey

from ledger.refusal import Refused
from ledger.transparency.base64_text import base64_bytes, base64_text
from ledger.transparency.cosignature import cosigned_message, cosigned_time

PUBLIC_KEY_BYTES: Final = 32
SIGNATURE_BYTES: Final = 64
KEY_ID_BYTES: Final = 4
SEED_BYTES: Final = 32

_NAME: Final = re.compile(r"[^\s+\x00-\x1f\ud800-\udfff]+")
_KEY_ID: Final = re.compile(r"[0-9a-f]{8}", re.ASCII)


class KeyKind(IntEnum):
    """What a key's signatures are made over: the identifier byte that signed-note assigns."""

    ED25519 = 0x01
    """The note's text: a log signs so."""
    COSIGNATURE_V1 = 0x04
    """The text and a time (C2SP tlog-cosignature): a witness signs so."""


def checked_key_name(name: str, place: str) -> str:
    """`name`, when it has characters, and no space, plus or control character among them.

    Raises:
        Refused: `note_key_name`, naming `place`.
    """
    if not _NAME.fullmatch(name):
        text = f"{name[:60]!r} is empty or has a space, plus or control character"
        raise Refused("note_key_name", text, place=place)
    return name


class NoteKey(msgspec.Struct, frozen=True):
    """A public key that notes are checked with: an Ed25519 key, the name it signs under, and the kind."""

    name: str
    kind: KeyKind
    public_key: bytes

    def __post_init__(self) -> None:
        checked_key_name(self.name, "name")
        if len(self.public_key) != PUBLIC_KEY_BYTES:
            text = f"{len(self.public_key)} bytes are not the {PUBLIC_KEY_BYTES} of an Ed25519 public key"
            raise Refused("note_key", text, place="public_key")

    @classmethod
    def parse(cls, text: str) -> Self:
        """From a verifier key: name, key id in hexadecimal and key in base64, with a plus between them.

        Raises:
            Refused: `note_key_name`, `base64`; `note_key` for another kind than 1 or 4, a key that is not
                32 bytes or an id that is not that of name and key.
        """
        name, _, rest = text.partition("+")
        key_id, _, encoded = rest.partition("+")
        if not _KEY_ID.fullmatch(key_id):
            raise Refused("note_key", f"{text[:80]!r} is not name+key id+base64", place="verifier key")
        key = base64_bytes(encoded, "verifier key")
        if not key or key[0] not in set(KeyKind):
            kinds = " or ".join(f"0x{kind:02x}" for kind in KeyKind)
            raise Refused("note_key", f"its kind is not {kinds}", place="verifier key")
        made = cls(name, KeyKind(key[0]), key[1:])
        if made.key_id.hex() != key_id:
            raise Refused("note_key", f"its id is {made.key_id.hex()}, not {key_id}", place="verifier key")
        return made

    @property
    def key_id(self) -> bytes:
        """Four bytes that stand in each signature: a short hash, which names the key and proves nothing."""
        return hashlib.sha256(self.name.encode() + b"\n" + self._typed).digest()[:KEY_ID_BYTES]

    @property
    def _typed(self) -> bytes:
        return bytes([self.kind]) + self.public_key

    def __str__(self) -> str:
        """The verifier key's text."""
        return f"{self.name}+{self.key_id.hex()}+{base64_text(self._typed)}"

    def accepts(self, text: str, signature: bytes) -> bool:
        """Whether `signature`, without its key id, is this key's over a note's text."""
        match self.kind:
            case KeyKind.ED25519:
                return self._signed(text.encode(), signature)
            case KeyKind.COSIGNATURE_V1:
                time_s = cosigned_time(signature)
                if time_s is None:
                    return False
                return self._signed(cosigned_message(text, time_s), signature[-SIGNATURE_BYTES:])

    def _signed(self, message: bytes, signature: bytes) -> bool:
        if len(signature) != SIGNATURE_BYTES:
            return False
        try:
            VerifyKey(self.public_key).verify(message, signature)
        except BadSignatureError:
            return False
        return True


class NoteSigner(msgspec.Struct, frozen=True):
    """Who can sign under `key`: `sign` gives the 64 bytes of an Ed25519 signature over a message.

    The secret stays with the callable: in a file's bytes, an agent or a hardware module.
    """

    key: NoteKey
    sign: Callable[[bytes], bytes]

    @classmethod
    def of_seed(cls, name: str, kind: KeyKind, seed: bytes) -> Self:
        """A signer from the 32 secret bytes of an Ed25519 key (RFC 8032).

        Raises:
            Refused: `note_seed`, which never shows them; `note_key_name`.
        """
        if len(seed) != SEED_BYTES:
            raise Refused("note_seed", f"an Ed25519 seed has {SEED_BYTES} bytes", place="seed")
        secret = SigningKey(seed)

        def sign(message: bytes) -> bytes:
            return secret.sign(message).signature

        return cls(NoteKey(name, kind, bytes(secret.verify_key)), sign)
