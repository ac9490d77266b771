"""A stream is configured as it was made, and each message lies under its own aggregate's subject."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import pytest

from adapters.continuity import Discontinuity
from adapters.integrity.checked_recorder import CheckedRecorder
from adapters.nats import stream
from adapters.nats.stream import WeakStream
from adapters.repair import survey
from ledger.party import Party, RegisterParty
from tests.adapters import sample
from tests.adapters.test_tamper import Kept
from tests.stack import NatsServer, PostgresServer


@pytest.fixture
def kept(nats_server: NatsServer, migrated: PostgresServer, tmp_path: Path) -> Iterator[Kept]:
    made = Kept(nats_server, migrated, tmp_path)
    yield made
    made.close()


CHANGED: dict[str, object] = {
    "republish": {"src": ">", "dest": "told.>"},
    "subject_transform": {"src": "{book}.party.*", "dest": "{book}.moved.{{{{wildcard(1)}}}}"},
    "duplicate_window": 1_000_000_000,
    "max_msg_size": 1 << 20,
    "max_consumers": 9,
    "mirror_direct": True,
}


def named(name: str) -> RegisterParty:
    return RegisterParty(sample.FROM_2026, Party("P1", name))


def for_book(value: object, book: str) -> object:
    """With the book's name where it belongs."""
    if isinstance(value, dict):
        return {name: text.format(book=book) for name, text in value.items()}
    return value


@pytest.mark.parametrize("field", CHANGED)
def test_a_changed_configuration_is_named_and_put_right(kept: Kept, field: str) -> None:
    kept.weaken(**{field: for_book(CHANGED[field], kept.bench.book)})
    for asked in (kept.door().guard, kept.verify):
        with pytest.raises(WeakStream, match=f"{field} is"):
            asked()
    (named,) = survey(kept.shop()).weak
    assert named.startswith(f"{field} is ")
    kept.mended(wanted=None)


def test_a_stream_that_does_not_acknowledge_is_refused(kept: Kept) -> None:
    config = stream.standing(kept.bench.operator, kept.bench.book).config
    (named,) = stream.weaknesses(config | {"no_ack": True}, kept.bench.book)
    assert named == "no_ack is True, must not be set"


def test_what_is_the_operators_to_choose_is_accepted(kept: Kept) -> None:
    kept.weaken(description="the main book", metadata={"owner": "ada"}, max_bytes=32 << 20)
    assert kept.codes() == set()
    kept.add()


def test_messages_that_were_moved_are_named_and_put_back(kept: Kept) -> None:
    door = kept.door()
    door.execute(sample.register_party("P0"), command_id="zero", actor="ada")
    kept.weaken(subject_transform=for_book(CHANGED["subject_transform"], kept.bench.book))
    assert isinstance(door.recorder, CheckedRecorder)
    door.recorder._looked = math.inf
    door.execute(named("Party one"), command_id="one", actor="ada")
    with pytest.raises(WeakStream, match="subject_transform"):
        door.execute(sample.register_party("P0"), command_id="again", actor="ada")
    kept.weaken(subject_transform=None)
    kept.bench.project()
    whole = kept.payloads()
    with pytest.raises(Discontinuity) as halted:
        kept.door().execute(named("Party two"), command_id="two", actor="ada")
    assert (halted.value.fault.code, halted.value.fault.place) == ("stream_subject", "sequence 6")
    (fault,) = kept.verify().faults
    assert (fault.code, fault.place) == ("stream_subject", "sequence 6")
    assert f"{kept.bench.book}.moved.P1" in fault.message
    assert survey(kept.shop()).remakes_stream
    kept.mended()
    assert kept.payloads()[:6] == whole
    assert kept.door().execute(named("Party two"), command_id="two", actor="ada").version == 2


def test_who_loses_a_race_looks_at_nothing(kept: Kept) -> None:
    kept.add("P1")
    first, second = kept.door(), kept.door()
    for number in range(5):
        for door in (first, second):
            door.execute(named(f"{number}"), command_id=f"{id(door)}-{number}", actor="ada")
    for door in (first, second):
        assert isinstance(door.recorder, CheckedRecorder)
        assert all(times < 3 for _, times in door.recorder._lost.values())
