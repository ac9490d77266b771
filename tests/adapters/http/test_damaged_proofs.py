"""A damaged tree, archive or document is our fault: 503, and never half a file."""

from __future__ import annotations

import gzip
from collections.abc import Iterator

import pytest

from tests.adapters.conftest import Bench
from tests.adapters.http.conftest import Api, problem
from tests.adapters.test_settling import filled, settle
from tests.adapters.test_tamper_published import restore

PROOFS = (
    "/v1/log/proofs/inclusion?sequence=2",
    "/v1/log/tile/0/000.p/{size}",
    "/v1/log/tile/entries/000.p/{size}",
    "/v1/bundles/book",
    "/v1/statements/eaas-s1/2026-08/host-s1",
    "/v1/statements/eaas-s1/2026-08/host-s1/bundle",
)
CHANGES = {
    "DELETE FROM ledger.tree_tile": PROOFS,
    "UPDATE ledger.tree_tile SET content = set_byte(content, 40, get_byte(content, 40) # 1)": PROOFS[1:4],
    "UPDATE ledger.tree_tile SET content = substr(content, 1, 64)": PROOFS,
    "UPDATE ledger.envelope SET payload = payload || ' '::bytea WHERE sequence = 2": (
        PROOFS[0],
        *PROOFS[2:4],
    ),
    "DELETE FROM ledger.envelope WHERE sequence = 2": (PROOFS[0], *PROOFS[2:4]),
}
"""What proves itself all the same, with a damaged neighbour, is answered."""
KEPT = ("tree_tile", "envelope")


@pytest.fixture
def book(bench: Bench) -> Iterator[Api]:
    filled(bench)
    settle(bench)
    api = Api(bench)
    api.secret("admin")
    api.wait()
    yield api
    api.close()


def test_what_is_damaged_is_not_the_client_s_fault(book: Api) -> None:
    for path in PROOFS:
        assert book.get(path.format(size=1)).status_code in {200, 404}, path
    size = book.published.sign().text.splitlines()[1]
    paths = {path: path.format(size=size) for path in PROOFS}
    for path in paths.values():
        answer = book.get(path)
        assert answer.status_code == 200, (path, answer.text)
    whole = book.get(paths[PROOFS[3]])
    assert int(whole.headers["Content-Length"]) == len(whole.content)
    assert gzip.decompress(whole.content).count(b"\n") == 2 + 2 * int(size), "an envelope has two lines"
    kept = {table: book.bench.query(f"SELECT * FROM ledger.{table}") for table in KEPT}  # type: ignore[arg-type]
    for change, hit in CHANGES.items():
        book.bench.query(f"{change} RETURNING 1")
        for path in hit:
            problem(book.get(paths[path]), 503, "discontinuity")
        restore(book.bench, kept)
    for path in paths.values():
        assert book.get(path).status_code == 200, path
