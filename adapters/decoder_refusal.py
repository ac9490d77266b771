"""What a JSON decoder finds wrong with a body, as a refusal that names the field."""

from __future__ import annotations

import re
from typing import Final

import msgspec

from ledger.refusal import Refused

_AT: Final = re.compile(r" - at (?:`key` in )?`\$(?P<path>[^`]*)`$")
_MISSING: Final = re.compile(r"Object missing required field `(?P<field>[^`]*)`")
_UNKNOWN: Final = re.compile(r"Object contains unknown field `(?P<field>[^`]*)`")
_NOT_LISTED: Final = re.compile(r"Invalid (?:enum )?value (?P<value>.*)")
_PATTERN: Final = re.compile(r"Expected `str` matching regex (?P<regex>.*)")


def decoder_refusal(error: msgspec.ValidationError) -> Refused:
    """`field_missing`, `field_unknown`, `not_allowed` or `field_type` with the field's path, such as
    `document.registers[0]`; what a Struct itself refuses keeps its own code."""
    found = _AT.search(str(error))
    path = found["path"].lstrip(".") if found else ""
    cause = error.__cause__
    if isinstance(cause, Refused):
        return Refused(cause.code, cause.reason, place=cause.place or path)
    text = _AT.sub("", str(error))
    if missing := _MISSING.fullmatch(text):
        return Refused(
            "field_missing", f"{missing['field']} must be stated", place=_inside(path, missing["field"])
        )
    if unknown := _UNKNOWN.fullmatch(text):
        return Refused("field_unknown", "not a field here", place=_inside(path, unknown["field"]))
    if listed := _NOT_LISTED.fullmatch(text):
        return Refused(
            "not_allowed", f"{listed['value']} is not one of the values that /docs lists", place=path
        )
    return Refused("field_type", plainly(text), place=path)


def plainly(text: str) -> str:
    """The decoder's message; where it shows a regular expression, also an example of what fits."""
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
}


def _inside(path: str, field: str) -> str:
    return f"{path}.{field}" if path else field
