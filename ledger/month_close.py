"""Closing a month: nothing that is recorded later changes it; corrections are posted in an open month."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

import msgspec

from ledger import book
from ledger.book import Book
from ledger.command import known
from ledger.identity import checked_id
from ledger.interval import Month, zone_of
from ledger.refusal import Refused
from ledger.settlement.run import Runs, check_named
from ledger.statement.life import Life, StatementKey

AGGREGATE: Final = "closing.book"


class Closed(msgspec.Struct, frozen=True):
    """A closed month: the final run of each contract, and the disputes that were carried to the next."""

    month: Month
    finals: dict[str, int]
    carried_disputes: tuple[str, ...]
    prepared_by: str


class Closing(msgspec.Struct, frozen=True):
    """The closed months, in order and without a gap."""

    closed: tuple[Closed, ...] = ()

    @property
    def last(self) -> Month | None:
        return self.closed[-1].month if self.closed else None

    def posting_month(self, origin: Month) -> Month:
        """Where what concerns `origin` is posted now: `origin` itself, or the first month not closed."""
        last = self.last
        return origin if last is None or origin > last else last.next()


class MonthClosed(msgspec.Struct, frozen=True, tag_field="kind", tag="month.closed.v1"):
    closed: Closed

    def apply(self, state: Closing | None) -> Closing:
        return Closing((*(state.closed if state else ()), self.closed))


class CloseMonth(msgspec.Struct, frozen=True, tag_field="command", tag="month.close"):
    """Close a month whose contracts have a final run each and whose statements are issued.

    `contracts` are all that hold in the month or were settled for it, `statements` those of all their paying
    runs. To be issued are those of the final run, and of the runs before it those that changed what is owed.

    A dispute that is still open, on any of them, is named in `carried_disputes`: its lines wait for the next
    month, the undisputed ones are paid (DOMAIN.md 3.10), and nothing is carried without being named. What the
    month before carried, and what was disputed since of earlier months, stands in `waiting`: it is decided by
    now or named again, and no dispute is forgotten in a closed month.

    The month is over, where the book is kept, at the instant under which the close is recorded. That instant
    is never before those of the runs and statements that it reads: a clock that was set back behind them does
    not make the month begin again, and none is closed by a clock that has not passed its end.
    """

    month: Month
    contracts: tuple[str, ...]
    statements: tuple[StatementKey, ...]
    carried_disputes: tuple[str, ...]
    prepared_by: str
    waiting: tuple[StatementKey, ...] = ()
    """The statements of earlier months whose disputes the last close carried, or on which one is open."""

    @property
    def aggregate(self) -> str:
        return AGGREGATE

    @property
    def reads(self) -> tuple[str, ...]:
        settlements = (f"settlement.{name}_{self.month}" for name in self.contracts)
        return (book.AGGREGATE, *settlements, *(key.aggregate for key in (*self.statements, *self.waiting)))

    def decide_at(
        self, now: datetime, state: Closing | None, others: Mapping[str, object]
    ) -> tuple[MonthClosed]:
        """Raises:
        Refused: `month_not_over`, `month_order`, `not_final`, `statement_missing`, `not_issued`,
            `dispute_open`, `unknown_dispute`."""
        checked_id(self.prepared_by, "prepared_by")
        self._check_over(now, known(others, book.AGGREGATE, Book).zone)
        last = state.last if state else None
        if last is not None and self.month != last.next():
            raise Refused(
                "month_order", f"{last.next()} is the next to close, not {self.month}", place="month"
            )
        settled = {name: self._final(name, others) for name in self.contracts}
        finals = {name: number for name, (_, number) in settled.items()}
        to_issue: set[StatementKey] = set()
        for name, (runs, number) in settled.items():
            check_named(name, str(self.month), runs.statements_up_to(number), self.statements)
            to_issue |= {StatementKey(name, str(self.month), party, run) for run, party in runs.statements}
        for key in self.statements:
            self._check_issued(key, finals, others, needed=key in to_issue)
        lives = [others.get(key.aggregate) for key in self.statements]
        disputes = [one for life in lives if isinstance(life, Life) for one in life.disputes]
        frozen = {one.id for one in disputes if one.freezes}
        frozen |= self._still_open(state.closed[-1].carried_disputes if state else (), others)
        for name in sorted(frozen - set(self.carried_disputes)):
            raise Refused(
                "dispute_open",
                f"dispute {name} is open: decide it, or name it among the carried ones",
                place="carried_disputes",
            )
        for name in self.carried_disputes:
            if name not in frozen:
                raise Refused("unknown_dispute", f"no dispute {name!r} is open", place="carried_disputes")
        return (MonthClosed(Closed(self.month, finals, self.carried_disputes, self.prepared_by)),)

    def _check_over(self, now: datetime, zone: str) -> None:
        clock = zone_of(zone)
        if now >= self.month.interval(clock).end:
            return
        last = self.month.next().first_day - timedelta(days=1)
        text = (
            f"{self.month} ends with {last}, and where the book is kept it is"
            f" {now.astimezone(clock):%Y-%m-%d %H:%M}: close it from {self.month.next().first_day} on"
        )
        raise Refused("month_not_over", text, place="month")

    def _still_open(self, carried: tuple[str, ...], others: Mapping[str, object]) -> set[str]:
        """Of the disputes on statements of earlier months, those that are not ended."""
        lives = [others.get(key.aggregate) for key in self.waiting]
        disputes = [one for life in lives if isinstance(life, Life) for one in life.disputes]
        for name in carried:
            if name not in {one.id for one in disputes}:
                raise Refused(
                    "dispute_open", f"dispute {name} was carried and is not looked at", place="waiting"
                )
        return {one.id for one in disputes if one.freezes}

    def _final(self, name: str, others: Mapping[str, object]) -> tuple[Runs, int]:
        """A contract's runs of the month, and the number of the latest, which is final."""
        runs = others.get(f"settlement.{name}_{self.month}")
        latest = runs.latest if isinstance(runs, Runs) else None
        if not isinstance(runs, Runs) or latest is None:
            raise Refused("not_final", f"{self.month} is not settled", place=f"contract {name}")
        if runs.final != latest.number:
            raise Refused(
                "not_final", f"run {latest.number} of {self.month} is not final", place=f"contract {name}"
            )
        return runs, latest.number

    def _check_issued(
        self, key: StatementKey, finals: Mapping[str, int], others: Mapping[str, object], *, needed: bool
    ) -> None:
        life = others.get(key.aggregate)
        place = f"statement of {key.party}, {key.contract}"
        if key.month != str(self.month) or key.contract not in finals or key.run > finals[key.contract]:
            raise Refused("not_issued", f"run {key.run} of {key.month} is not of this close", place=place)
        if needed and (not isinstance(life, Life) or life.issued_on is None):
            raise Refused("not_issued", f"run {key.run} has not been issued", place=place)
