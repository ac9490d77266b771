"""What each site's storage held when a month began: what the latest settled month before it closed with."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

import msgspec

from adapters.postgres.database import Connection
from adapters.queries.contracts_in_force import covered_by, holding
from adapters.queries.kept import kept
from adapters.queries.registered import Recorded, Register
from ledger.contract import Contract
from ledger.interval import Month
from ledger.settlement.ended import CODE as ENDED
from ledger.settlement.line import Source
from ledger.site import Site
from ledger.stored_energy import Stored

_decode_stored: Final = msgspec.json.Decoder(dict[str, Stored]).decode


class Opening(NamedTuple):
    """`known` is False where neither a settled month nor the site tells, and the stock counts as nothing."""

    stored: Stored
    known: bool
    sources: tuple[Source, ...] = ()


class _Closed(NamedTuple):
    month: Month
    run: int
    sequence: int
    stored: dict[str, Stored]


class OpeningStock:
    """As of a position, for the sites that are settled in a month.

    A site's stock does not depend on its contract: the month before may have been another one's. Of two
    contracts of one month the later hands it on; within a month it is not handed over [D].
    """

    def __init__(
        self,
        connection: Connection,
        contracts: Register[Contract],
        month: Month,
        sites: Iterable[str],
        position: int,
    ) -> None:
        self._contracts, self._month = contracts, month
        self._of_site = contracts_of_sites(contracts, sites)
        names = sorted({name for found in self._of_site.values() for name in found})
        self._closed = _closed(connection, names, month, position)

    def of(self, contract: Contract, site: Recorded[Site]) -> Opening:
        """What the site's storage held on the contract's first day of the month."""
        begins = covered_by(contract, self._month).start
        for name in self._of_site[site.id]:
            held = holding(self._contracts.versions[name], self._month)
            if (
                name != contract.id
                and held is not None
                and site.id in held.document.sites
                and covered_by(held.document, self._month).start < begins
            ):
                return Opening(Stored(), known=False)
        before = [
            (closed.month.first_day, covered_by(held.document, closed.month).end, name, closed)
            for name in self._of_site[site.id]
            if (closed := self._closed.get(name)) is not None
            and (held := holding(self._contracts.versions[name], closed.month)) is not None
            and site.id in held.document.sites
        ]
        if not before:
            stated = site.document.opening_stock
            return Opening(stated or Stored(), known=stated is not None)
        *_, name, closed = max(before, key=lambda one: one[:3])
        stored = closed.stored.get(site.id, Stored())
        told = () if stored == Stored() else (_source(name, closed),)
        return Opening(stored, known=True, sources=told)


def contracts_of_sites(contracts: Register[Contract], sites: Iterable[str]) -> Mapping[str, Sequence[str]]:
    """The contracts that any version puts a site under, for each of the sites."""
    wanted = set(sites)
    found: dict[str, list[str]] = defaultdict(list)
    for name, versions in contracts.versions.items():
        for site in {site for version in versions for site in version.document.sites} & wanted:
            found[site].append(name)
    return found


def heirs(
    connection: Connection, contracts: Register[Contract], settled: Mapping[str, Iterable[str]], month: Month
) -> set[str]:
    """The other contracts that sites went to whose storages held something at the month's end.

    `settled`: contract -> sites with something in stock by the run just made; earlier runs' are looked up.
    """
    rows = connection.execute(
        "SELECT DISTINCT jsonb_object_keys(result->'stored') FROM ledger.settlement"
        " WHERE contract = ANY(%s) AND month = %s AND run_kind <> 'provisional'",
        [list(settled), str(month)],
    ).fetchall()
    sites = {site for (site,) in rows}.union(*settled.values())
    found = contracts_of_sites(contracts, sites)
    return {name for of_site in found.values() for name in of_site}.difference(settled)


def _closed(connection: Connection, names: list[str], month: Month, position: int) -> dict[str, _Closed]:
    rows = connection.execute(
        "SELECT contract, month, run, sequence, (result->'stored')::text FROM ("
        "SELECT DISTINCT ON (contract) * FROM ("
        "SELECT DISTINCT ON (contract, month) contract, month, run, sequence, result FROM ledger.settlement"
        " WHERE contract = ANY(%s) AND month < %s AND sequence <= %s AND run_kind <> 'provisional'"
        " ORDER BY contract, month, run DESC) latest"
        " WHERE run = 1 OR NOT result->'warnings' @> jsonb_build_array(jsonb_build_object('code', %s::text))"
        " ORDER BY contract, month DESC) closed",
        [names, str(month), position, ENDED],
    )
    return {
        name: _Closed(
            Month.parse(of), run, sequence, kept(_decode_stored, text, f"table settlement, {name} for {of}")
        )
        for name, of, run, sequence, text in rows
    }


def _source(contract: str, closed: _Closed) -> Source:
    return Source(f"settlement.{contract}_{closed.month}", ((closed.sequence, closed.sequence),))
