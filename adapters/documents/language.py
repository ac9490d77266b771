"""The words on documents in Chinese and English, from `labels.toml` and `phrases_zh.toml`."""

from __future__ import annotations

import re
import tomllib
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple, get_args

from ledger.refusal import Refused

Language = Literal["zh", "en"]
LANGUAGES: Final[tuple[Language, ...]] = get_args(Language)

_FOLDER: Final = Path(__file__).parent
_JOINED: Final = {" + ": " + ", " and ": "、"}
_PLACE: Final = re.compile(r"\{(\d+)([wp]?)\}")


class Wording:
    """One language's words."""

    def __init__(self, language: Language) -> None:
        """Raises:
        Refused: `language` for one that the labels do not have."""
        if language not in LANGUAGES:
            raise Refused("language", f"{language!r} is not one of {', '.join(LANGUAGES)}", place="language")
        self.language: Language = language

    def label(self, section: str, name: str) -> str:
        """A label that must be there."""
        return _labels()[section][name][self.language]

    def section(self, name: str) -> dict[str, str]:
        """All labels of a section."""
        return {key: texts[self.language] for key, texts in _labels()[name].items()}

    def code(self, code: str) -> str:
        """A stream, a cost or a clause's type; one without a label is shown as it is stored."""
        known = _labels()["code"].get(code)
        return code.replace("_", " ") if known is None else known[self.language]

    def run_kind(self, kind: str) -> str:
        """`initial`, or `correction 2`."""
        name, _, number = kind.partition(" ")
        known = _labels()["run_kind"].get(name)
        return kind if known is None else f"{known[self.language]} {number}".rstrip()

    def phrase(self, text: str) -> str:
        """A note, rule or warning as the ledger wrote it, in Chinese where a pattern knows it, or knows what
        stands between its semicolons."""
        return text if self.language == "en" or not text else _said(text)

    def say(self, text: str) -> str:
        """As `phrase`, in Chinese, whatever was said before."""
        for phrase in _phrases():
            found = phrase.pattern.fullmatch(text)
            if found is not None:
                return _PLACE.sub(lambda place, found=found: self._filled(place, found), phrase.text)  # type: ignore[misc]
        parts = text.split("; ")
        if len(parts) == 1:
            return text
        said = [self.phrase(part) for part in parts]
        return text if said == parts else "；".join(said)

    def _filled(self, place: re.Match[str], found: re.Match[str]) -> str:
        value = found[int(place[1])]
        if place[2] == "p":
            return self.phrase(value)
        return self._words(value) if place[2] else value

    def _words(self, value: str) -> str:
        """A word, or several between which " + " or " and " stands."""
        if value in _words():
            return self._word(value)
        parts = re.split(r"( \+ | and )", value)
        return "".join(_JOINED.get(part) or self._word(part) for part in parts)

    def _word(self, word: str) -> str:
        return _words().get(word) or self.code(word)


@lru_cache(maxsize=4096)
def _said(text: str) -> str:
    """A statement says the same of each line, and most statements what others say: no need to look through
    all patterns again."""
    return Wording("zh").say(text)


class _Phrase(NamedTuple):
    pattern: re.Pattern[str]
    text: str


@cache
def _labels() -> dict[str, dict[str, dict[Language, str]]]:
    labels: dict[str, dict[str, dict[Language, str]]] = _read("labels.toml")
    return labels


@cache
def _words() -> dict[str, str]:
    words: dict[str, str] = _read("phrases_zh.toml")["words"]
    return words


@cache
def _phrases() -> tuple[_Phrase, ...]:
    entries = _read("phrases_zh.toml")["phrases"]
    return tuple(_Phrase(re.compile(entry["match"]), entry["zh"]) for entry in entries)


def _read(name: str) -> dict[str, Any]:
    return tomllib.loads((_FOLDER / name).read_text(encoding="utf-8"))
