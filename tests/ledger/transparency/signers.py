"""Signers whose secrets are no secret."""

from __future__ import annotations

from ledger.transparency.note_key import KeyKind, NoteSigner

LOG = NoteSigner.of_seed("log.example/main", KeyKind.ED25519, bytes(range(32)))
OTHER = NoteSigner.of_seed("other.example", KeyKind.ED25519, bytes(range(1, 33)))
WITNESS = NoteSigner.of_seed("witness.example/w1", KeyKind.COSIGNATURE_V1, bytes(range(2, 34)))
