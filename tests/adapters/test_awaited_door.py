"""Commands that are awaited: as at the front door, of many at once and of aggregates that nobody has read."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping

import pytest
from eventsourcing.persistence import Notification

from adapters.awaited_door import AwaitedDoor
from adapters.continuity import Discontinuity
from adapters.front_door import FrontDoor, NotGiven, Receipt, Wish
from adapters.integrity.checked_recorder import CheckedRecorder
from adapters.nats.log import Log
from ledger.access import Grant, GrantKey, Key, RevokeKey
from ledger.party import Party, RegisterParty
from ledger.refusal import Refused
from tests.adapters import sample
from tests.adapters.conftest import Bench

WRITERS = 24


class Watched(CheckedRecorder):
    """Notes which aggregates are read."""

    def __init__(self, bench: Bench) -> None:
        super().__init__(Log(bench.client, bench.book), bench.database)
        self.read: list[str] = []

    def select_aggregates(self, positions: Mapping[str, int]) -> dict[str, list[Notification]]:
        self.read += positions
        return super().select_aggregates(positions)


def another_process(bench: Bench) -> tuple[FrontDoor, Watched]:
    recorder = Watched(bench)
    return FrontDoor(recorder, bench.clock, lambda: None), recorder


@pytest.fixture
def door(bench: Bench) -> Iterator[AwaitedDoor]:
    yield AwaitedDoor(another_process(bench)[0])


def _execute(door: AwaitedDoor, *wishes: Wish) -> list[Receipt]:
    return asyncio.run(door.execute_all(wishes, actor="ada"))


def test_of_many_at_once_each_is_stored_once_and_each_refusal_is_its_own(
    bench: Bench, door: AwaitedDoor
) -> None:
    async def main() -> list[list[Receipt] | BaseException]:
        wishes = [
            (
                [Wish(sample.register_meter(f"M{number}"), f"c{number}")]
                if number % 3 == 0
                else [
                    Wish(sample.register_party(f"p{number}"), f"c{number}"),
                    Wish(sample.register_party("common"), f"common{number}"),
                ]
            )
            for number in range(WRITERS)
        ]
        made = (door.execute_all(one, actor="ada") for one in wishes)
        return await asyncio.gather(*made, return_exceptions=True)

    done = asyncio.run(main())
    refused = [one.code if isinstance(one, Refused) else "" for one in done]
    assert refused == ["unknown_site" if number % 3 == 0 else "" for number in range(WRITERS)]
    receipts = [one for save in done if isinstance(save, list) for one in save]
    stored = bench.recorder.select_notifications(1, 1000)
    assert {(str(one.originator_id), one.originator_version, one.id) for one in stored} == {
        (one.aggregate, one.version, one.sequence) for one in receipts
    }
    versions = sorted(one.version for one in receipts if one.aggregate == "party.common")
    assert versions == list(range(1, WRITERS - WRITERS // 3 + 1))


def test_a_repeat_answers_the_first_result_in_another_process_too(bench: Bench, door: AwaitedDoor) -> None:
    (first,) = _execute(door, Wish(sample.register_party("p"), "c1"))
    other = AwaitedDoor(another_process(bench)[0])
    (again,) = _execute(other, Wish(sample.register_party("p"), "c1"))
    assert (again.version, again.sequence, again.repeated) == (first.version, first.sequence, True)
    third = AwaitedDoor(another_process(bench)[0])
    with pytest.raises(Refused, match="asked for something else"):
        _execute(third, Wish(RegisterParty(sample.FROM_2026, Party("p", "Another name")), "c1"))
    assert bench.recorder.max_notification_id() == 1


def test_what_no_archive_knows_is_not_looked_for_and_yet_never_written_over(bench: Bench) -> None:
    door, recorder = another_process(bench)
    assert door.execute(sample.register_party("new"), command_id="c1", actor="ada").version == 1
    assert recorder.read == []
    other, its = another_process(bench)
    made = other.execute(sample.register_party("new"), command_id="c2", actor="bea")
    assert (made.version, its.read) == (2, ["party.new"]), "stored and not archived: the append told"
    bench.project()
    third, its = another_process(bench)
    assert third.execute(sample.register_party("new"), command_id="c3", actor="cid").version == 3
    assert its.read == ["party.new"], "archived: read before anything is decided on it"


def test_a_refusal_is_not_decided_on_an_aggregate_that_was_taken_for_new(bench: Bench) -> None:
    bench.door.execute(GrantKey(Grant("k", "0" * 64, "eve", "auditor")), command_id="c1", actor="ada")
    door, _ = another_process(bench)
    assert door.execute(RevokeKey("k"), command_id="c2", actor="ada").version == 2


def test_an_archived_aggregate_that_the_stream_lost_is_not_begun_anew(bench: Bench) -> None:
    bench.door.execute(sample.register_party("kept"), command_id="c1", actor="ada")
    bench.project()
    bench.query(
        "INSERT INTO ledger.envelope (book, sequence, aggregate, version, hash, recorded_at, recorded_at_max,"
        " payload) SELECT book, 99, 'party.lost', version, hash, recorded_at, recorded_at_max, payload"
        " FROM ledger.envelope RETURNING 1"
    )
    door, _ = another_process(bench)
    with pytest.raises(Discontinuity, match=r"no version 1 of party\.lost"):
        door.execute(sample.register_party("lost"), command_id="c2", actor="ada")
    assert bench.recorder.max_notification_id() == 1


def test_of_keys_that_nobody_changed_none_is_read_and_a_change_is_seen_at_once(bench: Bench) -> None:
    names = [f"key.k{number}" for number in range(5)]
    grants = [Grant(f"k{number}", f"{number:064}", f"eve{number}", "auditor") for number in range(5)]
    for grant in grants:
        bench.door.execute(GrantKey(grant), command_id=grant.key_id, actor="ada")
    door, recorder = another_process(bench)
    as_granted = dict(zip(names, map(Key, grants), strict=True))
    assert [door.states(names) for _ in range(2)] == [as_granted] * 2
    recorder.read.clear()
    bench.door.execute(sample.register_party("p"), command_id="p", actor="ada")
    assert door.states(names) == as_granted
    assert recorder.read == []
    for number, grant in enumerate(grants):
        bench.door.execute(RevokeKey(grant.key_id), command_id=f"r{number}", actor="ada")
        states = door.states(names)
        assert [states[name] != as_granted[name] for name in names] == [one <= number for one in range(5)]


def test_a_read_that_lags_behind_its_leader_is_made_again(bench: Bench) -> None:
    """A server that answers reads may not have yet what the leader has stored."""
    names = ["key.a", "key.b"]
    for name in ("a", "b"):
        grant = Grant(name, name * 64, f"eve-{name}", "auditor")
        bench.door.execute(GrantKey(grant), command_id=name, actor="ada")

    class Lagging(Watched):
        lags = False

        def select_aggregates(self, positions: Mapping[str, int]) -> dict[str, list[Notification]]:
            found = super().select_aggregates(positions)
            return {name: [] for name in found} if self.lags else found

    recorder = Lagging(bench)
    door = FrontDoor(recorder, bench.clock, lambda: None)
    granted = door.states(names)
    bench.door.execute(RevokeKey("a"), command_id="r", actor="ada")
    recorder.lags = True
    assert door.states(names) == granted
    recorder.lags = False
    assert door.states(names)["key.a"] != granted["key.a"]


def test_a_key_is_asked_for_without_a_thread_and_its_revocation_is_seen_at_once(bench: Bench) -> None:
    grants = {name: Grant(name, name * 64, f"eve-{name}", "auditor") for name in ("a", "b")}
    for name, grant in grants.items():
        bench.door.execute(GrantKey(grant), command_id=name, actor="ada")
    front, recorder = another_process(bench)
    door = AwaitedDoor(front)

    async def main() -> None:
        async def states() -> list[object]:
            return list(await asyncio.gather(*(door.state(f"key.{name}") for name in ("a", "b", "none"))))

        granted = [Key(grants["a"]), Key(grants["b"]), None]
        assert [await states() for _ in range(2)] == [granted] * 2
        recorder.read.clear()
        assert [await door.state("key.a"), await door.state("key.b")] == granted[:2]
        assert recorder.read == [], "the leader had nothing newer of any key"
        await asyncio.to_thread(bench.door.execute, RevokeKey("a"), command_id="r", actor="ada")
        revoked = await states()
        assert revoked[0] != granted[0]
        assert revoked[1:] == granted[1:]

    asyncio.run(main())


def test_a_new_aggregate_is_stored_without_a_thread(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    front, _ = another_process(bench)
    door = AwaitedDoor(front)
    _execute(door, Wish(sample.register_party("first"), "c"))

    async def no_thread(*_: object) -> None:
        raise AssertionError("a thread")

    monkeypatch.setattr(asyncio, "to_thread", no_thread)
    receipts = [_execute(door, Wish(sample.register_party(f"p{at}"), f"c{at}"))[0] for at in range(5)]
    assert [receipt.sequence for receipt in receipts] == list(range(2, 7))


def test_nothing_is_stored_before_the_guard_and_the_look_agree(bench: Bench) -> None:
    checked: list[str] = []

    class Looking(Watched):
        def look_due(self) -> bool:
            return True

        def look(self) -> None:
            checked.append("look")
            raise Discontinuity("weakened")

    def guard() -> None:
        checked.append("guard")
        if len(checked) == 1:
            raise Discontinuity("another stream")

    door = AwaitedDoor(FrontDoor(Looking(bench), bench.clock, guard))
    for said in ("another stream", "weakened", "weakened"):
        with pytest.raises(Discontinuity, match=said):
            _execute(door, Wish(sample.register_party("p"), "c1"))
    assert checked == ["guard", "guard", "look", "look"], "guarded once a connection, looked at each time"
    assert bench.recorder.max_notification_id() is None


def test_what_is_given_must_hold_when_the_command_is_decided(bench: Bench, door: AwaitedDoor) -> None:
    """Before whatever else is wrong, and before it is known that the command was accepted already."""
    grant = Grant("k1", "0" * 64, "ada", "admin")
    _execute(door, Wish(GrantKey(grant), "grant"))
    given = {"key.k1": Key(grant)}

    def command(number: int) -> list[Receipt]:
        wishes = [Wish(sample.register_party(f"p{number}"), f"c{number}")]
        return asyncio.run(door.execute_all(wishes, actor="ada", given=given))

    assert [command(number)[0].sequence for number in (1, 2)] == [2, 3]
    bench.door.execute(RevokeKey("k1"), command_id="revoke", actor="setup")
    unknown_site = [Wish(sample.register_meter("M1"), "m1")]
    for number in (3, 1):
        with pytest.raises(NotGiven, match="k1"):
            command(number)
    with pytest.raises(NotGiven, match="k1"):
        asyncio.run(door.execute_all(unknown_site, actor="ada", given=given))
    assert bench.recorder.max_notification_id() == 4


def test_what_was_given_and_changes_in_the_same_turn_is_looked_at_again(door: AwaitedDoor) -> None:
    grant = Grant("k1", "0" * 64, "ada", "admin")
    _execute(door, Wish(GrantKey(grant), "grant"))

    async def main() -> list[object]:
        # The first two are under way by themselves, what comes meanwhile shares a turn.
        before = [door.execute_all([Wish(sample.register_party(n), n)], actor="ada") for n in ("a", "b")]
        revoked = door.execute_all([Wish(RevokeKey("k1"), "revoke")], actor="setup")
        under_it = door.execute_all(
            [Wish(sample.register_party("p"), "p")], actor="ada", given={"key.k1": Key(grant)}
        )
        return list(await asyncio.gather(*before, revoked, under_it, return_exceptions=True))

    *_, under_it = asyncio.run(main())
    assert isinstance(under_it, NotGiven)
