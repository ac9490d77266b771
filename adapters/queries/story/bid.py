"""The story of a bid, to the cent: life, what it bound, calls, award, what storages were told for it, the
shares, the facts, the meters, the money."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import date, timedelta

from adapters.postgres.database import Connection
from adapters.queries import bids, registered
from adapters.queries.story.after_run import (
    after_runs,
    before_events,
    lines_on,
    recorded_runs,
    result_of,
)
from adapters.queries.story.entry import Story
from adapters.queries.story.links_of import followed
from adapters.queries.story.posted import posted
from adapters.queries.story.telling import WHOLE, Part, Subject, aggregates, tell, threads
from ledger.interval import Interval, midnight, zone_of
from ledger.meter import Meter
from ledger.settlement.result import Result
from ledger.stream import BILL_EFFECT
from trading.award import aggregate_of
from trading.bid_life import BidState
from trading.handover import energies_wh
from trading.product import Market


def bid(connection: Connection, position: int, name: str, *, part: Part = WHOLE) -> Story:
    """From the draft to the postings of what its award was paid, and the readings between the two.

    Raises:
        Refused: `unknown_bid`.
    """
    state = bids.bid(connection, position, name).state
    own = aggregates(connection, position, [f"bid.{name}"])
    clearings = followed(connection, position, own, "cleared_in")
    shares = followed(connection, position, own, "award_shared_by")
    calls = threads(
        connection, position, followed(connection, position, own, "called_by"), ("response_call",)
    )
    facts = followed(connection, position, shares, "handed_over_as")
    runs = recorded_runs(connection, position, followed(connection, position, facts, "used_by"))
    used = {run.sequence for run in runs}
    notes = {run.sequence: tuple(_earned(result_of(connection, run), facts)) for run in runs}
    read = _readings(connection, position, state, shares) & followed(connection, position, used, "rests_on")
    events = own | calls | clearings | shares | facts | used | read
    events |= followed(connection, position, own, "binds") | _driven(connection, position, own)
    paid = after_runs(connection, position, used)
    events |= before_events(connection, position, events) | paid
    return tell(
        connection,
        position,
        Subject(
            name=f"bid {name}",
            events=frozenset(events),
            facts=tuple(_told(connection, position, name, state)),
            notes=notes,
            postings=posted(connection, position, used | paid),
        ),
        part,
    )


def _driven(connection: Connection, position: int, own: Collection[int]) -> set[int]:
    """The plans for the bid that setpoints followed, all that their devices were told that day, and where
    the meters show it."""
    plans = followed(connection, position, own, "planned_in")
    setpoints = followed(connection, position, plans, "followed_as")
    told = threads(connection, position, setpoints, ("command",))
    done = plans & followed(connection, position, setpoints, "follows_plan")
    return done | told | followed(connection, position, told, "seen_in")


def _told(connection: Connection, position: int, name: str, state: BidState) -> Iterator[str]:
    """What the bid is about, and what it was awarded, in Wh."""
    one = state.draft.bid
    yield f"unit {one.unit}, {one.product} of {one.market} on {one.day}: {state.status}"
    standing = state.standing
    if standing is None or standing.status != "cleared":
        return
    step = _market(connection, position, state).product(one.product).interval_s
    for word, sign in (("toward the grid", 1), ("from the grid", -1)):
        wh = sum(energies_wh([max(sign * power, 0) for power in standing.awarded_w], step))
        if wh:
            yield f"awarded in {standing.clearing}: {wh} Wh {word}"
    yield f"shared out in {aggregate_of(name, 1)}"


def _market(connection: Connection, position: int, state: BidState) -> Market:
    one = state.draft.bid
    register = registered.load(connection, "market", Market, position)
    latest = register.versions[one.market][-1].document
    held = register.at(one.market, latest.start_of(one.day))
    return latest if held is None else held.document


def _earned(result: Result, facts: Collection[int]) -> Iterator[str]:
    """The market's lines that rest on the bid's facts."""
    numbers = set(lines_on(result, facts))
    for line in result.lines:
        if line.number in numbers and line.kind == "stream" and line.code not in BILL_EFFECT:
            yield (
                f"line {line.number}: {line.code} at {line.site}, {line.note}:"
                f" {line.amount:,} {line.amount.currency}"
            )


def _readings(connection: Connection, position: int, state: BidState, shares: Collection[int]) -> set[int]:
    """The events that read the sites' storages on the delivery day."""
    sites = {
        site
        for (site,) in connection.execute(
            "SELECT DISTINCT substr(thing, 6) FROM ledger.link WHERE sequence = ANY(%s)"
            " AND thing LIKE 'site.%%'",
            [list(shares)],
        )
    }
    market = _market(connection, position, state)
    zone = zone_of(market.zone)
    day: date = state.draft.bid.day
    whole = Interval(midnight(day, zone), midnight(day + timedelta(days=1), zone))
    register = registered.load(connection, "meter", Meter, position)
    meters = [
        name
        for name in register.versions
        if (held := register.at(name, whole.start)) is not None
        and held.document.position == "storage"
        and held.document.site in sites
    ]
    rows = connection.execute(
        "SELECT DISTINCT sequence FROM ledger.meter_run WHERE meter = ANY(%s) AND start < %s"
        " AND start + cardinality(wh) * interval_s * interval '1 second' > %s AND sequence <= %s",
        [meters, whole.end, whole.start, position],
    )
    return {sequence for (sequence,) in rows}
