"""What every test of driving has."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from adapters.driving.journal import Journal
from tests.adapters.driving.driven import Journals


@pytest.fixture
def journals() -> Iterator[Journals]:
    made: list[Journal] = []

    def make(folder: Path, run: str) -> Journal:
        made.append(Journal(folder, run))
        return made[-1]

    yield make
    for one in made:
        asyncio.run(one.close())
