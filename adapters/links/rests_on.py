"""A run rests on what its lines' sources name: readings, prices, tariffs, facts of markets, the contract."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from adapters.events import Event
from adapters.links.link import Found, LinkKind
from ledger.envelope import Envelope
from ledger.settlement.run import SettlementRecorded


def source_thing(source: str) -> str:
    """The thing that a settlement's source names: `readings.M1/charge` are readings of `meter.M1`."""
    kind, _, name = source.partition(".")
    return f"meter.{name.rpartition('/')[0]}" if kind == "readings" else source


def _found(_: str, envelope: Envelope[Event]) -> Iterator[Found]:
    for event in envelope.events:
        if not isinstance(event, SettlementRecorded):
            continue
        ranges: dict[str, list[tuple[int, int]]] = defaultdict(list)
        for source in event.run.result.sources:
            ranges[source_thing(source.aggregate)] += source.sequences
        for thing, found in ranges.items():
            if found:
                yield Found(thing, tuple(sorted(set(found))))


KIND = LinkKind("rests_on", "used_by", (SettlementRecorded,), "readings, prices, facts, documents", _found)
