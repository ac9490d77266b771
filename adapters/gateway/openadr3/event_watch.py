"""What became of a programme's events since the last listing: new, changed, withdrawn. Pure.

An event is known by its id and modificationDateTime; its content's digest shows a change that hides behind
the same stamp.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Literal

import msgspec

from adapters.gateway.openadr3 import wire
from adapters.gateway.openadr3.response_call import ResponseCall, call_of, is_cancelled
from adapters.gateway.openadr3.timing import instant_of
from ledger.interval import Instant
from ledger.refusal import Refused


class ProgrammeRules(msgspec.Struct, frozen=True, kw_only=True):
    """What the programme's documents say beside OpenADR."""

    gate_s: int = 0
    """An event can be told, changed or withdrawn until so many seconds before it starts."""
    test_marks: frozenset[str] = frozenset()
    """Targets and payload types that mark a trial."""

    def __post_init__(self) -> None:
        if self.gate_s < 0:
            raise Refused("gate_seconds", f"{self.gate_s} s is below 0", place="gate_s")


class KnownEvent(msgspec.Struct, frozen=True):
    """The version of an event that was taken last."""

    version: Instant
    digest: str
    start: Instant
    end: Instant | None


class EventChange(msgspec.Struct, frozen=True, kw_only=True):
    """`call` is the version that holds from now on; a withdrawn event has none.

    `after_gate`: it came when the programme's gate of the old or the new start had passed. What follows of
    that is not decided here.
    """

    kind: Literal["new", "changed", "withdrawn"]
    event: str
    call: ResponseCall | None
    before: Instant | None
    after_gate: bool


class RefusedEvent(msgspec.Struct, frozen=True):
    """An event that cannot be taken as it stands; the version known before it, if any, stays known."""

    event: str
    code: str
    reason: str
    place: str


class Seen(msgspec.Struct, frozen=True):
    """What a listing brought; `known` is what the next one is compared with."""

    changes: tuple[EventChange, ...]
    refused: tuple[RefusedEvent, ...]
    known: Mapping[str, KnownEvent]


def digest_of(event: wire.Event) -> str:
    """Of everything but the targets, of which a VTN shows each client its own."""
    return hashlib.sha256(wire.encoded(msgspec.structs.replace(event, targets=None))).hexdigest()


def compared(
    known: Mapping[str, KnownEvent],
    events: Sequence[wire.Event],
    gone: frozenset[str],
    received: datetime,
    rules: ProgrammeRules,
) -> Seen:
    """What the events of a listing change, each by itself taken whole or refused.

    `gone` are known ids that the VTN no longer has; of an event that is over that is no withdrawal. An event
    that cancels itself by its window is withdrawn. In `refused`, beside what `call_of` refuses:
    `event_version` for a version older than the known one, or other content under the same version.
    """
    changes: list[EventChange] = []
    refused: list[RefusedEvent] = []
    kept = dict(known)
    for event in events:
        try:
            change, entry = _one(known.get(event.id), event, received, rules)
        except Refused as error:
            refused.append(RefusedEvent(event.id, error.code, error.reason, error.place))
            continue
        if entry is None:
            kept.pop(event.id, None)
        else:
            kept[event.id] = entry
        if change is not None:
            changes.append(change)
    for name in sorted(gone):
        change = _withdrawn(name, kept.pop(name, None), received, rules)
        if change is not None:
            changes.append(change)
    return Seen(tuple(changes), tuple(refused), kept)


def _one(
    before: KnownEvent | None, event: wire.Event, received: datetime, rules: ProgrammeRules
) -> tuple[EventChange | None, KnownEvent | None]:
    version = instant_of(event.modification_date_time, "modificationDateTime")
    digest = digest_of(event)
    if before is not None:
        if (version, digest) == (before.version, before.digest):
            return None, before
        if version < before.version:
            wrong = f"{version} is older than the version known, {before.version}"
            raise Refused("event_version", wrong, place="modificationDateTime")
        if version == before.version:
            wrong = f"its content changed, its modificationDateTime {version} did not"
            raise Refused("event_version", wrong, place="modificationDateTime")
    if is_cancelled(event):
        return _withdrawn(event.id, before, received, rules), None
    call = call_of(event, received, rules.test_marks)
    starts = [call.start] if before is None else [call.start, before.start]
    change = EventChange(
        kind="new" if before is None else "changed",
        event=event.id,
        call=call,
        before=None if before is None else before.version,
        after_gate=_after_gate(min(starts), received, rules),
    )
    return change, KnownEvent(version, digest, call.start, call.end)


def _withdrawn(
    name: str, before: KnownEvent | None, received: datetime, rules: ProgrammeRules
) -> EventChange | None:
    if before is None or (before.end is not None and before.end <= received):
        return None
    late = _after_gate(before.start, received, rules)
    return EventChange(kind="withdrawn", event=name, call=None, before=before.version, after_gate=late)


def _after_gate(start: datetime, received: datetime, rules: ProgrammeRules) -> bool:
    return received >= start - timedelta(seconds=rules.gate_s)
