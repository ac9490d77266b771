"""Where each table and key of a TOML text stands: what `tomllib` does not tell.

The text must already have passed `tomllib`: nothing is validated here.
"""

from __future__ import annotations

import re
import tomllib
from bisect import bisect_right
from typing import Final

Path = tuple[str | int, ...]
"""Keys and positions from the root: `("clauses", 2, "shares")`."""

_GAP: Final = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_KEY: Final = re.compile(r'[A-Za-z0-9_-]+|"(?:\\.|[^"\\\n])*"|\'[^\'\n]*\'')
_DOT: Final = re.compile(r"[ \t]*\.[ \t]*")
_TEXT: Final = re.compile(
    r'"""(?:\\.|[^\\])*?"""(?:"{0,2})'
    r"|'''.*?'''(?:'{0,2})"
    r'|"(?:\\.|[^"\\\n])*"'
    r"|'[^'\n]*'",
    re.DOTALL,
)
_BARE: Final = re.compile(r"[^,\]}#\r\n]+")


def path_text(path: Path) -> str:
    """As a person reads it.

    >>> path_text(("clauses", 2, "shares"))
    'clauses[2].shares'
    """
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text


def toml_lines(text: str) -> dict[Path, int]:
    """The line, from 1, of every table header, key and array element of a valid TOML text.

    >>> toml_lines('id = "x"\\n[[clauses]]\\nshares = { a = "1" }\\n')[("clauses", 0, "shares", "a")]
    3
    """
    return _Scanner(text).lines


def line_of(path: Path, lines: dict[Path, int]) -> int:
    """The line of `path`, or of the nearest table around it; 1 when the text has none of it."""
    while path and path not in lines:
        path = path[:-1]
    return lines.get(path, 1)


class _Scanner:
    def __init__(self, text: str) -> None:
        self.lines: dict[Path, int] = {}
        self._text = text
        self._at = 0
        self._starts = [0, *(found.end() for found in re.finditer("\n", text))]
        self._last_of_array: dict[Path, int] = {}
        self._document()

    def _document(self) -> None:
        table: Path = ()
        while self._skip(_GAP) < len(self._text):
            start = self._at
            if self._text.startswith("[[", start):
                table = self._header(is_array=True)
            elif self._text[start] == "[":
                table = self._header(is_array=False)
            else:
                self._key_and_value(table)
                continue
            self._note(table, start)

    def _header(self, *, is_array: bool) -> Path:
        brackets = 2 if is_array else 1
        self._at += brackets
        self._skip(_GAP)
        keys = self._keys()
        self._skip(_GAP)
        self._at += brackets
        path: Path = ()
        for depth, key in enumerate(keys, 1):
            path = (*path, key)
            if is_array and depth == len(keys):
                self._last_of_array[path] = self._last_of_array.get(path, -1) + 1
            if path in self._last_of_array:
                path = (*path, self._last_of_array[path])
        return path

    def _key_and_value(self, table: Path) -> None:
        start = self._at
        path = table
        for key in self._keys():
            path = (*path, key)
            self._note(path, start)
        self._skip(_GAP)
        self._at += 1
        self._value(path)

    def _keys(self) -> list[str]:
        keys = []
        while True:
            found = _KEY.match(self._text, self._at)
            assert found is not None, "the text passed tomllib"
            self._at = found.end()
            keys.append(_key_text(found[0]))
            if not (dot := _DOT.match(self._text, self._at)):
                return keys
            self._at = dot.end()

    def _value(self, path: Path) -> None:
        self._skip(_GAP)
        match self._text[self._at]:
            case "[":
                self._array(path)
            case "{":
                self._inline_table(path)
            case '"' | "'":
                self._skip(_TEXT)
            case _:
                self._skip(_BARE)

    def _array(self, path: Path) -> None:
        self._at += 1
        index = 0
        while self._text[self._skip(_GAP)] != "]":
            if self._text[self._at] == ",":
                self._at += 1
                continue
            self._note((*path, index), self._at)
            self._value((*path, index))
            index += 1
        self._at += 1

    def _inline_table(self, path: Path) -> None:
        self._at += 1
        while self._text[self._skip(_GAP)] != "}":
            if self._text[self._at] == ",":
                self._at += 1
                continue
            self._key_and_value(path)
        self._at += 1

    def _skip(self, pattern: re.Pattern[str]) -> int:
        if found := pattern.match(self._text, self._at):
            self._at = found.end()
        return self._at

    def _note(self, path: Path, position: int) -> None:
        self.lines.setdefault(path, bisect_right(self._starts, position))


def _key_text(written: str) -> str:
    """The key without its quotes."""
    if written[0] not in "\"'":
        return written
    (key,) = tomllib.loads(f"{written} = 0")
    return str(key)
