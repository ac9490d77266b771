"""dbmate is started only where a migration is missing: each command asks, and it takes longer than most."""

from __future__ import annotations

import pytest

from adapters.postgres.database import Database
from tests.adapters.conftest import Bench


def test_a_schema_that_is_up_to_date_is_left_and_another_is_migrated(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(Database, "_dbmate", lambda _, verb: asked.append(verb))
    bench.database.migrate()
    assert asked == []
    newest = "DELETE FROM schema_migrations WHERE version = (SELECT max(version) FROM schema_migrations)"
    assert len(bench.query(f"{newest} RETURNING version")) == 1
    bench.database.migrate()
    assert asked == ["migrate"]


def test_a_database_that_dbmate_never_saw_is_migrated(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(Database, "_dbmate", lambda _, verb: asked.append(verb))
    with bench.database.owning() as connection:
        connection.execute("DROP TABLE schema_migrations")
    bench.database.migrate()
    assert asked == ["migrate"]
