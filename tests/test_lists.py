"""Adding a kind is one new file and one line in a list: these fail when the line was forgotten."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

from adapters.events import Event
from adapters.mapper import UPCASTS
from adapters.meters import FORMATS
from adapters.projections import PROJECTIONS
from ledger.clauses import Clause
from ledger.clauses.carry import Carry

ROOT = Path(__file__).parents[1]


def tags(folder: str, pattern: str) -> set[str]:
    """What `pattern` captures in the Python files of a folder."""
    found: set[str] = set()
    for file in sorted((ROOT / folder).rglob("*.py")):
        found |= set(re.findall(pattern, file.read_text(encoding="utf-8")))
    return found


def tag_of(kind: type) -> str:
    return str(kind.__struct_config__.tag)  # type: ignore[attr-defined]


def test_every_event_is_in_the_union() -> None:
    written = {
        tag
        for folder in ("ledger", "trading", "dispatch")
        for tag in tags(folder, r'tag_field="kind",\s*tag="([^"]+)"')
    }
    assert written == {tag_of(kind) for kind in get_args(Event)}


def test_event_kinds_are_explicit_and_versioned() -> None:
    """A stored name is noun.verb.vN, and an upcast never points to itself."""
    for kind in get_args(Event):
        assert re.fullmatch(r"[a-z]+\.[a-z_]+\.v\d+", tag_of(kind))
    assert not set(UPCASTS) & {tag_of(kind) for kind in get_args(Event)}


def test_every_projection_is_in_the_list() -> None:
    written = tags("adapters/projections", r'\n    name = "([^"]+)"')
    assert written == {projection.name for projection in PROJECTIONS}


def test_every_table_belongs_to_one_projection() -> None:
    sql = "".join(file.read_text() for file in sorted((ROOT / "migrations").glob("*.sql")))
    beside = {
        "position",
        "compared_stream",
        "told_position",
        "dead_letter",
        "settled_commands",
        "access_mark",
    }
    created = set(re.findall(r"CREATE TABLE ledger\.(\w+)", sql)) - beside
    owned = [table for projection in PROJECTIONS for table in projection.tables]
    assert sorted(owned) == sorted(created)


def test_every_clause_is_in_the_union() -> None:
    written = tags("ledger/clauses", r'tag="([^"]+)"') - {tag_of(kind) for kind in get_args(Carry)}
    assert written == {tag_of(kind) for kind in get_args(Clause)}


def test_every_meter_format_is_in_the_list() -> None:
    assert tags("adapters/meters", r'tag_field="format",\s*tag="([^"]+)"') == set(FORMATS)
