"""That a statement's run is in the signed log, as it stands on paper and in a workbook."""

from __future__ import annotations

from typing import Final

import msgspec

from adapters.documents.language import Wording
from adapters.transparency.inclusion import Inclusion
from ledger.transparency.base64_text import base64_text


class StatementProof(msgspec.Struct, frozen=True, kw_only=True):
    """In which book's log the run's event is, and how that is shown.

    `inclusion` is None while no signed checkpoint covers the event; one without a note is that of a tree as
    it was, over which none was signed.
    """

    book: str
    sequence: int
    inclusion: Inclusion | None = None

    @property
    def checkpoint_text(self) -> str | None:
        """The checkpoint with the log's own signature only: witnesses sign later, and a statement stays the
        same bytes."""
        if self.inclusion is None or self.inclusion.note is None:
            return None
        note = self.inclusion.note
        origin = note.text.partition("\n")[0]
        own = tuple(one for one in note.signatures if one.name == origin)
        return msgspec.structs.replace(note, signatures=own).content().decode()


_FIELDS: Final = ("book", "index", "leaf", "size", "root")


def proof_facts(proof: StatementProof, words: Wording) -> list[tuple[str, str]]:
    """Where the run stands in the log and under which root, labelled; hashes are base64. The index counts
    from 0 (docs/transparency-log.md)."""
    found = {"book": proof.book, "index": str(proof.sequence - 1)}
    one = proof.inclusion
    if one is not None:
        found |= {"leaf": base64_text(one.leaf), "size": str(one.size), "root": base64_text(one.root)}
    rows = [(words.label("proof", name), found[name]) for name in _FIELDS if name in found]
    checkpoint = words.label("proof", "checkpoint")
    if proof.checkpoint_text is None:
        return [*rows, (checkpoint, words.label("proof", "not_signed"))]
    text, _, signatures = proof.checkpoint_text.partition("\n\n")
    return [
        *rows,
        (checkpoint, text.partition("\n")[0]),
        *((words.label("proof", "signature"), line) for line in signatures.splitlines()),
    ]


def proof_path(proof: StatementProof) -> list[str]:
    """The hashes that lead from the leaf to the root in base64, the leaf's sibling first."""
    return [] if proof.inclusion is None else [base64_text(node) for node in proof.inclusion.path]
