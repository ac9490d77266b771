"""Which events are told, and as what. Whatever the desk may record stands in one of the two lists below."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from typing import Final, NamedTuple, get_args

import msgspec

from adapters.events import Event
from adapters.live.message import (
    SPECVERSION,
    AlarmNews,
    AwardNews,
    BidNews,
    ClearingNews,
    CommitmentNews,
    DayNotCovered,
    EnvelopeNews,
    LiveMessage,
    MarketNews,
    News,
    PolicyNews,
    SwitchNews,
    source_of,
)
from adapters.projections.projection import Projected
from dispatch.health.alarm import AlarmAcknowledged, AlarmCleared, AlarmEvent, AlarmRaised
from trading.award import AwardShared
from trading.bid_events import (
    BidAcknowledged,
    BidApproved,
    BidCleared,
    BidDrafted,
    BidExpired,
    BidRefused,
    BidSending,
    BidSubmitted,
    BidUncertain,
    BidUnsent,
    BidWithdrawn,
    LimitOverridden,
    WithdrawalAsked,
)
from trading.clearing import ClearingRecorded
from trading.commitment import CommitmentMade, CommitmentReleased, DayEnvelopeStated
from trading.envelope import EnvelopeStated
from trading.posted_clearing import ClearingPosted, PostedClearingApproved
from trading.published_market import MarketPublished
from trading.response_call import (
    ResponseCallAnswered,
    ResponseCallDecided,
    ResponseCallHeard,
    ResponseCallRefused,
    ResponseCallWithdrawn,
)
from trading.risk import PolicyApproved, PolicyPrepared, TradingResumed, TradingStopped
from trading.sharing import SharingStated, SitesAvailable
from trading.usage import LimitFreed, LimitUsed
from trading.webhook import WebhookRegistered, WebhookReplayAsked, WebhookStopped

_BidEvent = (
    BidDrafted
    | BidApproved
    | LimitOverridden
    | BidSubmitted
    | BidSending
    | BidUnsent
    | BidUncertain
    | BidAcknowledged
    | BidRefused
    | WithdrawalAsked
    | BidWithdrawn
    | BidExpired
    | BidCleared
)
_DayEvent = CommitmentMade | CommitmentReleased | DayEnvelopeStated
_DeskEvent = PolicyPrepared | PolicyApproved | TradingStopped | TradingResumed
_ToldEvent = (
    _BidEvent
    | _DayEvent
    | _DeskEvent
    | EnvelopeStated
    | ClearingRecorded
    | AwardShared
    | MarketPublished
    | AlarmEvent
)

UNTOLD: Final[frozenset[type[msgspec.Struct]]] = frozenset(
    (
        LimitUsed,
        LimitFreed,
        SharingStated,
        SitesAvailable,
        ClearingPosted,
        PostedClearingApproved,
        ResponseCallHeard,
        ResponseCallWithdrawn,
        ResponseCallRefused,
        ResponseCallDecided,
        ResponseCallAnswered,
        WebhookRegistered,
        WebhookStopped,
        WebhookReplayAsked,
    )
)
"""Recorded beside what is told, as a call beside the clearing that it makes, or settings that no day's
trading waits for."""
TOLD: Final[frozenset[type[msgspec.Struct]]] = frozenset(get_args(_ToldEvent))
_BIDS: Final = get_args(_BidEvent)
_DAY_LETTERS: Final = len("2026-08-03")


def _tag(event: type[msgspec.Struct]) -> str:
    return str(event.__struct_config__.tag)


TYPES: Final = tuple(sorted(_tag(event) for event in TOLD))
"""The `type` of every message that has a sequence: the event's own stored kind."""
AGGREGATES: Final = (
    "alarm",
    "award",
    "bid",
    "clearing",
    "commitment",
    "envelope",
    "market",
    "risk",
)
"""The kinds of aggregates that such events are of."""


class BidPlace(NamedTuple):
    """What a bid is for; no revision changes it."""

    unit: str
    market: str
    product: str
    day: date


class KnownBids(NamedTuple):
    """The bids that some events name, and what each one's status was at the events' sequences.

    `not_covered`: after which events of units' days which bids could not be kept, by sequence;
    `days_not_covered`: after which standing envelopes on which days.
    """

    places: Mapping[str, BidPlace]
    statuses: Mapping[tuple[str, int], str]
    not_covered: Mapping[int, tuple[str, ...]]
    days_not_covered: Mapping[int, tuple[DayNotCovered, ...]]


def bids_named(items: Iterable[Projected]) -> set[str]:
    """The bids whose places and statuses are needed to tell those events."""
    named: set[str] = set()
    for item in items:
        noun, _, name = item.aggregate.partition(".")
        if noun == "bid":
            named.add(name)
        for event in item.envelope.events:
            if isinstance(event, CommitmentMade):
                named.add(event.commitment.bid)
            elif isinstance(event, CommitmentReleased):
                named.add(event.bid)
    return named


def days_unchecked(items: Iterable[Projected]) -> Iterator[tuple[int, str, date]]:
    """The sequence, unit and day of those events after which the unit may not cover its day: nobody asks then
    whether it does, as is asked of each bid."""
    for item in items:
        for event in item.envelope.events:
            awarded = isinstance(event, CommitmentMade) and event.commitment.awarded
            if awarded or isinstance(event, CommitmentReleased | DayEnvelopeStated):
                yield item.sequence, *unit_and_day(item.aggregate)
                break


def unit_and_day(aggregate: str) -> tuple[str, date]:
    """Whose day a commitment is of. The day's letters are counted from the end: a unit's id may hold what
    divides the two.

    >>> unit_and_day("commitment.vpp_east_2026-08-03")
    ('vpp_east', datetime.date(2026, 8, 3))
    """
    name = aggregate.partition(".")[2]
    return name[: -_DAY_LETTERS - 1], date.fromisoformat(name[-_DAY_LETTERS:])


def messages_of(book: str, item: Projected, bids: KnownBids) -> list[LiveMessage]:
    """What is told of one envelope, in its order."""
    return [
        _message(book, item, number, event, bids)
        for number, event in enumerate(item.envelope.events)
        if type(event) in TOLD
    ]


def _message(book: str, item: Projected, number: int, event: Event, bids: KnownBids) -> LiveMessage:
    assert isinstance(event, get_args(_ToldEvent))
    market, unit, news = _news(item, event, bids)
    return LiveMessage(
        specversion=SPECVERSION,
        id=f"{book}:{item.sequence}:{number}",
        source=source_of(book),
        type=_tag(type(event)),
        subject=item.aggregate,
        time=item.envelope.recorded_at,
        sequence=item.sequence,
        market=market,
        unit=unit,
        data=news,
    )


def _news(item: Projected, event: _ToldEvent, bids: KnownBids) -> tuple[str | None, str | None, News]:
    """Market, unit and content."""
    if isinstance(event, _BIDS):
        name = item.aggregate.partition(".")[2]
        place = bids.places[name]
        return place.market, place.unit, _bid_news(name, event, place, bids.statuses[name, item.sequence])
    match event:
        case CommitmentMade() | CommitmentReleased() | DayEnvelopeStated():
            return _day_news(item, event, bids)
        case EnvelopeStated():
            short = bids.days_not_covered.get(item.sequence)
            since, until = event.period.start, event.period.end
            stated = EnvelopeNews(holds_from=since, holds_to=until, not_covered=short)
            return None, item.aggregate.partition(".")[2], stated
        case ClearingRecorded():
            one = event.clearing
            news = ClearingNews(
                clearing=one.id,
                product=one.product,
                day=one.day,
                run=one.run,
                corrects=event.corrects,
                published=one.published,
                awards=len(one.awards),
            )
            return one.market, None, news
        case AwardShared():
            award = event.award
            shared = AwardNews(
                bid=award.bid,
                product=award.product,
                day=award.day,
                clearing=award.clearing,
                run=award.run,
                part=award.part,
                parts=award.parts,
                sites=len(award.sites),
            )
            return award.market, award.unit, shared
        case MarketPublished():
            names = tuple(product.id for product in event.market.products)
            period = event.period
            told = MarketNews(products=names, holds_from=period.start, holds_to=period.end)
            return event.market.id, None, told
        case TradingStopped() | TradingResumed():
            stopped = isinstance(event, TradingStopped)
            return None, None, SwitchNews(stopped=stopped, by=event.by, reason=event.reason)
        case PolicyPrepared() | PolicyApproved():
            return None, None, PolicyNews(in_force=isinstance(event, PolicyApproved), by=event.by)
        case AlarmRaised() | AlarmAcknowledged() | AlarmCleared():
            return None, None, _alarm_news(event)
        case _:
            raise AssertionError(f"{type(event).__name__} is told of a bid")


def _alarm_news(event: AlarmEvent) -> AlarmNews:
    match event:
        case AlarmRaised(device=device, alarm=one):
            return AlarmNews(
                device=device,
                kind=one.kind,
                since=one.since,
                detail=one.detail,
                by=one.raised_by,
                severity=one.severity,
            )
        case AlarmAcknowledged() | AlarmCleared():
            detail = event.note if isinstance(event, AlarmAcknowledged) else event.reason
            return AlarmNews(
                device=event.device, kind=event.alarm, since=event.since, detail=detail, by=event.by
            )


def _day_news(item: Projected, event: _DayEvent, bids: KnownBids) -> tuple[str | None, str, CommitmentNews]:
    unit, day = unit_and_day(item.aggregate)
    short = bids.not_covered.get(item.sequence)
    if isinstance(event, DayEnvelopeStated):
        return None, unit, CommitmentNews(day=day, not_covered=short)
    name = event.bid if isinstance(event, CommitmentReleased) else event.commitment.bid
    place = bids.places.get(name)
    market, product = (None, None) if place is None else (place.market, place.product)
    if isinstance(event, CommitmentReleased):
        return market, unit, CommitmentNews(day=day, bid=name, product=product, not_covered=short)
    one = event.commitment
    made = CommitmentNews(
        day=day, bid=name, product=product or one.product, awarded=one.awarded, of=one.of, not_covered=short
    )
    return market, unit, made


def _bid_news(name: str, event: _BidEvent, place: BidPlace, status: str) -> BidNews:
    def told(
        *, by: str | None = None, reason: str | None = None, reference: str | None = None,
        limit: str | None = None, clearing: str | None = None, run: str | None = None,
        conflict: tuple[str, ...] | None = None,
    ) -> BidNews:  # fmt: skip
        return BidNews(
            bid=name, revision=event.revision, product=place.product, day=place.day, status=status, by=by,
            reason=reason, reference=reference, limit=limit, clearing=clearing, run=run,
            conflict=conflict,
        )  # fmt: skip

    match event:
        case BidDrafted() | BidApproved() | BidSubmitted():
            return told(by=event.by)
        case LimitOverridden():
            return told(by=event.by, reason=event.reason, limit=event.limit)
        case WithdrawalAsked():
            return told(by=event.by, reason=event.reason)
        case BidSending():
            return told()
        case BidUnsent() | BidUncertain() | BidRefused() | BidWithdrawn() | BidExpired():
            return told(reason=event.reason)
        case BidAcknowledged():
            beside = None if event.conflict is None else event.conflict.beside
            return told(reference=event.reference, conflict=beside)
        case BidCleared():
            beside = None if event.conflict is None else event.conflict.beside
            return told(clearing=event.clearing, run=event.run, conflict=beside)
