"""The lines of a bundle that are ours: JSON with one spelling for each value."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

from adapters.transparency.published_log import PublishedLog
from ledger.transparency.base64_text import base64_text

FORMAT: Final = "wattledger.bundle.v1"

_encode: Final = msgspec.json.Encoder(order="sorted").encode


def bundle_line(fields: dict[str, object]) -> bytes:
    """One line with its end: names in order, no blanks, UTF-8."""
    return _encode(fields) + b"\n"


def first_line(kind: str, published: PublishedLog) -> bytes:
    """What a bundle begins with: its format, what it proves, and the key of the log; where that is not its
    first one, also how the log came to it.

    Raises:
        Refused: `log_key` without the key's file; `key_handover` where a file of one is gone.
    """
    published.check_handovers()
    told: dict[str, object] = {"format": FORMAT, "key": str(published.key()), "kind": kind}
    keys = published.keys()
    if keys is not None and keys.handovers:
        told["handovers"] = [one.note.content().decode() for one in keys.handovers]
    return bundle_line(told)


def path_text(path: Iterable[bytes]) -> list[str]:
    """The hashes of a proof, in base64."""
    return [base64_text(node) for node in path]
