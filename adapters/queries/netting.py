"""Positions with counterparties, and what was agreed and netted, as of a sequence number."""

from __future__ import annotations

from datetime import date

import msgspec

from adapters.founded import book_at
from adapters.integrity.registered_rows import check_listed
from adapters.postgres.database import Connection
from adapters.queries import lives, registered
from adapters.queries.kept import kept
from ledger.contract import Contract
from ledger.netting import CounterpartyPosition, NettingAgreed, NettingRecorded, Nettings, positions
from ledger.statement.as_posted import standing

_decode = msgspec.json.Decoder(NettingAgreed | NettingRecorded).decode


def contracts_of(connection: Connection, position: int, owner: str) -> set[str]:
    """The contracts in which the owner is a party, in any version."""
    contracts = registered.load(connection, "contract", Contract, position)
    return {
        name
        for name, versions in contracts.versions.items()
        if any(owner in version.document.party_ids for version in versions)
    }


def counterparties(
    connection: Connection, position: int, party: str | None = None, day: date | None = None
) -> tuple[CounterpartyPosition, ...]:
    """What is issued and not paid, or paid in advance, over all contracts, by counterparty and currency; as
    it stood at the end of the day, where one is stated.

    Raises:
        Refused: `unknown_book`.
    """
    owner = book_at(connection, position).owner
    found = lives.page(connection, position, party=party)
    then = found if day is None else standing(found, day, every=False)
    return positions(owner, then, contracts_of(connection, position, owner))


def nettings(connection: Connection, position: int) -> dict[str, Nettings]:
    """What was agreed and netted, by party.

    Raises:
        Discontinuity: a row is not what was recorded, or is missing.
    """
    check_listed(connection, "netting", position, ())
    found: dict[str, Nettings] = {}
    rows = connection.execute(
        "SELECT id, document::text FROM ledger.registered WHERE kind = 'netting' AND from_seq <= %s"
        " ORDER BY id, version",
        [position],
    )
    for party, text in rows:
        found[party] = kept(_decode, text, f"table registered, netting {party}").apply(found.get(party))
    return found
