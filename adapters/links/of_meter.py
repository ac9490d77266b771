"""Readings, register reads and substitutions are of a meter as it was registered then."""

from __future__ import annotations

from collections.abc import Iterator

from adapters.events import Event
from adapters.links.link import Found, LinkKind
from ledger.envelope import Envelope
from ledger.metering.register_read import RegisterReadsRecorded
from ledger.metering.substitution import ReadingsSubstituted


def _found(_: str, envelope: Envelope[Event]) -> Iterator[Found]:
    for event in envelope.events:
        if isinstance(event, RegisterReadsRecorded | ReadingsSubstituted):
            yield Found(f"meter.{event.meter}")


KIND = LinkKind(
    "of_meter", "was_read", (RegisterReadsRecorded, ReadingsSubstituted), "the meter's version", _found
)
