"""Rows read back as what was written into them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import msgspec

from adapters.continuity import Discontinuity

T = TypeVar("T")


def kept(decode: Callable[[str], T], written: str | None, place: str) -> T:
    """What a row, or a member of its document, holds; there is always something.

    Raises:
        Discontinuity: `row_altered` when it is not what a projection writes.
    """
    try:
        return decode("" if written is None else written)
    except msgspec.MsgspecError as error:
        text = f"the row cannot be read back: {error}"
        raise Discontinuity(text, code="row_altered", place=place) from error
