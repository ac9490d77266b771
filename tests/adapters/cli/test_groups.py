"""A command line that is loaded by its first word is the whole one, as far as that word goes."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import pytest

from adapters.cli.groups import GROUPS, groups_of
from adapters.cli.reads import commands
from adapters.cli.session import Session
from adapters.main import application
from adapters.settings import Settings

_SESSION = Session(Settings(), lambda: datetime.now(UTC))
_FOLDER = Path(__file__).parents[3] / "adapters/cli"


@cache
def paths_of_all() -> frozenset[str]:
    """Every command of the whole command line."""
    return frozenset(path for path, _ in commands(application(_SESSION)))


@pytest.mark.parametrize("word", sorted({word for words in GROUPS.values() for word in words}))
def test_what_is_loaded_for_a_word_is_all_that_begins_with_it(word: str) -> None:
    whole = {path for path in paths_of_all() if path.split()[0] == word}
    part = {path for path, _ in commands(application(_SESSION, [word, "--help"])) if path.split()[0] == word}
    assert whole
    assert part == whole


def test_every_file_that_adds_commands_is_listed_with_all_of_their_words() -> None:
    texts = {file.stem: file.read_text() for file in _FOLDER.glob("*.py")}
    adding = {name for name, text in texts.items() if "def add_to(" in text}
    of_others = {name for name in adding if any(f"{name}.add_to(" in text for text in texts.values())}
    assert set(GROUPS) == adding - of_others
    words = {path.split()[0] for path in paths_of_all()}
    assert words == {word for listed in GROUPS.values() for word in listed}


@pytest.mark.parametrize("words", [[], ["--help"], ["--version"], ["no-such-command"], ["-h", "settle"]])
def test_what_is_no_command_loads_all_of_them(words: list[str]) -> None:
    assert groups_of(words) == tuple(GROUPS)
