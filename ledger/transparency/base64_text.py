"""Base64 with one spelling for each value (RFC 4648 section 4), as signed notes and checkpoints write it."""

from __future__ import annotations

import base64
import re
from typing import Final

from ledger.refusal import Refused

_BASE64: Final = re.compile(r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?", re.ASCII)


def base64_text(value: bytes) -> str:
    return base64.b64encode(value).decode("ascii")


def base64_bytes(text: str, place: str) -> bytes:
    """The bytes of padded standard base64 whose unused bits are zero.

    >>> base64_bytes("AQI=", "root")
    b'\\x01\\x02'

    Raises:
        Refused: `base64`, naming `place`.
    """
    value = base64.b64decode(text) if _BASE64.fullmatch(text) else None
    if value is None or base64_text(value) != text:
        raise Refused("base64", f"{text[:60]!r} is not padded standard base64", place=place)
    return value
