"""What a run was settled from, or is listed, is what was registered: rows against their archived events."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from datetime import date
from itertools import zip_longest
from typing import Final, NamedTuple

import msgspec

from adapters.ahead import ahead
from adapters.integrity.proven_events import BOOK, doubt, of_aggregates
from adapters.integrity.published import envelopes
from adapters.mapper import EnvelopeMapper
from adapters.nats import wire
from adapters.postgres.database import Connection
from adapters.projections.registered import document_of
from ledger.effective import Period
from ledger.interval import Interval, midnight, zone_of
from ledger.market_fact import MarketFactRecorded
from ledger.meter import MeterRegistered
from ledger.published_tariff import TariffPublished
from ledger.recorded_price import PricesRecorded
from ledger.settlement.inputs import Inputs
from ledger.settlement.line import Source
from ledger.signed_contract import ContractRegistered
from ledger.site import SiteRegistered

_OF_CONTRACT: Final = ("contract", "capital", "exclusion", "service")
_CHECKED: Final = frozenset(
    {*_OF_CONTRACT, "site", "tariff", "market_rule", "market_fact", "trading_unit", "allocation"}
)
"""The kinds of sources that are rows of `registered`; a reading's is its meter."""
_MAPPER: Final = EnvelopeMapper()


class _Row(NamedTuple):
    version: int
    effective_from: object
    effective_to: object
    from_seq: int
    to_seq: int | None
    document: object
    """As JSON has it, or still written: the text of a row, and `Raw` of an event."""

    def is_row(self, other: _Row) -> bool:
        """Whether the projected row, of text, is this one."""
        return self[:-1] == other[:-1] and _same(other.document, self.document)


_NONE: Final = msgspec.Raw()


class _Plain(msgspec.Struct, frozen=True):
    kind: str
    period: Period | None = None
    contract: msgspec.Raw = _NONE
    site: msgspec.Raw = _NONE
    meter: msgspec.Raw = _NONE
    tariff: msgspec.Raw = _NONE
    fact: msgspec.Raw = _NONE


class _Spanning(msgspec.Struct, frozen=True):
    interval: Interval


class _Days(msgspec.Struct, frozen=True):
    zone: str
    effective_from: date
    effective_to: date


class _PlainEnvelope(msgspec.Struct, frozen=True):
    events: tuple[_Plain, ...]


_decode_plain: Final = msgspec.json.Decoder(_PlainEnvelope).decode
_decode_fields: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decode_interval: Final = msgspec.json.Decoder(_Spanning).decode
_decode_days: Final = msgspec.json.Decoder(_Days).decode
_AT_ONCE: Final = 1024
"""So many aggregates are compared before the next are read: a portfolio's facts are a hundred megabytes."""
_PLAIN: Final = {
    str(ContractRegistered.__struct_config__.tag): "contract",
    str(SiteRegistered.__struct_config__.tag): "site",
    str(MeterRegistered.__struct_config__.tag): "meter",
    str(TariffPublished.__struct_config__.tag): "tariff",
    str(MarketFactRecorded.__struct_config__.tag): "fact",
}
_Entry = tuple[object, object, object]
"""A document as JSON has it, and when it holds."""


class Read(NamedTuple):
    """The aggregates whose registered rows a month was settled from, and the events of its prices."""

    aggregates: frozenset[str]
    prices: frozenset[int]

    @classmethod
    def by(cls, contracts: Collection[str], inputs: Iterable[Inputs]) -> Read:
        """Of these contracts; one that ended has no inputs."""
        names = {f"{kind}.{name}" for kind in _OF_CONTRACT for name in contracts}
        prices: set[int] = set()
        for one in inputs:
            if one.contract.id not in contracts:
                continue
            names.add(f"exclusivity.{one.contract.exclusivity}")
            for source in (*one.fact_sources, *(source for site in one.sites for source in site.sources)):
                if source.aggregate.startswith("prices."):
                    prices |= _sequences(source)
                elif (name := _registered(source.aggregate)) is not None:
                    names.add(name)
        return cls(frozenset(names), frozenset(prices))

    @classmethod
    def of(cls, several: Collection[Read]) -> Read:
        """All of what they name."""
        names = frozenset[str]().union(*(one.aggregates for one in several))
        return cls(names, frozenset[int]().union(*(one.prices for one in several)))


def _registered(aggregate: str) -> str | None:
    kind, _, name = aggregate.partition(".")
    if kind == "readings":
        return f"meter.{name.rpartition('/')[0]}"
    return aggregate if kind in _CHECKED else None


def _sequences(source: Source) -> set[int]:
    return {sequence for first, last in source.sequences for sequence in range(first, last + 1)}


def check_read(connection: Connection, read: Read, position: int) -> None:
    """Accept what was read when it is what its events registered, up to `position`.

    A row more or less than the aggregate's events is a difference too.

    Raises:
        Discontinuity: `row_altered`, `archive_missing`, `archive_altered` or `tree_altered`.
    """
    doubtful: dict[str, Sequence[_Row]] = {}
    for one in ahead(_side_by_side(connection, sorted(read.aggregates), position)):
        doubtful |= {name: kept for name, kept, quick in one if _differ(kept, quick)}
    recorded = _recorded(connection, doubtful, position, _whole) if doubtful else {}
    for aggregate, kept in doubtful.items():
        right = recorded.get(aggregate, [])
        if _differ(kept, right):
            kind, _, name = aggregate.partition(".")
            place = f"table registered, {kind} {name}, sequence {_first_differing(kept, right)}"
            raise doubt("row_altered", place, "the rows are not what its events registered")
    if read.prices:
        _check_prices(connection, read.prices)


def _side_by_side(
    connection: Connection, names: Sequence[str], position: int
) -> Iterator[list[tuple[str, list[_Row], list[_Row]]]]:
    """Of each aggregate its rows, and those that its events make, some at a time."""
    for first in range(0, len(names), _AT_ONCE):
        some = names[first : first + _AT_ONCE]
        kept = _rows(connection, some, position)
        quick = _recorded(connection, some, position, _quick)
        yield [(name, kept.get(name, []), quick.get(name, [])) for name in some]


def _differ(kept: Sequence[_Row], recorded: Sequence[_Row]) -> bool:
    return len(kept) != len(recorded) or not all(
        one.is_row(row) for row, one in zip(kept, recorded, strict=True)
    )


def _first_differing(kept: Sequence[_Row], recorded: Sequence[_Row]) -> int:
    """The event of the first row that is another, gone or too many."""
    pairs = zip_longest(kept, recorded)
    one, other = next((row, right) for row, right in pairs if not (row and right and right.is_row(row)))
    return (other or one).from_seq


def _same(text: object, document: object) -> bool:
    """Whether a row's text says what an event's document says. Fields that are written alike, spaces between
    numbers apart, are not decoded: a market's facts are mostly long lists of numbers."""
    assert isinstance(text, str), "a row's document is text"
    if not isinstance(document, msgspec.Raw):
        return bool(msgspec.json.decode(text) == document)
    try:
        kept, recorded = _decode_fields(text), _decode_fields(document)
    except msgspec.ValidationError:  # no object
        return bool(msgspec.json.decode(text) == msgspec.json.decode(document))
    return kept.keys() == recorded.keys() and all(
        _same_field(bytes(field), bytes(recorded[name])) for name, field in kept.items()
    )


def _same_field(kept: bytes, recorded: bytes) -> bool:
    if kept == recorded:
        return True
    if b'"' not in kept and b'"' not in recorded and kept.replace(b" ", b"") == recorded.replace(b" ", b""):
        return True
    return bool(msgspec.json.decode(kept) == msgspec.json.decode(recorded))


def check_listed(
    connection: Connection,
    kind: str,
    position: int,
    shown: Collection[str],
    *,
    after: str = "",
    until: str = "",
) -> None:
    """Accept a list of documents of a kind, of ids behind `after` up to and with `until` ("": to the end).

    Whatever the archive has in that range is there as registered, shown or not.

    Raises:
        Discontinuity: as `check_read`.
    """
    names = {*shown, *_archived(connection, kind, position, after, until)}
    check_read(connection, Read(frozenset(f"{kind}.{name}" for name in names), frozenset()), position)


def check_chosen(
    connection: Connection,
    kind: str,
    position: int,
    shown: Collection[str],
    *,
    after: str = "",
    until: str = "",
) -> None:
    """As `check_listed`, of a list that leaves out what does not match: what is shown is as registered, and
    nothing in the range has lost its rows.

    Raises:
        Discontinuity: as `check_read`.
    """
    rows = connection.execute(
        f"{_FIRSTS} AND NOT EXISTS (SELECT 1 FROM ledger.registered AS r"  # noqa: S608
        f" WHERE r.book = {BOOK} AND r.kind = %(kind)s AND r.id = {_NAME} AND r.version = 1)",
        {"kind": kind, "position": position, "after": after, "until": until},
    )
    names = {*shown, *(name for (name,) in rows)}
    check_read(connection, Read(frozenset(f"{kind}.{name}" for name in names), frozenset()), position)


_NAME: Final = "substr(aggregate, strpos(aggregate, '.') + 1)"
_FIRSTS: Final = (
    f"SELECT {_NAME} FROM ledger.envelope WHERE book = {BOOK} AND version = 1"  # noqa: S608
    " AND aggregate NOT LIKE 'readings.%%' AND split_part(aggregate, '.', 1) = %(kind)s"
    f" AND {_NAME} > %(after)s AND (%(until)s = '' OR {_NAME} <= %(until)s) AND sequence <= %(position)s"
)


def _archived(connection: Connection, kind: str, position: int, after: str, until: str) -> set[str]:
    """The ids of a kind in a range, as the archive's index has them."""
    asked = {"kind": kind, "position": position, "after": after, "until": until}
    return {name for (name,) in connection.execute(_FIRSTS, asked)}


def _rows(connection: Connection, aggregates: Collection[str], position: int) -> dict[str, list[_Row]]:
    pairs = [one.partition(".") for one in sorted(aggregates)]
    rows = connection.execute(
        "SELECT r.kind, r.id, r.version, r.effective_from, r.effective_to, r.from_seq,"  # noqa: S608
        " CASE WHEN r.to_seq <= %s THEN r.to_seq END, r.document::text"
        " FROM unnest(%s::text[], %s::text[]) AS named (kind, id) JOIN ledger.registered AS r"
        f" ON r.book = {BOOK} AND r.kind = named.kind AND r.id = named.id"
        " WHERE r.from_seq <= %s ORDER BY r.kind, r.id, r.version",
        [position, [kind for kind, _, _ in pairs], [name for _, _, name in pairs], position],
    )
    found: dict[str, list[_Row]] = defaultdict(list)
    for kind, name, version, start, end, sequence, closed, text in rows:
        found[f"{kind}.{name}"].append(_Row(version, start, end, sequence, closed, text))
    return found


def _recorded(
    connection: Connection,
    aggregates: Collection[str],
    position: int,
    entries: Callable[[wire.Header, bytes], list[_Entry]],
) -> dict[str, list[_Row]]:
    """The rows as the archived events make them."""
    found: dict[str, list[_Row]] = {}
    for sequence, header, state in of_aggregates(connection, aggregates, position):
        for document, start, end in entries(header, state):
            before = found.setdefault(header.aggregate, [])
            if before:
                before[-1] = before[-1]._replace(to_seq=sequence)
            before.append(_Row(header.version, start, end, sequence, None, document))
    return found


def _whole(header: wire.Header, state: bytes) -> list[_Entry]:
    """What the projection makes of an envelope."""
    made = [document_of(event) for event in _MAPPER.to_envelope(header.topic, state).events]
    return [
        (msgspec.json.decode(msgspec.json.encode(document)), start, end)
        for document, start, end in (one for one in made if one is not None)
    ]


def _quick(header: wire.Header, state: bytes) -> list[_Entry]:
    """As `_whole`, without the documents' own rules where an event is a document and its time: a portfolio
    has thousands. Where it says otherwise than the rows, `_whole` is asked."""
    events = _decode_plain(state).events
    if any(event.kind not in _PLAIN for event in events):
        return _whole(header, state)
    return [(getattr(event, _PLAIN[event.kind]), *_times(event)) for event in events]


def _times(event: _Plain) -> tuple[object, object]:
    """When the document of an event holds; a contract and what a market told say so themselves."""
    if event.fact is not _NONE:
        interval = _decode_interval(event.fact).interval
        return interval.start, interval.end
    if event.contract is not _NONE:
        days = _decode_days(event.contract)
        zone = zone_of(days.zone)
        return midnight(days.effective_from, zone), midnight(days.effective_to, zone)
    return (None, None) if event.period is None else (event.period.start, event.period.end)


def _check_prices(connection: Connection, sequences: Collection[int]) -> None:
    found = connection.execute(f"SELECT {BOOK}").fetchone()
    assert found is not None
    right = {
        (
            sequence, event.market, event.node, event.product, event.start, event.interval_s,
            event.currency, event.scale, tuple(event.mantissas),
        )
        for sequence, envelope in envelopes(connection, found[0], sequences).items()
        for event in envelope.events
        if isinstance(event, PricesRecorded)
    }  # fmt: skip
    rows = connection.execute(
        "SELECT sequence, market, node, product, start, interval_s, currency, scale, mantissas"
        " FROM ledger.price_block WHERE market = ANY(%s) AND sequence = ANY(%s)",
        [sorted({one[1] for one in right}), sorted(sequences)],
    )
    kept = {(*row[:-1], tuple(row[-1])) for row in rows}
    for sequence in sorted(one[0] for one in kept ^ right):
        place = f"table price_block, sequence {sequence}"
        raise doubt("row_altered", place, "the block of prices is not what its event recorded")
