"""A person is readable while its key is there, and never again after: in no copy, backup or bundle."""

from __future__ import annotations

import gzip
import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters import backup, continuity, replay
from adapters.bundle.book_bundle import book_bundle
from adapters.front_door import FrontDoor
from adapters.nats import stream
from adapters.nats.log import Log
from adapters.nats.recorder import JetStreamApplicationRecorder
from adapters.personal.keys import PersonalKeys
from adapters.personal.people import People
from adapters.personal.sealing import seal, unseal
from adapters.projections import PROJECTIONS
from adapters.projector import Projector
from adapters.verify import verify
from ledger.personal.details import ERASED, Details
from ledger.personal.person import Person, RegisterPerson
from ledger.refusal import Refused
from tests.adapters import sample
from tests.adapters.cli.terminal import Terminal, terminal_of
from tests.adapters.conftest import Bench
from tests.adapters.http.conftest import Api, problem
from tests.stack import NatsServer, PostgresServer

NAME, CONTACT = "Wang Xiaoming 王小明", "wang@example.com"
DETAILS = Details(name=NAME, contact=CONTACT)


@pytest.fixture
def keys(tmp_path: Path) -> PersonalKeys:
    return PersonalKeys(tmp_path / "keys")


@pytest.fixture
def people(bench: Bench, keys: PersonalKeys) -> People:
    return People(bench.door, bench.database, keys, bench.clock)


def refused(code: str, work: object, *given: object, **named: object) -> None:
    with pytest.raises(Refused) as caught:
        work(*given, **named)  # type: ignore[operator]
    assert caught.value.code == code


def everywhere(bench: Bench) -> bytes:
    """Every byte that the stream and the archive have, and every row of a person."""
    with bench.database.owning() as connection:
        rows = connection.execute("SELECT payload FROM ledger.envelope ORDER BY sequence").fetchall()
        kept = connection.execute("SELECT document::text FROM ledger.registered").fetchall()
    last = bench.client.run(bench.log.last_sequence())
    messages = [bench.client.run(bench.log.payload_at(number)) or b"" for number in range(1, last + 1)]
    return b"\n".join([*(row[0] for row in rows), *(row[0].encode() for row in kept), *messages])


def test_events_and_rows_hold_no_name(bench: Bench, people: People) -> None:
    people.register("u1", DETAILS, actor="ada")
    people.link("u1", "clerk-7", actor="ada")
    bench.project()
    content = everywhere(bench)
    assert b"person.registered.v1" in content
    for text in (NAME, "Wang", "王小明", CONTACT):
        assert text.encode() not in content
        assert msgspec.json.encode(text)[1:-1] not in content
    shown = people.show("u1")
    assert (shown.name, shown.contact, shown.actors, shown.erased) == (NAME, CONTACT, ("clerk-7",), False)
    assert people.ids() == ("u1",)


def test_erased_stays_erased_and_every_proof_holds(bench: Bench, people: People, keys: PersonalKeys) -> None:
    people.register("u1", DETAILS, actor="ada")
    people.register("u2", Details(name="Li"), actor="ada")
    bench.project()
    (copied,) = [path.read_bytes() for path in keys.folder.glob("u1.key")]
    before = everywhere(bench)
    assert people.erase("u1", "asked for it", actor="ada") is None
    bench.project()
    assert not (keys.folder / "u1.key").exists()
    shown = people.show("u1")
    assert (shown.name, shown.contact, shown.erased) == (ERASED, ERASED, True)
    assert shown.key_destroyed_at == bench.now - timedelta(seconds=1), "the event is a second younger"
    assert people.show("u2").name == "Li"
    erased = bench.door.state("person.u1")
    assert isinstance(erased, Person)
    assert erased.erased_by == "ada"
    assert before.split(b"\n")[0] in everywhere(bench), "nothing that was recorded changed"

    (keys.folder / "u1.key").write_bytes(copied)
    assert people.show("u1").name == ERASED, "a key put back from a copy opens nothing"
    (keys.folder / "u1.erased").unlink()
    assert people.show("u1").name == ERASED, "the event alone says so too"

    assert replay.replay(bench.log, bench.database).equal
    assert verify(bench.log, bench.database, bench.nats.monitor_url).faults == ()
    replay.rebuild(bench.log, bench.database, PROJECTIONS)
    assert people.show("u1").name == ERASED
    refused("person_erased", people.erase, "u1", "again", actor="ada")
    refused("person_erased", people.link, "u1", "x", actor="ada")
    refused("exists", people.register, "u1", DETAILS, actor="ada")
    refused("unknown_person", people.show, "u9")


def test_an_older_backup_brings_no_name_back(
    bench: Bench, people: People, keys: PersonalKeys, migrated: PostgresServer, tmp_path: Path
) -> None:
    people.register("u1", DETAILS, actor="ada")
    bench.project()
    file = tmp_path / "book.backup"
    backup.backup(bench.log, bench.database, file)
    for text in (NAME, CONTACT):
        assert text.encode() not in gzip.decompress(file.read_bytes())
    nats = NatsServer(tmp_path / "nats")
    other = Bench(nats, migrated)
    try:
        stream.create(other.operator, bench.book, max_bytes=8 << 20)
        log = Log(other.client, bench.book)
        door = FrontDoor(
            JetStreamApplicationRecorder(log),
            other.clock,
            lambda: continuity.guard(log, other.database),
        )
        backup.restore(log, file)
        Projector(log, other.database).catch_up()
        restored = People(door, other.database, keys, other.clock)
        assert restored.show("u1").name == NAME, "the backup is whole, and its reader had the key"
        people.erase("u1", "asked for it", actor="ada")
        shown = restored.show("u1")
        assert (shown.name, shown.erased, shown.key_destroyed_at) == (ERASED, True, None)
        refused("person_erased", keys.make, "u1")
        assert restored.erase("u1", "erased before the restore", actor="ada") is None
        assert restored.show("u1").key_destroyed_at is not None
    finally:
        other.close()
        nats.stop()


def test_a_kill_between_the_event_and_the_key_is_made_good(
    bench: Bench, people: People, keys: PersonalKeys, monkeypatch: pytest.MonkeyPatch
) -> None:
    people.register("u1", DETAILS, actor="ada")
    bench.project()
    with monkeypatch.context() as broken:
        broken.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError("killed")))
        with pytest.raises(OSError, match="killed"):
            people.erase("u1", "asked for it", actor="ada")
    assert people.show("u1").name == ERASED
    assert (keys.folder / "u1.key").exists()
    bench.project()
    assert people.finish_all() == ("u1",)
    assert not (keys.folder / "u1.key").exists()
    assert people.finish_all() == ()


def test_what_is_overwritten_is_the_key_itself(keys: PersonalKeys) -> None:
    key = keys.make("u1")
    twin = keys.folder.parent / "twin"
    os.link(keys.folder / "u1.key", twin)
    keys.destroy("u1")
    assert len(twin.read_bytes()) == len(key)
    assert twin.read_bytes() != key
    assert keys.find("u1") is None
    keys.destroy("u1")
    keys.destroy("never-there")
    refused("person_erased", keys.make, "never-there")
    refused("id", keys.find, "../u1")


def test_keys_are_their_owners_only(keys: PersonalKeys) -> None:
    assert keys.make("u1") == keys.find("u1")
    refused("exists", keys.make, "u1")
    assert (keys.folder.stat().st_mode & 0o777, (keys.folder / "u1.key").stat().st_mode & 0o777) == (
        0o700,
        0o600,
    )
    assert [one.name for one in keys.folder.iterdir()] == ["u1.key"]
    (keys.folder / "u1.key").write_bytes(b"short")
    refused("personal_key", keys.find, "u1")


_TEXT = st.text(st.characters(categories=["L", "N", "P"]), min_size=1, max_size=200)


@settings(derandomize=True, max_examples=60)
@given(
    name=_TEXT,
    contact=_TEXT,
    key=st.binary(min_size=32, max_size=32),
    wrong=st.binary(min_size=32, max_size=32),
)
def test_only_the_key_the_person_and_the_book_open_what_was_sealed(
    name: str, contact: str, key: bytes, wrong: bytes
) -> None:
    details = Details(name=name, contact=contact)
    sealed = seal(key, "b", "u1", details)
    RegisterPerson("u1", sealed)
    assert unseal(key, "b", "u1", sealed) == details
    assert sealed != seal(key, "b", "u1", details), "a nonce of its own each time"
    refused("personal_key", unseal, key, "b", "u2", sealed)
    refused("personal_key", unseal, key, "c", "u1", sealed)
    if wrong != key:
        refused("personal_key", unseal, wrong, "b", "u1", sealed)


def test_a_sealed_text_s_length_does_not_tell_the_name_s() -> None:
    key = bytes(32)
    lengths = {len(seal(key, "b", "u1", Details(name="x" * number))) for number in (1, 5, 40)}
    assert len(lengths) == 1


@pytest.mark.parametrize("name", ["", "  ", "a\nb", "x" * 201, ERASED])
def test_a_name_that_cannot_be_one_is_refused(name: str) -> None:
    with pytest.raises(Refused):
        Details(name=name)


class TestAtATerminal:
    @pytest.fixture
    def api(self, bench: Bench) -> Iterator[Api]:
        found = sample.found_book()
        two = msgspec.structs.replace(
            found, book=msgspec.structs.replace(found.book, approvals="two_persons")
        )
        bench.door.execute(two, command_id="found", actor="setup")
        made = Api(bench)
        yield made
        made.close()

    @pytest.fixture
    def run(self, api: Api, capsys: pytest.CaptureFixture[str]) -> Terminal:
        return terminal_of(api.bench, capsys)

    def test_a_second_person_erases_with_the_first(self, api: Api, run: Terminal) -> None:
        run("privacy", "register-person", "u1", "--name", NAME, "--contact", CONTACT, "--as", "ada")
        run("privacy", "link", "u1", "--actor", "clerk-7", "--as", "ada")
        assert f"name     {NAME}\ncontact  {CONTACT}\nacts as  clerk-7\n" in run("privacy", "show", "u1")
        assert api.get("/v1/persons/u1", "auditor").json()["name"] == NAME
        assert [one["id"] for one in api.get("/v1/persons", actor="clerk-7").json()["items"]] == ["u1"]
        problem(api.get("/v1/persons/u1", "finance"), 403, "forbidden")
        problem(api.get("/v1/persons/u9", "auditor"), 404, "unknown_person")
        waits = run("privacy", "erase", "u1", "asked for it", "--as", "ada").split()[-1]
        assert NAME in run("privacy", "list")
        with pytest.raises(Refused) as caught:
            run("approve", waits, "--as", "ada")
        assert caught.value.code == "four_eyes"
        done = api.post(f"/v1/proposals/{waits}/approve", role="finance")
        assert done.status_code == 201, done.text
        api.wait()
        for told in (run("privacy", "show", "u1"), run("privacy", "list"), api.get("/v1/persons").text):
            assert ERASED in told
            assert "Wang" not in told
        assert "key destroyed at" in run("privacy", "show", "u1")
        api.published.sign()
        found = b"".join(book_bundle(api.bench.database, api.published, None))
        assert b"person.key_destroyed.v1" in found
        assert NAME.encode() not in found

    def test_reading_who_somebody_is_is_on_record(self, api: Api, run: Terminal) -> None:
        run("privacy", "register-person", "u1", "--name", NAME, "--as", "ada")
        run("privacy", "show", "u1")
        api.get("/v1/persons/u1", "auditor")
        told = run("access-log", "--what", "person")
        assert told.count(" person ") == 2
        assert "Wang" not in told
