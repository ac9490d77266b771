"""What one message of a book's stream looks like, byte for byte.

A payload is two lines: a JSON header that says whose event this is, and the event's state exactly
as the mapper made it. Nothing meaningful lives only in NATS headers or in the subject, so a proof
over the payload is a proof of everything, and `nats stream view` shows readable text.
"""

from __future__ import annotations

import hashlib
import re
from typing import Final
from uuid import UUID

import msgspec
from eventsourcing.persistence import OperationalError, StoredEvent

from ledger.refusal import Refused

_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{1,128}")
_UUID_KIND: Final = "uuid"


class Header(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The first line of a payload."""

    book: str
    aggregate: str
    version: int
    topic: str


class Alien(OperationalError):
    """A message of the book's stream that is none of its envelopes: its `sequence`, and `why`."""

    def __init__(self, sequence: int, why: str) -> None:
        super().__init__(f"sequence {sequence}: {why}")
        self.sequence, self.why = sequence, why


_decode_header: Final = msgspec.json.Decoder(Header).decode
_encode_header: Final = msgspec.json.Encoder().encode


def checked_book(book: str) -> str:
    """`book`, when it can be one token of a subject.

    Raises:
        Refused: `book_id`.
    """
    if not _TOKEN.fullmatch(book):
        raise Refused("book_id", f"{book!r} is not 1..128 letters, digits, '_' or '-'")
    return book


def aggregate_name(originator_id: UUID | str) -> str:
    """`kind.id`, the aggregate's part of a subject.

    Raises:
        Refused: `aggregate_id` when kind or id holds what a subject cannot.
    """
    if isinstance(originator_id, UUID):
        return f"{_UUID_KIND}.{originator_id}"
    kind, _, name = originator_id.partition(".")
    if not (_TOKEN.fullmatch(kind) and _TOKEN.fullmatch(name)):
        raise Refused("aggregate_id", f"{originator_id!r} is not kind.id of letters, digits, '_' or '-'")
    return originator_id


def originator_id(aggregate: str) -> UUID | str:
    """The id that `aggregate_name` was made from."""
    kind, _, name = aggregate.partition(".")
    return UUID(name) if kind == _UUID_KIND else aggregate


def subject(book: str, aggregate: str) -> str:
    return f"{book}.{aggregate}"


def pack(book: str, event: StoredEvent) -> bytes:
    """The payload of the message that stores `event`."""
    header = Header(book, aggregate_name(event.originator_id), event.originator_version, event.topic)
    return _encode_header(header) + b"\n" + event.state


def header_of(payload: bytes) -> Header:
    return _decode_header(payload[: payload.index(b"\n")])


def state_of(payload: bytes) -> bytes:
    return payload[payload.index(b"\n") + 1 :]


def checked_header(book: str, sequence: int, payload: bytes) -> Header:
    """The header of a message that is byte for byte as `pack` writes one of the book.

    Raises:
        Alien: it is not.
    """
    try:
        header = header_of(payload)
        named = aggregate_name(originator_id(header.aggregate))
    except (ValueError, msgspec.MsgspecError, Refused) as error:
        raise Alien(sequence, f"it has no header of an envelope ({error})") from error
    if header.book != book:
        raise Alien(sequence, f"it is of book {header.book!r}, this one is {book!r}")
    if named != header.aggregate or not payload.startswith(_encode_header(header) + b"\n"):
        raise Alien(sequence, "its header is not as this program writes one")
    return header


def unpack(payload: bytes) -> StoredEvent:
    """The stored event of a payload.

    Raises:
        ValueError: the payload is not one of ours (`msgspec.ValidationError`, `msgspec.DecodeError`).
    """
    header = header_of(payload)
    return StoredEvent(originator_id(header.aggregate), header.version, header.topic, state_of(payload))


def digest(payload: bytes) -> str:
    """SHA-256 of a payload in hexadecimal; it chains the envelopes of an aggregate."""
    return hashlib.sha256(payload).hexdigest()
