"""A contract in another currency than its sites are billed or paid in is refused before it is stored.

Nothing converts: two currencies never add. What is published or told later is refused when a month is
settled.
"""

from __future__ import annotations

from collections.abc import Iterator

from adapters.front_door import FrontDoor
from adapters.postgres.database import Connection, Database
from adapters.settling import lowest_position
from ledger.command import Command
from ledger.contract import Contract
from ledger.effective import History
from ledger.interval import Interval
from ledger.refusal import Refused
from ledger.signed_contract import RegisterContract
from ledger.site import Site
from ledger.tariff import Tariff


def check_currency(door: FrontDoor, database: Database, command: Command) -> None:
    """That no site of the contract is billed by a tariff, or paid under a market rule, in another currency.

    Raises:
        Refused: `currency`, naming the site, and its tariff or market rule.
    """
    if not isinstance(command, RegisterContract):
        return
    contract = command.contract
    for site in contract.sites:
        history = door.state(f"site.{site}")
        for name in _tariffs(history, contract.effective) if isinstance(history, History) else ():
            tariff = door.state(f"tariff.{name}")
            if isinstance(tariff, Tariff):
                _check(contract, tariff.currency, f"site {site} is billed by tariff {name}")
    with database.reading(door.book) as connection:
        told = list(_rules(connection, contract))
    for site, name in told:
        rule = door.state(f"market_rule.{name}")
        currency = getattr(rule.latest.document, "currency", None) if isinstance(rule, History) else None
        if currency is not None:
            _check(contract, currency, f"site {site} is paid under market rule {name}")


def _check(contract: Contract, currency: str, what: str) -> None:
    if currency != contract.currency:
        raise Refused(
            "currency",
            f"{what} in {currency}, and contract {contract.id} is in {contract.currency}: nothing converts,"
            f' so state currency = "{currency}"',
            place="currency",
        )


def _tariffs(history: History[Site], held: Interval) -> Iterator[str]:
    """Those of the site's versions that are in force at some time while the contract holds."""
    for version in history.versions:
        first = history.at(max(version.period.start, held.start))
        if version.period.overlaps(held) and first is version:
            yield version.document.tariff


def _rules(connection: Connection, contract: Contract) -> Iterator[tuple[str, str]]:
    """The market rules under which something was told of its sites while it holds, each with a site."""
    rows = connection.execute(
        "SELECT min(document->>'site'), document->>'rule' FROM ledger.registered"
        " WHERE kind = 'market_fact' AND from_seq <= %s AND effective_from < %s AND effective_to > %s"
        " AND document->>'site' = ANY(%s) GROUP BY document->>'rule' ORDER BY 2",
        [
            lowest_position(connection),
            contract.effective.end,
            contract.effective.start,
            list(contract.sites),
        ],
    )
    yield from ((str(site), str(rule)) for site, rule in rows)
