"""The lines of a bundle that are ours: JSON with one spelling for each value."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

from ledger.transparency.base64_text import base64_text
from ledger.transparency.note_key import NoteKey

FORMAT: Final = "wattledger.bundle.v1"

_encode: Final = msgspec.json.Encoder(order="sorted").encode


def bundle_line(fields: dict[str, object]) -> bytes:
    """One line with its end: names in order, no blanks, UTF-8."""
    return _encode(fields) + b"\n"


def first_line(kind: str, key: NoteKey) -> bytes:
    """What a bundle begins with: its format, what it proves, and the key of the log."""
    return bundle_line({"format": FORMAT, "key": str(key), "kind": kind})


def path_text(path: Iterable[bytes]) -> list[str]:
    """The hashes of a proof, in base64."""
    return [base64_text(node) for node in path]
