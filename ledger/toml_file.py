"""A TOML text as the Structs it stands for, every refusal with its line and its field path.

Numbers are taken as they are written: where a field is exact text, `rate = 0.1` and `rate = "0.1"` are
the same, and no float is ever made.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Mapping
from datetime import date, datetime
from types import NoneType, UnionType
from typing import Annotated, Any, Final, Literal, TypeVar, Union, get_args, get_origin

import msgspec

from ledger.refusal import Refused
from ledger.toml_lines import Path, line_of, path_text, toml_lines

S = TypeVar("S", bound=msgspec.Struct)

BYTES_MAX: Final = 1_000_000
"""A larger file is refused unread."""

_STEP: Final = re.compile(r"[^.\[\]]+|\[\d+\]")
_LINE: Final = re.compile(r"\(at line (\d+), column \d+\)")


class TomlFile:
    """The parsed text: its root table, and where everything in it stands."""

    def __init__(self, text: str | bytes) -> None:
        """Parse `text`.

        Raises:
            Refused: `file_size`, `byte_order_mark`, `encoding`, `empty_file` or `toml`.
        """
        decoded = _decoded(text)
        try:
            self.root: dict[str, Any] = tomllib.loads(decoded, parse_float=str)
            self._lines = toml_lines(decoded)
        except (ValueError, RecursionError) as error:
            found = _LINE.search(str(error))
            reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)
            place = f"line {found[1]}" if found else "line 1"
            raise Refused("toml", f"this is not TOML: {reason}", place=place) from None

    def refusal(self, code: str, message: str, path: Path) -> Refused:
        """The error for a field, which need not be in the file."""
        place = f"line {line_of(path, self._lines)}"
        return Refused(code, message, place=f"{place}, {path_text(path)}" if path else place)

    def struct(
        self,
        kind: type[S],
        table: object,
        path: Path,
        *,
        given: Mapping[str, object] | None = None,
        moved: Mapping[str, Path] | None = None,
    ) -> S:
        """`table` as a `kind`.

        `given` fields come from elsewhere and not from the table; a field in `moved` is refused at that
        other path.

        Raises:
            Refused: `field_unknown`, `field_missing`, `field_type`, `not_allowed`, and what `kind` refuses.
        """
        if not isinstance(table, dict):
            raise self.refusal("field_type", f"{_shown(table)} is not a table", path)
        values = dict(given or {})
        fields = {f.encode_name: f for f in msgspec.structs.fields(kind) if f.encode_name not in values}
        tag = kind.__struct_config__.tag_field
        names = [*fields, *([tag] if tag else [])]
        for key in table:
            if key not in names:
                raise self.refusal("field_unknown", _unknown(key, names), (*path, key))
        for name, field in fields.items():
            if name in table:
                values[field.name] = self._value(field.type, table[name], (*path, name))
            elif field.required:
                raise self.refusal("field_missing", f"{name} must be stated", (*path, name))
        try:
            return kind(**values)
        except Refused as refused:
            inner = _path_of(refused.place)
            if moved and inner and inner[0] in moved:
                raise self.refusal(refused.code, refused.reason, moved[str(inner[0])]) from None
            raise self.refusal(refused.code, refused.reason, (*path, *inner)) from None

    def choice(self, allowed: object, value: object, path: Path) -> Any:
        """`value`, when it is one of the Literal type `allowed`.

        Raises:
            Refused: `not_allowed`, naming the nearest and all that are.
        """
        names = [str(name) for name in get_args(allowed)]
        if value in names:
            return value
        raise self.refusal("not_allowed", _unknown(_shown(value), names), path)

    def _value(self, kind: Any, value: object, path: Path) -> object:
        """One value as its field's type says: the types that our documents are made of, and no others."""
        origin, arguments = get_origin(kind), get_args(kind)
        if origin is Annotated:
            return self._value(arguments[0], value, path)
        if origin is Literal:
            return self.choice(kind, value, path)
        if origin in (Union, UnionType):
            return self._union(arguments, value, path)
        if origin in (tuple, dict):
            return self._collection(kind, value, path)
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            return self.struct(kind, value, path)
        return self._scalar(kind, value, path)

    def _collection(self, kind: Any, value: object, path: Path) -> object:
        arguments = get_args(kind)
        if get_origin(kind) is tuple:
            if not isinstance(value, list):
                raise self.refusal("field_type", f"{_shown(value)} is not a list", path)
            return tuple(self._value(arguments[0], item, (*path, i)) for i, item in enumerate(value))
        if not isinstance(value, dict):
            raise self.refusal("field_type", f"{_shown(value)} is not a table", path)
        return {
            self._value(arguments[0], key, (*path, key)): self._value(arguments[1], item, (*path, key))
            for key, item in value.items()
        }

    def _union(self, kinds: tuple[Any, ...], value: object, path: Path) -> object:
        plain = [kind for kind in kinds if kind not in (NoneType, msgspec.UnsetType)]
        if all(get_origin(kind) is Literal for kind in plain):
            return self.choice(Literal[tuple(name for kind in plain for name in get_args(kind))], value, path)
        if len(plain) == 1:
            return self._value(plain[0], value, path)
        if not isinstance(value, dict):
            raise self.refusal("field_type", f"{_shown(value)} is not a table", path)
        tags = {str(kind.__struct_config__.tag): kind for kind in plain}
        field = str(plain[0].__struct_config__.tag_field)
        if field not in value:
            raise self.refusal("field_missing", f"{field} must be stated: {', '.join(tags)}", (*path, field))
        tag = self.choice(Literal[tuple(tags)], value[field], (*path, field))
        return self.struct(tags[tag], value, path)

    def _scalar(self, kind: Any, value: object, path: Path) -> object:
        if kind is str and isinstance(value, int) and not isinstance(value, bool):
            return str(value)
        if kind is date and isinstance(value, str):
            raise self.refusal("field_type", "write a date without quotes, such as 2026-01-01", path)
        fits = isinstance(value, kind)
        if kind is int and isinstance(value, bool):
            fits = False
        if kind is date and isinstance(value, datetime):
            fits = False
        if not fits:
            raise self.refusal("field_type", f"{_shown(value)} is not {_SCALARS[kind]}", path)
        return value


_SCALARS: Final = {
    str: "a text in quotes or a number",
    int: "a whole number",
    bool: "true or false",
    date: "a date such as 2026-01-01",
}


def _decoded(text: str | bytes) -> str:
    if len(text) > BYTES_MAX:
        raise Refused("file_size", f"the file has more than {BYTES_MAX:,} bytes", place="line 1")
    if isinstance(text, bytes):
        if text.startswith((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")):
            raise _byte_order_mark()
        try:
            decoded = text.decode("utf-8")
        except UnicodeDecodeError as error:
            line = error.object.count(b"\n", 0, error.start) + 1
            byte = error.object[error.start]
            wrong = f"byte 0x{byte:02x} is not UTF-8 (GB18030 perhaps?): save the file as UTF-8"
            raise Refused("encoding", wrong, place=f"line {line}") from None
    else:
        decoded = text
    if decoded.startswith("\ufeff"):
        raise _byte_order_mark()
    if not decoded.strip():
        raise Refused("empty_file", "the file is empty", place="line 1")
    return decoded


def _byte_order_mark() -> Refused:
    message = "the file begins with a byte-order mark: save it as UTF-8 without one"
    return Refused("byte_order_mark", message, place="line 1")


def _path_of(place: str) -> Path:
    """The path that a Struct's own refusal names, such as `clauses[2].payee`."""
    return tuple(int(step[1:-1]) if step[0] == "[" else step for step in _STEP.findall(place))


def _unknown(name: str, allowed: list[str]) -> str:
    near = difflib.get_close_matches(name, allowed, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]}? " if near else ""
    return f"{name} is not allowed here; {hint}allowed: {', '.join(allowed)}"


def _shown(value: object) -> str:
    """A value in a message, cut short."""
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= _SHOWN_MAX else f"{text[:_SHOWN_MAX]}..."


_SHOWN_MAX: Final = 60
