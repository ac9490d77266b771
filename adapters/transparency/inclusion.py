"""That an envelope is in a log: what is handed to somebody who trusts nobody."""

from __future__ import annotations

import msgspec

from ledger.transparency.base64_text import base64_text
from ledger.transparency.merkle import check_inclusion
from ledger.transparency.note import Note


class Inclusion(msgspec.Struct, frozen=True):
    """`path` leads from the leaf hash of the envelope at `sequence` to the root of the first `size`.

    Only one that leads there can be made.

    Raises:
        Refused: `log_index`, `inclusion_proof`, `hash_bytes`.
    """

    sequence: int
    leaf: bytes
    size: int
    root: bytes
    path: tuple[bytes, ...]
    """The sibling of the leaf first (RFC 9162 2.1.3.1)."""
    note: Note | None
    """The signed checkpoint of this size, where one was kept."""

    def __post_init__(self) -> None:
        check_inclusion(self.sequence - 1, self.size, self.leaf, self.path, self.root)

    @property
    def checkpoint_text(self) -> str | None:
        """The checkpoint as it is published, with its signatures."""
        return None if self.note is None else self.note.content().decode()

    @property
    def tlog_proof(self) -> str:
        """The proof as a file of its own (C2SP tlog-proof), under a signed checkpoint."""
        assert self.note is not None
        hashes = "".join(f"{base64_text(node)}\n" for node in self.path)
        return f"c2sp.org/tlog-proof@v1\nindex {self.sequence - 1}\n{hashes}\n{self.checkpoint_text}"
