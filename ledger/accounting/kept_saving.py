"""What a party keeps of a lower electricity bill that it holds already (DOMAIN.md 2.3)."""

from __future__ import annotations


def kept_saving(saving: int, share: int) -> int:
    """What a party keeps of the saving it holds: up to its share of the pool; a loss is mirrored.

    >>> kept_saving(100, 70), kept_saving(50, 70), kept_saving(-100, -70), kept_saving(100, -5)
    (70, 50, -70, 0)
    """
    if (saving > 0) != (share > 0):
        return 0
    return min(saving, share) if saving > 0 else max(saving, share)
