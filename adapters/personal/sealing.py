"""A person's details under the person's key (NaCl secretbox: XSalsa20 and Poly1305)."""

from __future__ import annotations

from typing import Final

import msgspec
from nacl.exceptions import CryptoError
from nacl.secret import SecretBox

from ledger.personal.details import Details
from ledger.refusal import Refused
from ledger.transparency.base64_text import base64_bytes, base64_text

_BLOCK: Final = 256
"""What is sealed is filled up to a multiple of this, so that its length tells little."""


class _Sealed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whose details these are stands inside, so that they cannot be put under another name."""

    book: str
    person: str
    details: Details


def seal(key: bytes, book: str, person: str, details: Details) -> str:
    """The details as an event holds them: base64 of nonce, ciphertext and authenticator."""
    plain = msgspec.json.encode(_Sealed(book, person, details))
    filled = plain.ljust(-(-len(plain) // _BLOCK) * _BLOCK)
    return base64_text(bytes(SecretBox(key).encrypt(filled)))


def unseal(key: bytes, book: str, person: str, sealed: str) -> Details:
    """The details again.

    Raises:
        Refused: `personal_key` when this is not the key, or the person or book is another.
    """
    try:
        plain = SecretBox(key).decrypt(base64_bytes(sealed, "sealed"))
        found = msgspec.json.decode(plain, type=_Sealed)
    except (CryptoError, ValueError, msgspec.MsgspecError):
        found = None
    if found is None or (found.book, found.person) != (book, person):
        text = f"the key of {person} does not open what is recorded of that person in {book}"
        raise Refused("personal_key", text, place=person)
    return found.details
