"""What a trading unit's month was worth: its sites' reports as one, each settled under its own contract."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from adapters.backtest.book import Question
from adapters.backtest.value import value
from adapters.postgres.database import Connection
from adapters.queries import registered
from adapters.queries.contracts_in_force import local_month
from dispatch.value.report import ValueReport
from ledger.refusal import Refused
from ledger.site import Site
from ledger.trading_unit import TradingUnit

_TICK: Final = timedelta(microseconds=1)


def value_of_any(connection: Connection, book: str, asked: Question) -> ValueReport:
    """Of the site of that name, or of the sites that the unit of that name has at the month's end.

    A site whose month cannot be counted is left out, and a note says why.

    Raises:
        Refused: as `value` for a site, and for a unit without a site that can be counted; `no_members`;
            `currency` where its sites settle in several.
        Discontinuity: a row that is read was changed.
    """
    unit = _unit(connection, asked)
    if unit is None:
        return value(connection, book, asked)
    end = local_month(asked.month, unit.zone).end - _TICK
    sites = sorted({member.site for member in unit.members if member.stands_at(end)})
    found: list[ValueReport] = []
    left: list[str] = []
    problem = Refused("no_members", f"unit {unit.id} has no sites at the end of {asked.month}", place="unit")
    for site in sites:
        try:
            found.append(value(connection, book, asked._replace(site=site)))
        except Refused as refused:
            problem = refused
            left.append(f"{site} is left out: {refused.reason} ({refused.code})")
    if not found:
        raise problem
    currencies = sorted({one.currency for one in found})
    if len(currencies) > 1:
        raise Refused("currency", f"the unit's sites settle in {', '.join(currencies)}", place="unit")
    contracts = ", ".join(sorted({one.contract for one in found}))
    return ValueReport(
        contract=f"{unit.id} ({contracts})",
        month=found[0].month,
        through=found[0].through,
        currency=currencies[0],
        rows=tuple(row for one in found for row in one.rows),
        energy=tuple(row for one in found for row in one.energy),
        notes=(*left, *dict.fromkeys(note for one in found for note in one.notes)),
    )


def _unit(connection: Connection, asked: Question) -> TradingUnit | None:
    """The newest version of the unit of that id, unless a site has that id."""
    if registered.load(connection, "site", Site, asked.position, asked.site).versions:
        return None
    versions = registered.load(connection, "trading_unit", TradingUnit, asked.position, asked.site).versions
    return versions[asked.site][-1].document if asked.site in versions else None
