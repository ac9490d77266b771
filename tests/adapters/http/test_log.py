"""The log over HTTP: files for everybody as tlog-tiles has them, entries and proofs for who may ask."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from itertools import pairwise

import pytest

from adapters.transparency.published_log import PublishedLog
from ledger.transparency.checkpoint import Checkpoint, extends, open_checkpoint
from ledger.transparency.entry_bundle import EntryBundle
from ledger.transparency.merkle import check_consistency, check_inclusion, leaf_hash, root_at
from ledger.transparency.note import Note
from ledger.transparency.tile import HashTile, TileHashes
from tests.adapters.conftest import Bench
from tests.adapters.http.conftest import HOST, Api, problem
from tests.adapters.transparency.books import append_parties
from tests.stack import NatsServer, PostgresServer

OCTETS = "application/octet-stream"


def opened(api: Api, content: bytes) -> Checkpoint:
    return open_checkpoint(Note.parse(content), api.published.origin, api.published.key()).checkpoint


def hashed(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


@pytest.fixture(scope="module")
def long(nats_server: NatsServer, migrated: PostgresServer) -> Iterator[Api]:
    """A book that is signed at 300 envelopes; tests of this module share it and only add to it."""
    bench = Bench(nats_server, migrated)
    api = Api(bench)
    append_parties(bench, range(300))
    api.wait()
    api.published.sign()
    yield api
    api.close()
    bench.close()


def test_whoever_reads_the_files_alone_can_compute_the_root(long: Api) -> None:
    """As an existing monitor does: checkpoint, then the tiles that its size asks for, without a key."""
    answer = long.client.get("/v1/log/checkpoint")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.headers["cache-control"] == "public, max-age=1"
    checkpoint = opened(long, answer.content)
    size = checkpoint.size
    assert size >= 300

    def fetch(tile: HashTile) -> bytes:
        found = long.client.get(f"/v1/log/{tile.path}")
        assert found.status_code == 200, tile.path
        assert found.headers["content-type"] == OCTETS
        assert found.headers["cache-control"] == "public, max-age=31536000, immutable"
        return found.content

    assert root_at(size, TileHashes(size, fetch)) == checkpoint.root
    widths = {"tile/0/000": 256, "tile/0/001.p/44": 44, "tile/1/000.p/1": 1}
    assert {path: len(fetch(HashTile.parse(path))) // 32 for path in widths} == widths
    assert fetch(HashTile(0, 1, 5)) == fetch(HashTile(0, 1, 44))[:160]


@pytest.mark.parametrize(
    "path",
    [
        "0/001",
        "0/001.p/255",
        "0/001.p/0",
        "0/000.p/256",
        "0/002.p/1",
        "1/000",
        "2/000.p/1",
        "00/000",
        "64/000",
        "0/0",
        "0/x000/000",
        "0/000.p/01",
        "0/000/",
        "0/000//",
        "0/%30%30%30",
        "1/000.p/1/",
        "x/000",
        "0/-01",
        "0/../000",
    ],
)
def test_what_is_no_tile_of_the_signed_log_is_not_there(long: Api, path: str) -> None:
    answer = long.client.get(f"/v1/log/tile/{path}")
    assert answer.status_code == 404, answer.text
    assert answer.json()["code"] in {"unknown_tile", "not_found"}


def test_nothing_is_published_before_it_is_signed(api: Api) -> None:
    append_parties(api.bench, range(3))
    api.wait()
    problem(api.client.get("/v1/log/checkpoint"), 404, "unknown_checkpoint")
    problem(api.client.get("/v1/log/tile/0/000.p/1"), 404, "unknown_tile")
    api.published.sign()
    append_parties(api.bench, range(3, 4))
    api.wait()
    assert api.client.get("/v1/log/tile/0/000.p/3").status_code == 200
    problem(api.client.get("/v1/log/tile/0/000.p/4"), 404, "unknown_tile")


def test_entries_hash_to_the_tiles_and_are_an_auditors(long: Api) -> None:
    last = long.published.signed_size() - 256
    for path, bundle in (("000", EntryBundle(0)), (f"001.p/{last}", EntryBundle(1, last))):
        answer = long.get(f"/v1/log/tile/entries/{path}", "auditor")
        assert answer.headers["content-type"] == OCTETS
        assert answer.headers["content-encoding"] == "gzip"
        assert answer.headers["cache-control"].startswith("private")
        tile = long.client.get(f"/v1/log/tile/0/{path}").content
        assert b"".join(map(leaf_hash, bundle.entries(answer.content))) == tile
    problem(long.get("/v1/log/tile/entries/000", "finance"), 403, "forbidden")
    problem(long.client.get("/v1/log/tile/entries/000"), 401, "unauthenticated")
    problem(long.get("/v1/log/tile/entries/002", "auditor"), 404, "unknown_tile")


def test_proofs_verify_and_name_their_checkpoints(long: Api) -> None:
    found = long.get("/v1/log/proofs/inclusion", "auditor", sequence=17).json()
    checkpoint = opened(long, found["checkpoint"].encode())
    assert (found["size"], checkpoint.size) == (300, 300), "the first that covers it"
    path = [hashed(node) for node in found["path"]]
    check_inclusion(16, 300, hashed(found["leaf"]), path, checkpoint.root)
    unsigned = long.get("/v1/log/proofs/inclusion", "auditor", sequence=17, size=200).json()
    assert unsigned["checkpoint"] is None
    check_inclusion(
        16, 200, hashed(unsigned["leaf"]), list(map(hashed, unsigned["path"])), hashed(unsigned["root"])
    )
    grew = long.get("/v1/log/proofs/consistency", "finance", old=200, new=300).json()
    assert (grew["old_checkpoint"], hashed(grew["root"])) == (None, checkpoint.root)
    check_consistency(200, 300, list(map(hashed, grew["path"])), hashed(unsigned["root"]), checkpoint.root)
    assert long.get("/v1/log/proofs/consistency", "finance", old=0, new=300).json()["path"] == []


@pytest.mark.parametrize(
    ("path", "parameters", "code", "place"),
    [
        ("inclusion", {"sequence": 1, "size": 0}, "log_index", "sequence"),
        ("inclusion", {"sequence": 9, "size": 8}, "log_index", "sequence"),
        ("inclusion", {"sequence": 1, "size": 9999}, "log_size", "size"),
        ("consistency", {"old": 9, "new": 8}, "log_size", "old size"),
        ("consistency", {"old": 1, "new": 9999}, "log_size", "new"),
    ],
)
def test_a_proof_of_what_is_not_there_is_refused(
    long: Api, path: str, parameters: dict[str, int], code: str, place: str
) -> None:
    problem(long.get(f"/v1/log/proofs/{path}", "auditor", **parameters), 422, code, place)


def test_an_event_that_is_not_there_has_no_proof(long: Api) -> None:
    answer = long.get("/v1/log/proofs/inclusion", "auditor", sequence=9999)
    assert "1 to " in problem(answer, 422, "log_index", "sequence")["detail"]


def test_a_statement_carries_its_proof_and_it_stays_the_same(settled: Api) -> None:
    path = f"/v1/statements/eaas-s1/2026-08/{HOST}"
    answer = settled.get(path, "partner").json()
    proof = answer["proof"]
    assert proof["sequence"] == answer["statement"]["sequence"]
    checkpoint = opened(settled, proof["checkpoint"].encode())
    nodes = list(map(hashed, proof["path"]))
    check_inclusion(proof["sequence"] - 1, checkpoint.size, hashed(proof["leaf"]), nodes, checkpoint.root)
    event = settled.get(f"/v1/events/{proof['sequence']}", "auditor").json()
    assert leaf_hash(event["payload"].encode()) == hashed(proof["leaf"])
    append_parties(settled.bench, range(1000, 1003))
    settled.wait()
    settled.published.sign()
    assert settled.get(path, "partner").json() == answer | {
        "position": settled.bench.recorder.max_notification_id()
    }
    assert settled.get("/v1/log/proofs/inclusion", "partner", sequence=proof["sequence"]).json() == proof


def test_a_partner_proves_its_own_statements_only(settled: Api) -> None:
    own = settled.get(f"/v1/statements/eaas-s1/2026-08/{HOST}").json()["statement"]["sequence"]
    for sequence in (1, own - 1):
        problem(
            settled.get("/v1/log/proofs/inclusion", "partner", sequence=sequence),
            404,
            "unknown_event",
            "sequence",
        )
    assert settled.get("/v1/log/proofs/consistency", "partner", old=1, new=own).status_code == 200
    problem(settled.get("/v1/log/proofs/inclusion", "operator", sequence=1), 403, "forbidden")


def test_without_a_key_a_statement_says_that_nothing_covers_it_yet(settled: Api, bench: Bench) -> None:
    log = settled.published
    settled.published = PublishedLog(
        log.database,
        log.book,
        log.origin,
        type(log.folder)(log.folder.path / "none"),
        log.key_file,
        makes_key=False,
    )
    log.key_file.rename(log.key_file.with_name("away"))
    try:
        settled.restart()
        answer = settled.get(f"/v1/statements/eaas-s1/2026-08/{HOST}")
        assert (answer.status_code, answer.json()["proof"]) == (200, None)
    finally:
        log.key_file.with_name("away").rename(log.key_file)
        settled.published = log
        settled.restart()


def test_every_checkpoint_follows_the_one_before_it(long: Api) -> None:
    """What an auditor does who polls: keep each checkpoint, and ask how the next follows."""
    kept = [opened(long, long.client.get("/v1/log/checkpoint").content)]
    for start in (400, 420, 460):
        append_parties(long.bench, range(start, start + 20))
        long.wait()
        long.published.sign()
        kept.append(opened(long, long.client.get("/v1/log/checkpoint").content))
    for old, new in pairwise(kept):
        body = long.get("/v1/log/proofs/consistency", "auditor", old=old.size, new=new.size).json()
        extends(old, new, list(map(hashed, body["path"])))
        assert opened(long, body["new_checkpoint"].encode()) == new
