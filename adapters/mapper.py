"""Envelopes to stored events and back, with explicit kind names and upcasting.

Replaces the `eventsourcing` library's mapper, whose topics are Python paths.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec
from eventsourcing.persistence import StoredEvent

from adapters.events import Event
from ledger.envelope import SCHEMA, TOPIC, Envelope

Upcast = Callable[[dict[str, Any]], dict[str, Any]]

UPCASTS: Final[dict[str, Upcast]] = {}
"""Kind -> what turns its fields into those of the next version (the answer names its new `kind`)."""


class UnknownEvent(ValueError):
    """An envelope that this program is too old to read, or that is not an envelope."""


class EnvelopeMapper:
    """Encodes and decodes envelopes; older kinds are upcast, unknown or newer ones refused."""

    def __init__(self, upcasts: Mapping[str, Upcast] = UPCASTS) -> None:
        self._upcasts = upcasts
        self._encode = msgspec.json.Encoder(uuid_format="canonical").encode
        self._decode = msgspec.json.Decoder(Envelope[Event]).decode

    def to_stored(self, aggregate: str, version: int, envelope: Envelope[Event]) -> StoredEvent:
        return StoredEvent(aggregate, version, TOPIC, self._encode(envelope))

    def to_envelope(self, topic: str, state: bytes) -> Envelope[Event]:
        """The envelope of a stored event.

        Raises:
            UnknownEvent: names the topic, schema or kind that is not known here.
        """
        if topic != TOPIC:
            raise UnknownEvent(f"topic {topic!r} is not {TOPIC!r}: a newer version is needed to read it")
        try:
            envelope = self._decode(state)
        except msgspec.MsgspecError as error:
            envelope = self._upcast(state, error)
        if envelope.schema > SCHEMA:
            raise UnknownEvent(f"envelope schema {envelope.schema} is newer than {SCHEMA}")
        return envelope

    def _upcast(self, state: bytes, error: msgspec.MsgspecError) -> Envelope[Event]:
        try:
            body = msgspec.json.decode(state)
            events = list(body["events"])
        except (msgspec.MsgspecError, TypeError, KeyError):
            raise UnknownEvent(f"not an envelope: {error}") from error
        for position, event in enumerate(events):
            while event.get("kind") in self._upcasts:
                event = self._upcasts[event["kind"]](event)
            events[position] = event
        body["events"] = events
        try:
            return msgspec.convert(body, Envelope[Event])
        except msgspec.ValidationError:
            kinds = ", ".join(str(event.get("kind")) for event in events)
            raise UnknownEvent(f"{kinds}: {error}") from error
