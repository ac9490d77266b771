"""Stored events outlive the program: older ones are upcast, newer ones refused by name."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from adapters.mapper import EnvelopeMapper, UnknownEvent
from ledger.envelope import TOPIC
from ledger.party import PartyRegistered

STATE = {
    "command": "c",
    "command_digest": "d",
    "actor": "ada",
    "recorded_at": "2026-09-01T00:00:00Z",
    "effective": None,
    "causation": "",
    "previous": "",
    "salt": "00112233445566778899aabbccddeeff",
    "schema": 1,
    "events": [
        {
            "kind": "party.registered.v1",
            "period": {"start": "2026-01-01T00:00:00Z", "end": None},
            "party": {"id": "p", "name": "P"},
        }
    ],
}


def state(**changes: object) -> bytes:
    return msgspec.json.encode(STATE | changes)


def test_a_current_envelope_reads_back() -> None:
    envelope = EnvelopeMapper().to_envelope(TOPIC, state())
    assert isinstance(envelope.events[0], PartyRegistered)
    again = EnvelopeMapper().to_stored("party.p", 1, envelope)
    assert EnvelopeMapper().to_envelope(TOPIC, again.state) == envelope


def test_an_older_kind_is_upcast_step_by_step() -> None:
    def to_second(event: dict[str, Any]) -> dict[str, Any]:
        return {"kind": "party.added.v2", "from": event["since"], "party": event["party"]}

    def to_third(event: dict[str, Any]) -> dict[str, Any]:
        period = {"start": event["from"], "end": None}
        return {"kind": "party.registered.v1", "period": period, "party": event["party"]}

    old = {"kind": "party.added.v1", "since": "2026-01-01T00:00:00Z", "party": {"id": "p", "name": "P"}}
    mapper = EnvelopeMapper({"party.added.v1": to_second, "party.added.v2": to_third})
    assert mapper.to_envelope(TOPIC, state(events=[old])) == EnvelopeMapper().to_envelope(TOPIC, state())


@pytest.mark.parametrize(
    ("topic", "body", "message"),
    [
        ("envelope.v2", state(), "envelope.v2"),
        (TOPIC, state(schema=2), "schema 2 is newer"),
        (TOPIC, state(events=[{"kind": "party.registered.v9"}]), "party.registered.v9"),
        (TOPIC, state(surprise=1), "surprise"),
        (TOPIC, b"\xff\x00", "not an envelope"),
    ],
)
def test_what_is_newer_or_foreign_is_refused_by_name(topic: str, body: bytes, message: str) -> None:
    with pytest.raises(UnknownEvent, match=message):
        EnvelopeMapper().to_envelope(topic, body)
