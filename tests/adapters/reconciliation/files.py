"""The sample files of examples/reconciliation, and small changes to them."""

from __future__ import annotations

from pathlib import Path

EXAMPLES = Path(__file__).parents[3] / "examples/reconciliation"


def sample(name: str) -> bytes:
    return (EXAMPLES / name).read_bytes()


def changed(name: str, encoding: str, *changes: tuple[str, str]) -> bytes:
    """The sample with each first text replaced by the second; each must be there."""
    text = sample(name).decode(encoding)
    for before, after in changes:
        assert before in text
        text = text.replace(before, after, 1)
    return text.encode(encoding)
