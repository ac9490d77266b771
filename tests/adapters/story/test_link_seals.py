"""A row of links that is gone, changed or added is missed by every story that would have found it."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from adapters.continuity import Discontinuity
from adapters.integrity import link_seals
from adapters.postgres.database import Connection
from adapters.queries.story.entry import Story
from adapters.queries.story.event import event as event_story
from adapters.queries.story.links_of import followed
from adapters.queries.story.meter import meter
from adapters.queries.story.telling import Part
from adapters.replay import replay
from tests.adapters.conftest import Bench
from tests.adapters.test_settling import filled, settle
from tests.stack import NatsServer, PostgresServer

METER = "S1-STORAGE"
THING = f"meter.{METER}"
ROW = f"thing = '{THING}' AND link = 'rests_on'"
GONE = f"DELETE FROM ledger.link WHERE {ROW}"
SEAL_GONE = f"DELETE FROM ledger.link_seal WHERE {ROW}"
OF_THING = f"(SELECT DISTINCT bucket FROM ledger.link_seal WHERE thing = '{THING}')"
BUCKET_GONE = f"DELETE FROM ledger.link_seal WHERE bucket = {OF_THING}"
TOTAL_GONE = f"DELETE FROM ledger.link_total WHERE bucket = {OF_THING}"

ABOUT_THING = rf"table link, {re.escape(THING)}"
MATCHED = (
    "UPDATE ledger.link_total AS total SET rows = total.rows - one.rows, seal = total.seal # one.seal"
    f" FROM ledger.link_seal AS one WHERE one.thing = '{THING}' AND one.link = 'rests_on'"
    " AND total.bucket = one.bucket"
)
ADDED = "INSERT INTO ledger.link SELECT book, thing, '{}', 1, NULL FROM ledger.link WHERE " + ROW
CHANGED = "UPDATE ledger.link SET {} WHERE " + ROW
Change = tuple[str, str, str]
"""Statements with semicolons between; the place and the message that a story is then refused with."""
CHANGES: dict[str, Change] = {
    "deleted": (GONE, ABOUT_THING, r"has 0 rows rests_on, .* 1 that were sealed"),
    "led elsewhere": (CHANGED.format("thing = 'meter.M'"), ABOUT_THING, "has 0 rows"),
    "of another event": (CHANGED.format("sequence = 1"), ABOUT_THING, "has 1 rows rests_on"),
    "of a later event": (CHANGED.format("sequence = sequence + 1000"), ABOUT_THING, "has 1 rows"),
    "of other readings": (CHANGED.format("sequences = '{[1,2)}'"), ABOUT_THING, "has 1 rows"),
    "added": (ADDED.format("names"), ABOUT_THING, r"has \d+ rows names"),
    "added of an unknown kind": (ADDED.format("foreign"), ABOUT_THING, "has 1 rows foreign, .* 0 that were"),
    "deleted with its seal": (f"{GONE};{SEAL_GONE}", "table link_seal", r"bucket \d+"),
    "deleted, and its seal changed to match": (
        f"{GONE};UPDATE ledger.link_seal SET rows = 0, seal = 0 WHERE {ROW}", "table link", "bucket|rests_on"
    ),
    "deleted with its seal, total changed": (f"{MATCHED};{GONE};{SEAL_GONE}", "table link_total", "the book"),
    "deleted with all of its bucket": (
        f"DELETE FROM ledger.link WHERE thing = '{THING}';{TOTAL_GONE};{BUCKET_GONE}", "table link", "its"
    ),
    "deleted with all that was summed": (
        f"{GONE};DELETE FROM ledger.link_seal;DELETE FROM ledger.link_total;DELETE FROM ledger.link_tile",
        ABOUT_THING, "0 that were sealed",
    ),
    "a total changed": (
        f"UPDATE ledger.link_total SET seal = seal + 1 WHERE bucket = {OF_THING}", "table link_seal", "bucket"
    ),
    "a seal led elsewhere": (
        f"UPDATE ledger.link_seal SET thing = 'meter.M' WHERE {ROW}", ABOUT_THING, "0 that were sealed"
    ),
    "the sum of the book gone": ("DELETE FROM ledger.link_total WHERE bucket = -1", "table link_total", "of"),
}  # fmt: skip
NOT_FOLLOWED: list[tuple[str, str]] = [
    (
        "DELETE FROM ledger.link WHERE sequence = {run} AND link = 'rests_on' AND thing LIKE 'tariff.%'",
        "{run}",
    ),
    ("UPDATE ledger.link SET thing = 'meter.M' WHERE sequence = {run} AND thing = 'site.S1'", "{run}"),
    ("INSERT INTO ledger.link VALUES ((SELECT book FROM ledger.position LIMIT 1), 'x', 'y', {run})", "{run}"),
    ("UPDATE ledger.link_tile SET seals = substr(seals, 9)", "1"),
    ("DELETE FROM ledger.link_tile", "1"),
]


@pytest.fixture(scope="module")
def bench(nats_server: NatsServer, migrated: PostgresServer) -> Iterator[Bench]:
    bench = Bench(nats_server, migrated)
    filled(bench)
    settle(bench)
    bench.project()
    yield bench
    bench.close()


def last(bench: Bench) -> int:
    ((sequence,),) = bench.query("SELECT max(sequence) FROM ledger.envelope")
    assert isinstance(sequence, int)
    return sequence


def told(connection: Connection, position: int) -> Story:
    return meter(connection, position, METER)


class Undone(Exception):
    """What was tried in a transaction is taken back."""


@pytest.mark.parametrize("name", CHANGES)
def test_a_story_is_not_told_without_links_of_others(bench: Bench, name: str) -> None:
    changes, place, message = CHANGES[name]
    position = last(bench)
    with pytest.raises(Undone), bench.database.owning() as connection:
        connection.execute("SELECT set_config('app.book', %s, true)", [bench.book])
        run = max(entry.sequence for entry in told(connection, position).entries)
        assert "rests_on" in {one.link for entry in told(connection, position).entries for one in entry.links}
        assert run == position, "the run is in the meter's story"
        for change in changes.split(";"):
            assert connection.execute(change).rowcount > 0, change  # type: ignore[arg-type]
        with pytest.raises(Discontinuity) as refused:
            told(connection, position)
        assert refused.value.fault.code == "row_altered"
        assert re.match(place, refused.value.fault.place), refused.value.fault
        assert re.search(message, refused.value.fault.message), refused.value.fault
        raise Undone


@pytest.mark.parametrize(("change", "place"), NOT_FOLLOWED)
def test_nothing_is_followed_from_an_event_that_lacks_a_link(bench: Bench, change: str, place: str) -> None:
    run = last(bench)
    with pytest.raises(Undone), bench.database.owning() as connection:
        connection.execute("SELECT set_config('app.book', %s, true)", [bench.book])
        assert followed(connection, run, {1, run}, "rests_on")
        assert connection.execute(change.format(run=run)).rowcount > 0  # type: ignore[call-overload]
        with pytest.raises(Discontinuity) as refused:
            followed(connection, run, {1, run}, "rests_on")
        assert refused.value.fault.code == "row_altered"
        assert refused.value.fault.place == f"table link, sequence {place.format(run=run)}"
        raise Undone


def test_a_part_of_a_story_misses_what_is_gone_from_another_part(bench: Bench) -> None:
    position = last(bench)
    with pytest.raises(Undone), bench.database.owning() as connection:
        connection.execute("SELECT set_config('app.book', %s, true)", [bench.book])
        part = Part(after=0, limit=1)
        assert len(meter(connection, position, METER, part=part).entries) == 1
        connection.execute(GONE)  # type: ignore[arg-type]
        with pytest.raises(Discontinuity, match="rows rests_on"):
            meter(connection, position, METER, part=part)
        raise Undone


def test_who_rewrites_rows_and_every_sum_is_found_by_replay(bench: Bench) -> None:
    position = last(bench)
    kept = {
        table: bench.query(f"SELECT * FROM ledger.{table}")
        for table in ("link", "link_seal", "link_total", "link_tile")
    }
    proof = replay(bench.log, bench.database)
    assert proof.equal, proof
    assert {"link", "link_seal", "link_total", "link_tile"} <= {one.table for one in proof.tables}
    try:
        with bench.database.owning() as connection:
            connection.execute(GONE)  # type: ignore[arg-type]
            for table in ("link_seal", "link_total", "link_tile"):
                connection.execute(f"DELETE FROM ledger.{table}")  # type: ignore[arg-type]
            link_seals.seal(connection, bench.book, 1, position, len(kept["link"]) - 1)
        with bench.database.reading(bench.book) as connection:
            with pytest.raises(Discontinuity, match=f"rests_on {THING} is gone"):
                event_story(connection, position, position)
            assert position not in {entry.sequence for entry in told(connection, position).entries}
        proof = replay(bench.log, bench.database)
        differing = {one.table: one for one in proof.tables if one.difference is not None}
        assert set(differing) == {"link", "link_seal", "link_total", "link_tile"}
        assert differing["link"].sequence == position
    finally:
        with bench.database.owning() as connection:
            for table, rows in kept.items():
                connection.execute(f"DELETE FROM ledger.{table}")  # type: ignore[arg-type]
                marks = ", ".join(["%s"] * len(rows[0]))
                connection.cursor().executemany(f"INSERT INTO ledger.{table} VALUES ({marks})", rows)  # type: ignore[arg-type]


def test_seals_are_the_same_however_many_events_come_at_once(bench: Bench) -> None:
    position = last(bench)
    tables = ("link_seal", "link_total", "link_tile")

    def sealed(connection: Connection) -> list[list[tuple[object, ...]]]:
        return [sorted(connection.execute(f"SELECT * FROM ledger.{one}")) for one in tables]  # type: ignore[arg-type]

    for step in (1, 7, position):
        with pytest.raises(Undone), bench.database.owning() as connection:
            before = sealed(connection)
            for one in tables:
                connection.execute(f"DELETE FROM ledger.{one}")  # type: ignore[arg-type]
            for first in range(1, position + 1, step):
                through = min(first + step - 1, position)
                ((rows,),) = connection.execute(
                    "SELECT count(*) FROM ledger.link WHERE sequence BETWEEN %s AND %s", [first, through]
                ).fetchall()
                link_seals.seal(connection, bench.book, first, through, rows)
            assert sealed(connection) == before, step
            raise Undone


def test_a_row_that_was_there_before_its_event_is_not_sealed(bench: Bench) -> None:
    with pytest.raises(Undone), bench.database.owning() as connection:
        connection.execute(
            "INSERT INTO ledger.link VALUES (%s, 'meter.M', 'names', %s, NULL)", [bench.book, last(bench) + 1]
        )
        with pytest.raises(Discontinuity, match="there are 1 rows where the events give 0"):
            link_seals.seal(connection, bench.book, last(bench) + 1, last(bench) + 1, 0)
        raise Undone
