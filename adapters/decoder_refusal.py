"""What a JSON decoder finds wrong with a body, as a refusal that names the field."""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec

from adapters.allowed_values import fields_at, values_at
from ledger.refusal import Refused

_AT: Final = re.compile(r" - at (?P<key>`key` in )?`(?P<path>\$[^`]*)`$")
_MISSING: Final = re.compile(r"Object missing required field `(?P<field>[^`]*)`")
_UNKNOWN: Final = re.compile(r"Object contains unknown field `(?P<field>[^`]*)`")
_NOT_LISTED: Final = re.compile(r"Invalid (?:enum )?value (?P<value>.*)")
_PATTERN: Final = re.compile(r"Expected `str` matching regex (?P<regex>.*)")


class NotAllowed(Refused):
    """A field that is none of those allowed, or a value that is not in its closed list."""

    def __init__(self, code: str, reason: str, *, place: str, allowed: tuple[str, ...]) -> None:
        super().__init__(code, reason, place=place)
        self.allowed = allowed


def decoder_refusal(error: msgspec.ValidationError, kind: Any, content: object = None) -> Refused:
    """What kept the decoder from reading a `kind`; `content` is what it read, as plain lists and tables.

    `field_missing`, `field_unknown`, `not_allowed` or `field_type` with the field's path, such as
    `document.registers[0]`, and the values that are allowed, where they are a closed list; what a Struct
    itself refuses keeps its own code.
    """
    found = _AT.search(str(error))
    at = found["path"] if found else "$"
    path = at.removeprefix("$").lstrip(".")
    cause = error.__cause__
    if isinstance(cause, Refused):
        return Refused(cause.code, cause.reason, place=cause.place or path)
    text = _AT.sub("", str(error))
    if missing := _MISSING.fullmatch(text):
        return _field_missing(missing["field"], at, path, kind)
    if unknown := _UNKNOWN.fullmatch(text):
        fields = fields_at(kind, at, content)
        reason = f"not a field here; allowed: {', '.join(fields)}"
        return NotAllowed("field_unknown", reason, place=_inside(path, unknown["field"]), allowed=fields)
    values = values_at(kind, at, key=bool(found and found["key"]))
    if listed := _NOT_LISTED.fullmatch(text):
        return NotAllowed("not_allowed", _one_of(listed["value"], values), place=path, allowed=values)
    if values:
        reason = f"{plainly(text)}; allowed: {', '.join(values)}"
        return NotAllowed("field_type", reason, place=path, allowed=values)
    return Refused("field_type", plainly(text), place=path)


def plainly(text: str, values: tuple[str, ...] = ()) -> str:
    """The decoder's message; where it shows a regular expression or a closed list, what fits."""
    if values and (listed := _NOT_LISTED.match(text)):
        return _one_of(listed["value"], values)
    found = _PATTERN.match(text)
    if found is None:
        return text
    example = _EXAMPLES.get(found["regex"].strip("'"))
    return text if example is None else f"not {example}"


_EXAMPLES: Final = {
    "^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$": (
        "an id of 1 to 64 letters, digits, '_' or '-' that begins with a letter or digit"
    ),
    "^(19[7-9][0-9]|[2-9][0-9]{3})-(0[1-9]|1[0-2])$": "a month from 1970 on such as 2026-08",
    "^[!-~]{1,128}$": "1 to 128 printable ASCII characters without blanks",
    r"^-?\d{1,15}(\.\d{1,4})?$": "a plain decimal such as 1234.56",
}


def _field_missing(field: str, at: str, path: str, kind: Any) -> Refused:
    values = values_at(kind, f"{at}.{field}")
    place = _inside(path, field)
    if not values:
        return Refused("field_missing", f"{field} must be stated", place=place)
    reason = f"{field} must be stated; allowed: {', '.join(values)}"
    return NotAllowed("field_missing", reason, place=place, allowed=values)


def _one_of(value: str, values: tuple[str, ...]) -> str:
    return f"{value} is not one of {', '.join(values)}" if values else f"{value} is not allowed"


def _inside(path: str, field: str) -> str:
    return f"{path}.{field}" if path else field
