"""What is told of a change: one small message of CloudEvents' shape, the same on every channel.

A message says that something changed and where to read it; powers and prices are read by the API. What has a
`sequence` is a fact of the book and is told again on demand; a gate's reminder has none and is told once.
"""

from __future__ import annotations

from datetime import date
from typing import Final, Literal

import msgspec

from ledger.interval import Instant

SPECVERSION: Final = "1.0"
"""Of CloudEvents, whose attribute names these are."""

GateMoment = Literal["opens", "closes"]


class _About(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="about"):
    """What a message is about; `about` says which of these it is."""


class BidNews(_About, frozen=True, kw_only=True, tag="bid"):
    """A bid's revision did something, and its newest revision is now `status`.

    `by`: who did it, where a person did. `reason`: what was said with it. `reference`: the market's own name
    for it. `limit`: which one another person let it exceed. `clearing` and `run`: what awarded it.
    `conflict`: the bids beside which what the market has or awards cannot be kept; what is short is read as
    position.
    """

    bid: str
    revision: int
    product: str
    day: date
    status: str
    by: str | None = None
    reason: str | None = None
    reference: str | None = None
    limit: str | None = None
    clearing: str | None = None
    run: str | None = None
    conflict: tuple[str, ...] | None = None


class CommitmentNews(_About, frozen=True, kw_only=True, tag="commitment"):
    """What binds the unit's day changed: for `bid`, or all of it (None) with the envelope.

    `of`: the unit with sites in common that is bound, where it is not this one. `not_covered`, after an
    award, a release or the day's envelope: the bids that the unit cannot keep all of any more; what is short
    is read as position.
    """

    day: date
    bid: str | None = None
    product: str | None = None
    awarded: bool | None = None
    of: str | None = None
    not_covered: tuple[str, ...] | None = None


class DayNotCovered(msgspec.Struct, frozen=True):
    """A delivery day, and the bids of it that the unit cannot keep all of."""

    day: date
    bids: tuple[str, ...]


class EnvelopeNews(_About, frozen=True, kw_only=True, tag="envelope"):
    """What the unit can do from an instant on was stated anew, for days without an envelope of their own.

    `not_covered`: of these days those, not over by then, on which it cannot keep all that it is bound to.
    """

    holds_from: Instant
    holds_to: Instant | None = None
    not_covered: tuple[DayNotCovered, ...] | None = None


class ClearingNews(_About, frozen=True, kw_only=True, tag="clearing"):
    """The market told a run of its clearing; `corrects` is the run that it takes the place of.

    `awards`: how many bids of ours it names.
    """

    clearing: str
    product: str
    day: date
    run: str
    corrects: str | None = None
    published: Instant
    awards: int


class AwardNews(_About, frozen=True, kw_only=True, tag="award"):
    """A bid's award was shared out among the unit's sites: part `part` of `parts`."""

    bid: str
    product: str
    day: date
    clearing: str
    run: str
    part: int
    parts: int
    sites: int


class SwitchNews(_About, frozen=True, kw_only=True, tag="switch"):
    """Trading was stopped, or goes on."""

    stopped: bool
    by: str
    reason: str


class PolicyNews(_About, frozen=True, kw_only=True, tag="policy"):
    """The desk's rules wait for a second person, or came into force."""

    in_force: bool
    by: str


class MarketNews(_About, frozen=True, kw_only=True, tag="market"):
    """A market's rules were published; products and gates may be other ones than before."""

    products: tuple[str, ...]
    holds_from: Instant
    holds_to: Instant | None = None


class AlarmNews(_About, frozen=True, kw_only=True, tag="alarm"):
    """A device's alarm was raised, acknowledged or cleared, which the message's type says.

    `since` is from when it is so; `severity` and `raised_by` are told as it is raised. `detail` is what was
    found, what is done about it, or why it is over.
    """

    device: str
    kind: str
    since: Instant
    detail: str
    by: str
    severity: str | None = None


class GateNews(_About, frozen=True, kw_only=True, tag="gate"):
    """A gate opens or closes at `at`, in `minutes`; 0 as it happens.

    `interval`: the first interval (0 is the day's first) that the gate is for, where each has its own.
    """

    product: str
    day: date
    moment: GateMoment
    at: Instant
    minutes: int
    interval: int | None = None


News = (
    BidNews
    | CommitmentNews
    | EnvelopeNews
    | ClearingNews
    | AwardNews
    | SwitchNews
    | PolicyNews
    | MarketNews
    | AlarmNews
    | GateNews
)


class LiveMessage(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One change. `id` is the same whenever and wherever it is told: whoever has it already has this one.

    `type` is noun, verb and version: `bid.submitted.v1`. `subject` is the aggregate, `sequence` the place in
    the book; `time` is when it was recorded, of a reminder when it was due. A message without `market` or
    `unit` is about all of them.
    """

    specversion: Literal["1.0"]
    id: str
    source: str
    type: str
    subject: str
    time: Instant
    sequence: int | None = None
    market: str | None = None
    unit: str | None = None
    data: News

    @property
    def noun(self) -> str:
        """`bid` of `bid.submitted.v1`."""
        return self.type.partition(".")[0]

    @property
    def kind(self) -> str:
        """`bid.submitted` of `bid.submitted.v1`."""
        return self.type.rpartition(".")[0]


encode: Final = msgspec.json.Encoder().encode
decode: Final = msgspec.json.Decoder(LiveMessage).decode


def source_of(book: str) -> str:
    """Where a book's messages come from.

    >>> source_of("demo")
    '/books/demo'
    """
    return f"/books/{book}"
