"""The plans that hold now and next for the sites of this driver, from the book, kept while it cannot be
asked."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final, NamedTuple

from adapters.links.follows_plan import plan_cause
from adapters.planning.portfolio import portfolio_of, to_be_planned
from adapters.postgres.database import Connection, Database
from adapters.queries import registered
from adapters.queries.recorded_plans import RecordedPlan, plan_at
from adapters.settling import lowest_position
from dispatch.planning.storage_terms import StorageTerms
from ledger.refusal import Refused
from ledger.trading_unit import TradingUnit

_AGAIN: Final = timedelta(seconds=60)
_KEPT: Final = 3
"""Plans of a portfolio: the one that holds, the next, and the one before, for the moment in between."""


class SitePlan(NamedTuple):
    """A site's part of the interval that it is now. `until` is the interval's end, `holds_until` the plan's;
    W, above 0 discharging. `peak_w` is what the guard holds, None where there is no peak to hold."""

    portfolio: str
    planned_w: int
    regulation_w: int
    interval_s: int
    start: datetime
    until: datetime
    holds_until: datetime
    cause: str
    peak_w: int | None


class Plans:
    """`refresh` asks the book, in a thread; `of` never waits."""

    def __init__(self, database: Database, book: str, sites: frozenset[str]) -> None:
        self._database = database
        self._book = book
        self._sites = sites
        self._portfolios: dict[str, tuple[str, ...]] = {}
        self._plans: dict[str, tuple[RecordedPlan, ...]] = {}
        self._seen: tuple[int, int] = (-1, -1)
        self._asked: datetime | None = None

    def refresh(self, now: datetime) -> bool:
        """Look for what is new; answers whether anything was.

        Raises:
            Behind, psycopg.OperationalError, Discontinuity: the book cannot be asked, or is damaged; what was
                known stays.
            Refused: `plan_shape`, each time that nothing is new, while a plan that holds cannot be carried
                out; its sites have none, and the other sites theirs.
        """
        changed = self._refreshed(now)
        if not changed:
            self._check(now)
        return changed

    def _refreshed(self, now: datetime) -> bool:
        with self._database.reading(self._book) as connection:
            position = lowest_position(connection)
            seen = _newest(connection, position)
            old = self._asked is None or now - self._asked >= _AGAIN
            if seen == self._seen and not old:
                return False
            if seen[1] != self._seen[1] or old:
                self._portfolios = self._list(connection, position, now)
            for name in self._portfolios:
                self._plans[name] = self._read(connection, position, name, now)
        changed, self._seen, self._asked = seen != self._seen, seen, now
        return changed

    def portfolio(self, site: str) -> str:
        """Whose plan the site follows; its own where nobody plans it."""
        return next((name for name, sites in self._portfolios.items() if site in sites), site)

    def of(self, site: str, now: datetime) -> SitePlan | None:
        """The newest plan's that covers `now`; None where none does."""
        portfolio = self.portfolio(site)
        for plan in sorted(self._plans.get(portfolio, ()), key=lambda one: -one.sequence):
            planned = plan.of(site)
            if not plan.head.start <= now < plan.end or planned is None:
                continue
            if plan.unread:
                return None
            number, step = plan.at(now), timedelta(seconds=plan.head.interval_s)
            start = plan.head.start + number * step
            return SitePlan(
                portfolio=portfolio,
                planned_w=planned.setpoint_w[number],
                regulation_w=planned.regulation_w[number] if planned.regulation_w else 0,
                interval_s=plan.head.interval_s,
                start=start,
                until=start + step,
                holds_until=plan.end,
                cause=plan_cause(plan.name, plan.sequence),
                peak_w=plan.head.peak_w.get(site),
            )
        return None

    def _check(self, now: datetime) -> None:
        for name in sorted(self._portfolios):
            held = [one for one in self._plans[name] if one.head.start <= now < one.end]
            newest = max(held, key=lambda one: one.sequence, default=None)
            if newest is not None and newest.unread:
                wrong = f"{newest.name}: {newest.unread}; its sites fall back, and the others go on"
                raise Refused("plan_shape", wrong, place=name)

    def _list(self, connection: Connection, position: int, now: datetime) -> dict[str, tuple[str, ...]]:
        terms = registered.load(connection, "storage", StorageTerms, position)
        stated = frozenset(name for name in terms.versions if terms.at(name, now) is not None)
        units = registered.load(connection, "trading_unit", TradingUnit, position)
        found: dict[str, tuple[str, ...]] = {}
        for name in to_be_planned(units, stated, now):
            try:
                portfolio = portfolio_of(connection, position, name, now)
            except Refused as refused:
                if refused.code not in ("portfolio_ambiguous", "no_members", "unknown_portfolio"):
                    raise
                continue
            if self._sites.intersection(portfolio.sites):
                found[name] = portfolio.sites
        return found

    def _read(
        self, connection: Connection, position: int, name: str, now: datetime
    ) -> tuple[RecordedPlan, ...]:
        kept = {one.sequence: one for one in self._plans.get(name, ()) if now < one.end}
        holding = plan_at(connection, position, name, now)
        step = timedelta(seconds=900 if holding is None else holding.head.interval_s)
        for one in (holding, plan_at(connection, position, name, now + step)):
            if one is not None:
                kept[one.sequence] = one
        return tuple(kept[sequence] for sequence in sorted(kept)[-_KEPT:])


def _newest(connection: Connection, position: int) -> tuple[int, int]:
    """Up to where plans, and what says who is planned, are known; a plan's parts follow its head, and count
    as they come."""
    found = connection.execute(
        "WITH newest AS (SELECT coalesce(max(from_seq) FILTER (WHERE kind = 'plan'), 0) AS plan,"
        " coalesce(max(from_seq) FILTER (WHERE kind <> 'plan'), 0) AS planned FROM ledger.registered"
        " WHERE kind IN ('plan', 'storage', 'site', 'trading_unit') AND from_seq <= %(at)s)"
        " SELECT least(plan + coalesce((SELECT (document->>'parts')::integer FROM ledger.registered"
        " WHERE kind = 'plan' AND from_seq = plan), 0), %(at)s), planned FROM newest",
        {"at": position},
    ).fetchone()
    assert found is not None, "an aggregate answers a row"
    return int(found[0]), int(found[1])
