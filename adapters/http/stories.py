"""The auditor's view: what happened in order, each entry with links in both directions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Final

import msgspec
from litestar import Response, get
from litestar.di import NamedDependency, Provide
from litestar.handlers import HTTPRouteHandler
from litestar.params import PathParameter, QueryParameter

from adapters.documents.language import Language
from adapters.http.instant import instant_of, month_of
from adapters.http.openapi import TEXT, also_answers
from adapters.http.paging import Limit
from adapters.http.problem import READ_PROBLEMS
from adapters.http.register import ID_PATTERN
from adapters.http.settlements import ContractName, MonthName
from adapters.http.view import View
from adapters.queries.story.actor import actor as actor_story
from adapters.queries.story.bid import bid as bid_story
from adapters.queries.story.contract import contract as contract_story
from adapters.queries.story.device import device as device_story
from adapters.queries.story.document import document as document_story
from adapters.queries.story.entry import Entry, More, Story
from adapters.queries.story.event import event as event_story
from adapters.queries.story.line import line as line_story
from adapters.queries.story.market_fact import market_fact as market_fact_story
from adapters.queries.story.meter import meter as meter_story
from adapters.queries.story.reading import reading as reading_story
from adapters.queries.story.site import site as site_story
from adapters.queries.story.telling import Part
from adapters.queries.story.unit_statement import unit_statement as unit_statement_story
from adapters.story_text import StoryFormat, rendered
from ledger.interval import Instant

_LIMIT: Final = 200
_NAME_MAX: Final = 500
_SEQUENCE_MAX: Final = 1 << 62
_ALSO: Final = also_answers({"text/plain": TEXT, "text/csv": TEXT, "application/jsonl": TEXT})
_MEDIA: Final[dict[StoryFormat, str]] = {
    "text": "text/plain",
    "csv": "text/csv",
    "jsonl": "application/jsonl",
}

Name = Annotated[str, PathParameter(pattern=ID_PATTERN, description="Its id")]
Paper = Annotated[
    str,
    QueryParameter(
        min_length=1,
        max_length=_NAME_MAX,
        pattern="^[^\\x00]+$",
        description="An invoice's number, a bank's reference, a market's document, a file's name or SHA-256",
    ),
]
Number = Annotated[int, PathParameter(ge=1, lt=1_000_000)]
Sequence = Annotated[int, PathParameter(ge=1, lt=_SEQUENCE_MAX, description="The event's sequence number")]
Begin = Annotated[
    int, QueryParameter(ge=0, lt=_SEQUENCE_MAX, description="Only entries after this sequence number")
]
Format = Annotated[StoryFormat | None, QueryParameter(description="Text, CSV or JSON Lines instead of JSON")]
TextLanguage = Annotated[Language, QueryParameter(description="Of the sentences of a text")]


class LinkBody(msgspec.Struct, frozen=True):
    """`href` is the story of the event at the other end, which has the link back."""

    link: str
    sequence: int
    href: str


class StoryEntryBody(msgspec.Struct, frozen=True, kw_only=True):
    """`sentence` in English, `sentence_zh` in Chinese; `more` counts the links left out here, which the story
    at `href` has."""

    sequence: int
    href: str
    recorded_at: Instant
    effective_from: Instant | None
    effective_to: Instant | None
    actor: str
    aggregate: str
    version: int
    kinds: tuple[str, ...]
    sentence: str
    sentence_zh: str
    command: str
    causation: str
    notes: tuple[str, ...]
    postings: tuple[str, ...]
    links: tuple[LinkBody, ...]
    more: tuple[More, ...]

    @classmethod
    def of(cls, entry: Entry) -> StoryEntryBody:
        kept = {name: getattr(entry, name) for name in entry.__struct_fields__ if name != "links"}
        links = tuple(LinkBody(one.link, one.sequence, _href(one.sequence)) for one in entry.links)
        return cls(**kept, links=links, href=_href(entry.sequence))


class StoryAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """Entries by sequence; `next_begin` is what `begin` is to be for those that follow."""

    position: int
    subject: str
    facts: tuple[str, ...]
    events: int
    entries: tuple[StoryEntryBody, ...]
    next_begin: int | None


class Asked(msgspec.Struct, frozen=True):
    """How a story is answered."""

    part: Part
    format: StoryFormat | None
    language: Language

    def answer(self, story: Story) -> Response[StoryAnswer]:
        if self.format is not None:
            text = rendered(story, self.format, self.language)
            return Response(text, media_type=_MEDIA[self.format])  # type: ignore[arg-type]
        entries = tuple(StoryEntryBody.of(entry) for entry in story.entries)
        return Response(
            StoryAnswer(
                position=story.position,
                subject=story.subject,
                facts=story.facts,
                events=story.events,
                entries=entries,
                next_begin=story.next_after,
            )
        )


def provide_asked(
    begin: Begin = 0, limit: Limit = _LIMIT, format: Format = None, language: TextLanguage = "en"
) -> Asked:
    """What every story takes beside its subject."""
    return Asked(Part(begin, limit), format, language)


def _href(sequence: int) -> str:
    return f"/v1/stories/events/{sequence}"


_ASKED: Final = {"asked": Provide(provide_asked, sync_to_thread=False)}


def _telling(path: str, summary: str) -> Callable[[Callable[..., Response[StoryAnswer]]], HTTPRouteHandler]:
    return get(
        f"/stories/{path}",
        summary=summary,
        responses=READ_PROBLEMS,
        operation_class=_ALSO,
        tags=["Proof"],
        dependencies=_ASKED,
        sync_to_thread=True,
    )


def _of_one(path: str, summary: str, told: Callable[..., Story]) -> HTTPRouteHandler:
    """GET `path`/{name}, the story of what has that id."""

    def tell(view: NamedDependency[View], asked: NamedDependency[Asked], name: Name) -> Response[StoryAnswer]:
        with view.reading() as (connection, position):
            found = told(connection, position, name, part=asked.part)
        return asked.answer(found)

    tell.__name__ = f"tell_{told.__name__}"
    return _telling(f"{path}/{{name:str}}", summary)(tell)


@_telling(
    "readings/{meter:str}/{instant:str}",
    "One kWh: every version of a reading, the lines that used it, and what was paid",
)
def tell_reading(
    view: NamedDependency[View],
    asked: NamedDependency[Asked],
    meter: Annotated[str, PathParameter(pattern=ID_PATTERN, description="The meter's id")],
    instant: Annotated[
        str, PathParameter(max_length=64, description="Within the interval, such as 2026-08-03T10:00:00Z")
    ],
    register: Annotated[str | None, QueryParameter(pattern=ID_PATTERN, description="One alone")] = None,
) -> Response[StoryAnswer]:
    at = instant_of(instant, "instant")
    with view.reading() as (connection, position):
        found = reading_story(connection, position, meter, at, register=register, part=asked.part)
    return asked.answer(found)


@_telling(
    "lines/{contract:str}/{month:str}/{run:int}/{number:int}",
    "One yuan: a line's leaves, what it rests on, its postings and its statement's life",
)
def tell_line(
    view: NamedDependency[View],
    asked: NamedDependency[Asked],
    contract: ContractName,
    month: MonthName,
    run: Number,
    number: Number,
) -> Response[StoryAnswer]:
    with view.reading() as (connection, position):
        found = line_story(connection, position, contract, month_of(month), run, number, part=asked.part)
    return asked.answer(found)


@_telling("documents", "A paper by its name: an invoice's number, a bank's reference, a file's SHA-256")
def tell_document(
    view: NamedDependency[View], asked: NamedDependency[Asked], name: Paper
) -> Response[StoryAnswer]:
    with view.reading() as (connection, position):
        found = document_story(connection, position, name, part=asked.part)
    return asked.answer(found)


@_telling(
    "events/{sequence:int}",
    "One event: what caused it, what it caused, what it rests on and what rests on it",
)
def tell_event(
    view: NamedDependency[View], asked: NamedDependency[Asked], sequence: Sequence
) -> Response[StoryAnswer]:
    with view.reading() as (connection, position):
        found = event_story(connection, position, sequence, part=asked.part)
    return asked.answer(found)


ROUTES = (
    tell_reading,
    tell_line,
    _of_one(
        "contracts",
        "A contract: versions, approvals, runs with their causes, disputes, closes",
        contract_story,
    ),
    _of_one("devices", "A device and its site", device_story),
    _of_one(
        "meters", "A meter: versions, readings, substitutions, and the runs that rest on them", meter_story
    ),
    _of_one("sites", "A site: versions, meters, contracts, what markets told, and its runs", site_story),
    _of_one(
        "market-facts", "What a market told: claims granted and refused, lines, payments", market_fact_story
    ),
    _of_one(
        "unit-statements",
        "A market's statement about a trading unit, shared out and settled",
        unit_statement_story,
    ),
    _of_one("bids", "A bid to the cent: award, sites' shares, facts, readings, lines, postings", bid_story),
    _of_one("actors", "Everything that one user did", actor_story),
    tell_document,
    tell_event,
)
