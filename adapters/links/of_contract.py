"""Capital, exclusions and scores of services are facts of a contract."""

from __future__ import annotations

from collections.abc import Iterator

from adapters.events import Event
from adapters.links.link import Found, LinkKind
from ledger.capital.record import CapitalRecorded
from ledger.envelope import Envelope
from ledger.recorded_exclusion import ExclusionRecorded
from ledger.recorded_service import ServiceScoreRecorded


def _found(_: str, envelope: Envelope[Event]) -> Iterator[Found]:
    for event in envelope.events:
        if isinstance(event, CapitalRecorded | ExclusionRecorded | ServiceScoreRecorded):
            yield Found(f"contract.{event.contract}")


KIND = LinkKind(
    "of_contract",
    "has_fact",
    (CapitalRecorded, ExclusionRecorded, ServiceScoreRecorded),
    "the contract's version",
    _found,
)
