"""Events told: their envelopes read, a sentence each, their links and what was posted from them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Final, NamedTuple, Self

import msgspec

from adapters.events import Event
from adapters.integrity import link_seals
from adapters.integrity.published import ARCHIVED, Archived
from adapters.integrity.told_events import check_archive_whole, check_told
from adapters.mapper import EnvelopeMapper
from adapters.nats import wire
from adapters.postgres.database import Connection
from adapters.queries.story.entry import Entry, Story
from adapters.queries.story.links_of import SHOWN, Linked, links_of
from adapters.queries.story.sentence import sentence
from ledger.envelope import Envelope

_MAPPER: Final = EnvelopeMapper()
Noted = Mapping[int, Iterable[str]]
"""By event: what a story says beside its sentence."""


class Part(msgspec.Struct, frozen=True):
    """Which part of a story: entries after a sequence, at most so many."""

    after: int = 0
    limit: int | None = None


WHOLE: Final = Part()


class Subject(msgspec.Struct, frozen=True, kw_only=True):
    """What a story found before it is told. `whole` shows all links of these events."""

    name: str
    events: frozenset[int]
    facts: tuple[str, ...] = ()
    notes: dict[int, tuple[str, ...]] = {}
    postings: dict[int, tuple[str, ...]] = {}
    whole: frozenset[int] = frozenset()


def tell(connection: Connection, position: int, subject: Subject, part: Part = WHOLE) -> Story:
    """The story of a subject's events up to `position`, in the book's order.

    Raises:
        Discontinuity: `archive_altered` or `tree_altered` for an event that is not what was recorded,
            `archive_missing` for one that is gone, `row_altered` where links are not those recorded.
    """
    check_archive_whole(connection, position)
    link_seals.check_whole(connection)
    everything = sorted(one for one in subject.events if one <= position)
    left = [one for one in everything if one > part.after]
    shown = left if part.limit is None else left[: part.limit]
    whole = [one for one in shown if one in subject.whole]
    linked = links_of(connection, position, [one for one in shown if one not in subject.whole], shown=SHOWN)
    all_linked = links_of(connection, position, whole, shown=None)
    rows = connection.execute(f"{ARCHIVED} WHERE e.sequence = ANY(%s) ORDER BY e.sequence", [shown])
    told = [_Told.of(Archived(*row)) for row in rows]
    check_told(connection, position, shown, {one.sequence: (one.header, one.envelope) for one in told})
    entries = tuple(
        _entry(subject, all_linked if one.sequence in subject.whole else linked, one) for one in told
    )
    return Story(
        subject=subject.name,
        position=position,
        facts=subject.facts,
        events=len(everything),
        entries=entries,
        next_after=shown[-1] if len(shown) < len(left) else None,
    )


class _Told(NamedTuple):
    sequence: int
    header: wire.Header
    envelope: Envelope[Event]

    @classmethod
    def of(cls, row: Archived) -> Self:
        payload = row.checked()
        header = wire.header_of(payload)
        return cls(row.sequence, header, _MAPPER.to_envelope(header.topic, wire.state_of(payload)))


def _entry(subject: Subject, linked: Linked, told: _Told) -> Entry:
    sequence, header, envelope = told
    aggregate, version = header.aggregate, header.version
    effective = envelope.effective
    return Entry(
        sequence=sequence,
        recorded_at=envelope.recorded_at,
        effective_from=None if effective is None else effective.start,
        effective_to=None if effective is None else effective.end,
        actor=envelope.actor,
        aggregate=aggregate,
        version=version,
        kinds=tuple(str(event.__struct_config__.tag) for event in envelope.events),
        sentence="; ".join(sentence(event, aggregate, version, "en") for event in envelope.events),
        sentence_zh="；".join(sentence(event, aggregate, version, "zh") for event in envelope.events),
        command=envelope.command,
        causation=envelope.causation,
        notes=subject.notes.get(sequence, ()),
        postings=subject.postings.get(sequence, ()),
        links=linked.links(sequence),
        more=linked.more(sequence),
    )


def aggregates(connection: Connection, position: int, names: Collection[str]) -> set[int]:
    """Every event of these aggregates."""
    rows = connection.execute(
        "SELECT sequence FROM ledger.envelope WHERE aggregate = ANY(%s) AND sequence <= %s",
        [sorted(names), position],
    )
    return {sequence for (sequence,) in rows}


def threads(
    connection: Connection, position: int, events: Collection[int], kinds: Collection[str]
) -> set[int]:
    """Every event of the aggregates of these kinds that `events` are of, such as all of a proposal."""
    rows = connection.execute(
        "SELECT DISTINCT aggregate FROM ledger.envelope WHERE sequence = ANY(%s)", [list(events)]
    )
    names = [name for (name,) in rows if name.partition(".")[0] in kinds]
    return aggregates(connection, position, names)


def naming(connection: Connection, position: int, thing: str) -> set[int]:
    """Every event that names a thing, is known as it, is linked to it, or is of its aggregate.

    Raises:
        Discontinuity: `row_altered` where these are not all that were recorded of it.
    """
    link_seals.check_thing(connection, thing)
    rows = connection.execute(
        "SELECT sequence FROM ledger.link WHERE thing = %(thing)s AND sequence <= %(at)s"
        " UNION SELECT sequence FROM ledger.envelope WHERE aggregate = %(thing)s AND sequence <= %(at)s",
        {"thing": thing, "at": position},
    )
    return {sequence for (sequence,) in rows}
