"""A day's result as the market keeps it, and as one participant is told it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import date, datetime

import msgspec

from adapters.reference_market.clearing import Outcome
from adapters.reference_market.parameters import Parameters, Product
from ledger.interval import Instant


class BlockResult(msgspec.Struct, frozen=True):
    participant: str
    id: str
    outcome: Outcome


class DayResult(msgspec.Struct, frozen=True):
    """One run of one product and day, of all participants; a correction is a further run."""

    product: Product
    day: date
    run: int
    published_at: Instant
    prices_micro_per_kwh: tuple[int, ...]
    awards_w: dict[str, tuple[int, ...]]
    """Net power of each participant with a position, in each interval; below zero is charging."""
    blocks: tuple[BlockResult, ...]
    revisions: dict[str, int]
    """The revision of each offer that was cleared."""
    reason: str = ""
    """Why there is another run; empty for the first."""


class Award(msgspec.Struct, frozen=True):
    """One interval: the uniform price, and the participant's net power; below zero is charging."""

    start: Instant
    price_micro_per_kwh: int
    award_w: int


class BlockAward(msgspec.Struct, frozen=True):
    id: str
    outcome: Outcome


class ParticipantResult(msgspec.Struct, frozen=True):
    """What one participant is told of a run; only its own awards."""

    market: str
    node: str
    product: Product
    day: date
    participant: str
    run: int
    reason: str
    published_at: Instant
    currency: str
    interval_s: int
    offer_revision: int | None
    """The revision that was cleared; none when the participant had no offer."""
    intervals: tuple[Award, ...]
    blocks: tuple[BlockAward, ...]


def told(
    result: DayResult, participant: str, parameters: Parameters, starts: Sequence[datetime]
) -> ParticipantResult:
    """The participant's part of a result; an award of 0 is one that the market really made."""
    awards = result.awards_w.get(participant, (0,) * len(starts))
    return ParticipantResult(
        market=parameters.market,
        node=parameters.node,
        product=result.product,
        day=result.day,
        participant=participant,
        run=result.run,
        reason=result.reason,
        published_at=result.published_at,
        currency=parameters.currency,
        interval_s=parameters.interval_s,
        offer_revision=result.revisions.get(participant),
        intervals=tuple(
            Award(start, price, award)
            for start, price, award in zip(starts, result.prices_micro_per_kwh, awards, strict=True)
        ),
        blocks=tuple(
            BlockAward(block.id, block.outcome) for block in result.blocks if block.participant == participant
        ),
    )


def sha256(content: bytes) -> str:
    """In hexadecimal."""
    return hashlib.sha256(content).hexdigest()
