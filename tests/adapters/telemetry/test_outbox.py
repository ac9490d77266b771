"""What was put is there after whatever ends the process, in order, and the disk's share is kept."""

from __future__ import annotations

import errno
import os
import random
import resource
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from adapters.telemetry import held
from adapters.telemetry.batch import encode
from adapters.telemetry.frame import ENTRY_BYTES_MAX, Carried, Passed, Unkept, framed, parsed
from adapters.telemetry.held import HeldLane
from adapters.telemetry.lane import Lane
from adapters.telemetry.outbox import BYTES_MIN, Outbox, dropped, thinned
from dispatch.devices.quality import Reading
from dispatch.telemetry.gaps import Thinned
from dispatch.telemetry.sample import Sample
from dispatch.telemetry.settlement_interval import interval_energies, register_reads
from ledger.refusal import Refused
from tests.adapters.telemetry.samples import T0, sample

ROOT = Path(__file__).parents[3]


@contextmanager
def opened(folder: Path, bytes_max: int = 1 << 20) -> Iterator[Outbox]:
    outbox = Outbox(folder, bytes_max)
    try:
        yield outbox
    finally:
        outbox.close()


def numbers(lane: Lane, most: int = 1_000_000) -> list[int]:
    return [item.number for item in lane.waiting(most).items if isinstance(item, Carried)]


def whole(items: Sequence[Passed]) -> list[Sample]:
    """As who receives them reads them."""
    return [msgspec.msgpack.decode(encode(item), type=Sample) for item in items]


def test_what_was_put_is_there_after_a_restart_and_goes_once_acknowledged(tmp_path: Path) -> None:
    with opened(tmp_path) as outbox:
        for number in range(1, 11):
            assert outbox.put(sample(number))
        assert outbox.put(sample(1, device="F"), fast=True)
        first = outbox.seconds.waiting(4)
        assert whole(first.items) == [sample(number) for number in range(1, 5)]
        outbox.seconds.acknowledge(first.until)
        assert numbers(outbox.seconds) == list(range(5, 11))
    with opened(tmp_path) as outbox:
        assert numbers(outbox.seconds) == list(range(5, 11))
        assert numbers(outbox.fast) == [1]
        outbox.put(sample(11))
        rest = outbox.seconds.waiting(100)
        assert [item.number for item in rest.items if isinstance(item, Carried)] == list(range(5, 12))
        assert not outbox.seconds.empty
        outbox.seconds.acknowledge(rest.until)
        assert outbox.seconds.empty


def test_one_process_at_a_time(tmp_path: Path) -> None:
    with opened(tmp_path), pytest.raises(Refused, match="another process"):
        Outbox(tmp_path, 1 << 20)
    with pytest.raises(Refused, match="at least"):
        Outbox(tmp_path, BYTES_MIN - 1)


@settings(derandomize=True, max_examples=120)
@given(st.integers(1, 12), st.data())
def test_a_torn_end_is_told_whatever_it_holds(count: int, data: st.DataObject) -> None:
    content = b"".join(framed(sample(number)) for number in range(1, count + 1))
    kept = data.draw(st.integers(0, len(content)))
    tail = data.draw(st.sampled_from([b"", b"\0" * 300, b"\xff" * 300, content[:50]]))
    whole = [entry for entry in parsed(content).entries if entry.end <= kept]
    assert len(parsed(content).entries) == count
    found = parsed(content[:kept] + (tail if tail != content[:50] else b"\0" + tail))
    assert [entry.item for entry in found.entries] == [entry.item for entry in whole]
    assert found.whole == (whole[-1].end if whole else 0)


def test_a_torn_end_is_cut_away_and_the_next_sample_follows_the_last_whole_one(tmp_path: Path) -> None:
    with opened(tmp_path) as outbox:
        for number in (1, 2):
            outbox.put(sample(number))
    (segment,) = (tmp_path / "seconds").glob("*.seg")
    os.truncate(segment, segment.stat().st_size - 3)
    with opened(tmp_path) as outbox:
        outbox.put(sample(3))
        assert numbers(outbox.seconds) == [1, 3]
        assert outbox.seconds.damaged == 0


def test_damage_within_is_kept_as_evidence_and_the_later_segments_come(tmp_path: Path) -> None:
    lane = Lane(tmp_path, 2000)
    for number in range(1, 41):
        lane.append(framed(sample(number)))
    lane.close()
    segments = sorted(tmp_path.glob("*.seg"))
    assert len(segments) > 3
    content = bytearray(segments[1].read_bytes())
    content[len(content) // 2] ^= 1
    segments[1].write_bytes(content)
    lane = Lane(tmp_path, 2000)
    found = numbers(lane)
    assert lane.damaged == 1
    assert found == sorted(found)
    assert found[0] == 1
    assert found[-1] == 40
    assert 40 - 2000 // len(framed(sample(1))) <= len(found) < 40
    assert [path.name for path in tmp_path.glob("*.damaged")] == ["000000000002.damaged"]
    lane.close()


def test_a_place_that_was_torn_while_written_falls_back_to_the_one_before(tmp_path: Path) -> None:
    lane = Lane(tmp_path)
    for number in range(1, 7):
        lane.append(framed(sample(number)))
    for _ in range(2):
        lane.acknowledge(lane.waiting(2).until)
    lane.close()
    slots = bytearray((tmp_path / "acknowledged").read_bytes())
    slots[3] ^= 255
    (tmp_path / "acknowledged").write_bytes(slots)
    lane = Lane(tmp_path)
    assert numbers(lane) == [3, 4, 5, 6]
    lane.close()


@pytest.mark.parametrize("seed", range(4))
def test_kill_nine_costs_nothing_once_put_returned(tmp_path: Path, seed: int) -> None:
    """Twice in the same folder, so that the second run goes on behind the first one's end."""
    rng = random.Random(seed)
    said: dict[str, int] = {}
    for run in ("r1", "r2"):
        command = [sys.executable, "-m", "tests.adapters.telemetry.filler", str(tmp_path), str(64 << 20), run]
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE)
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(rng.random() * 0.15)
        process.kill()
        rest = process.stdout.read().split(b"\n")
        process.wait()
        process.stdout.close()
        said[run] = max([1, *(int(line) for line in rest[:-1])])
    with opened(tmp_path, 64 << 20) as outbox:
        found = outbox.seconds.waiting(10_000_000).items
        for run, last in said.items():
            of_run = [item.number for item in found if isinstance(item, Carried) and item.run == run]
            assert of_run == list(range(1, len(of_run) + 1))
            assert last <= len(of_run) <= last + 1
        assert [item.run for item in found if isinstance(item, Carried)] == sorted(
            item.run for item in found if isinstance(item, Carried)
        )


def test_when_the_share_is_full_fast_samples_go_first_then_seconds_are_thinned_and_every_one_is_counted(
    tmp_path: Path,
) -> None:
    with opened(tmp_path, BYTES_MIN) as outbox:
        for number in range(1, 200):
            outbox.put(sample(number, device="F"), fast=True)
        outbox.bound()
        before = outbox.fast.bytes
        for number in range(1, 150):
            outbox.put(sample(number))
        outbox.bound()
        assert outbox.fast.bytes < before
        assert numbers(outbox.seconds) == list(range(1, 150)), "fast samples went first"
        for number in range(150, 1500):
            outbox.put(sample(number))
            outbox.bound()
        assert outbox.bytes <= BYTES_MIN + 2 * (BYTES_MIN // 16) + 1000
        for lane in (outbox.fast, outbox.seconds):
            items = lane.waiting(100_000).items
            left = {item.number for item in items if isinstance(item, Carried)}
            assert len(left) + sum(item.count for item in items if isinstance(item, Thinned)) == (
                1499 if lane is outbox.seconds else 199
            )


def test_thinned_seconds_still_settle() -> None:
    """The first and last of each minute lie around every boundary, so that no quarter-hour is lost."""
    every = [sample(number, at_ms=T0 + 1000 * number + 500) for number in range(1, 2000)]
    left = thinned(every)
    assert left is not None
    kept = [item for item in left if isinstance(item, Sample)]
    assert len(kept) <= 2 * (2000 // 60 + 2)
    (mark,) = [item for item in left if isinstance(item, Thinned)]
    assert mark.count + len(kept) == len(every)
    start = (T0 // 900_000 + 1) * 900_000

    def settled(samples: list[Sample]) -> list[int | None]:
        reads = register_reads(samples, "meter_export_wh")
        return [
            one.wh for one in interval_energies(reads, first_ms=start, end_ms=start + 900_000, interval_s=900)
        ]

    assert settled(kept) == settled(every) == [9000]
    assert thinned(left) is None
    gone = dropped(left)
    assert gone is not None
    assert sum(item.count for item in gone if isinstance(item, Thinned)) == len(every)
    assert dropped(gone) is None


def test_a_segment_that_is_being_sent_is_left_alone(tmp_path: Path) -> None:
    lane = Lane(tmp_path, 2000)
    for number in range(1, 100):
        lane.append(framed(sample(number)))
    sent = lane.waiting(25)
    while lane.rewrite_oldest("drop", dropped):
        pass
    lane.acknowledge(sent.until)
    rest = numbers(lane)
    assert rest[0] == 26, "what follows in the segment that was being sent is whole"
    lane.close()


def test_a_disk_that_takes_nothing_is_told_and_blocks_nobody(tmp_path: Path) -> None:
    with opened(tmp_path) as outbox:
        outbox.put(sample(1))
        (segment,) = (tmp_path / "seconds").glob("*.seg")
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (segment.stat().st_size + 30, hard))
        try:
            assert not outbox.put(sample(2))
            assert (outbox.unwritten, "disk is full" in outbox.failure) == (0, True)
            assert not outbox.put(sample(3))
            first = outbox.seconds.waiting(10)
            assert whole(first.items) == [sample(1)], "what is on the disk comes first"
            outbox.seconds.done(first)
            second = outbox.seconds.waiting(1)
            assert whole(second.items) == [sample(2)]
            outbox.seconds.done(second)
            assert numbers(outbox.seconds) == [3]
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert outbox.put(sample(4))
        assert (outbox.unwritten, outbox.failure, outbox.seconds.held) == (0, "", 0)
    with opened(tmp_path) as outbox:
        assert numbers(outbox.seconds) == [3, 4]


def test_memory_that_is_full_lets_the_oldest_go_and_they_are_missing_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(held, "HELD_MAX", 5)
    with opened(tmp_path) as outbox:
        with monkeypatch.context() as patch:
            patch.setattr(Lane, "append", full)
            for number in range(1, 9):
                assert not outbox.put(sample(number))
            waiting = outbox.seconds.waiting(2)
            assert not outbox.put(sample(9)), "the oldest goes while it is sent"
            outbox.seconds.done(waiting)
            assert (outbox.unwritten, outbox.seconds.held) == (4, 4)
        deadline = time.monotonic() + 5
        while outbox.failure:
            assert time.monotonic() < deadline, "nothing else is put, and it is put to the disk all the same"
            time.sleep(0.02)
        assert numbers(outbox.seconds) == [6, 7, 8, 9]


def test_a_new_file_that_the_disk_does_not_take_changes_nothing(tmp_path: Path) -> None:
    lane = HeldLane(tmp_path, 400)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    lane.keep(sample(1))
    try:
        # A file gets the lowest number that is free: none is, below that one.
        lowest_free = os.open("/dev/null", os.O_RDONLY)
        os.close(lowest_free)
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(lowest_free, soft), hard))
        kept = [lane.keep(sample(number)) for number in range(2, 6)]
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert False in kept
    assert lane.keep(sample(6))
    assert numbers(lane) == [1, 2, 3, 4, 5, 6]
    lane.close()


@pytest.mark.parametrize("value", [1 << 64, "\ud800", "x" * ENTRY_BYTES_MAX])
def test_what_no_entry_can_hold_is_refused_and_the_next_is_kept(tmp_path: Path, value: int | str) -> None:
    with opened(tmp_path) as outbox:
        with pytest.raises(Unkept) as unkept:
            outbox.put(replace(sample(1), others={"x": Reading(value)}))
        assert (unkept.value.code, unkept.value.place) == ("sample_unkept", "B1")
        assert (outbox.unwritten, outbox.failure) == (1, ""), "the disk has no part in it"
        assert outbox.put(sample(2))
        assert numbers(outbox.seconds) == [2]
