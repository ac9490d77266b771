"""A bid's curves are taken over as they were written only where its digest is over just them."""

from __future__ import annotations

import msgspec
import pytest

from adapters.events import Event
from adapters.mapper import EnvelopeMapper
from adapters.nats import wire
from adapters.projections.links import link_rows
from adapters.projections.written_bid import in_full, written
from ledger.envelope import TOPIC, Envelope
from tests.adapters.conftest import Bench
from tests.adapters.desk.desk_book import bid, furnish
from trading.bid_events import BidDrafted


@pytest.fixture
def stored(bench: Bench) -> bytes:
    """The state of the event that a bid was drafted by, as the stream has it."""
    furnish(bench).draft(bid(), revision=0, command_id="draft", actor="anna")
    last = bench.client.run(bench.log.last_sequence())
    payload = bench.client.run(bench.log.payload_at(last))
    assert payload is not None
    return wire.state_of(payload)


def drafted(envelope: Envelope[Event]) -> BidDrafted:
    (event,) = envelope.events
    assert isinstance(event, BidDrafted)
    return event


def test_it_says_what_reading_it_in_full_says(stored: bytes) -> None:
    lean, full = written(TOPIC, stored), EnvelopeMapper().to_envelope(TOPIC, stored)
    assert lean is not None
    name = f"bid.{bid().id}"
    assert list(link_rows(name, lean)) == list(link_rows(name, full))
    state, right = drafted(lean).apply(None), drafted(full).apply(None)
    assert isinstance(state.draft.bid.curves, msgspec.Raw)
    assert msgspec.json.encode(state) == msgspec.json.encode(right)
    assert in_full(state) == right
    assert in_full(right) is right


def test_curves_that_the_digest_is_not_over_are_read_in_full(stored: bytes) -> None:
    digest = drafted(EnvelopeMapper().to_envelope(TOPIC, stored)).digest.encode()
    assert written(TOPIC, stored.replace(digest, b"0" * 64)) is None
    assert written(TOPIC, stored.replace(b'"curves":[', b'"curves":[ ')) is None


def test_what_is_not_known_here_is_left_to_who_says_so(stored: bytes) -> None:
    assert written("envelope.v2", stored) is None
    assert written(TOPIC, stored.replace(b'"schema":1', b'"schema":2')) is None
    assert written(TOPIC, stored.replace(b"bid.drafted.v1", b"bid.drafted.v9")) is None
    assert written(TOPIC, stored[:-1]) is None


def test_curves_that_are_none_halt_the_projector(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever wrote them: a digest over something else than they are does not make them pass."""
    encoded = EnvelopeMapper.to_stored

    def damaged(self: EnvelopeMapper, aggregate: str, version: int, envelope: Envelope[Event]) -> object:
        found = encoded(self, aggregate, version, envelope)
        if not aggregate.startswith("bid."):
            return found
        object.__setattr__(found, "state", found.state.replace(b'"curves":[[', b'"curves":[["x",', 1))
        return found

    monkeypatch.setattr(EnvelopeMapper, "to_stored", damaged)
    furnish(bench).draft(bid(), revision=0, command_id="draft", actor="anna")
    projector = bench.projector()
    projector.run()
    assert projector.halted is not None
    assert "curves" in projector.halted
