"""How far statements have come, and what each still asks for."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from itertools import islice
from typing import Annotated

import msgspec
from litestar import get
from litestar.di import NamedDependency
from litestar.params import QueryParameter

from adapters.http.addressed import PATH, RunNumber
from adapters.http.life_body import LifeBody
from adapters.http.paging import LIMIT, Cursor, Limit, cursor_of
from adapters.http.problem import READ_PROBLEMS
from adapters.http.register import ID_PATTERN
from adapters.http.settlements import ContractName, MonthFilter, MonthName
from adapters.http.statements import PartyName
from adapters.http.view import EffectiveDay, View
from adapters.postgres.database import Connection
from adapters.queries import lives as life_rows
from ledger.refusal import Refused
from ledger.statement.as_posted import standing
from ledger.statement.life import Life


class LifeAnswer(msgspec.Struct, frozen=True):
    position: int
    today: date
    life: LifeBody


class LifePage(msgspec.Struct, frozen=True):
    position: int
    today: date
    items: tuple[LifeBody, ...]
    next_cursor: str | None


@get(
    "/receivables",
    summary="What each issued statement still asks for, with its age: a statement of account",
    responses=READ_PROBLEMS,
    tags=["Receivables"],
    sync_to_thread=True,
)
def list_receivables(
    view: NamedDependency[View],
    month: MonthFilter = None,
    party: Annotated[str | None, QueryParameter(pattern=ID_PATTERN)] = None,
    effective: EffectiveDay = None,
    limit: Limit = LIMIT,
    cursor: Cursor = None,
) -> LifePage:
    """Issued, invoiced, paid and disputed by the end of the day, each by its own day; without `effective`
    statements that are not issued yet are listed too."""
    today = view.day(effective)
    with view.page(cursor, str, "") as (connection, position, after):
        rows = _rows(connection, position, month, party, after, limit + 1)
        found = list(islice(standing(rows, today, every=effective is None), limit + 1))
    more = cursor_of(position, found[limit - 1].key.aggregate) if len(found) > limit else None
    return LifePage(position, today, tuple(LifeBody.of(one, today) for one in found[:limit]), more)


def _rows(
    connection: Connection, position: int, month: str | None, party: str | None, after: str, chunk: int
) -> Iterator[Life]:
    """Every life after `after`, read as far as needed: only their days say how many are shown."""
    while found := life_rows.page(connection, position, month=month, party=party, after=after, limit=chunk):
        yield from found
        if len(found) < chunk:
            return
        after = found[-1].key.aggregate


@get(
    f"{PATH}/life",
    summary="How far a statement has come: issue, disputes, invoices, payments",
    responses=READ_PROBLEMS,
    tags=["Receivables"],
    sync_to_thread=True,
)
def show_life(
    view: NamedDependency[View],
    contract: ContractName,
    month: MonthName,
    party: PartyName,
    run: RunNumber,
    effective: EffectiveDay = None,
) -> LifeAnswer:
    today = view.day(effective)
    with view.reading() as (connection, position):
        life = life_rows.one(connection, position, contract=contract, month=month, party=party, run=run)
    if life is None:
        raise Refused("unknown_statement", "no such statement was reviewed yet", place="run")
    life = next(iter(standing((life,), today, every=True)))
    return LifeAnswer(position, today, LifeBody.of(life, today))


ROUTES = (list_receivables, show_life)
