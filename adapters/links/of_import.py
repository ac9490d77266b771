"""A block of readings belongs to the import of its file."""

from __future__ import annotations

from collections.abc import Iterator

from adapters.events import Event
from adapters.links.link import Found, LinkKind
from ledger.envelope import Envelope
from ledger.meter_import import ReadingsRecorded


def _found(_: str, envelope: Envelope[Event]) -> Iterator[Found]:
    for event in envelope.events:
        if isinstance(event, ReadingsRecorded):
            yield Found(f"import.{event.import_id}")


KIND = LinkKind("of_import", "imported", (ReadingsRecorded,), "the import", _found)
