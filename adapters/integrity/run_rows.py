"""Which runs and statements there are is what the archive says: none is gone, added or of another number.

An index of the archive lists the settlements' envelopes by month, so that a month of a thousand contracts is
compared in a few milliseconds; no envelope is decoded for it. What a row says is compared elsewhere, with its
own envelope (adapters/integrity/published.py, adapters/queries/statements.py).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Final

import msgspec

from adapters.integrity import known_damage, proven_events
from adapters.integrity.proven_events import doubt
from adapters.integrity.published import recorded_runs
from adapters.postgres.database import Connection
from ledger.interval import Month
from ledger.settlement.run import SettlementRecorded
from ledger.settlement.statement import Statement, statements

_RUN: Final = str(SettlementRecorded.__struct_config__.tag)
_EVER: Final = ("", "9999-99")

_ENVELOPES: Final = (
    "SELECT right(aggregate, 7) AS month, substr(aggregate, 12, length(aggregate) - 19) AS contract, sequence"
    " FROM ledger.envelope WHERE book = current_setting('app.book') AND aggregate LIKE 'settlement.%%'"
    " AND right(aggregate, 7) BETWEEN %(first)s AND %(last)s AND sequence <= %(position)s"
    " AND (%(contracts)s::text[] IS NULL"
    " OR substr(aggregate, 12, length(aggregate) - 19) = ANY(%(contracts)s))"
)
_ROWS: Final = (
    "SELECT month, contract, sequence, run, parties,"
    " row_number() OVER (PARTITION BY contract, month ORDER BY sequence) AS number"
    " FROM ledger.settlement WHERE book = current_setting('app.book')"
    " AND month BETWEEN %(first)s AND %(last)s AND sequence <= %(position)s"
    " AND (%(contracts)s::text[] IS NULL OR contract = ANY(%(contracts)s))"
)
_COMPARED: Final = (
    f"WITH recorded AS MATERIALIZED ({_ENVELOPES}), kept AS MATERIALIZED ({_ROWS})"  # noqa: S608
    " SELECT month, contract, recorded.sequence, kept.sequence, kept.run, kept.number"
    " FROM recorded FULL JOIN kept USING (month, contract, sequence)"
    " WHERE recorded.sequence IS NULL OR kept.sequence IS NULL OR kept.run <> kept.number"
    " ORDER BY month, contract, recorded.sequence"
)
_UNSTATED: Final = (
    f"SELECT month, contract, run, sequence, named.party FROM ({_ROWS}) AS kept"  # noqa: S608
    " CROSS JOIN LATERAL unnest(kept.parties) AS named (party){} EXCEPT"
    " SELECT month, contract, run, sequence, party FROM ledger.statement"
    " WHERE book = current_setting('app.book') AND month BETWEEN %(first)s AND %(last)s"
    " AND sequence <= %(position)s{} ORDER BY 1, 2, 3, 4, 5 LIMIT 1"
)
"""What is not asked for stays out, so that an index is used where one fits; EXCEPT hashes both sides, where
a join without statistics, as after an import, would probe row by row."""


class Asked(msgspec.Struct, frozen=True):
    """Which runs a question is about: those up to `position` of the months from `first` to `last`, of these
    contracts, or of all."""

    position: int
    first: str = _EVER[0]
    last: str = _EVER[1]
    contracts: tuple[str, ...] | None = None

    @classmethod
    def of(
        cls, position: int, month: str | Month | None = None, contracts: Iterable[str] | None = None
    ) -> Asked:
        """About a month, or all; of a contract or some, or all."""
        named = None if contracts is None else tuple(contracts)
        return cls(position, *(_EVER if month is None else (str(month), str(month))), named)

    def values(self, party: str | None = None) -> dict[str, object]:
        """As the queries name them."""
        named = None if self.contracts is None else list(self.contracts)
        return {
            "position": self.position,
            "first": self.first,
            "last": self.last,
            "contracts": named,
            "party": party,
        }


def check_runs(connection: Connection, asked: Asked) -> None:
    """Accept that the rows of runs are just the recorded ones; `connection` sees the whole book.

    Raises:
        Discontinuity: `row_altered`, `archive_missing`, or the damage that is known.
    """
    known_damage.check(connection)
    found = connection.execute(_COMPARED, asked.values()).fetchall()
    # Beside its runs a settlement's aggregate holds what was decided of them.
    unkept = [row[2] for row in found if row[3] is None]
    runs = {
        one.sequence for one in proven_events.at(connection, unkept) if _RUN in proven_events.kinds_of(one)
    }
    # Of a row that no event of its settlement recorded: the archive has lost it, or the row is made up.
    any(proven_events.at(connection, [row[3] for row in found if row[2] is None]))
    for month, contract, recorded, kept, run, number in found:
        place = f"table settlement, {contract} for {month}"
        if recorded is None:
            raise doubt("row_altered", f"{place}, sequence {kept}", "no such run was recorded")
        if kept is not None:
            raise doubt("row_altered", f"{place}, sequence {kept}", f"its run {number} is said to be {run}")
        if recorded in runs:
            raise doubt("row_altered", f"{place}, sequence {recorded}", "the run's row is gone")


def check_statements_there(
    connection: Connection, asked: Asked, party: str | None, newest: Sequence[Statement]
) -> None:
    """Accept that no statement of the runs is gone, of a party or of all; `connection` sees the whole book.

    `newest` are those that are about to be shown as each one's newest: no later run is that party's too.

    Raises:
        Discontinuity: as `check_runs`; `archive_altered` or `tree_altered`.
    """
    check_runs(connection, asked)
    whose_rows = "" if party is None else " WHERE named.party = %(party)s"
    made = "" if party is None else " AND party = %(party)s"
    made += "" if asked.contracts is None else " AND contract = ANY(%(contracts)s)"
    gone = connection.execute(_UNSTATED.format(whose_rows, made), asked.values(party)).fetchone()
    if gone is not None:
        month, contract, run, _, whose = gone
        place = f"table statement, run {run} of {contract} for {month}"
        raise doubt("row_altered", place, f"the statement for {whose} is gone, or of another event")
    _check_newest(connection, asked.position, newest)


def _check_newest(connection: Connection, position: int, newest: Sequence[Statement]) -> None:
    """Hardly any has a later run: of a party that the contract left out since."""
    rows = connection.execute(
        "SELECT later.book, shown.contract, shown.month, shown.party, later.run, later.sequence"
        " FROM unnest(%s::text[], %s::text[], %s::text[], %s::bigint[])"
        " AS shown (contract, month, party, sequence) JOIN ledger.settlement AS later"
        " ON later.book = current_setting('app.book') AND later.contract = shown.contract"
        " AND later.month = shown.month AND later.sequence > shown.sequence AND later.sequence <= %s",
        [
            [one.contract for one in newest],
            [one.month for one in newest],
            [one.party for one in newest],
            [one.sequence for one in newest],
            position,
        ],
    ).fetchall()
    runs = recorded_runs(connection, rows[0][0], _sequences(rows)) if rows else {}
    for _, contract, month, party, run, sequence in rows:
        recorded = runs.get((contract, month, run))
        if recorded is None or any(made.party == party for made in statements(recorded, sequence)):
            place = f"table statement, run {run} of {contract} for {month}"
            raise doubt("row_altered", place, f"the statement for {party} of a newer run is gone")


def _sequences(rows: Collection[tuple[object, ...]]) -> set[int]:
    return {row[-1] for row in rows if isinstance(row[-1], int)}
