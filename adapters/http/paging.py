"""Pages of a list: an opaque cursor that holds the position read and the last key seen."""

from __future__ import annotations

import base64
import binascii
from typing import Annotated, Final, TypeVar

import msgspec
from litestar.params import QueryParameter

from adapters.http.problem import BadRequest

LIMIT_MAX: Final = 1000
LIMIT: Final = 100

Limit = Annotated[int, QueryParameter(ge=1, le=LIMIT_MAX, description="How many at most")]
Cursor = Annotated[
    str | None,
    QueryParameter(
        max_length=1000, description="`next_cursor` of the page before; all pages answer as of the first one"
    ),
]

T = TypeVar("T")


def cursor_of(position: int, key: object) -> str:
    """The cursor after a page that was read at `position` and ended with `key`."""
    return base64.urlsafe_b64encode(msgspec.json.encode((position, key))).decode().rstrip("=")


def read_cursor(text: str, key: type[T]) -> tuple[int, T]:
    """Position and key of a cursor.

    Raises:
        BadRequest: `cursor` for a text that no page gave.
    """
    try:
        raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        position, last = msgspec.json.decode(raw, type=tuple[int, key])  # type: ignore[valid-type]
    except (ValueError, binascii.Error, msgspec.MsgspecError):
        raise _not_ours() from None
    if not 0 <= position < 1 << 62 or b"\\u0000" in raw:
        raise _not_ours()
    return position, last


def _not_ours() -> BadRequest:
    return BadRequest("cursor", "take next_cursor of the page before, as it stands", "cursor")
