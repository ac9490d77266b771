"""What a call is refused with, and values that differ in one bit."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ledger.refusal import Refused


def code(call: Callable[[], object]) -> str:
    """The code of the refusal that a call ends in; a call that ends well fails the test."""
    with pytest.raises(Refused) as refused:
        call()
    return refused.value.code


def flipped(value: bytes, bit: int) -> bytes:
    return (int.from_bytes(value, "big") ^ (1 << bit)).to_bytes(len(value), "big")
