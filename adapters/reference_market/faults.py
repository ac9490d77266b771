"""What goes wrong on demand: outages, lost answers and spoilt results. Gone with the process."""

from __future__ import annotations

import time
from datetime import date
from typing import Annotated, Final, Literal

import msgspec

from adapters.reference_market.day_result import ParticipantResult
from adapters.reference_market.parameters import Product

OutageMode = Literal["refuse", "hang"]
Spoiling = Literal["cut_bytes", "cut_intervals", "wrong_digest"]


_CUT_INTERVALS: Final = 4
"""One part in four is missing from a result whose intervals are cut."""


class Outage(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """For that many real seconds connections are reset (`refuse`) or left without an answer (`hang`)."""

    seconds: Annotated[int, msgspec.Meta(ge=0, le=3600)]
    mode: OutageMode


class LostAnswers(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The next `count` offers or withdrawals are accepted, and the connection is cut instead of an answer."""

    count: Annotated[int, msgspec.Meta(ge=0, le=1000)]


class SpoiltResult(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The next `count` deliveries of a result are spoilt.

    `cut_bytes`: the second half is missing, beside the digest of the whole; `cut_intervals`: the last
    intervals are missing, beside the right digest of what is there; `wrong_digest`: whole, beside another
    digest.
    """

    product: Product
    day: date
    spoiling: Spoiling
    count: Annotated[int, msgspec.Meta(ge=0, le=1000)] = 1


class Faults:
    """The faults that are armed now."""

    def __init__(self) -> None:
        self._outage: Outage | None = None
        self._outage_ends = 0.0
        self._answers_lost = 0
        self._spoilt: dict[tuple[Product, date], SpoiltResult] = {}

    def set_outage(self, outage: Outage) -> None:
        """Begin now; 0 seconds end one."""
        self._outage, self._outage_ends = outage, time.monotonic() + outage.seconds

    def outage(self) -> tuple[OutageMode, float] | None:
        """The mode and the real seconds left, while one lasts."""
        left = self._outage_ends - time.monotonic()
        return (self._outage.mode, left) if self._outage is not None and left > 0 else None

    def set_lost_answers(self, lost: LostAnswers) -> None:
        self._answers_lost = lost.count

    def lose_answer(self) -> bool:
        """Whether this answer is lost; counts it."""
        if not self._answers_lost:
            return False
        self._answers_lost -= 1
        return True

    def set_spoilt(self, spoilt: SpoiltResult) -> None:
        self._spoilt[spoilt.product, spoilt.day] = spoilt

    def spoiling(self, product: Product, day: date) -> Spoiling | None:
        """How this delivery of a result is spoilt; counts it."""
        spoilt = self._spoilt.get((product, day))
        if spoilt is None or not spoilt.count:
            return None
        self._spoilt[product, day] = msgspec.structs.replace(spoilt, count=spoilt.count - 1)
        return spoilt.spoiling


def spoilt_file(content: bytes, digest: str, spoiling: Spoiling | None) -> tuple[bytes, str]:
    """The bytes and digest of a delivery as `cut_bytes` and `wrong_digest` leave them."""
    match spoiling:
        case "cut_bytes":
            return content[: len(content) // 2], digest
        case "wrong_digest":
            return content, digest[::-1]
        case "cut_intervals" | None:
            return content, digest


def cut_intervals(result: ParticipantResult) -> ParticipantResult:
    """The result without its last quarter."""
    kept = len(result.intervals) - len(result.intervals) // _CUT_INTERVALS
    return msgspec.structs.replace(result, intervals=result.intervals[:kept])
