"""Commands in, facts out: once, in order, or not at all."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from adapters.front_door import Wish
from ledger.effective import History
from ledger.refusal import Refused
from tests.adapters import sample
from tests.adapters.conftest import Bench


def test_a_repeated_command_answers_its_first_result(bench: Bench) -> None:
    first = bench.door.execute(sample.found_book(), command_id="c1", actor="ada")
    again = bench.door.execute(sample.found_book(), command_id="c1", actor="ada")
    assert (again.sequence, again.version, again.repeated) == (first.sequence, first.version, True)
    assert bench.recorder.max_notification_id() == first.sequence


def test_a_command_id_cannot_ask_for_something_else(bench: Bench) -> None:
    bench.door.execute(sample.register_party("operator"), command_id="c1", actor="ada")
    other = sample.RegisterParty(sample.FROM_2026, sample.Party("operator", "Another name"))
    with pytest.raises(Refused, match="asked for something else"):
        bench.door.execute(other, command_id="c1", actor="ada")


def test_a_refused_command_stores_nothing(bench: Bench) -> None:
    with pytest.raises(Refused, match="no site 'S1' is registered"):
        bench.door.execute(sample.register_meter(), command_id="c1", actor="ada")
    assert bench.recorder.max_notification_id() is None


def test_several_aggregates_change_together_or_not_at_all(bench: Bench) -> None:
    bench.door.execute(sample.register_site(), command_id="s", actor="ada")
    good = Wish(sample.register_party("one"), "c1")
    bad = Wish(sample.register_meter("M1", site="nowhere"), "c2")
    with pytest.raises(Refused, match="nowhere"):
        bench.door.execute_all([good, bad], actor="ada")
    assert bench.door.state("party.one") is None
    receipts = bench.door.execute_all([good, Wish(sample.register_meter(), "c2")], actor="ada")
    assert [receipt.sequence for receipt in receipts] == [2, 3]
    again = bench.door.execute_all([good, Wish(sample.register_party("two"), "c3")], actor="ada")
    assert [(receipt.sequence, receipt.repeated) for receipt in again] == [(2, True), (4, False)]


def test_racing_writers_lose_nothing_and_double_nothing(bench: Bench) -> None:
    other = type(bench)(bench.nats, bench.postgres)
    other.log.book, other.log._name = bench.log.book, bench.log._name  # the same book from a second process
    other.door.book = bench.book

    def register(number: int) -> int:
        door = (bench, other)[number % 2].door
        return door.execute(
            sample.register_party("contended"), command_id=f"c{number // 2}", actor="ada"
        ).sequence

    with ThreadPoolExecutor(8) as pool:
        sequences = list(pool.map(register, range(40)))
    assert sequences[0::2] == sequences[1::2], "each command id has one result"
    assert sorted(set(sequences)) == list(range(1, 21))
    other.close()


def test_text_that_no_projection_can_keep_is_refused(bench: Bench) -> None:
    """PostgreSQL's jsonb cannot hold a NUL character; it must not reach the stream."""
    nul = sample.RegisterParty(sample.FROM_2026, sample.Party("operator", "A\x00B"))
    with pytest.raises(Refused) as caught:
        bench.door.execute(nul, command_id="c1", actor="ada")
    assert caught.value.code == "control_character"
    assert bench.recorder.max_notification_id() is None


def test_recording_what_is_in_force_changes_nothing_and_what_was_replaced_comes_back(bench: Bench) -> None:
    right = sample.register_party("operator")
    wrong = sample.RegisterParty(sample.FROM_2026, sample.Party("operator", "A slip of the pen"))
    versions = [bench.door.record(command, actor="ada") for command in (right, right, wrong, right, right)]
    assert [receipt.version for receipt in versions] == [1, 1, 2, 3, 3]
    assert [receipt.repeated for receipt in versions] == [False, True, False, False, True]
    history = bench.door.state("party.operator")
    assert isinstance(history, History)
    assert history.latest.document == right.party
