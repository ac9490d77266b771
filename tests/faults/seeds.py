"""Which seeds a fault is tried with: always the same, or new ones in `make soak`, which prints them."""

from __future__ import annotations

import os
from typing import Final

_FIRST: Final = 20_260_901
_SOAKED: Final = 4
"""How many times as many seeds a round of `make soak` tries."""


def seeds(count: int) -> list[int]:
    """`count` of them; FAULT_SEED=n takes others, and more."""
    first = os.environ.get("FAULT_SEED")
    return (
        list(range(int(first), int(first) + count * _SOAKED))
        if first
        else list(range(_FIRST, _FIRST + count))
    )
