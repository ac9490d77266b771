"""No proof is given out from an altered tree, under a checkpoint or behind the newest."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapters.continuity import Discontinuity
from tests.adapters.conftest import Bench
from tests.adapters.http.conftest import Api, problem
from tests.adapters.transparency.books import append_parties, published_log

ALTERED = (
    "UPDATE ledger.tree_tile SET content = set_byte(content, %s, get_byte(content, %s) # 1)"
    " WHERE level = 0 AND index = 0 RETURNING 1"
)


@pytest.mark.parametrize("signed", [0, 5, 9])
def test_a_proof_from_an_altered_tree_is_not_given_out(bench: Bench, tmp_path: Path, signed: int) -> None:
    """Whether the envelope is one that was signed or comes after, and whichever tree is asked about."""
    log = published_log(bench, tmp_path)
    append_parties(bench, range(signed))
    bench.project()
    if signed:
        log.sign()
    append_parties(bench, range(signed, 9))
    bench.project()
    for old, new in ((0, 9), (3, 9), (3, 7), (9, 9)):
        assert log.consistency(old, new).new == new
    assert log.inclusion(3, 7).size == 7
    for leaf in (1, 6):
        bench.query(ALTERED, [leaf * 32, leaf * 32])
        for old, new in ((0, 9), (3, 9), (3, 7), (9, 9)):
            with pytest.raises(Discontinuity, match=r"tree|lead") as caught:
                log.consistency(old, new)
            assert caught.value.fault.code == "tree_altered", (leaf, old, new)
        with pytest.raises(Discontinuity):
            log.inclusion(3, 7)
        bench.query(ALTERED, [leaf * 32, leaf * 32])
    assert log.consistency(3, 9).new == 9


def test_whoever_asks_for_it_is_told_that_the_tree_is_damaged(api: Api) -> None:
    append_parties(api.bench, range(9))
    api.secret("auditor")
    api.wait()
    api.published.sign()
    paths = ("/v1/log/proofs/consistency?old=3&new=9", "/v1/log/proofs/inclusion?sequence=3&size=8")
    assert [api.get(path, "auditor").status_code for path in paths] == [200, 200]
    api.bench.query(ALTERED, [32, 32])
    for path in paths:
        problem(api.get(path, "auditor"), 503, "discontinuity")
