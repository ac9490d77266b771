"""The digest of access records as an event: from then on the book's log proves that they stay as they were.

Records lie beside the book and are forgotten by age. Their digest stays, and says nothing of what was seen.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

import msgspec

from ledger.interval import Instant
from ledger.refusal import Refused

AGGREGATE: Final = "access_seal.log"
_SHA256: Final = re.compile(r"[0-9a-f]{64}")


class AccessSeal(msgspec.Struct, frozen=True):
    """The records `first` to `last` of the access log, of which the oldest is of `first_at`.

    `sha256` is over a line a record: its number, a blank, its JSON, a line feed.
    """

    first: int
    last: int
    first_at: Instant
    sha256: str

    def __post_init__(self) -> None:
        if not 1 <= self.first <= self.last:
            raise Refused("access_seal", f"{self.first} to {self.last} are no records", place="last")
        if not _SHA256.fullmatch(self.sha256):
            raise Refused("sha256", "64 hexadecimal digits", place="sha256")


class AccessLogSealed(msgspec.Struct, frozen=True, tag_field="kind", tag="access.log_sealed.v1"):
    seal: AccessSeal

    def apply(self, state: tuple[AccessSeal, ...] | None) -> tuple[AccessSeal, ...]:
        return (*(state or ()), self.seal)


class SealAccessLog(msgspec.Struct, frozen=True, tag_field="command", tag="access.seal_log"):
    """Put the digest of the records that follow the sealed ones on record."""

    seal: AccessSeal

    @property
    def aggregate(self) -> str:
        return AGGREGATE

    @property
    def reads(self) -> tuple[str, ...]:
        return ()

    def decide(self, state: tuple[AccessSeal, ...] | None, _: Mapping[str, object]) -> tuple[AccessLogSealed]:
        """Raises:
        Refused: `access_seal` unless it follows the one before, without a gap and without an overlap."""
        due = state[-1].last + 1 if state else self.seal.first
        if self.seal.first != due:
            text = f"the next record to seal is {due}, not {self.seal.first}"
            raise Refused("access_seal", text, place="first")
        return (AccessLogSealed(self.seal),)
