"""Names that become part of a subject, a key and an address."""

from __future__ import annotations

import re
from typing import Final

from ledger.refusal import Refused

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", re.ASCII)


def checked_id(text: str, place: str) -> str:
    """`text`, when it is 1 to 64 letters, digits, '_' or '-' and starts with a letter or digit.

    Raises:
        Refused: `id`, naming `place`.
    """
    if not _NAME.fullmatch(text):
        raise Refused("id", f"{text!r} is not 1..64 letters, digits, '_' or '-'", place=place)
    return text
