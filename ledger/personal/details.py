"""What is kept of a natural person: plain only here and on paper, never in an event."""

from __future__ import annotations

from typing import Final

import msgspec

from ledger.refusal import Refused

ERASED: Final = "[erased]"
"""Stands wherever a person's name or contact stood, once the key to it is gone."""
_LENGTH_MAX: Final = 200


class Details(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Name and contact (an address of any kind; empty where there is none)."""

    name: str
    contact: str = ""

    def __post_init__(self) -> None:
        for place, text in (("name", self.name), ("contact", self.contact)):
            if len(text) > _LENGTH_MAX or not (text.isprintable() or not text):
                allowed = f"at most {_LENGTH_MAX} printable characters on one line"
                raise Refused("personal_text", allowed, place=place)
        if not self.name.strip():
            raise Refused("empty", "a person needs a name", place="name")
        if ERASED in (self.name, self.contact):
            raise Refused("personal_text", f"{ERASED} is what an erased text looks like", place="name")
