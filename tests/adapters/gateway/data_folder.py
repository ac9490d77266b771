"""Where public price files lie beside the project; what reads them skips where they are absent."""

from __future__ import annotations

from pathlib import Path

import pytest

PRICES = Path(__file__).resolve().parents[4] / "shared" / "data" / "prices"


def price_bytes(name: str) -> bytes:
    """The bytes of a public price file."""
    file = PRICES / name
    if not file.exists():
        pytest.skip(f"the public price file {name} is not beside the project (../shared/data/prices)")
    return file.read_bytes()
