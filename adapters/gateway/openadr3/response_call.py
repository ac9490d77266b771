"""A demand response event as a neutral struct: what is asked, of whom, which version, when heard."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Final, NamedTuple

import msgspec

from adapters.gateway.openadr3 import wire
from adapters.gateway.openadr3.payload import Payload, payload_of, value_of
from adapters.gateway.openadr3.timing import duration_of, instant_of, is_now
from ledger.interval import Instant
from ledger.refusal import Refused

_INTERVALS_MAX: Final = 10_000
"""A year of hours is 8,784."""


class CallTarget(msgspec.Struct, frozen=True):
    """Whom a call is for. `kind` is empty in 3.1; in 3.0 such as RESOURCE_NAME, VEN_NAME or GROUP."""

    kind: str
    value: str


class CallInterval(msgspec.Struct, frozen=True):
    """[start, end) in UTC and what is asked in it; without `end` until the event is withdrawn.

    `number` is the VTN's own name of the interval, by which a report answers it.
    """

    number: int
    start: Instant
    end: Instant | None
    payloads: tuple[Payload, ...]

    def __post_init__(self) -> None:
        if self.end is not None and self.end <= self.start:
            raise Refused("event_time", "the interval lasts no time", place="intervalPeriod.duration")


class ResponseCall(msgspec.Struct, frozen=True, kw_only=True):
    """One version of an event: intervals in order, without overlap; gaps are allowed.

    `version` is the VTN's modificationDateTime, `received` our clock when the answer was here. A start of
    "now" is `received`. `randomize_s` is how far a client may shift the start either way; nothing is shifted
    here. `test` says that the programme marks it as a trial: OpenADR 3 itself has no such mark.
    """

    programme: str
    event: str
    version: Instant
    received: Instant
    name: str | None
    priority: int | None
    """A lower number goes before a higher one."""
    targets: tuple[CallTarget, ...]
    intervals: tuple[CallInterval, ...]
    test: bool = False
    randomize_s: int = 0

    def __post_init__(self) -> None:
        if not self.intervals:
            raise Refused("event_intervals", "the event has no interval", place="intervals")
        for number, (one, following) in enumerate(pairwise(self.intervals), 1):
            if one.end is None or one.end > following.start:
                wrong = f"begins at {following.start}, before the interval before it ends"
                raise Refused("event_overlap", wrong, place=f"intervals[{number}]")

    @property
    def start(self) -> datetime:
        return self.intervals[0].start

    @property
    def end(self) -> datetime | None:
        """None: until it is withdrawn."""
        return self.intervals[-1].end


def is_cancelled(event: wire.Event) -> bool:
    """Whether the event says by its window that it is cancelled: start `0001-01-01`, duration `PT0S`, or a
    duration of the whole event of none (User Guide 7.9)."""
    period = event.interval_period
    if event.duration is not None and duration_of(event.duration, "duration") == timedelta(0):
        return True
    return (
        period is not None
        and period.start is not None
        and is_now(period.start)
        and period.duration is not None
        and duration_of(period.duration, "intervalPeriod.duration") == timedelta(0)
    )


def call_of(event: wire.Event, received: datetime, test_marks: frozenset[str] = frozenset()) -> ResponseCall:
    """The event as a call.

    An interval begins at its own start, else where the one before it ended; the event's period is the default
    of both start and duration (User Guide 7.3, 7.4). An event's own duration cuts the intervals off, or
    repeats them until it is over. `test_marks` are the targets and payload types by which the programme marks
    a trial.

    Raises:
        Refused: `event_time`, `naive_time`, `duration`, `event_intervals`, `event_overlap`, `event_repeats`,
            `payload_value`; the place is the event's field.
    """
    descriptors = {about.payload_type: about for about in event.payload_descriptors or ()}
    spans = _spans(event, received)
    ordered = sorted(_within(spans, event.duration), key=lambda span: span.start)
    intervals = tuple(
        CallInterval(
            span.told.id,
            span.start,
            span.end,
            tuple(_payload(payload, descriptors, span) for payload in span.told.payloads),
        )
        for span in ordered
    )
    targets = _targets(event.targets)
    marks = {target.value for target in targets} | {p.type for one in intervals for p in one.payloads}
    return ResponseCall(
        programme=event.program_id,
        event=event.id,
        version=instant_of(event.modification_date_time, "modificationDateTime"),
        received=received,
        name=event.event_name,
        priority=event.priority,
        targets=targets,
        intervals=intervals,
        test=not marks.isdisjoint(test_marks),
        randomize_s=_randomize_s(event),
    )


class _Span(NamedTuple):
    told: wire.Interval
    place: str
    start: datetime
    end: datetime | None


def _spans(event: wire.Event, received: datetime) -> list[_Span]:
    told = event.intervals or ()
    if not told:
        raise Refused("event_intervals", "the event has no interval", place="intervals")
    if len(told) > _INTERVALS_MAX:
        raise Refused("event_intervals", f"more than {_INTERVALS_MAX} intervals", place="intervals")
    whole = event.interval_period or wire.IntervalPeriod()
    follows = None if whole.start is None else _start(whole.start, received, "intervalPeriod.start")
    spans: list[_Span] = []
    for number, interval in enumerate(told):
        place = f"intervals[{number}]"
        own = interval.interval_period or wire.IntervalPeriod()
        start = follows
        if own.start is not None and not (is_now(own.start) and follows is not None):
            start = _start(own.start, received, f"{place}.intervalPeriod.start")
        length = own.duration if own.duration is not None else whole.duration
        if start is None:
            wrong = "neither the event nor the interval has a start, or the one before it has no end"
            raise Refused("event_time", wrong, place=f"{place}.intervalPeriod.start")
        if length is None:
            wrong = "neither the event nor the interval has a duration"
            raise Refused("duration", wrong, place=f"{place}.intervalPeriod.duration")
        span = duration_of(length, f"{place}.intervalPeriod.duration")
        follows = None if span is None else start + span
        spans.append(_Span(interval, place, start, follows))
    return spans


def _start(text: str, received: datetime, place: str) -> datetime:
    return received if is_now(text) else instant_of(text, place)


def _within(spans: Sequence[_Span], duration: str | None) -> list[_Span]:
    """The spans cut off or repeated by the event's own duration."""
    if duration is None:
        return list(spans)
    length = duration_of(duration, "duration")
    start = min(span.start for span in spans)
    ends = [span.end for span in spans]
    last = None if None in ends else max(end for end in ends if end is not None)
    if length is None:
        if last is None:
            return list(spans)
        raise Refused("event_repeats", "it repeats without end: a tariff, not a call", place="duration")
    until = start + length
    if last is None or until <= last:
        return [_cut(span, until) for span in spans if span.start < until]
    period = last - start
    if len(spans) * (length // period + 1) > _INTERVALS_MAX:
        raise Refused(
            "event_repeats", f"more than {_INTERVALS_MAX} intervals when repeated", place="duration"
        )
    found: list[_Span] = []
    shift = timedelta(0)
    while start + shift < until:
        moved = [span._replace(start=span.start + shift, end=_plus(span.end, shift)) for span in spans]
        found += [_cut(span, until) for span in moved if span.start < until]
        shift += period
    return found


def _plus(end: datetime | None, shift: timedelta) -> datetime | None:
    return None if end is None else end + shift


def _cut(span: _Span, until: datetime) -> _Span:
    return span if span.end is not None and span.end <= until else span._replace(end=until)


def _payload(
    told: wire.ValuesMap, descriptors: dict[str, wire.EventPayloadDescriptor], span: _Span
) -> Payload:
    try:
        return payload_of(told, descriptors)
    except Refused as refused:
        place = f"{span.place}.payloads {refused.place}".rstrip()
        raise Refused(refused.code, refused.reason, place=place) from None


def _targets(told: wire.Targets) -> tuple[CallTarget, ...]:
    found: list[CallTarget] = []
    for number, target in enumerate(told or ()):
        if isinstance(target, str):
            found.append(CallTarget("", target))
            continue
        values = [value_of(raw, f"targets[{number}]") for raw in target.values]
        found += [CallTarget(target.type, str(value)) for value in values]
    return tuple(found)


def _randomize_s(event: wire.Event) -> int:
    period = event.interval_period
    if period is None or period.randomize_start is None:
        return 0
    span = duration_of(period.randomize_start, "intervalPeriod.randomizeStart")
    if span is None:
        wrong = "a start cannot be shifted without end"
        raise Refused("duration", wrong, place="intervalPeriod.randomizeStart")
    return int(span.total_seconds())
