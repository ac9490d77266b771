"""Whatever is changed in a store behind the ledger's back is named, and repaired as far as a copy reaches."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from signal import SIGKILL

import msgspec
import pytest

from adapters import backup, continuity, replay
from adapters.beyond_checkpoint import Wanted
from adapters.continuity import Discontinuity
from adapters.front_door import FrontDoor
from adapters.integrity import checkpoint_files
from adapters.integrity.checked_recorder import CheckedRecorder
from adapters.integrity.copies import stored_messages
from adapters.integrity.fault import REMEDIES
from adapters.nats import stream, wire
from adapters.nats.log import Log
from adapters.nats.stream import WeakStream, stream_name
from adapters.repair import Shop, Unrepairable, begun, repair, survey
from adapters.transparency.checkpoint_folder import CheckpointFolder
from adapters.transparency.published_log import PublishedLog
from adapters.verify import Verdict, verify
from ledger.refusal import Refused
from ledger.repair_record import Repair
from tests.adapters import sample
from tests.adapters.conftest import Bench
from tests.adapters.test_projector import filled
from tests.stack import NatsServer, PostgresServer, shared_nats

ARCHIVE_HOLDS = Wanted("archive", "receipts of these events agree with it")


class Kept:
    """A book on a NATS of its own whose files can be damaged, with a signed log."""

    def __init__(self, nats: NatsServer, postgres: PostgresServer, folder: Path) -> None:
        self.bench = Bench(nats, postgres)
        self.folder = folder
        self.published = PublishedLog(
            self.bench.database,
            self.bench.book,
            f"test/{self.bench.book}",
            CheckpointFolder(folder / "checkpoints"),
            folder / "log.key",
            makes_key=True,
        )
        filled(self.bench).project()

    def door(self) -> FrontDoor:
        """A new process's, which has read nothing yet."""
        log = Log(self.bench.client, self.bench.book)
        database = self.bench.database

        def guard() -> None:
            continuity.guard(log, database)
            checkpoint_files.guard(self.published, log)

        return FrontDoor(CheckedRecorder(log, database), self.bench.clock, guard)

    def add(self, name: str = "P1") -> None:
        self.door().execute(sample.register_party(name), command_id=f"party-{name}", actor="ada")
        self.bench.project()

    def verify(self) -> Verdict:
        return verify(
            self.bench.log, self.bench.database, self.bench.nats.monitor_url, published=self.published
        )

    def codes(self) -> set[str]:
        return {fault.code for fault in self.verify().faults}

    def shop(self, file: Path | None = None, *, proven: bool = True, wanted: Wanted | None = None) -> Shop:
        known = checkpoint_files.signed(self.published).checkpoints if proven else ()
        return Shop(
            self.bench.operator,
            self.bench.database,
            self.door(),
            self.folder / "repair",
            64 << 20,
            1,
            known,
            file,
            wanted,
        )

    def payloads(self) -> list[bytes]:
        return [payload for _, payload in stored_messages(self.bench.operator, self.bench.book)]

    def restart(self, change: Callable[[Path], None]) -> None:
        """Stop NATS, change its folder of the stream, start it again."""
        nats = self.bench.nats
        nats.stop()
        (folder,) = nats.folder.rglob(f"streams/{stream_name(self.bench.book)}")
        change(folder)
        nats.start()
        give_up = time.monotonic() + 20
        while not (self.bench.client.connected and self.bench.operator.connected):
            assert time.monotonic() < give_up
            time.sleep(0.02)

    def recreate(self, payloads: Sequence[bytes], **weaker: object) -> None:
        """What somebody with the operator's identity can do."""
        operator, book = self.bench.operator, self.bench.book
        stream.delete(operator, book)
        stream.create(operator, book, max_bytes=64 << 20)
        for payload in payloads:
            subject = wire.subject(book, wire.header_of(payload).aggregate)
            answer = operator.run(operator.request(subject, payload, timeout=5))
            assert b"error" not in answer.data, answer.data
        if weaker:
            self.weaken(**weaker)

    def weaken(self, **fields: object) -> None:
        operator, book = self.bench.operator, self.bench.book
        config = stream.standing(operator, book).config | fields
        answer = operator.run(
            operator.request(
                f"$JS.API.STREAM.UPDATE.{stream_name(book)}", msgspec.json.encode(config), timeout=5
            )
        )
        assert b'"error"' not in answer.data, answer.data

    def refuses_to_write(self) -> Discontinuity:
        before = self.bench.client.run(self.bench.log.last_sequence())
        with pytest.raises(Discontinuity) as halted:
            self.door().execute(sample.register_party("no"), command_id="no", actor="ada")
        assert self.bench.client.run(self.bench.log.last_sequence()) == before
        return halted.value

    def mended(
        self, file: Path | None = None, *, proven: bool = True, wanted: Wanted | None = None
    ) -> Repair:
        """Repair; afterwards everything is clean, and the book goes on."""
        done = repair(self.shop(file, proven=proven, wanted=wanted), actor="operator")
        assert done.repair is not None
        assert begun(self.folder / "repair") is None
        assert (self.folder / "repair" / done.repair.evidence_file).is_file()
        self.bench.project()
        assert replay.replay(self.bench.log, self.bench.database).equal
        assert self.codes() == set()
        self.add("after")
        return done.repair

    def close(self) -> None:
        self.bench.close()


@pytest.fixture(scope="module")
def own_nats(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServer]:
    with shared_nats(tmp_path_factory.mktemp("nats")) as server:
        yield server


@pytest.fixture
def kept(own_nats: NatsServer, migrated: PostgresServer, tmp_path: Path) -> Iterator[Kept]:
    made = Kept(own_nats, migrated, tmp_path)
    yield made
    made.close()


def flip(folder: Path) -> None:
    """One bit of the site's event, the second of four."""
    (block,) = folder.rglob("msgs/1.blk")
    data = bytearray(block.read_bytes())
    data[data.index(b".site.") + 60] ^= 1
    block.write_bytes(data)


def flip_and_forget(folder: Path) -> None:
    flip(folder)
    (folder / "msgs/index.db").unlink()


# ---------------------------------------------------------------------- the stream


def test_a_whole_book_verifies(kept: Kept) -> None:
    kept.published.sign()
    verdict = kept.verify()
    assert (verdict.envelopes, verdict.checkpoints, verdict.faults) == (4, 1, ())
    assert repair(kept.shop(), actor="operator").repair is None
    assert not survey(kept.shop()).remakes_stream


@pytest.mark.fault
@pytest.mark.parametrize(
    ("change", "code"), [(flip, "stream_hole"), (flip_and_forget, "stream_lost")], ids=["hole", "truncated"]
)
def test_a_flipped_bit_is_named_and_repaired(kept: Kept, change: Callable[[Path], None], code: str) -> None:
    whole = kept.payloads()
    kept.published.sign()
    kept.restart(change)
    assert code in kept.codes()
    halted = kept.refuses_to_write()
    assert halted.fault.code in {"stream_hole", "stream_lost"}
    with pytest.raises(Discontinuity):
        backup.backup(
            kept.bench.log, kept.bench.database, kept.folder / "short.backup", kept.published.latest()
        )
    assert not list(kept.folder.glob("short*")), "a damaged stream leaves no backup"
    record = kept.mended()
    assert repair(kept.shop(), actor="operator").repair is None, "nothing is left to repair"
    assert record.checkpoint_size == 4
    assert [step.action for step in record.steps] == ["stream_restored"]
    assert kept.payloads()[:4] == whole


@pytest.mark.fault
def test_a_store_rolled_back_and_written_on_is_forked(kept: Kept) -> None:
    older = kept.folder / "older"
    kept.restart(lambda folder: shutil.copytree(folder, older) and None)
    kept.add("P1")
    kept.add("P2")
    whole = kept.payloads()

    def roll_back(folder: Path) -> None:
        shutil.rmtree(folder)
        shutil.copytree(older, folder)

    kept.restart(roll_back)
    assert kept.refuses_to_write().fault.code == "stream_lost"
    careless = FrontDoor(kept.bench.recorder, kept.bench.clock, lambda: None)
    for name in ("F1", "F2", "F3"):
        careless.execute(sample.register_party(name), command_id=f"forked-{name}", actor="bob")
    assert kept.refuses_to_write().fault.code == "stream_altered"
    assert "stream_forked" in kept.codes()
    record = kept.mended(wanted=ARCHIVE_HOLDS)
    assert kept.payloads()[:6] == whole
    assert [(one.sequence, one.aggregate, one.command_id, one.actor) for one in record.set_aside] == [
        (5, "party.F1", "forked-F1", "bob"),
        (6, "party.F2", "forked-F2", "bob"),
        (7, "party.F3", "forked-F3", "bob"),
    ]


@pytest.mark.fault
def test_a_bit_flipped_while_the_server_runs_is_found_by_reading(kept: Kept) -> None:
    """NATS has what it wrote in memory for a while; then it reads the file again, and gives no message."""
    whole = kept.payloads()
    kept.published.sign()
    assert kept.codes() == set()
    (folder,) = kept.bench.nats.folder.rglob(f"streams/{stream_name(kept.bench.book)}")
    flip(folder)
    give_up = time.monotonic() + 40
    while "stream_hole" not in kept.codes():
        assert time.monotonic() < give_up
        time.sleep(12)
    with pytest.raises(Discontinuity) as halted:
        kept.door().execute(sample.register_site(), command_id="site-again", actor="ada")
    assert halted.value.fault.code == "stream_hole"
    kept.mended()
    assert kept.payloads()[:4] == whole


def swapped(payloads: list[bytes]) -> list[bytes]:
    return [payloads[0], payloads[2], payloads[1], payloads[3]]


def altered(payloads: list[bytes]) -> list[bytes]:
    return [payloads[0], payloads[1].replace(b"Site S1", b"Site S9"), *payloads[2:]]


@pytest.mark.parametrize(
    ("change", "signed"),
    [(swapped, True), pytest.param(altered, False, marks=pytest.mark.fault)],
)
def test_a_stream_that_was_made_anew_otherwise_is_named_and_repaired(
    kept: Kept, change: Callable[[list[bytes]], list[bytes]], signed: bool
) -> None:
    if signed:
        kept.published.sign()
    assert kept.codes() == set()
    whole = kept.payloads()
    kept.recreate(change(whole))
    fault = kept.refuses_to_write().fault
    assert (fault.code, fault.place) == ("stream_altered", "sequence 2")
    first = kept.verify().faults[0]
    place = "sequences 2 to 3" if change is swapped else "sequence 2"
    assert (first.code, first.place) == ("stream_altered", place)
    record = kept.mended(proven=signed, wanted=None if signed else ARCHIVE_HOLDS)
    assert record.checkpoint_size == (4 if signed else 0)
    assert kept.payloads()[:4] == whole
    assert {one.sequence for one in record.set_aside} == ({2, 3} if change is swapped else {2})


@pytest.mark.parametrize(
    "fields",
    [
        {"max_age": 10**12},
        pytest.param({"max_msgs": 100}, marks=pytest.mark.fault),
        pytest.param({"discard": "old"}, marks=pytest.mark.fault),
    ],
)
def test_a_weakened_stream_is_refused_and_made_anew(kept: Kept, fields: dict[str, object]) -> None:
    whole = kept.payloads()
    door = kept.door()
    door.execute(sample.register_party("P1"), command_id="p1", actor="ada")
    kept.weaken(**fields)
    assert isinstance(door.recorder, CheckedRecorder)
    door.recorder._looked = 0.0
    with pytest.raises(WeakStream, match=next(iter(fields))):
        door.execute(sample.register_party("P2"), command_id="p2", actor="ada")
    with pytest.raises(WeakStream, match=next(iter(fields))):
        kept.door().execute(sample.register_party("P3"), command_id="p3", actor="ada")
    kept.bench.project()
    assert survey(kept.shop()).weak
    kept.mended()
    assert kept.payloads()[:4] == whole


def test_a_stream_that_is_gone_is_named_and_repaired(kept: Kept) -> None:
    whole = kept.payloads()
    stream.delete(kept.bench.operator, kept.bench.book)
    with pytest.raises(Discontinuity) as halted:
        continuity.standing_of(kept.bench.log)
    assert halted.value.fault.code == "stream_missing"
    kept.mended(wanted=ARCHIVE_HOLDS)
    assert kept.payloads()[:4] == whole


@pytest.mark.fault
def test_what_no_archive_has_is_said_to_be_lost(kept: Kept) -> None:
    """The unarchived tail of one node: what follows the hole cannot keep its number, and is set aside."""
    for name in ("T1", "T2"):
        kept.door().execute(sample.register_party(name), command_id=name, actor="ada")
    whole = kept.payloads()

    def lose_the_fifth(folder: Path) -> None:
        (block,) = folder.rglob("msgs/1.blk")
        data = bytearray(block.read_bytes())
        data[data.index(b".party.T1") + 40] ^= 1
        block.write_bytes(data)

    kept.restart(lose_the_fifth)
    found = survey(kept.shop()).judgement
    assert (found.end, found.lost, found.undecided) == (4, (5,), ())
    record = kept.mended()
    assert [(one.sequence, one.command_id) for one in record.set_aside] == [(6, "T2")]
    assert [(one.first, one.last) for one in record.steps if one.action == "envelopes_lost"] == [(5, 5)]
    assert kept.payloads()[:4] == whole[:4]


@pytest.mark.fault
def test_both_copies_damaged_is_never_guessed_but_a_backup_has_it(kept: Kept) -> None:
    kept.published.sign()
    whole = kept.payloads()
    file = kept.folder / "book.backup"
    backup.backup(kept.bench.log, kept.bench.database, file, kept.published.latest())
    kept.restart(flip)
    kept.bench.query(
        "UPDATE ledger.envelope SET payload = payload || ' '::bytea WHERE sequence = 2 RETURNING 1"
    )
    assert survey(kept.shop()).judgement.undecided == (2,)
    rows = kept.bench.query("SELECT * FROM ledger.envelope ORDER BY sequence")
    with pytest.raises(Unrepairable, match="sequence 2 is proven right"):
        repair(kept.shop(), actor="operator")
    assert kept.bench.query("SELECT * FROM ledger.envelope ORDER BY sequence") == rows
    assert begun(kept.folder / "repair") is None
    kept.mended(file)
    assert kept.payloads()[:4] == whole


# ---------------------------------------------------------------------- PostgreSQL

ARCHIVE = {
    "payload": "UPDATE ledger.envelope SET payload = overlay(payload PLACING 'X' FROM 90) WHERE sequence = 2",
    "hash": "UPDATE ledger.envelope SET hash = sha256('x') WHERE sequence = 2",
    "both": "UPDATE ledger.envelope SET payload = replaced, hash = sha256(replaced) FROM"
    " (SELECT convert_to(replace(convert_from(payload, 'UTF8'), 'Site S1', 'Site S9'), 'UTF8') AS replaced"
    " FROM ledger.envelope WHERE sequence = 2) AS new WHERE sequence = 2",
    "deleted": "DELETE FROM ledger.envelope WHERE sequence = 2",
    "added": "INSERT INTO ledger.envelope SELECT book, 5, aggregate, 9, hash, recorded_at, recorded_at_max,"
    " payload FROM ledger.envelope WHERE sequence = 4",
}
NAMED = {
    "payload": ("archive_altered", "sequence 2"),
    "hash": ("archive_altered", "sequence 2"),
    "both": ("archive_altered", "sequence 2"),
    "deleted": ("archive_missing", "sequence 2"),
    "added": ("archive_added", "sequence 5"),
}


@pytest.mark.parametrize(
    ("change", "signed"),
    [
        *((change, True) for change in ("payload", "both")),
        *(pytest.param(change, False, marks=pytest.mark.fault) for change in ARCHIVE),
    ],
)
def test_a_changed_archive_is_named_and_repaired(kept: Kept, change: str, signed: bool) -> None:
    if signed:
        kept.published.sign()
    whole = kept.payloads()
    kept.bench.query(f"{ARCHIVE[change]} RETURNING 1")  # type: ignore[arg-type]
    first = kept.verify().faults[0]
    assert (first.code, first.place) == NAMED[change]
    assert first.remedy == REMEDIES[first.code]
    record = kept.mended(proven=signed)
    assert ("rows_restored", "envelope") in [(step.action, step.place) for step in record.steps]
    assert kept.payloads()[:4] == whole


@pytest.mark.parametrize(
    ("change", "table", "sequence"),
    [
        ("UPDATE ledger.meter_run SET wh[1] = 999999", "meter_run", 4),
        ("DELETE FROM ledger.registered WHERE kind = 'meter'", "registered", 3),
        pytest.param(
            "UPDATE ledger.registered SET to_seq = 4 WHERE kind = 'site'",
            "registered",
            4,
            marks=pytest.mark.fault,
        ),
        pytest.param(
            "INSERT INTO ledger.meter_run SELECT book, 'M9', register, start, interval_s, wh, quality,"
            " sequence FROM ledger.meter_run",
            "meter_run",
            4,
            marks=pytest.mark.fault,
        ),
        (
            "UPDATE ledger.tree_tile SET content = set_byte(content, 69, get_byte(content, 69) # 1)",
            "tree_tile",
            3,
        ),
    ],
)
def test_a_changed_row_is_located_at_its_event_and_made_anew(
    kept: Kept, change: str, table: str, sequence: int
) -> None:
    kept.bench.query(f"{change} RETURNING 1")  # type: ignore[arg-type]
    proof = replay.replay(kept.bench.log, kept.bench.database)
    (different,) = [one for one in proof.tables if one.difference]
    assert (different.table, different.sequence) == (table, sequence)
    assert proof.first is not None
    kinds = {3: "meter.registered.v1", 4: "meter.readings_recorded.v1"}
    assert (proof.first.sequence, proof.first.kinds) == (sequence, (kinds[sequence],))
    assert proof.faults[0].code == "row_altered"
    record = kept.mended()
    assert [(step.action, step.place) for step in record.steps] == [("rows_restored", table)]


# ---------------------------------------------------------------------- checkpoints


def test_a_checkpoint_s_file_that_was_changed_is_named(kept: Kept) -> None:
    kept.published.sign()
    kept.add("P1")
    kept.published.sign()
    assert kept.codes() == set()
    folder = kept.published.folder.path
    first, second = folder / "000/000/000/004", folder / "000/000/000/005"
    older, newer = first.read_bytes(), second.read_bytes()
    forged = newer.replace(b"\n5\n", b"\n6\n")
    for file, content in ((second, forged), (second, older), (folder / "latest", older), (second, b"")):
        before = file.read_bytes()
        file.write_bytes(content)
        assert "checkpoint_file" in kept.codes(), content
        file.write_bytes(before)
        assert kept.codes() == set()
    second.unlink()
    assert kept.codes() == {"checkpoint_file"}
    (folder / "latest").write_bytes(older)
    assert kept.codes() == {"checkpoint_file"}, "rolled back whole, it was seen before"
    assert kept.refuses_to_write().fault.code == "checkpoint_file"


def test_a_log_that_was_rewritten_everywhere_splits_from_what_was_signed(kept: Kept) -> None:
    """Stream, archive and tree agree again; only what was signed before tells."""
    kept.published.sign()
    file = kept.folder / "book.backup"
    backup.backup(kept.bench.log, kept.bench.database, file, kept.published.latest())
    whole = kept.payloads()
    kept.recreate(altered(whole))
    replay.mend(kept.bench.log, kept.bench.database, lambda _: None)
    assert kept.refuses_to_write().fault.code == "checkpoint_split"
    assert "checkpoint_split" in kept.codes()
    with pytest.raises(Discontinuity) as refused:
        backup.backup(
            kept.bench.log, kept.bench.database, kept.folder / "other.backup", kept.published.latest()
        )
    assert refused.value.fault.code == "checkpoint_split"
    with pytest.raises(Unrepairable):
        repair(kept.shop(), actor="operator")


def test_events_gone_from_both_copies_are_missed_by_the_checkpoint(kept: Kept) -> None:
    kept.published.sign()
    file = kept.folder / "book.backup"
    backup.backup(kept.bench.log, kept.bench.database, file, kept.published.latest())
    whole = kept.payloads()
    kept.recreate(whole[:3])
    replay.mend(kept.bench.log, kept.bench.database, lambda _: None)
    assert "checkpoint_ahead" in kept.codes()
    assert kept.refuses_to_write().fault.code == "checkpoint_ahead"
    with pytest.raises(Unrepairable):
        repair(kept.shop(), actor="operator")
    kept.mended(file)
    assert kept.payloads()[:4] == whole


# ---------------------------------------------------------------------- killed in the middle

KILLED_AT = ("evidence", "image", "plan", "delete", "create", "append", "swap", "record", "finish")


@pytest.mark.fault
def test_a_repair_that_is_killed_again_and_again_comes_to_the_same_end(kept: Kept) -> None:
    kept.published.sign()
    whole = kept.payloads()
    kept.recreate(altered(whole))
    kept.bench.query("UPDATE ledger.meter_run SET wh[1] = 999999 RETURNING 1")
    command = [
        sys.executable, "-m", "tests.adapters.repair_process", kept.bench.nats.url,
        str(kept.bench.nats.app_seed), str(kept.bench.nats.operator_seed), kept.bench.book,
        kept.bench.database.url, str(kept.folder),
    ]  # fmt: skip
    for point in KILLED_AT:
        done = subprocess.run([*command, point], check=False, capture_output=True, text=True, timeout=60)
        assert done.returncode == -SIGKILL, (point, done.stderr)
    record = kept.mended()
    assert [(step.action, step.place) for step in record.steps] == [
        ("stream_restored", "stream"),
        ("envelopes_set_aside", "stream"),
        ("rows_restored", "meter_run"),
    ]
    assert kept.payloads()[:4] == whole
    repairs = kept.bench.query("SELECT sequence FROM ledger.envelope WHERE starts_with(aggregate, 'repair.')")
    assert repairs == [(5,)], "put on record once"


# ---------------------------------------------------------------------- restoring


def test_a_backup_proves_itself_against_checkpoints(kept: Kept, tmp_path: Path) -> None:
    kept.published.sign()
    early = tmp_path / "early.backup"
    backup.backup(kept.bench.log, kept.bench.database, early, kept.published.latest())
    (four,) = checkpoint_files.signed(kept.published).checkpoints
    kept.add("P1")
    kept.published.sign()
    five = checkpoint_files.signed(kept.published).checkpoints[-1]
    assert backup.checked(early, [four]).last_sequence == 4
    with pytest.raises(Refused) as behind:
        backup.checked(early, [five])
    assert behind.value.code == "checkpoint_ahead"
    with pytest.raises(Refused) as split:
        backup.checked(early, [msgspec.structs.replace(four, root=five.root)])
    assert split.value.code == "split_view"
