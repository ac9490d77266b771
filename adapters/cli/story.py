"""Commands for auditors: the story of a reading, a line, a contract, a person, in the order of the book."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Final

from cyclopts import App, Parameter, validators

from adapters.cli.as_of import AsOf, moment
from adapters.cli.session import Session
from adapters.documents.language import Language
from adapters.http.instant import instant_of
from adapters.postgres.database import Connection
from adapters.queries.story.actor import actor as actor_story
from adapters.queries.story.bid import bid as bid_story
from adapters.queries.story.contract import contract as contract_story
from adapters.queries.story.device import device as device_story
from adapters.queries.story.document import document as document_story
from adapters.queries.story.entry import Story
from adapters.queries.story.event import event as event_story
from adapters.queries.story.line import line as line_story
from adapters.queries.story.market_fact import market_fact as market_fact_story
from adapters.queries.story.meter import meter as meter_story
from adapters.queries.story.reading import reading as reading_story
from adapters.queries.story.site import site as site_story
from adapters.queries.story.telling import Part
from adapters.queries.story.unit_statement import unit_statement as unit_statement_story
from adapters.story_text import StoryFormat, rendered
from ledger.interval import Month


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Shown:
    """How a story is shown."""

    as_of: AsOf = None
    after: Annotated[
        int, Parameter(help="only entries after this sequence number", validator=validators.Number(gte=0))
    ] = 0
    limit: Annotated[
        int | None, Parameter(help="at most so many entries", validator=validators.Number(gte=1))
    ] = None
    format: Annotated[StoryFormat, Parameter(help="text, csv or jsonl")] = "text"
    language: Annotated[Language, Parameter(help="of the sentences of a text")] = "en"

    def __str__(self) -> str:
        """As it stands in the access log: what was asked otherwise than by default."""
        given = ((name, value) for name, value in vars(self).items() if value != getattr(Shown, name))
        return " ".join(f"{name}={value}" for name, value in given) or "whole"


_DEFAULT: Final = Shown()


def add_to(app: App, session: Session) -> None:
    """Add the commands."""
    group = App(
        name="story",
        help="What happened, in order, with links both ways: `story event N` goes on from any of them.",
    )
    app.command(group)
    _add_money(group, session)
    _add_things(group, session)


def _add_money(group: App, session: Session) -> None:
    """The stories that cross from readings to money."""

    @group.command
    def reading(
        meter: str,
        instant: str,
        *,
        register: Annotated[str | None, Parameter(help="one register alone, such as charge")] = None,
        shown: Shown = _DEFAULT,
    ) -> None:
        """Tell one kWh: every version of METER's reading at INSTANT, the lines that used it, the payments."""
        at = instant_of(instant, "instant")
        _show(session, shown, lambda c, p, part: reading_story(c, p, meter, at, register=register, part=part))

    @group.command
    def line(contract: str, month: str, run: int, number: int, *, shown: Shown = _DEFAULT) -> None:
        """Tell one yuan: a line's leaves, the events that it rests on, its postings, its statement's life."""
        of = str(Month.parse(month))
        _show(session, shown, lambda c, p, part: line_story(c, p, contract, of, run, number, part=part))

    @group.command
    def contract(name: str, *, shown: Shown = _DEFAULT) -> None:
        """Tell a contract: versions, approvals, runs and why they were corrected, disputes, closes."""
        _show(session, shown, lambda c, p, part: contract_story(c, p, name, part=part))

    @group.command(name="market-fact")
    def market_fact(name: str, *, shown: Shown = _DEFAULT) -> None:
        """Tell what a market told: the claims granted and refused on it, and the lines."""
        _show(session, shown, lambda c, p, part: market_fact_story(c, p, name, part=part))

    @group.command(name="unit-statement")
    def unit_statement(name: str, *, shown: Shown = _DEFAULT) -> None:
        """Tell a market's statement about a trading unit: how it was shared out, and each site's runs."""
        _show(session, shown, lambda c, p, part: unit_statement_story(c, p, name, part=part))

    @group.command
    def bid(name: str, *, shown: Shown = _DEFAULT) -> None:
        """Tell a bid to the cent: its award, the sites' shares, what was metered, the lines and postings."""
        _show(session, shown, lambda c, p, part: bid_story(c, p, name, part=part))

    @group.command
    def document(name: str, *, shown: Shown = _DEFAULT) -> None:
        """Tell a paper by its name: an invoice's number, a bank's reference, a file's name or SHA-256."""
        _show(session, shown, lambda c, p, part: document_story(c, p, name, part=part))


def _add_things(group: App, session: Session) -> None:
    """The stories of what is registered, of people, and of one event."""

    @group.command
    def device(name: str, *, shown: Shown = _DEFAULT) -> None:
        """Tell a device."""
        _show(session, shown, lambda c, p, part: device_story(c, p, name, part=part))

    @group.command
    def meter(name: str, *, shown: Shown = _DEFAULT) -> None:
        """Tell a meter: versions, readings, imports, substitutions, and the runs that rest on them."""
        _show(session, shown, lambda c, p, part: meter_story(c, p, name, part=part))

    @group.command
    def site(name: str, *, shown: Shown = _DEFAULT) -> None:
        """Tell a site: versions, meters, devices, contracts, what markets told, and its runs."""
        _show(session, shown, lambda c, p, part: site_story(c, p, name, part=part))

    @group.command
    def actor(name: str, *, shown: Shown = _DEFAULT) -> None:
        """Tell everything that one user did."""
        _show(session, shown, lambda c, p, part: actor_story(c, p, name, part=part))

    @group.command
    def event(sequence: int, *, shown: Shown = _DEFAULT) -> None:
        """Tell one event: what caused it, what it caused, what it rests on and what rests on it."""
        _show(session, shown, lambda c, p, part: event_story(c, p, sequence, part=part))


def _show(session: Session, shown: Shown, story: Callable[[Connection, int, Part], Story]) -> None:
    with session.open() as stack:
        position = moment(stack, shown.as_of).position
        with stack.database.reading(stack.settings.book) as connection:
            found = story(connection, position, Part(shown.after, shown.limit))
    print(rendered(found, shown.format, shown.language), end="")
