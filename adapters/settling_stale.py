"""Which settled months would be settled otherwise from what is recorded by now."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, timedelta
from typing import Final, Literal, NamedTuple

import msgspec

from adapters.correcting import ended_contracts
from adapters.postgres.database import Connection
from adapters.queries import registered, settlement_inputs
from adapters.queries.folded import states
from adapters.queries.kept import kept
from adapters.queries.void_runs import void_runs
from adapters.settling_again import says_the_same
from adapters.settling_known import restated
from ledger.contract import Contract
from ledger.interval import Month, zone_of
from ledger.meter import Meter
from ledger.refusal import Refused
from ledger.settlement.inputs import Inputs, Part, tariff_digest
from ledger.settlement.settle import settle_all
from ledger.tariff import Tariff

_decode_parts: Final = msgspec.json.Decoder(dict[Part, str]).decode

_READ_BY_NONE: Final = frozenset(
    {
        "access", "alarm", "available", "bid", "clearing", "closing", "command", "commissioning", "credit",
        "device", "disclosure", "disclosure_secret", "forecast", "handover", "invoice", "key", "lease",
        "market_receipt", "netting", "payment", "person", "plan", "proposal", "reconciliation", "repair",
        "run_calendar", "setting", "statement", "supplier_payment", "voucher_layout", "work",
    }
)  # fmt: skip
"""Kinds of events that no month is settled from. One that is missing here only costs time."""

_OWN: Final = frozenset({"readings", "contract", "tariff"})
_TICK: Final = timedelta(microseconds=1)

_WORDS: Final[dict[Part | Literal["void"], str]] = {
    "rule": "rules of computing",
    "contract": "a contract version",
    "earlier_month": "an earlier month's run",
    "site": "a site's version",
    "price": "prices",
    "meter": "readings",
    "market": "market facts",
    "market_rule": "market rules",
    "exclusivity": "an exclusivity policy",
    "capital": "capital",
    "exclusion": "exclusions",
    "service": "service facts",
    "void": "that it is void",
}


class Stale(NamedTuple):
    """A run, and what of its inputs is another by now; `refused` is why they cannot be settled, if so."""

    run: int
    parts: tuple[Part | Literal["void"], ...]
    refused: str = ""

    @property
    def words(self) -> str:
        """As a person reads it: `readings recorded since run 3`."""
        if self.refused:
            return f"what is recorded since run {self.run} cannot be settled: {self.refused}"
        return f"{', '.join(_WORDS[one] for one in self.parts)} recorded since run {self.run}"


class _Run(NamedTuple):
    run: int
    position: int


_Runs = Mapping[str, _Run]


def stale_runs(
    connection: Connection, book: str, month: Month, contracts: Sequence[str], position: int
) -> dict[str, Stale]:
    """Of the contracts those whose latest paying run of the month would be another one now.

    Only where something was recorded since that a month can be settled from are the inputs read again and
    their digests compared, as settling compares them.

    Raises:
        Discontinuity: as reading what a month is settled from.
    """
    runs = _latest(connection, month, month, contracts, position).get(month, {})
    if not runs:
        return {}
    void = void_runs(connection, position)
    found = {
        name: Stale(one.run, ("void",)) for name, one in runs.items() if (name, str(month), one.run) in void
    }
    since = min(one.position for one in runs.values())
    newer = _Newer(connection, book, since, position)
    left = {name: one for name, one in runs.items() if name not in found}
    return found | _compared(connection, book, month, newer.touched(month, left), position)


def earlier_stale(
    connection: Connection, book: str, month: Month, contracts: Sequence[str], position: int
) -> dict[str, tuple[Month, Stale]]:
    """Of the contracts' settled months in the year before `month`, the first that would be settled otherwise
    for newer readings of its meters, prices of its tariffs or versions of the contract.

    What a later month opens with depends on it (DOMAIN.md 2.3).

    Raises:
        Discontinuity: as `stale_runs`.
    """
    last = Month.of(month.first_day - timedelta(days=1))
    of_months = _latest(connection, Month(month.year - 1, month.month), last, contracts, position)
    if not of_months:
        return {}
    since = min(one.position for runs in of_months.values() for one in runs.values())
    newer = _Newer(connection, book, since, position, _OWN)
    found: dict[str, tuple[Month, Stale]] = {}
    for first, runs in of_months.items():
        left = {name: one for name, one in runs.items() if name not in found}
        stale = _compared(connection, book, first, newer.touched(first, left), position)
        found |= {name: (first, one) for name, one in stale.items()}
    return found


def _latest(
    connection: Connection, first: Month, last: Month, contracts: Sequence[str], position: int
) -> dict[Month, dict[str, _Run]]:
    """The latest paying runs of the contracts' months from `first` to `last`, in the months' order."""
    rows = connection.execute(
        "SELECT DISTINCT ON (month, contract) month, contract, run, position FROM ledger.settlement"
        " WHERE contract = ANY(%s) AND month >= %s AND month <= %s AND sequence <= %s"
        " AND run_kind <> 'provisional' ORDER BY month, contract, run DESC",
        [list(contracts), str(first), str(last), position],
    )
    found: dict[Month, dict[str, _Run]] = {}
    for month, name, run, at in rows:
        found.setdefault(Month.parse(month), {})[name] = _Run(run, at)
    return found


class _Newer:
    """What was recorded after `since` that months can be settled from, of some `kinds` or of all."""

    def __init__(
        self,
        connection: Connection,
        book: str,
        since: int,
        position: int,
        kinds: Collection[str] | None = None,
    ) -> None:
        self._events: dict[str, int] = dict(
            connection.execute(
                "SELECT aggregate, max(sequence) FROM ledger.envelope"
                " WHERE book = %s AND sequence > %s AND sequence <= %s"
                " AND split_part(aggregate, '.', 1) <> ALL(%s)"
                " AND (%s::text[] IS NULL OR split_part(aggregate, '.', 1) = ANY(%s)) GROUP BY aggregate",
                [
                    book,
                    since,
                    position,
                    sorted(_READ_BY_NONE),
                    *[None if kinds is None else sorted(kinds)] * 2,
                ],
            ).fetchall()
        )
        if not self._events:
            return
        self._contracts = registered.load(connection, "contract", Contract, position).versions
        self._tariffs = registered.load(connection, "tariff", Tariff, position).versions
        meters = registered.load(connection, "meter", Meter, position).versions
        self._sites = {name: {one.document.site for one in known} for name, known in meters.items()}
        self._of_site: dict[str, set[str]] = defaultdict(set)
        for name, versions in self._contracts.items():
            for site in {site for one in versions for site in one.document.sites}:
                self._of_site[site].add(name)

    def touched(self, month: Month, runs: _Runs) -> dict[str, _Run]:
        """The runs since which something was recorded that their month can rest on."""
        if not self._events or not runs:
            return {}
        newest: dict[str, int] = defaultdict(int)
        of_all = 0
        for aggregate, at in self._events.items():
            named = self._reading(aggregate, month)
            if named is None:
                of_all = max(of_all, at)
                continue
            for name in named:
                newest[name] = max(newest[name], at)
        priced = {at: self._priced_otherwise(month, at) for at in {one.position for one in runs.values()}}
        return {
            name: one
            for name, one in runs.items()
            if max(newest[name], of_all) > one.position or priced[one.position]
        }

    def _reading(self, aggregate: str, month: Month) -> Collection[str] | None:
        """The contracts whose month can rest on it; None for all. Tariffs are looked at by their prices."""
        kind, _, name = aggregate.partition(".")
        match kind:
            case "contract" | "service" | "exclusion" | "capital":
                return (name,)
            case "settlement":
                return (name[:-8],) if name[-7:] < str(month) else ()
            case "readings":
                own = {one for site in self._sites.get(name[:-8], ()) for one in self._of_site[site]}
                return [one for one in own if name[-7:] <= self._last_of_readings(one, month)]
            case "tariff":
                return ()
            case "price":
                return None if name[-7:] <= str(month.next()) else ()
            case _:
                return None

    def _last_of_readings(self, contract: str, month: Month) -> str:
        """The UTC month of the last instant of the contract's month."""
        end = month.interval(zone_of(self._contracts[contract][-1].document.zone)).end
        return f"{(end - _TICK).astimezone(UTC):%Y-%m}"

    def _priced_otherwise(self, month: Month, since: int) -> bool:
        """Whether a tariff has other prices in force in the month, or the one before, than it had then."""
        months = (Month.of(month.first_day - timedelta(days=1)), month)
        for known in self._tariffs.values():
            then = [one.document for one in known if one.sequence <= since]
            if len(then) == len(known):
                continue
            if not then or tariff_digest(then[-1], months) != tariff_digest(known[-1].document, months):
                return True
        return False


def _inputs_of(connection: Connection, month: Month, runs: _Runs) -> dict[str, dict[Part, str]]:
    """The digests that the runs were settled from."""
    rows = connection.execute(
        "SELECT contract, (result->'inputs')::text FROM ledger.settlement"
        " JOIN unnest(%s::text[], %s::bigint[]) AS wanted (contract, run) USING (contract, run)"
        " WHERE month = %s",
        [list(runs), [one.run for one in runs.values()], str(month)],
    )
    return {name: kept(_decode_parts, text, f"table settlement, {name}") for name, text in rows}


def _compared(
    connection: Connection, book: str, month: Month, runs: _Runs, position: int
) -> dict[str, Stale]:
    if not runs:
        return {}
    recorded = _inputs_of(connection, month, runs)
    gone = ended_contracts(connection, month, position, tuple(runs)).results
    found = {
        name: Stale(runs[name].run, ("contract",))
        for name, result in gone.items()
        if result.inputs != recorded[name]
    }
    names = sorted(runs.keys() - gone.keys())
    for one in _inputs(connection, book, month, names, position):
        if isinstance(one, _Unread):
            found[one.contract] = Stale(runs[one.contract].run, (), str(one.why))
            continue
        name = one.contract.id
        now = one.digests(claimed="exclusivity" in recorded[name])
        if now == recorded[name]:
            continue
        before = restated(connection, [one], {name: now}, position).get(name, recorded[name])
        parts = tuple(part for part in dict.fromkeys((*now, *before)) if now.get(part) != before.get(part))
        found |= _differing(connection, one, runs[name], before, parts, position)
    return found


def _differing(
    connection: Connection,
    one: Inputs,
    run: _Run,
    before: Mapping[Part, str],
    parts: tuple[Part, ...],
    position: int,
) -> dict[str, Stale]:
    """A run with other inputs than now, unless they cannot be settled or another version of the contract
    gives the month that the run has."""
    name = one.contract.id
    if not parts:
        return {}
    try:
        (result,) = settle_all([one])
    except Refused as why:
        return {name: Stale(run.run, parts, str(why))}
    if "contract" not in parts:
        return {name: Stale(run.run, parts)}
    names = f"settlement.{name}_{one.month}", f"contract.{name}"
    runs, history = (states(connection, names, position).get(aggregate) for aggregate in names)
    if says_the_same(runs, history, result, run.run, before):
        return {}
    return {name: Stale(run.run, ("contract",))}


class _Unread(NamedTuple):
    contract: str
    why: Refused


def _inputs(
    connection: Connection, book: str, month: Month, names: Sequence[str], position: int
) -> Iterator[Inputs | _Unread]:
    """What the contracts would be settled from; where one is refused, each by itself."""
    if not names:
        return
    told = 0
    try:
        for batch in settlement_inputs.batches(connection, book, month, position, names):
            told += len(batch)
            yield from batch
    except Refused as why:
        left = names[told:]
        if len(left) == 1:
            yield _Unread(left[0], why)
            return
        for name in left:
            yield from _inputs(connection, book, month, [name], position)
