"""What contracts of a month are settled from, read in one transaction as of one sequence number."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from typing import Final, NamedTuple

import msgspec

from adapters.founded import book_at
from adapters.postgres.database import Connection
from adapters.queries import registered
from adapters.queries.contract_facts import ContractFacts
from adapters.queries.contracts_in_force import check_coverage, in_force
from adapters.queries.kept import kept
from adapters.queries.meter_month import Key
from adapters.queries.opening_stock import OpeningStock
from adapters.queries.read_ahead import Asked, ReadAhead
from adapters.queries.registered import Recorded, Register
from adapters.queries.site_inputs import one_event, site_inputs
from adapters.queries.site_layout import (
    Registers,
    SiteLayout,
    meters_of_sites,
    site_layout,
)
from adapters.queries.site_markets import SiteMarkets, TakenSites
from adapters.queries.site_profiles import MonthRows
from ledger.contract import Contract
from ledger.exclusivity.policy import Policy
from ledger.interval import Interval, Month, midnight, zone_of
from ledger.meter import Meter
from ledger.refusal import Refused
from ledger.settlement.ended import CODE as ENDED
from ledger.settlement.inputs import Inputs, contract_digest
from ledger.settlement.line import Source
from ledger.settlement.provisional import check_through, to_date
from ledger.site import Site
from ledger.tariff import Tariff
from ledger.waterfall import PriorMonth

_SITES_AT_ONCE: Final = 200
"""Their month of quarter-hours, with the history before it, is some fifty megabytes."""


def load(
    connection: Connection,
    book: str,
    month: Month,
    position: int,
    contracts: Sequence[str] = (),
    *,
    through: date | None = None,
    under: Mapping[str, str] | None = None,
) -> list[Inputs]:
    """The inputs of the named contracts, or of all that hold in `month`.

    With `through` those of a provisional run: of the month's days up to and with that one. Later readings
    and market days are neither needed nor looked at. With `under`, contract -> `contract_digest`, a contract
    is taken as if none of its versions after that one had been recorded; whether its days meet another
    contract's is not looked at then.

    Raises:
        Refused: `no_contract`, `contract_overlap`, `contract_gap`, `contract_change`, `unknown_site`,
            `unknown_tariff`, `site_change`, `meter_layout`, `unknown_feeder`, `feeder_missing`,
            `feeder_meter`, `cycle_tail`, `open_import`, `missing_readings`, `unknown_book`; `through` and
            `not_in_force` for a day that is not of the month, or before the contract's first.
    """
    found = batches(connection, book, month, position, contracts, through=through, under=under)
    return [inputs for batch in found for inputs in batch]


def batches(
    connection: Connection,
    book: str,
    month: Month,
    position: int,
    contracts: Sequence[str] = (),
    *,
    through: date | None = None,
    under: Mapping[str, str] | None = None,
    beside: Connection | None = None,
) -> Iterator[list[Inputs]]:
    """As `load`, some contracts at a time, which are read when they are asked for: what a portfolio's month
    is settled from is several times the memory that its results are.

    With `beside`, a second transaction, the next contracts' readings are fetched while these are worked on.

    Raises:
        Refused: as `load`.
    """
    meters = registered.load(connection, "meter", Meter, position)
    register = Registers(
        _up_to(registered.load(connection, "contract", Contract, position), under or {}),
        registered.load(connection, "site", Site, position),
        meters,
        registered.load(connection, "tariff", Tariff, position),
        meters_of_sites(meters),
    )
    held = in_force(register.contracts, month, contracts)
    everything = {**in_force(register.contracts, month, ()), **held} if contracts else held
    if under is None:
        check_coverage(everything, month, {site for one in held.values() for site in one.document.sites})
    if through is not None:
        held = _begun(held, month, through, all_of_them=bool(contracts))
    layouts = {
        name: [_until(site_layout(register, site, month), through) for site in contract.document.sites]
        for name, contract in held.items()
    }
    _refuse_open_imports(connection, month, layouts.values(), position)
    with ReadAhead(connection, book, position, beside) as reader:
        together = list(_some_at_a_time(layouts))
        for asked in _asked(layouts, together[0]):
            reader.expect(asked)
        priors = _priors(connection, list(held), month, position)
        policies = registered.load(connection, "exclusivity", Policy, position)
        facts = ContractFacts(connection, position)
        owner = book_at(connection, position).owner
        documents = [one.document for one in everything.values()]
        sites = {layout.site.id for found in layouts.values() for layout in found}
        openings = OpeningStock(connection, register.contracts, month, sites, position)
        markets = SiteMarkets(connection, book, position, layouts.values(), month, documents)
        for some in _one_ahead(_some(names, layouts, markets, reader) for names in together):
            read = {
                (asked.interval, asked.interval_s): MonthRows(
                    reader.load(asked), {key: row for row, key in enumerate(asked.keys)}
                )
                for asked in some.asked
            }
            yield [
                Inputs(
                    held[name].document,
                    month,
                    position,
                    tuple(
                        site_inputs(
                            layout,
                            held[name].document,
                            register.contracts.versions[name],
                            month,
                            read,
                            some.markets,
                            openings.of(held[name].document, layout.site),
                        )
                        for layout in layouts[name]
                    ),
                    _prior(priors.get(name, _NOTHING).carry, held[name].document, month, through),
                    Source(f"contract.{name}", one_event(held[name].sequence)),
                    _policy(policies, held[name].document.exclusivity),
                    *facts.of(held[name].document, month),
                    through,
                    owner,
                )
                for name in some.names
            ]


class _Some(NamedTuple):
    """Contracts that are read together, what is asked of their meters, what markets told of their sites."""

    names: list[str]
    asked: list[Asked]
    markets: TakenSites


def _some(
    names: list[str], layouts: Mapping[str, Sequence[SiteLayout]], markets: SiteMarkets, reader: ReadAhead
) -> _Some:
    """These contracts, of which the reader is told what to expect."""
    asked = _asked(layouts, names)
    for one in asked:
        reader.expect(one)
    taken = markets.take([layout for name in names for layout in layouts[name]], reader)
    for one in taken.expected():
        reader.expect(one)
    return _Some(names, asked, taken)


def _asked(layouts: Mapping[str, Sequence[SiteLayout]], names: Sequence[str]) -> list[Asked]:
    """What is read of these contracts' meters, whatever markets told of their sites."""
    keys: dict[tuple[Interval, int], list[Key]] = defaultdict(list)
    for layout in (layout for name in names for layout in layouts[name]):
        keys[layout.interval, layout.interval_s].extend(layout.keys)
        if layout.month != layout.interval:
            keys[layout.month, layout.interval_s].extend(layout.storage_keys)
    return [Asked(tuple(wanted), *when) for when, wanted in keys.items()]


def _one_ahead(items: Iterator[_Some]) -> Iterator[_Some]:
    """Each of them, when the next one was made too."""
    held: _Some | None = None
    for item in items:
        if held is not None:
            yield held
        held = item
    if held is not None:
        yield held


def _some_at_a_time(layouts: Mapping[str, Sequence[SiteLayout]]) -> Iterator[list[str]]:
    """The contracts in their order, so many together that their sites are about `_SITES_AT_ONCE`."""
    names: list[str] = []
    sites = 0
    for name, own in layouts.items():
        if names and sites + len(own) > _SITES_AT_ONCE:
            yield names
            names, sites = [], 0
        names.append(name)
        sites += len(own)
    if names:
        yield names


def _up_to(register: Register[Contract], last: Mapping[str, str]) -> Register[Contract]:
    """Of the contracts in `last` the versions up to the newest one of that digest."""
    found = dict(register.versions)
    for name, digest in last.items():
        numbers = [n for n, one in enumerate(found[name], 1) if contract_digest(one.document) == digest]
        found[name] = found[name][: max(numbers, default=0)]
    return Register(found)


class _Before(msgspec.Struct, frozen=True):
    """What a contract's latest settled month hands on."""

    carry: PriorMonth | None = None


_NOTHING: Final = _Before()
_decode_before: Final = msgspec.json.Decoder(_Before).decode


def _begun(
    held: dict[str, Recorded[Contract]], month: Month, through: date, *, all_of_them: bool
) -> dict[str, Recorded[Contract]]:
    """The contracts as they stand up to the day `through`; one that begins later is left out, or refused."""
    check_through(month, through)
    found = {
        name: msgspec.structs.replace(one, document=to_date(one.document, through))
        for name, one in held.items()
        if all_of_them or one.document.effective_from <= through
    }
    if not found:
        raise Refused("no_contract", f"no contract holds in {month} up to {through}", place="through")
    return found


def _until(layout: SiteLayout, through: date | None) -> SiteLayout:
    if through is None:
        return layout
    end = midnight(through + timedelta(days=1), zone_of(layout.site.document.zone))
    interval = Interval(layout.interval.start, min(layout.interval.end, end))
    return layout._replace(interval=interval, month=Interval(layout.month.start, end))


def _prior(
    carry: PriorMonth | None, contract: Contract, month: Month, through: date | None
) -> PriorMonth | None:
    """What the months before hand on. In a month's first days the one before is often not settled yet: a
    provisional run needs it only where a clause keeps an account."""
    if through is None or carry is None or carry.settled_to == contract.days_in(month)[0]:
        return carry
    return carry if any(clause.account is not None for clause in contract.clauses) else None


def _policy(policies: Register[Policy], name: str) -> Policy | None:
    versions = policies.versions.get(name)
    return versions[-1].document if versions else None


def _refuse_open_imports(
    connection: Connection, month: Month, layouts: Iterable[list[SiteLayout]], position: int
) -> None:
    flat = [layout for group in layouts for layout in group]
    meters = sorted({meter for layout in flat for meter, _ in layout.keys})
    found = connection.execute(
        "SELECT id, document->>'file_name' FROM ledger.meter_import"
        " WHERE status = 'open' AND from_seq <= %s AND (to_seq IS NULL OR to_seq > %s)"
        " AND covers_from < %s AND covers_to > %s AND meters && %s ORDER BY id LIMIT 1",
        [
            position,
            position,
            max(max(layout.interval.end, layout.month.end) for layout in flat),
            min(layout.interval.start for layout in flat),
            meters,
        ],
    ).fetchone()
    if found is not None:
        raise Refused(
            "open_import",
            f"import {found[0]} ({found[1]}) in {month} is not finished: run it again, or abandon it",
            place="month",
        )


def _priors(connection: Connection, contracts: list[str], month: Month, position: int) -> dict[str, _Before]:
    rows = connection.execute(
        "SELECT contract, jsonb_build_object('carry', result->'carry')::text FROM ("
        "SELECT DISTINCT ON (contract) contract, result FROM ("
        "SELECT DISTINCT ON (contract, month) contract, month, run, result FROM ledger.settlement"
        " WHERE contract = ANY(%s) AND month < %s AND sequence <= %s AND run_kind <> 'provisional'"
        " ORDER BY contract, month, run DESC) latest"
        " WHERE run = 1 OR NOT result->'warnings' @> jsonb_build_array(jsonb_build_object('code', %s::text))"
        " ORDER BY contract, month DESC) handing_on",
        [contracts, str(month), position, ENDED],
    )
    return {name: kept(_decode_before, text, f"table settlement, {name}") for name, text in rows}
