"""A book's events up to a signed checkpoint as one file, from which all of it can be computed again."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from typing import Final

from adapters.bundle.bundle_line import bundle_line, first_line, path_text
from adapters.continuity import Discontinuity
from adapters.postgres.database import Database
from adapters.transparency.published_log import PublishedLog
from ledger.refusal import Refused
from ledger.transparency.checkpoint import Checkpoint
from ledger.transparency.entry_bundle import envelope_leaf
from ledger.transparency.note import Note
from ledger.transparency.tree import Frontier

_ROWS_AT_ONCE: Final = 500
_GZIP: Final = zlib.MAX_WBITS | 16


def book_bundle(database: Database, published: PublishedLog, up_to: int | None = None) -> Iterator[bytes]:
    """The lines of the bundle, piece by piece: the first `up_to` events, or all that are signed.

    They stand under the first checkpoint that covers them, or the newest. The refusals come at once, before
    the first piece.

    Raises:
        Refused: `unknown_checkpoint` when none covers the events; `empty_bundle` for no events.
        Discontinuity: while the pieces are taken, when the archive is not what the tree was made of.
    """
    note = _checkpoint(published, up_to)
    checkpoint = Checkpoint.parse(note.text)
    size = checkpoint.size if up_to is None else up_to
    if size == 0:
        raise Refused("empty_bundle", "there are no events to prove: name a position above 0", place="as_of")
    proof = published.consistency(size, checkpoint.size)
    head = first_line("book", published) + bundle_line(
        {"checkpoint": note.content().decode(), "path": path_text(proof.path), "size": size}
    )
    return _lines(database, published.book, head, size, proof.old_root)


def gzipped(parts: Iterable[bytes]) -> Iterator[bytes]:
    """The same compressed; equal bundles are equal bytes."""
    squeeze = zlib.compressobj(6, zlib.DEFLATED, _GZIP)
    for part in parts:
        if squeezed := squeeze.compress(part):
            yield squeezed
    yield squeeze.flush()


def _checkpoint(published: PublishedLog, up_to: int | None) -> Note:
    note = published.latest() if up_to is None else published.covering(max(up_to, 1))
    if note is None:
        raise Refused("unknown_checkpoint", "no signed checkpoint covers these events yet", place="as_of")
    return note


def _lines(database: Database, book: str, head: bytes, size: int, root: bytes) -> Iterator[bytes]:
    yield head
    tree = Frontier()
    while tree.size < size:
        with database.reading(book) as connection:
            rows = connection.execute(
                "SELECT payload FROM ledger.envelope WHERE book = %s AND sequence > %s AND sequence <= %s"
                " ORDER BY sequence LIMIT %s",
                [book, tree.size, size, _ROWS_AT_ONCE],
            ).fetchall()
        if not rows:
            place = f"sequence {tree.size + 1}"
            raise Discontinuity("the archive has no such envelope", code="archive_missing", place=place)
        envelopes = [bytes(payload) for (payload,) in rows]
        tree, _ = tree.append(map(envelope_leaf, envelopes))
        yield b"".join(envelope + b"\n" for envelope in envelopes)
    if tree.root != root:
        text = f"the first {size} archived envelopes are not those of the tree"
        raise Discontinuity(text, code="tree_altered", place=f"sequence {size}")
