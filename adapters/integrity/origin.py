"""Whose envelope a message of the stream is, whether it goes on from its aggregate's, and what is none."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final, NamedTuple, get_args

import msgspec

from adapters.events import Event
from adapters.mapper import EnvelopeMapper, UnknownEvent
from adapters.nats import wire
from ledger.envelope import SCHEMA, TOPIC, Envelope
from ledger.refusal import Refused

_TOPIC: Final = re.compile(r"envelope\.v[1-9][0-9]*")
_KIND: Final = re.compile(r"[a-z_]+(\.[a-z_]+)+\.v[1-9][0-9]*")
_KINDS: Final = frozenset(str(kind.__struct_config__.tag) for kind in get_args(Event))
_MAPPER: Final = EnvelopeMapper()


class NewerEnvelope(UnknownEvent):
    """An envelope that says of itself that a newer version of the program wrote it."""


class Origin(NamedTuple):
    """Whose envelope a payload is, and the hash of the one before."""

    aggregate: str
    version: int
    previous: str
    command: str
    actor: str
    kinds: tuple[str, ...]


def origin_of(payload: bytes) -> Origin | None:
    """What an envelope says of itself; None for bytes that are none."""
    try:
        header = wire.header_of(payload)
        envelope = _MAPPER.to_envelope(header.topic, wire.state_of(payload))
    except (*_UNREAD, msgspec.MsgspecError):
        return None
    return _origin(header, envelope)


def origin_at(book: str, sequence: int, payload: bytes) -> Origin:
    """As `origin_of`, of a message that must be an envelope of the book.

    Raises:
        Alien, NewerEnvelope: as `envelope_at`.
    """
    return _origin(*envelope_at(book, sequence, payload))


def envelope_at(
    book: str,
    sequence: int,
    payload: bytes,
    decode: Callable[[wire.Header, bytes], Envelope[Event]] | None = None,
) -> tuple[wire.Header, Envelope[Event]]:
    """The envelope in a message of the book's stream.

    Raises:
        Alien: it holds none of this book.
        NewerEnvelope: a newer version of the program may read it.
    """
    header = wire.checked_header(book, sequence, payload)
    state = wire.state_of(payload)
    try:
        if decode is not None:
            return header, decode(header, state)
        return header, _MAPPER.to_envelope(header.topic, state)
    except _UNREAD as error:
        if _newer(header.topic, state):
            raise NewerEnvelope(f"sequence {sequence}: {error}; a newer version reads it") from error
        raise wire.Alien(sequence, f"its state is no envelope ({error})") from error


_UNREAD: Final = (ValueError, TypeError, AttributeError, Refused)
"""What bytes end in that look like an envelope and are none."""


class _Claimed(msgspec.Struct, frozen=True):
    """What every envelope has, whichever version wrote it."""

    command: str
    previous: str
    recorded_at: str
    schema: int
    events: list[dict[str, Any]]


_decode_claimed: Final = msgspec.json.Decoder(_Claimed).decode


def _newer(topic: str, state: bytes) -> bool:
    """Whether it says that it is of a newer version: by its topic, its schema or the kind of an event."""
    if topic != TOPIC:
        return _TOPIC.fullmatch(topic) is not None
    try:
        claimed = _decode_claimed(state)
    except ValueError:
        return False
    kinds = [str(event.get("kind")) for event in claimed.events]
    return claimed.schema > SCHEMA or any(_KIND.fullmatch(one) and one not in _KINDS for one in kinds)


def _origin(header: wire.Header, envelope: Envelope[Event]) -> Origin:
    kinds = tuple(str(type(event).__struct_config__.tag) for event in envelope.events)
    return Origin(
        header.aggregate, header.version, envelope.previous, envelope.command, envelope.actor, kinds
    )


class Chains:
    """Each aggregate's last version and hash, as the envelopes come."""

    def __init__(self) -> None:
        self._last: dict[str, tuple[int, set[str]]] = {}

    def version_of(self, aggregate: str) -> int:
        """The aggregate's last version so far; 0 for none."""
        return self._last.get(aggregate, (0, set()))[0]

    def follows(self, origin: Origin, digest: bytes) -> bool:
        """Whether the envelope continues its aggregate; it is the last from now on."""
        version, hashes = self._last.get(origin.aggregate, (0, {""}))
        self._last[origin.aggregate] = (origin.version, {digest.hex()})
        return origin.version == version + 1 and origin.previous in hashes

    def goes_on(self, origin: Origin, digest: bytes) -> bool:
        """As `follows`; one that does not is not the last, and the next is compared with what was before."""
        version, hashes = self._last.get(origin.aggregate, (0, {""}))
        if origin.version != version + 1 or origin.previous not in hashes:
            return False
        self._last[origin.aggregate] = (origin.version, {digest.hex()})
        return True

    def skip(self, origin: Origin, digest: bytes) -> None:
        """One of several envelopes that may be the next."""
        version, hashes = self._last.get(origin.aggregate, (0, {""}))
        known = hashes if version == origin.version else set()
        self._last[origin.aggregate] = (origin.version, known | {digest.hex()})
