"""Entries of the log and the bundles in which C2SP's tlog-tiles serves them: 256 to a file.

An envelope is its own entry. A bundle writes an entry's length in 16 bits, so an envelope above 65,535
bytes enters as a line that names its length and SHA-256 instead: `wattledger-digest-v1 70000 <hex>`. The two
never look alike, as an envelope begins with `{`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Final, Self

import msgspec

from ledger.refusal import Refused
from ledger.transparency.merkle import leaf_hash
from ledger.transparency.tile import TILE_WIDTH, index_path, parsed_index_path

ENTRY_BYTES_MAX: Final = 65_535
_LENGTH_BYTES: Final = 2
_DIGEST: Final = b"wattledger-digest-v1 "
_ENVELOPE: Final = b"{"
_FOLDER: Final = "tile/entries/"


def entry_of(envelope: bytes) -> bytes:
    """The entry that stands for an envelope: itself, or its length and SHA-256 above 65,535 bytes.

    >>> entry_of(b'{"book":"main"}')
    b'{"book":"main"}'
    >>> entry_of(b"{" + bytes(69_999))[:32]
    b'wattledger-digest-v1 70000 6aa52'

    Raises:
        Refused: `log_envelope` for bytes that do not begin as an envelope does.
    """
    if not envelope.startswith(_ENVELOPE):
        raise Refused("log_envelope", f"an envelope begins with '{{', not {envelope[:8]!r}", place="envelope")
    if len(envelope) <= ENTRY_BYTES_MAX:
        return envelope
    return _DIGEST + f"{len(envelope)} {hashlib.sha256(envelope).hexdigest()}\n".encode("ascii")


def envelope_leaf(envelope: bytes) -> bytes:
    """The leaf hash of an envelope.

    Raises:
        Refused: `log_envelope`.
    """
    return leaf_hash(entry_of(envelope))


class EntryBundle(msgspec.Struct, frozen=True):
    """The entries [256 x index, 256 x index + width) of a log."""

    index: int
    width: int = TILE_WIDTH

    def __post_init__(self) -> None:
        index_path(self.index, self.width)

    @classmethod
    def parse(cls, path: str) -> Self:
        """From an address below a log's prefix, such as `tile/entries/x001/067.p/17`.

        Raises:
            Refused: `tile_path`, `tile_index` or `tile_width`.
        """
        if not path.startswith(_FOLDER):
            raise Refused("tile_path", f"{path[:60]!r} is not like {_FOLDER}x001/067", place="path")
        return cls(*parsed_index_path(path.removeprefix(_FOLDER)))

    @property
    def path(self) -> str:
        """The address below a log's prefix."""
        return _FOLDER + index_path(self.index, self.width)

    @property
    def first(self) -> int:
        """The index of its first entry."""
        return self.index * TILE_WIDTH

    def check_held(self, size: int) -> None:
        """Accept a bundle all of whose entries a log of `size` leaves has.

        Raises:
            Refused: `tile_beyond`.
        """
        if self.first + self.width > size:
            raise Refused("tile_beyond", f"a log of {size} leaves has no {self.path}", place="path")

    def content(self, entries: Iterable[bytes]) -> bytes:
        """The bundle's file: each entry behind its length in two bytes, the higher first.

        Raises:
            Refused: `entry_bundle` for more or fewer than `width` entries; `entry_bytes` for one too long.
        """
        parts = []
        for at, entry in enumerate(entries):
            if len(entry) > ENTRY_BYTES_MAX:
                text = f"{len(entry)} bytes are more than {ENTRY_BYTES_MAX}"
                raise Refused("entry_bytes", text, place=f"entry {self.first + at}")
            parts.append(len(entry).to_bytes(_LENGTH_BYTES, "big") + entry)
        self._check_count(len(parts))
        return b"".join(parts)

    def entries(self, content: bytes) -> tuple[bytes, ...]:
        """The entries of the bundle's file.

        Raises:
            Refused: `entry_bundle` when it is cut off or has more or fewer than `width` entries.
        """
        found: list[bytes] = []
        at = 0
        while at < len(content):
            start = at + _LENGTH_BYTES
            at = start + int.from_bytes(content[at:start], "big")
            if at > len(content):
                raise Refused(
                    "entry_bundle", "cut off within an entry", place=f"entry {self.first + len(found)}"
                )
            found.append(content[start:at])
        self._check_count(len(found))
        return tuple(found)

    def _check_count(self, count: int) -> None:
        if count != self.width:
            raise Refused("entry_bundle", f"{count} entries are not {self.width}", place=self.path)
