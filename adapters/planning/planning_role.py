"""The planning role, turn after turn: each quarter-hour anew, tomorrow's day once, and at once when a site is
lost, a limit is imposed or a response is called.

All that it knows is in the book, so that it may be killed and started again at any moment.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator
from datetime import date, datetime, time, timedelta
from typing import Final, NamedTuple

import msgspec

from adapters.desk.calling import is_called
from adapters.planning.planner import Made, Planner, next_day
from adapters.planning.portfolio import INTERVAL_S, boundary, day_of, portfolio_of, to_be_planned
from adapters.planning.site_cases import interval_of
from adapters.postgres.database import Connection, Database
from adapters.queries import registered
from adapters.queries.kept import kept
from adapters.queries.registered import Register
from adapters.settling import Behind, lowest_position
from dispatch.planning.imposed_limit import ImposedLimit
from dispatch.planning.plan_record import Trigger, plan_aggregate
from dispatch.planning.storage_terms import StorageTerms
from ledger.interval import zone_of
from ledger.refusal import Refused
from ledger.streams.demand_response import DemandResponseInstruction
from ledger.trading_unit import TradingUnit

PERIOD_S: Final = 2
LEAD: Final = timedelta(minutes=2)
"""So long before an interval begins it is planned, with what is known by then."""
DAY_AHEAD_FROM: Final = time(8)
"""From this local time on tomorrow is planned: before the first markets' gates close."""
_RETRY: Final = timedelta(minutes=5)
"""After a refusal; what stands in the way is mended by people."""
_ROLLING_S: Final = 20.0
_DAY_AHEAD_S: Final = 60.0
_KINDS: Final = ("storage", "storage_limit", "response_call", "clearing", "award", "market_fact")
_LISTING: Final = ("site", "storage", "trading_unit")
_decode_limit: Final = msgspec.json.Decoder(ImposedLimit).decode
_INSTRUCTION: Final = DemandResponseInstruction.__struct_config__.tag
_HAPPENED: Final = """\
SELECT one.kind, one.document::text
FROM ledger.envelope AS said
JOIN ledger.registered AS one
    ON one.book = said.book AND one.kind = split_part(said.aggregate, '.', 1)
    AND one.id = substr(said.aggregate, strpos(said.aggregate, '.') + 1) AND one.version = said.version
WHERE said.sequence > %(since)s AND said.sequence <= %(at)s
    AND split_part(said.aggregate, '.', 1) = ANY(%(kinds)s)
    AND CASE one.kind
        WHEN 'storage' THEN one.id = ANY(%(sites)s)
        WHEN 'storage_limit' THEN one.id = ANY(%(sites)s)
        WHEN 'market_fact'
            THEN one.document ->> 'type' = %(instruction)s AND one.document ->> 'site' = ANY(%(sites)s)
        WHEN 'clearing' THEN EXISTS (
            SELECT 1 FROM ledger.bid AS offered
            WHERE offered.book = one.book AND offered.day = (one.document ->> 'day')::date
                AND offered.unit = ANY(%(units)s) AND offered.product = one.document ->> 'product'
                AND offered.market = one.document ->> 'market'
        )
        ELSE one.document ->> 'unit' = ANY(%(units)s)
    END
ORDER BY said.sequence"""
"""By the archive, which knows what came when: of the registered rows there are many, and most are old."""


class _Planned(NamedTuple):
    """A portfolio that is planned by itself, and the interval of its plans."""

    id: str
    zone: str
    sites: tuple[str, ...]
    interval_s: int
    units: tuple[str, ...]
    """Those that have any of its sites."""


class _Row(NamedTuple):
    """A plan on record, and up to which sequence number it knows the book."""

    start: datetime
    end: datetime
    read_through: int


class _Run(msgspec.Struct, frozen=True):
    """Of a clearing or an award, the market's run."""

    run: str


_decode_run: Final = msgspec.json.Decoder(_Run).decode


class _Due(NamedTuple):
    portfolio: str
    at: datetime | None
    """None: tomorrow."""
    zone: str
    trigger: Trigger


class PlanningRole:
    """All portfolios of a book whose storages' terms are stated. `say` gets a line for each plan, and each
    refusal once."""

    def __init__(
        self,
        planner: Planner,
        database: Database,
        book: str,
        clock: Callable[[], datetime],
        say: Callable[[str], None],
        *,
        period_s: float = PERIOD_S,
    ) -> None:
        self._planner = planner
        self._database = database
        self._book = book
        self._clock = clock
        self._say = say
        self._period_s = period_s
        self._listed: tuple[tuple[int, datetime], tuple[_Planned, ...]] | None = None
        self._handled: dict[str, int] = {}
        self._quiet: dict[str, int] = {}
        self._again: dict[tuple[str, Trigger], datetime] = {}
        self._said: dict[str, str] = {}

    def run(self, stopping: threading.Event) -> None:
        """A turn each period until asked to stop; a turn that has begun is ended.

        Raises:
            StoreUnavailable, psycopg.OperationalError: the servers are gone; start it again.
        """
        while not stopping.is_set():
            self.turn()
            stopping.wait(self._period_s)

    def turn(self) -> tuple[Made, ...]:
        """Everything that is due, once; the plans that were made."""
        now = self._clock()
        try:
            with self._database.reading(self._book) as connection:
                position = lowest_position(connection)
                due = [one for each in self._portfolios(connection, position, now)
                       for one in self._due(connection, position, each, now)]  # fmt: skip
        except Behind as behind:
            self._tell("book", str(behind))
            return ()
        made: list[Made] = []
        for one in due:
            try:
                made.append(self._plan(one, now))
            except Behind as behind:
                self._tell(one.portfolio, str(behind))
            except Refused as refused:
                self._again[one.portfolio, one.trigger] = now + _RETRY
                self._tell(f"{one.portfolio} {one.trigger}", f"refused ({refused.code}): {refused}")
            else:
                if one.at is not None:
                    self._handled[one.portfolio] = made[-1].read_through
        return tuple(made)

    def _plan(self, due: _Due, now: datetime) -> Made:
        ahead = due.trigger == "day_ahead"
        at = next_day(due.zone, now) if due.at is None else due.at
        seconds = _DAY_AHEAD_S if ahead else _ROLLING_S
        made = self._planner.plan(due.portfolio, at, trigger=due.trigger, seconds=seconds)
        if not made.repeated:
            self._tell(f"{due.portfolio} {due.trigger}", _text(made))
        return made

    def _portfolios(self, connection: Connection, position: int, now: datetime) -> tuple[_Planned, ...]:
        """Listed anew when a site, its terms or a unit was registered, and each quarter-hour."""
        found = connection.execute(
            "SELECT coalesce(max(from_seq), 0) FROM ledger.registered"
            " WHERE kind = ANY(%s) AND from_seq <= %s",
            [list(_LISTING), position],
        ).fetchone()
        assert found is not None, "an aggregate answers a row"
        key = (int(found[0]), boundary(now, INTERVAL_S, "UTC", after=False))
        if self._listed is None or self._listed[0] != key:
            self._listed = (key, tuple(self._list(connection, position, now)))
            self._quiet.clear()
        return self._listed[1]

    def _list(self, connection: Connection, position: int, now: datetime) -> Iterator[_Planned]:
        terms = registered.load(connection, "storage", StorageTerms, position)
        stated = frozenset(name for name in terms.versions if terms.at(name, now) is not None)
        units = registered.load(connection, "trading_unit", TradingUnit, position)
        for name in to_be_planned(units, stated, now):
            try:
                portfolio = portfolio_of(connection, position, name, now)
            except Refused as refused:
                self._tell(name, f"refused ({refused.code}): {refused}")
                continue
            length = interval_of(connection, position, portfolio, now)
            tied = tuple(unit for unit in units.versions if _has_any(units, unit, portfolio.sites, now))
            yield _Planned(name, portfolio.zone, portfolio.sites, length, tied)

    def _due(self, connection: Connection, position: int, one: _Planned, now: datetime) -> Iterator[_Due]:
        today = day_of(one.zone, now)
        rows = _rows(connection, position, one.id, [today + timedelta(days=n) for n in (-1, 0, 1)])
        coming = boundary(now, one.interval_s, one.zone, after=True)
        emergency = self._emergency(connection, position, one, [row for row in rows if row.start <= coming])
        if emergency is not None and self._may(one.id, emergency, now):
            yield _Due(one.id, boundary(now, one.interval_s, one.zone, after=False), one.zone, emergency)
        elif not any(row.start == coming for row in rows):
            covered = any(row.start <= coming < row.end for row in rows)
            if (coming - now <= LEAD or not covered) and self._may(one.id, "rolling", now):
                yield _Due(one.id, coming, one.zone, "rolling")
        tomorrow = next_day(one.zone, now)
        late = now.astimezone(zone_of(one.zone)).time() >= DAY_AHEAD_FROM
        made = any(day_of(one.zone, row.start) == tomorrow for row in rows)
        if late and not made and self._may(one.id, "day_ahead", now):
            yield _Due(one.id, None, one.zone, "day_ahead")

    def _may(self, portfolio: str, trigger: Trigger, now: datetime) -> bool:
        return self._again.get((portfolio, trigger), now) <= now

    def _emergency(
        self, connection: Connection, position: int, one: _Planned, rows: list[_Row]
    ) -> Trigger | None:
        """What happened to the portfolio since its newest plan was read that cannot wait, the worst first."""
        if not rows:
            return None
        known = (self._handled.get(one.id, 0), self._quiet.get(one.id, 0))
        found = connection.execute(
            _HAPPENED,
            {
                "kinds": list(_KINDS),
                "since": max(*known, *(row.read_through for row in rows)),
                "at": position,
                "sites": list(one.sites),
                "units": list(one.units),
                "instruction": _INSTRUCTION,
            },
        ).fetchall()
        if not found:
            self._quiet[one.id] = position
        triggers: set[Trigger] = set()
        for kind, text in found:
            match kind:
                case "storage_limit":
                    lost = kept(_decode_limit, text, "table registered, storage_limit").lost
                    triggers.add("site_lost" if lost else "limit_imposed")
                case "storage":
                    triggers.add("limit_imposed")
                case "clearing" | "award":
                    called = is_called(kept(_decode_run, text, f"table registered, {kind}").run)
                    triggers.add("response_called" if called else "rolling")
                case "response_call" | "market_fact":
                    triggers.add("response_called")
                case _:
                    raise AssertionError(f"{kind} is not asked for")
        order: tuple[Trigger, ...] = ("site_lost", "limit_imposed", "response_called", "rolling")
        return next((trigger for trigger in order if trigger in triggers), None)

    def _tell(self, about: str, text: str) -> None:
        """Say it, unless it is what was said last about that."""
        if self._said.get(about) != text:
            self._said[about] = text
            self._say(f"{about}: {text}")


def _rows(connection: Connection, position: int, portfolio: str, days: list[date]) -> list[_Row]:
    names = [plan_aggregate(portfolio, day).partition(".")[2] for day in days]
    rows = connection.execute(
        "SELECT (document->>'start')::timestamptz, (document->>'count')::integer"
        " * (document->>'interval_s')::integer,"
        " coalesce(nullif((document->>'read_through')::bigint, 0), from_seq) FROM ledger.registered"
        " WHERE kind = 'plan' AND id = ANY(%s) AND from_seq <= %s",
        [names, position],
    )
    return [_Row(start, start + timedelta(seconds=seconds), through) for start, seconds, through in rows]


def _has_any(units: Register[TradingUnit], name: str, sites: Collection[str], now: datetime) -> bool:
    unit = units.at(name, now)
    members = () if unit is None else unit.document.members
    return any(member.site in sites and member.stands_at(now) for member in members)


def _text(made: Made) -> str:
    head = made.head
    why = f", {head.reason}" if head.reason else ""
    left = f", {len(head.refused)} sites left out" if head.refused else ""
    return (
        f"plan {made.number} of {head.day}, {head.count} intervals from {head.start:%Y-%m-%dT%H:%M}Z,"
        f" {head.basis} in {head.solver_ms} ms{why}{left}"
    )
