"""The registered documents of some sites: of a few by name, of many the whole register at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TypeVar

from adapters.postgres.database import Connection
from adapters.queries import registered
from adapters.queries.registered import Register
from ledger.contract import Contract
from ledger.meter import Meter

T = TypeVar("T")

_FEW: Final = 8


def of(
    connection: Connection, kind: str, document: type[T], position: int, names: Sequence[str]
) -> Register[T]:
    """The versions of the documents of these ids, perhaps among others'."""
    if len(names) > _FEW:
        return registered.load(connection, kind, document, position)
    return Register(
        {
            name: versions
            for one in names
            for name, versions in registered.load(connection, kind, document, position, one).versions.items()
        }
    )


def meters_of(connection: Connection, position: int, sites: Sequence[str]) -> Register[Meter]:
    """The meters that ever stood at these sites, perhaps among others."""
    where = "document->>'site' = ANY(%s)"
    return of(connection, "meter", Meter, position, _named(connection, "meter", where, position, sites))


def contracts_of(connection: Connection, position: int, sites: Sequence[str]) -> Register[Contract]:
    """The contracts that ever covered these sites, perhaps among others."""
    where = "document->'sites' ?| %s"
    names = _named(connection, "contract", where, position, sites)
    return of(connection, "contract", Contract, position, names)


def _named(connection: Connection, kind: str, where: str, position: int, sites: Sequence[str]) -> list[str]:
    if len(sites) > _FEW:
        return ["", *sites]
    rows = connection.execute(
        f"SELECT DISTINCT id FROM ledger.registered WHERE kind = %s AND {where} AND from_seq <= %s",  # noqa: S608
        [kind, list(sites), position],
    )
    return [name for (name,) in rows]
