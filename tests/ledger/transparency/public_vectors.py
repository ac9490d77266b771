"""Where the public vectors lie, and what skips a test without them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

DATA = Path(__file__).parents[3].parent / "shared" / "data"
MERKLE = DATA / "merkle"
"""Proofs of transparency-dev/merkle, valid and malformed."""

needs_merkle = pytest.mark.skipif(not MERKLE.is_dir(), reason=f"no public Merkle proofs at {MERKLE}")


def merkle_vectors(kind: str) -> list[tuple[str, dict[str, Any]]]:
    files = sorted((MERKLE / kind).rglob("*.json"))
    return [(str(file.relative_to(MERKLE)), json.loads(file.read_text(encoding="utf-8"))) for file in files]
