"""Checkpoints of a real book: signed only on top of what was signed, and proofs under them."""

from __future__ import annotations

import shutil
import stat
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import pairwise
from pathlib import Path

import pytest

from adapters.settling import wait_until
from adapters.transparency.checkpoint_folder import CheckpointFolder
from adapters.transparency.log_key import make_seed, signer_of
from adapters.transparency.published_log import PublishedLog
from adapters.transparency.signing_projector import SigningProjector
from ledger.refusal import Refused
from ledger.transparency.checkpoint import Checkpoint, extends, open_checkpoint
from ledger.transparency.entry_bundle import EntryBundle, envelope_leaf
from ledger.transparency.merkle import EMPTY_ROOT, check_inclusion
from ledger.transparency.note import Note
from ledger.transparency.tile import HashTile
from tests.adapters.conftest import Bench
from tests.adapters.transparency.books import append_parties, forked, published_log
from tests.ledger.transparency.refusal_code import code as refusal_code
from tests.stack import NatsServer


def opened(log: PublishedLog, note: Note) -> Checkpoint:
    return open_checkpoint(note, log.origin, log.key()).checkpoint


def grown(bench: Bench, start: int, end: int) -> None:
    append_parties(bench, range(start, end))
    bench.project()


def test_each_checkpoint_follows_the_one_before(bench: Bench, tmp_path: Path) -> None:
    log = published_log(bench, tmp_path)
    sizes = [0, 3, 5, 260, 300]
    signed = []
    for before, size in zip([0, *sizes], sizes, strict=False):
        if size:
            grown(bench, before, size)
        signed.append(opened(log, log.sign()))
    assert [one.size for one in signed] == sizes
    assert signed[0].root == EMPTY_ROOT
    for old, new in pairwise(signed):
        extends(old, new, log.consistency(old.size, new.size).path)
    assert all(log.signed_at(size) is not None for size in sizes)
    newest = log.latest()
    assert newest is not None
    assert newest.content() == (log.folder.path / "latest").read_bytes()


def test_the_same_size_is_signed_once(bench: Bench, tmp_path: Path) -> None:
    log = published_log(bench, tmp_path)
    grown(bench, 0, 3)
    first = log.sign()
    file = log.folder.path / "000/000/000/003"
    written = file.stat().st_mtime_ns
    assert log.sign() == first
    assert file.stat().st_mtime_ns == written


def test_nothing_is_signed_over_a_checkpoint_that_is_gone(bench: Bench, tmp_path: Path) -> None:
    """Else taking the folder away would end in a fresh one, and nobody would miss what it had."""
    log = published_log(bench, tmp_path)
    grown(bench, 0, 3)
    log.sign()
    grown(bench, 3, 5)
    log.sign()
    aside = log.folder.path.rename(tmp_path / "aside")
    assert refusal_code(log.sign) == "checkpoint_gone"
    shutil.copytree(aside, log.folder.path, dirs_exist_ok=True)
    (log.folder.path / "000/000/000/005").unlink()
    assert refusal_code(log.sign) == "checkpoint_gone"
    shutil.copy(aside / "000/000/000/005", log.folder.path / "000/000/000/005")
    grown(bench, 5, 6)
    assert opened(log, log.sign()).size == 6


def test_a_forked_stream_is_a_split_view_and_nothing_is_signed(bench: Bench, tmp_path: Path) -> None:
    """Another stream under the same name: its tree does not follow from what was signed."""
    log = published_log(bench, tmp_path)
    grown(bench, 0, 4)
    kept = log.sign()
    for count in (4, 6, 2):
        nats = NatsServer(tmp_path / f"nats-{count}")
        fork = forked(bench, nats, range(10, 10 + count))
        other = PublishedLog(fork, bench.book, log.origin, log.folder, log.key_file, makes_key=True)
        smaller = count < 4
        assert refusal_code(other.sign) == ("checkpoint_behind" if smaller else "split_view")
        answer = refusal_code(partial(other.check, opened(log, kept)))
        assert answer == ("checkpoint_ahead" if smaller else "split_view")
        fork.close()
        nats.stop()
    assert log.latest() == kept
    assert log.folder.at(6) is None


def test_a_projector_halts_on_a_split_view(bench: Bench, tmp_path: Path) -> None:
    log = published_log(bench, tmp_path)
    grown(bench, 0, 4)
    log.sign()
    bench.query("UPDATE ledger.tree_tile SET content = decode(repeat('00', 128), 'hex') RETURNING 1")
    projector = SigningProjector(bench.log, bench.database, log, every_s=0.01)
    projector.run()
    assert projector.halted is not None
    assert projector.halted.startswith(("split_view", "tree_leaf"))


def test_a_projector_signs_as_the_tree_grows_and_at_its_end(bench: Bench, tmp_path: Path) -> None:
    log = published_log(bench, tmp_path)
    append_parties(bench, range(3))
    projector = SigningProjector(bench.log, bench.database, log, every_s=0.02)
    thread = threading.Thread(target=projector.run)
    thread.start()
    give_up = threading.Event()
    for _ in range(500):
        if log.signed_size() == 3:
            break
        give_up.wait(0.01)
    assert log.signed_size() == 3
    append_parties(bench, range(3, 5))
    wait_until(bench.database, bench.book, 5, 20)
    projector.stop()
    thread.join()
    assert projector.halted is None
    assert log.signed_size() == 5


def rolled_back(folder: CheckpointFolder) -> None:
    (folder.path / "000/000/000/005").write_bytes((folder.path / "000/000/000/003").read_bytes())


def bit_flipped(folder: CheckpointFolder) -> None:
    file = folder.path / "000/000/000/005"
    content = bytearray(file.read_bytes())
    content[content.index(b"\n5\n") + 4] ^= 1
    file.write_bytes(content)


def other_key(folder: CheckpointFolder) -> None:
    shutil.copy(folder.path.parents[1] / "other.key", folder.path.parents[1] / "log.key")


@pytest.mark.parametrize(
    ("damage", "code"),
    [(rolled_back, "checkpoint_origin"), (bit_flipped, "note_forged"), (other_key, "note_unsigned")],
)
def test_a_kept_checkpoint_that_is_not_ours_stops_signing(
    bench: Bench, tmp_path: Path, damage: Callable[[CheckpointFolder], None], code: str
) -> None:
    log = published_log(bench, tmp_path)
    make_seed(tmp_path / "other.key")
    for start, end in ((0, 3), (3, 5)):
        grown(bench, start, end)
        log.sign()
    damage(log.folder)
    grown(bench, 5, 6)
    assert refusal_code(log.sign) == code
    assert refusal_code(log.latest) == code
    assert log.folder.at(6) is None


def test_the_newest_file_counts_whatever_latest_says(bench: Bench, tmp_path: Path) -> None:
    """A crash between the two, or somebody who puts an old one back."""
    log = published_log(bench, tmp_path)
    grown(bench, 0, 3)
    old = log.sign().content()
    grown(bench, 3, 5)
    new = log.sign()
    (log.folder.path / "latest").write_bytes(old)
    assert log.latest() == new
    (log.folder.path / "latest").unlink()
    assert log.sign() == new


@pytest.mark.parametrize(
    ("damage", "code"),
    [
        ("UPDATE ledger.envelope SET payload = payload || ' '::bytea WHERE sequence = 4", "tree_leaf"),
        ("DELETE FROM ledger.envelope WHERE sequence = 4", "tree_archive"),
        ("UPDATE ledger.position SET sequence = 3 WHERE projection = 'tree'", "tree_archive"),
    ],
)
def test_nothing_is_signed_that_the_archive_does_not_end_with(
    bench: Bench, tmp_path: Path, damage: str, code: str
) -> None:
    log = published_log(bench, tmp_path)
    grown(bench, 0, 4)
    bench.query(damage + " RETURNING 1")
    assert refusal_code(log.sign) == code
    assert log.latest() is None


def test_proofs_lead_to_the_first_checkpoint_that_covers_them(bench: Bench, tmp_path: Path) -> None:
    log = published_log(bench, tmp_path)
    grown(bench, 0, 270)
    early = log.proof(7)
    assert early is not None
    grown(bench, 270, 300)
    late = log.proof(271)
    assert late is not None
    assert (early.size, late.size) == (270, 300)
    assert log.proof(7) == early, "a statement's proof does not change with the log"
    for one in (early, late):
        payload = bench.client.run(bench.log.payload_at(one.sequence))
        assert payload is not None
        assert one.leaf == envelope_leaf(payload)
        assert one.note is not None
        checkpoint = opened(log, one.note)
        check_inclusion(one.sequence - 1, checkpoint.size, one.leaf, one.path, checkpoint.root)
        head, _, rest = one.tlog_proof.partition("\n\n")
        assert head.split("\n")[:2] == ["c2sp.org/tlog-proof@v1", f"index {one.sequence - 1}"]
        assert len(head.split("\n")) == 2 + len(one.path)
        assert opened(log, Note.parse(rest.encode())) == checkpoint
    for beyond in (301, 0):
        with pytest.raises(Refused) as caught:
            log.proof(beyond)
        assert (caught.value.code, caught.value.place) == ("log_index", "sequence")


def test_a_changed_envelope_has_no_proof(bench: Bench, tmp_path: Path) -> None:
    log = published_log(bench, tmp_path)
    grown(bench, 0, 5)
    log.sign()
    bench.query("UPDATE ledger.envelope SET payload = payload || ' '::bytea WHERE sequence = 2 RETURNING 1")
    assert refusal_code(lambda: log.proof(2)) == "inclusion_proof"
    assert refusal_code(lambda: log.entries(EntryBundle(0, 5))) == "tree_leaf"
    assert log.proof(3) is not None


def test_without_the_key_nothing_is_signed_and_what_was_signed_is_read(bench: Bench, tmp_path: Path) -> None:
    signing = published_log(bench, tmp_path)
    grown(bench, 0, 3)
    note = signing.sign()
    grown(bench, 3, 4)
    reading = PublishedLog(
        bench.database, bench.book, signing.origin, signing.folder, tmp_path / "none", makes_key=False
    )
    assert reading.proof(3) == signing.proof(3)
    assert reading.proof(4) is None
    assert reading.latest() == note
    assert refusal_code(reading.sign) == refusal_code(reading.key) == "log_key"
    lost = PublishedLog(
        bench.database, bench.book, signing.origin, signing.folder, tmp_path / "none", makes_key=True
    )
    assert refusal_code(lost.sign) == "log_key", "a new key would sign what nobody expects"
    assert not (tmp_path / "none").exists()


def test_files_of_the_log_reach_as_far_as_it_was_signed(bench: Bench, tmp_path: Path) -> None:
    log = published_log(bench, tmp_path)
    grown(bench, 0, 3)
    assert refusal_code(lambda: log.tile(HashTile(0, 0, 1))) == "tile_beyond"
    log.sign()
    grown(bench, 3, 4)
    payloads = [bench.client.run(bench.log.payload_at(sequence)) for sequence in (1, 2, 3)]
    assert log.tile(HashTile(0, 0, 3)) == b"".join(envelope_leaf(one) for one in payloads if one is not None)
    assert EntryBundle(0, 3).entries(log.entries(EntryBundle(0, 3))) == tuple(payloads)
    assert refusal_code(lambda: log.tile(HashTile(0, 0, 4))) == "tile_beyond"
    assert refusal_code(lambda: log.entries(EntryBundle(0, 4))) == "tile_beyond"


def test_many_signers_at_once_sign_one_history(bench: Bench, tmp_path: Path) -> None:
    grown(bench, 0, 5)
    logs = [published_log(bench, tmp_path) for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        signed = {note.content() for note in pool.map(lambda log: log.sign(), logs)}
    assert len(signed) == 1


def test_the_key_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    file = tmp_path / "state" / "log.key"
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: make_seed(file), range(8)))
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert list(file.parent.iterdir()) == [file]
    first = signer_of(file, "log.example")
    make_seed(file)
    again = signer_of(file, "log.example")
    assert first is not None
    assert again is not None
    assert first.key == again.key


@pytest.mark.parametrize("content", [b"", b"AQI=\n", b"\xff" * 32, b"x" * 44, b"A" * 44 + b"\n\n"])
def test_a_file_that_is_no_seed_is_refused_without_showing_it(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "log.key"
    file.write_bytes(content)
    with pytest.raises(Refused) as caught:
        signer_of(file, "log.example")
    assert caught.value.code == "log_key"
    shown = content.decode("latin-1").strip()
    assert not shown or shown not in str(caught.value)


def test_a_size_is_kept_once_and_found_again(tmp_path: Path) -> None:
    folder = CheckpointFolder(tmp_path / "kept")
    assert folder.newest() is None
    assert folder.covering(0) is None
    sizes = [0, 7, 999, 1000, 1_234_067, 999_999_999_999, 1_000_000_000_000]
    for size in sizes:
        with folder.locked():
            folder.keep(size, str(size).encode())
        assert folder.newest() == (size, str(size).encode())
    for sequence, size in ((0, 0), (1, 7), (7, 7), (8, 999), (1001, 1_234_067), (10**12, 10**12)):
        assert folder.covering(sequence) == (size, str(size).encode())
    assert folder.covering(10**12 + 1) is None
    assert (folder.path / "000/001/234/067").read_bytes() == b"1234067"
    with pytest.raises(Refused, match="another checkpoint of 7"):
        folder.keep(7, b"another")
    assert folder.at(7) == b"7"
