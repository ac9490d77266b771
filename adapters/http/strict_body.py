"""Bodies read strictly: the right types, no unknown field, no text that PostgreSQL cannot keep."""

from __future__ import annotations

import re
from typing import Any, Final, TypeVar

import msgspec
from litestar import Request

from adapters.decoder_refusal import NotAllowed, decoder_refusal
from adapters.http.problem import BadRequest
from ledger.refusal import Refused

T = TypeVar("T")

_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_DEPTH_MAX: Final = 40
_INTEGER_MAX: Final = 2**53 - 1


def decoded(body: bytes, kind: type[T]) -> T:
    """The JSON body as `kind`; `"5"`, `5.0` and `true` are not integers.

    Raises:
        BadRequest: `json` for what is not JSON.
        Refused: `field_missing`, `field_unknown`, `field_type`, `not_allowed` or `control_character` with
            the field's path, and what the type itself refuses.
    """
    plain = check_json(body)
    try:
        value = msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as error:
        raise decoder_refusal(error, kind, plain) from None
    check_plain(plain)
    _check_known(plain, msgspec.to_builtins(value), "")
    return value


def check_json(body: bytes) -> object:
    """The body as plain lists and tables.

    Raises:
        BadRequest: `json`.
    """
    if not body.strip():
        raise BadRequest("json", "a body is needed")
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadRequest("json", f"not valid JSON: {error}") from None


def check_plain(value: object, path: str = "", depth: int = 0) -> None:
    """That plain lists and tables hold what every store and client can keep.

    No text has a control character other than tab and line feed, and no integer is beyond what a double
    holds exactly.

    Raises:
        Refused: `control_character`, `number_range`, `nesting`.
    """
    if depth > _DEPTH_MAX:
        raise Refused("nesting", f"more than {_DEPTH_MAX} levels", place=path[:100])
    if isinstance(value, str):
        if _CONTROL.search(value):
            raise Refused("control_character", "a text may not hold control characters", place=path)
    elif isinstance(value, int):
        if abs(value) > _INTEGER_MAX:
            raise Refused("number_range", f"{str(value)[:20]} is not within +-{_INTEGER_MAX}", place=path)
    elif isinstance(value, dict):
        for key, item in value.items():
            check_plain(key, path, depth + 1)
            check_plain(item, f"{path}.{key}" if path else str(key), depth + 1)
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            check_plain(item, f"{path}[{index}]", depth + 1)


def _check_known(given: object, understood: object, path: str) -> None:
    """That each field given is one that was understood: a misspelt optional field is not left out."""
    if isinstance(given, dict) and isinstance(understood, dict):
        for key, item in given.items():
            place = f"{path}.{key}" if path else key
            if key not in understood:
                allowed = tuple(str(name) for name in understood)
                reason = f"not a field here; allowed: {', '.join(allowed)}"
                raise NotAllowed("field_unknown", reason, place=place, allowed=allowed)
            _check_known(item, understood[key], place)
    elif isinstance(given, list) and isinstance(understood, list | tuple):
        for index, (item, known) in enumerate(zip(given, understood, strict=True)):
            _check_known(item, known, f"{path}[{index}]")


class StrictRequest(Request[Any, Any, Any]):
    """A request whose JSON body is read as the handler's `data` says."""

    async def json(self) -> Any:
        """The body as the handler's type.

        Raises:
            BadRequest, Refused: as `decoded`.
        """
        field = self.route_handler.parsed_data_field
        return decoded(await self.body(), field.annotation if field else object)
