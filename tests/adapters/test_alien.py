"""What the book's stream holds and is no envelope of it: named, on record, stopped at, and set aside."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from adapters import backup, continuity
from adapters.continuity import Discontinuity
from adapters.front_door import FrontDoor
from adapters.integrity.checked_recorder import CheckedRecorder
from adapters.nats import stream, wire
from adapters.repair import Plan, Unrepairable, begun, going_on, repair, survey
from tests.adapters import sample
from tests.adapters.cli.terminal import terminal_of
from tests.adapters.conftest import Bench
from tests.adapters.test_tamper import ARCHIVE_HOLDS, Kept, kept, own_nats

__all__ = ["kept", "own_nats"]


def publish(kept: Kept, aggregate: str, payload: bytes) -> int:
    """As who has the application's identity can."""
    client = kept.bench.client
    answer = client.run(client.request(wire.subject(kept.bench.book, aggregate), payload, timeout=5))
    return int(msgspec.json.decode(answer.data)["seq"])


def headed(kept: Kept, state: bytes, aggregate: str = "party.X") -> bytes:
    header = {"book": kept.bench.book, "aggregate": aggregate, "version": 1, "topic": "envelope.v1"}
    return msgspec.json.encode(header) + b"\n" + state


def spaced(kept: Kept) -> bytes:
    """A whole envelope whose header no program of ours wrote so."""
    return kept.payloads()[1].replace(b'"version":1', b'"version": 1', 1).replace(b"site.S1", b"site.S7", 1)


ALIENS: dict[str, tuple[str, Callable[[Kept], bytes]]] = {
    "no header": ("party.X", lambda _: b"hello"),
    "nothing": ("party.X", lambda _: b""),
    "no state": ("party.X", lambda kept: headed(kept, b"garbage")),
    "events that are none": ("party.X", lambda kept: headed(kept, b'{"events":["x"]}')),
    "another book's": (
        "party.X",
        lambda kept: kept.payloads()[0].replace(b'"book":"book', b'"book":"look', 1),
    ),
    "a header written otherwise": ("site.S7", spaced),
    "a first version again": ("site.S1", lambda kept: kept.payloads()[1]),
    "readings again": ("readings.M1_2026-08", lambda kept: kept.payloads()[3]),
}


def careless(kept: Kept) -> FrontDoor:
    """Who looks at nothing before writing, as one who looked a moment ago."""
    return FrontDoor(kept.bench.recorder, kept.bench.clock, lambda: None)


@pytest.mark.parametrize("kind", ALIENS)
def test_it_is_named_stops_who_writes_and_is_set_aside(kept: Kept, kind: str) -> None:
    kept.published.sign()
    whole = kept.payloads()
    aggregate, made = ALIENS[kind]
    alien = made(kept)
    assert publish(kept, aggregate, alien) == 5
    careless(kept).execute(sample.register_party("behind"), command_id="behind", actor="bob")
    behind = kept.payloads()[5]
    projector = kept.bench.projector()
    projector.run()
    assert projector.halted is not None
    assert projector.halted.startswith("stream_alien at sequence 5: ")
    fault = kept.refuses_to_write().fault
    assert (fault.code, fault.place) == ("stream_alien", "sequence 5")
    assert [(one.code, one.place) for one in kept.verify().faults] == [("stream_alien", "sequence 5")]
    found = survey(kept.shop()).judgement
    assert (found.end, found.count, found.aliens) == (6, 5, {5})
    record = kept.mended()
    assert kept.payloads()[:5] == [*whole, behind], "what is true stays, in its order"
    (aside,) = record.set_aside
    assert (aside.sequence, aside.aggregate, aside.sha256) == (
        5,
        "",
        wire.digest(alien),
    )
    assert [(one.action, one.place, one.count) for one in record.steps[:2]] == [
        ("stream_restored", "stream", 5),
        ("envelopes_set_aside", "stream", 1),
    ]


def test_what_stands_before_it_in_the_same_batch_is_projected(kept: Kept) -> None:
    door = careless(kept)
    door.execute(sample.register_party("before"), command_id="before", actor="bob")
    publish(kept, "party.X", b"hello")
    publish(kept, "site.S1", kept.payloads()[1])
    with pytest.raises(Discontinuity):
        kept.bench.project()
    assert kept.bench.query("SELECT DISTINCT sequence FROM ledger.position") == [(5,)]
    assert kept.bench.query("SELECT max(sequence) FROM ledger.envelope") == [(5,)]


def test_what_stands_before_a_copy_in_the_same_batch_is_projected(kept: Kept) -> None:
    careless(kept).execute(sample.register_party("before"), command_id="before", actor="bob")
    publish(kept, "site.S1", kept.payloads()[1])
    with pytest.raises(Discontinuity) as halted:
        kept.bench.project()
    assert (halted.value.fault.code, halted.value.fault.place) == ("stream_alien", "sequence 6")
    assert kept.bench.query("SELECT DISTINCT sequence FROM ledger.position") == [(5,)]


def test_an_envelope_whose_aggregate_has_no_such_version_before_is_named(kept: Kept) -> None:
    """Nothing is to be had that it goes on from: its command is given again."""
    kept.published.sign()
    careless(kept).execute(sample.register_party("T1"), command_id="t1", actor="bob")
    first = kept.payloads()[4]
    kept.recreate(kept.payloads()[:4])
    later = first.replace(b'"version":1', b'"version":2', 1)
    later = later.replace(b'"previous":""', b'"previous":"' + wire.digest(first).encode() + b'"', 1)
    publish(kept, "party.T1", later)
    record = kept.mended()
    assert [(one.sequence, one.aggregate, one.actor) for one in record.set_aside] == [(5, "party.T1", "bob")]


def test_one_under_the_subject_of_what_a_command_reads(kept: Kept) -> None:
    """Before any projector saw it."""
    publish(kept, "site.S1", b"hello")
    with pytest.raises(Discontinuity) as halted:
        kept.door().execute(sample.register_meter("M2"), command_id="m2", actor="ada")
    assert (halted.value.fault.code, halted.value.fault.place) == ("stream_alien", "sequence 5")


def test_a_copy_under_the_subject_of_what_is_in_memory(kept: Kept) -> None:
    door = kept.door()
    door.execute(sample.register_party("P1"), command_id="p1", actor="ada")
    publish(kept, "party.P1", kept.payloads()[4])
    with pytest.raises(Discontinuity) as halted:
        door.execute(sample.register_party("P1"), command_id="again", actor="ada")
    assert (halted.value.fault.code, halted.value.fault.place) == ("stream_alien", "sequence 6")


def test_what_a_newer_program_wrote_is_neither_damage_nor_set_aside(
    kept: Kept, capsys: pytest.CaptureFixture[str]
) -> None:
    newer = (
        kept.payloads()[1].replace(b"site.S1", b"site.S7", 1).replace(b"site.registered.v1", b"site.seen.v9")
    )
    assert b"site.seen.v9" in newer
    publish(kept, "site.S7", newer)
    projector = kept.bench.projector()
    projector.run()
    assert "a newer version" in str(projector.halted)
    assert kept.bench.query("SELECT damage_code FROM ledger.compared_stream") == [("",)]
    with pytest.raises(Unrepairable, match="sequence 5: it says that a newer version"):
        repair(kept.shop(), actor="operator")
    assert begun(kept.folder / "repair") is None
    terminal = terminal_of(kept.bench, capsys)
    for arguments in (("repair", "--dry-run"), ("repair",)):
        assert "cannot be repaired: sequence 5: it says that a newer version" in terminal(*arguments)
    assert len(kept.payloads()) == 5


def test_a_source_that_copied_foreign_messages_in(kept: Kept) -> None:
    """An operator's configuration: thirty messages of another stream."""
    kept.published.sign()
    whole = kept.payloads()
    bench = kept.bench
    for number in range(30):
        subject = f"other.{number}"
        if not number:
            stream.ensure(bench.operator, {"name": f"OTHER_{bench.book}", "subjects": ["other.>"]})
        bench.operator.run(bench.operator.request(subject, b'{"seen":1}\n{}', timeout=5))
    kept.weaken(sources=[{"name": f"OTHER_{bench.book}"}])
    give_up = time.monotonic() + 20
    while bench.client.run(bench.log.last_sequence()) < 34:
        assert time.monotonic() < give_up
        time.sleep(0.05)
    with pytest.raises(Discontinuity):
        bench.project()
    found = survey(kept.shop())
    assert found.weak
    assert (found.judgement.count, len(found.judgement.aliens)) == (4, 30)
    record = kept.mended()
    assert [one.count for one in record.steps if one.action == "envelopes_set_aside"] == [30]
    assert kept.payloads()[:4] == whole
    stream.alter(bench.operator, f"STREAM.DELETE.OTHER_{bench.book}", {})


@pytest.mark.parametrize("image", ["aliens", "cut"])
def test_a_plan_that_cannot_be_carried_out_is_not_gone_on_with(kept: Kept, image: str) -> None:
    """The stream is gone, the plan's image has what no stream can be made of, the archive is whole."""
    kept.published.sign()
    careless(kept).execute(sample.register_party("tail"), command_id="tail", actor="bob")
    whole = kept.payloads()
    folder = kept.folder / "repair"
    shop = kept.shop()
    folder.mkdir()
    content = [*whole, b'{"seen":1}\n{}']
    backup.write(folder / "image-0.backup", backup.Manifest(backup.FORMAT, kept.bench.book, 6), content)
    if image == "cut":
        with (folder / "image-0.backup").open("r+b") as file:
            file.truncate(300)
    plan: dict[str, Any] = {
        "remade": "", "image": "image-0.backup", "payloads_sha256": "0" * 64, "last_sequence": 6,
        "checkpoint_size": 4, "lost": [], "set_aside": [], "set_aside_count": 0,
        "evidence": {"file": "evidence-0.jsonl.gz", "sha256": "0" * 64},
    }  # fmt: skip
    (folder / "plan.json").write_bytes(msgspec.json.encode(msgspec.convert(plan, Plan)))
    stream.delete(kept.bench.operator, kept.bench.book)
    assert going_on(shop)[0] is None
    if image == "cut":
        kept.mended()
        assert kept.payloads()[:4] == whole[:4]
        return
    kept.mended(wanted=ARCHIVE_HOLDS)
    assert kept.payloads()[:5] == whole, "what only the image had is kept"


def test_verify_and_status_name_it(kept: Kept, capsys: pytest.CaptureFixture[str]) -> None:
    publish(kept, "party.X", b"hello")
    projector = kept.bench.projector()
    thread = threading.Thread(target=projector.run)
    thread.start()
    thread.join(20)
    terminal = terminal_of(kept.bench, capsys)
    named = "a message that is no envelope of this book: it has no header"
    for command in ("verify", "replay"):
        assert f"FAULT stream_alien at sequence 5: {named}" in terminal(command)
    assert f"FAULT {named}" in terminal("status")
    careless(kept).execute(sample.register_party("behind"), command_id="behind", actor="bob")
    said = terminal("repair", "--dry-run")
    assert "would make the stream anew, sequences 1 to 5" in said
    assert "would set aside sequence 5: no envelope that the book can have" in said
    said = terminal("repair")
    assert "set aside: sequence 5: no envelope that the book can have" in said
    assert "kept in its order under lower numbers" in said


def test_the_first_message_of_a_book_may_be_one(bench: Bench) -> None:
    client = bench.client
    client.run(client.request(wire.subject(bench.book, "party.X"), b"hello", timeout=5))
    projector = bench.projector()
    projector.run()
    assert str(projector.halted).startswith("stream_alien at sequence 1")
    recorder = CheckedRecorder(bench.log, bench.database)
    door = FrontDoor(recorder, bench.clock, lambda: continuity.guard(bench.log, bench.database))
    with pytest.raises(Discontinuity, match="no envelope"):
        door.execute(sample.found_book(), command_id="book", actor="ada")
