"""Proofs are those of RFC 9162's definitions, and nothing that was altered is accepted."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.refusal import Refused
from ledger.transparency.merkle import (
    EMPTY_ROOT,
    SIZE_MAX,
    check_consistency,
    check_inclusion,
    consistency_nodes,
    consistency_proof,
    inclusion_nodes,
    inclusion_proof,
    leaf_hash,
    node_hash,
    root_at,
)
from tests.ledger.transparency import naive_tree
from tests.ledger.transparency.naive_tree import mth, numbered
from tests.ledger.transparency.public_vectors import merkle_vectors, needs_merkle
from tests.ledger.transparency.refusal_code import code, flipped

ENTRIES = numbered(70)
TREES = [(old, size) for size in range(1, 35) for old in range(1, size + 1)]


def held(level: int, position: int) -> bytes:
    return naive_tree.subtree(ENTRIES, level, position)


def decoded(vector: dict[str, Any], name: str) -> bytes:
    return base64.b64decode(vector[name])


def proof_of(vector: dict[str, Any]) -> list[bytes]:
    return [base64.b64decode(node) for node in vector["proof"] or []]


def check_inclusion_vector(vector: dict[str, Any]) -> None:
    check_inclusion(
        vector["leafIdx"],
        vector["treeSize"],
        decoded(vector, "leafHash"),
        proof_of(vector),
        decoded(vector, "root"),
    )


def check_consistency_vector(vector: dict[str, Any]) -> None:
    check_consistency(
        vector["size1"], vector["size2"], proof_of(vector), decoded(vector, "root1"), decoded(vector, "root2")
    )


@needs_merkle
@pytest.mark.parametrize(
    ("kind", "check", "codes"),
    [
        ("inclusion", check_inclusion_vector, {"log_index", "hash_bytes", "inclusion_proof"}),
        ("consistency", check_consistency_vector, {"log_size", "hash_bytes", "consistency_proof"}),
    ],
)
def test_public_vectors(kind: str, check: Any, codes: set[str]) -> None:
    """Every one of transparency-dev/merkle; what it wants to be an error is refused."""
    vectors = merkle_vectors(kind)
    assert len(vectors) == 98
    found = set()
    for name, vector in vectors:
        try:
            check(vector)
        except Refused as refused:
            assert vector["wantErr"], f"{name}: {refused}"
            found.add(refused.code)
        else:
            assert not vector["wantErr"], name
    assert found == codes


def test_hashes_are_domain_separated() -> None:
    """RFC 9162 2.1.1: leaves and nodes are prefixed differently, and no entries are not one empty entry."""
    assert EMPTY_ROOT.hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert leaf_hash(b"").hex() == "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
    left, right = leaf_hash(b"a"), leaf_hash(b"b")
    assert node_hash(left, right) != leaf_hash(left + right)
    assert node_hash(left, right) != node_hash(right, left)


def test_roots_and_proofs_are_those_of_the_definition() -> None:
    assert root_at(0, held) == EMPTY_ROOT
    for size in range(1, 35):
        entries = ENTRIES[:size]
        root = mth(entries)
        assert root_at(size, held) == root
        for index in range(size):
            proof = inclusion_proof(index, size, held)
            assert list(proof) == naive_tree.path(index, entries)
            check_inclusion(index, size, leaf_hash(entries[index]), proof, root)


def test_consistency_is_that_of_the_definition() -> None:
    for old, size in TREES:
        proof = consistency_proof(old, size, held)
        assert list(proof) == naive_tree.proof(old, ENTRIES[:size])
        check_consistency(old, size, proof, mth(ENTRIES[:old]), mth(ENTRIES[:size]))


def test_the_nodes_named_beforehand_are_those_read() -> None:
    for old, size in TREES:
        read: list[tuple[int, int]] = []

        def reader(level: int, position: int, seen: list[tuple[int, int]] = read) -> bytes:
            seen.append((level, position))
            return held(level, position)

        consistency_proof(old, size, reader)
        assert sorted(read) == sorted(consistency_nodes(old, size))
        read.clear()
        inclusion_proof(old - 1, size, reader)
        assert sorted(read) == sorted(inclusion_nodes(old - 1, size))


@settings(max_examples=150)
@given(st.data())
def test_no_flipped_bit_of_an_inclusion_proof_is_accepted(data: st.DataObject) -> None:
    size = data.draw(st.integers(2, 70))
    index = data.draw(st.integers(0, size - 1))
    leaf, root = leaf_hash(ENTRIES[index]), root_at(size, held)
    proof = list(inclusion_proof(index, size, held))
    at, bit = data.draw(st.integers(0, len(proof) - 1)), data.draw(st.integers(0, 255))
    proof[at] = flipped(proof[at], bit)
    assert code(lambda: check_inclusion(index, size, leaf, proof, root)) == "inclusion_proof"


@settings(max_examples=150)
@given(st.data())
def test_no_flipped_bit_of_a_consistency_proof_is_accepted(data: st.DataObject) -> None:
    size = data.draw(st.integers(2, 70))
    old = data.draw(st.integers(1, size - 1))
    proof = list(consistency_proof(old, size, held))
    at, bit = data.draw(st.integers(0, len(proof) - 1)), data.draw(st.integers(0, 255))
    proof[at] = flipped(proof[at], bit)
    before, root = root_at(old, held), root_at(size, held)
    assert code(lambda: check_consistency(old, size, proof, before, root)) == "consistency_proof"


@pytest.mark.parametrize(("old", "size"), [(1, 2), (3, 7), (4, 7), (6, 7), (8, 13), (33, 64)])
def test_another_place_length_or_root_is_refused(old: int, size: int) -> None:
    root = root_at(size, held)
    proof = inclusion_proof(old, size, held)
    leaf = leaf_hash(ENTRIES[old])
    check_inclusion(old, size, leaf, proof, root)
    for wrong in [
        lambda: check_inclusion(old, size, leaf, proof[:-1], root),
        lambda: check_inclusion(old, size, leaf, (*proof, root), root),
        lambda: check_inclusion(old - 1, size, leaf, proof, root),
        lambda: check_inclusion(old, size, leaf, proof, flipped(root, 9)),
    ]:
        assert code(wrong) == "inclusion_proof"
    between = consistency_proof(old, size, held)
    before = root_at(old, held)
    for wrong in [
        lambda: check_consistency(old, size, between[:-1], before, root),
        lambda: check_consistency(old, size, between[1:], before, root),
        lambda: check_consistency(old, size, (*between, root), before, root),
        lambda: check_consistency(old, size, between, flipped(before, 255), root),
        lambda: check_consistency(old, size, between, before, flipped(root, 0)),
        lambda: check_consistency(old, size, between, root, before),
    ]:
        assert code(wrong) == "consistency_proof"


def test_a_proof_that_is_too_long_is_refused_as_that() -> None:
    root = root_at(3, held)
    with pytest.raises(Refused, match="3 hashes are too many"):
        check_inclusion(0, 3, leaf_hash(ENTRIES[0]), (*inclusion_proof(0, 3, held), root), root)
    with pytest.raises(Refused, match="2 hashes are too many"):
        check_consistency(2, 3, (*consistency_proof(2, 3, held), root), root_at(2, held), root)


def test_empty_and_impossible_trees() -> None:
    leaf = leaf_hash(b"")
    assert (
        consistency_proof(0, 0, held) == consistency_proof(0, 5, held) == consistency_proof(5, 5, held) == ()
    )
    check_consistency(5, 5, (), mth(ENTRIES[:5]), mth(ENTRIES[:5]))
    check_inclusion(0, 1, leaf, (), leaf)
    assert code(lambda: check_inclusion(0, 0, leaf, (), EMPTY_ROOT)) == "log_index"
    assert code(lambda: check_inclusion(-1, 1, leaf, (), leaf)) == "log_index"
    assert code(lambda: check_inclusion(0, 1, leaf, (leaf,), leaf)) == "inclusion_proof"
    assert code(lambda: check_inclusion(0, 2, leaf, (leaf[1:],), leaf)) == "hash_bytes"
    assert code(lambda: check_inclusion(0, SIZE_MAX + 1, leaf, (), leaf)) == "log_size"
    assert code(lambda: check_consistency(0, 0, (), EMPTY_ROOT, EMPTY_ROOT)) == "log_size"
    assert code(lambda: check_consistency(0, 5, (), EMPTY_ROOT, mth(ENTRIES[:5]))) == "log_size"
    assert code(lambda: check_consistency(5, 4, (), leaf, leaf)) == "log_size"
    assert code(lambda: check_consistency(5, 5, (leaf,), leaf, leaf)) == "consistency_proof"
    assert code(lambda: inclusion_proof(5, 5, held)) == "log_index"
    assert code(lambda: consistency_proof(6, 5, held)) == "log_size"


def test_a_proof_at_the_largest_size_is_short_and_holds() -> None:
    """63 levels: what a witness accepts at most."""
    blank = bytes(32)
    nodes = inclusion_nodes(0, SIZE_MAX)
    assert len(inclusion_proof(SIZE_MAX // 3, SIZE_MAX, lambda level, position: blank)) <= 63
    assert len(nodes) < 2 * 63
