"""One entry of a segment file: its length, its checksum, its kind and its content.

A torn end, whatever it holds, is told from an entry: zeros are none (an empty entry has a length of 1), and
anything else fails its checksum.
"""

from __future__ import annotations

import struct
import zlib
from typing import Final, NamedTuple

import msgspec

from dispatch.telemetry.gaps import Thinned
from dispatch.telemetry.sample import Sample
from ledger.refusal import Refused

HEAD: Final = struct.Struct("<II")
ENTRY_BYTES_MAX: Final = 1 << 18
_SAMPLE: Final = b"S"
_THINNED: Final = b"T"

Item = Sample | Thinned


class Carried(msgspec.Struct, frozen=True, kw_only=True):
    """A sample on its way, its values as they are written: it is encoded as the sample itself is."""

    device: str
    run: str
    number: int
    at_ms: int
    device_ms: int | None = None
    readings: msgspec.Raw
    others: msgspec.Raw
    lost: str = ""


Passed = Carried | Thinned
Framed = bytes
"""An entry's bytes."""

_encode: Final = msgspec.msgpack.Encoder().encode
_sample: Final = msgspec.msgpack.Decoder(Sample).decode
_carried: Final = msgspec.msgpack.Decoder(Carried).decode
_thinned: Final = msgspec.msgpack.Decoder(Thinned).decode


class Entry(NamedTuple):
    """What stands at [start, end) of a segment."""

    body: bytes
    start: int
    end: int

    @property
    def item(self) -> Item:
        return _sample(self.body[1:]) if self.body[:1] == _SAMPLE else _thinned(self.body[1:])


class Parsed(NamedTuple):
    """The whole entries of some bytes; `whole`: where the last of them ends."""

    entries: list[Entry]
    whole: int


class Unkept(Refused):
    """A sample that cannot be written down: nothing of it is kept."""


def framed(item: Item) -> Framed:
    """The bytes of an entry.

    Raises:
        Unkept: `sample_unkept` for a number beyond 64 bits, a text that is none, more than an entry holds.
    """
    try:
        body = (_SAMPLE if isinstance(item, Sample) else _THINNED) + _encode(item)
    except (OverflowError, ValueError) as error:
        raise Unkept("sample_unkept", f"it cannot be kept: {error}", place=item.device) from None
    if len(body) > ENTRY_BYTES_MAX:
        wrong = f"{len(body)} bytes; an entry has at most {ENTRY_BYTES_MAX}"
        raise Unkept("sample_unkept", wrong, place=item.device)
    return HEAD.pack(len(body), zlib.crc32(body)) + body


def parsed(content: bytes, offset: int = 0, most: int | None = None) -> Parsed:
    """The entries from `offset` on, at most `most`, up to the first that is not whole."""
    found: list[Entry] = []
    at = offset
    while at + HEAD.size <= len(content) and (most is None or len(found) < most):
        length, checksum = HEAD.unpack_from(content, at)
        end = at + HEAD.size + length
        if not 1 <= length <= ENTRY_BYTES_MAX or end > len(content):
            break
        body = content[at + HEAD.size : end]
        if zlib.crc32(body) != checksum:
            break
        found.append(Entry(body, at, end))
        at = end
    return Parsed(found, at)


def passed(body: bytes) -> Passed:
    """What is in an entry, little of it decoded."""
    return _carried(body[1:]) if body[:1] == _SAMPLE else _thinned(body[1:])
