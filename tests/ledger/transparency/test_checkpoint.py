"""Checkpoints: what a log says, that it only appends, and that two stories are caught."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.transparency.checkpoint import Checkpoint, check_held, extends, open_checkpoint
from ledger.transparency.merkle import SIZE_MAX, consistency_proof
from ledger.transparency.note import Note, cosign
from tests.ledger.transparency import naive_tree
from tests.ledger.transparency.naive_tree import mth, numbered
from tests.ledger.transparency.refusal_code import code, flipped
from tests.ledger.transparency.signers import LOG, OTHER, WITNESS

ORIGIN = "log.example/main"
ENTRIES = numbered(40)
ALTERED = [*ENTRIES[:3], b"another story", *ENTRIES[4:]]
ROOT = "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I="


def held(level: int, position: int) -> bytes:
    return naive_tree.subtree(ENTRIES, level, position)


def at(size: int, entries: list[bytes] = ENTRIES) -> Checkpoint:
    return Checkpoint(ORIGIN, size, mth(entries[:size]))


def test_worked_text() -> None:
    checkpoint = Checkpoint(ORIGIN, 20_852_163, base64.b64decode(ROOT))
    assert checkpoint.text == f"log.example/main\n20852163\n{ROOT}\n"
    assert Checkpoint.parse(checkpoint.text) == checkpoint
    assert at(0).text == "log.example/main\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n"
    extended = Checkpoint(ORIGIN, 5, bytes(32), ("one", "two +"))
    assert extended.text.endswith("=\none\ntwo +\n")
    assert Checkpoint.parse(extended.text) == extended


LINES = st.text(st.characters(min_codepoint=32, max_codepoint=300), min_size=1, max_size=9)


@settings(max_examples=100)
@given(LINES, st.integers(1, SIZE_MAX), st.binary(min_size=32, max_size=32), st.lists(LINES, max_size=2))
def test_a_checkpoint_reads_back(origin: str, size: int, root: bytes, extensions: list[str]) -> None:
    checkpoint = Checkpoint(origin, size, root, tuple(extensions))
    assert Checkpoint.parse(checkpoint.text) == checkpoint


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "checkpoint"),
        (f"o\n1\n{ROOT}", "checkpoint"),
        ("o\n1\n", "checkpoint"),
        (f"\n1\n{ROOT}\n", "checkpoint"),
        (f"o\n01\n{ROOT}\n", "checkpoint"),
        (f"o\n00\n{ROOT}\n", "checkpoint"),
        (f"o\n-1\n{ROOT}\n", "checkpoint"),
        (f"o\n+1\n{ROOT}\n", "checkpoint"),
        (f"o\n1 \n{ROOT}\n", "checkpoint"),
        (f"o\n0x1\n{ROOT}\n", "checkpoint"),
        (f"o\n\u0661\n{ROOT}\n", "checkpoint"),
        (f"o\n\n{ROOT}\n", "checkpoint"),
        (f"o\n{'9' * 5000}\n{ROOT}\n", "checkpoint"),
        (f"o\n0\n{ROOT}\n", "checkpoint"),
        (f"o\n1\n{ROOT}\na", "checkpoint"),
        (f"o\n1\n{ROOT}\n\n", "checkpoint"),
        (f"o\n1\n{ROOT}\na\n\nb\n", "checkpoint"),
        (f"o\n{2**63}\n{ROOT}\n", "log_size"),
        ("o\n1\nYmFuYW5hcw==\n", "hash_bytes"),
        ("o\n1\n\n", "hash_bytes"),
        (f"o\n1\n{ROOT[:-1]}\n", "base64"),
        (f"o\n1\n{ROOT[:-2]}J=\n", "base64"),
        (f"o\n1\n{ROOT}x\n", "base64"),
        (f"o\x1f\n1\n{ROOT}\n", "note"),
    ],
)
def test_other_texts_are_refused(text: str, expected: str) -> None:
    assert code(lambda: Checkpoint.parse(text)) == expected


def test_fields_that_would_make_another_text_are_refused() -> None:
    assert code(lambda: Checkpoint("a\nb", 1, bytes(32))) == "checkpoint"
    assert code(lambda: Checkpoint("a", 1, bytes(32), ("",))) == "checkpoint"
    assert code(lambda: Checkpoint("a", -1, bytes(32))) == "log_size"
    assert code(lambda: Checkpoint("a", 1, bytes(31))) == "hash_bytes"


def test_a_log_signs_and_a_witness_cosigns() -> None:
    checkpoint = at(7)
    note = checkpoint.signed(LOG)
    note = Note.parse(note.with_signature(cosign(note.text, WITNESS, 1_785_542_400)).content())
    opened = open_checkpoint(note, ORIGIN, LOG.key, [WITNESS.key])
    assert opened.checkpoint == checkpoint
    assert opened.note.witnessed_s == {WITNESS.key: 1_785_542_400}
    assert code(lambda: checkpoint.signed(OTHER)) == "checkpoint_origin"
    assert code(lambda: open_checkpoint(note, "log.example/other", LOG.key)) == "checkpoint_origin"
    assert code(lambda: open_checkpoint(note, ORIGIN, OTHER.key, [WITNESS.key])) == "note_unsigned"
    assert code(lambda: open_checkpoint(note, ORIGIN, WITNESS.key)) == "note_signer"
    later = Note(at(8).text, note.signatures)
    assert code(lambda: open_checkpoint(later, ORIGIN, LOG.key)) == "note_forged"


@settings(max_examples=100)
@given(st.integers(0, 40), st.integers(0, 40))
def test_what_only_appends_is_accepted(one: int, other: int) -> None:
    old, size = sorted((one, other))
    extends(at(old), at(size), consistency_proof(old, size, held))


@settings(max_examples=100)
@given(st.integers(4, 40), st.integers(4, 40), st.booleans())
def test_a_split_view_is_caught(one: int, other: int, honest_first: bool) -> None:
    """A log that altered entry 3 has no proof for who saw the other story, from whichever tree."""
    old, size = sorted((one, other))
    stories = (ENTRIES, ALTERED) if honest_first else (ALTERED, ENTRIES)
    before, after = at(old, stories[0]), at(size, stories[1])
    for entries in stories:
        proof = naive_tree.proof(old, entries[:size])
        assert code(lambda proof=proof: extends(before, after, proof)) == "split_view"
    assert code(lambda: extends(before, after, ())) == "split_view"


def test_which_checkpoints_are_not_compared() -> None:
    proof = consistency_proof(5, 9, held)
    assert code(lambda: extends(at(9), at(5), proof)) == "checkpoint_behind"
    foreign = Checkpoint("log.example/other", 9, at(9).root)
    assert code(lambda: extends(at(5), foreign, proof)) == "checkpoint_origin"
    assert code(lambda: extends(at(5), at(9), proof[1:])) == "split_view"
    assert code(lambda: extends(at(5), at(9), (proof[0][1:], *proof[1:]))) == "hash_bytes"
    assert code(lambda: extends(at(5), at(5), proof)) == "consistency_proof"
    assert code(lambda: extends(at(0), at(5), proof)) == "consistency_proof"
    forged = Checkpoint(ORIGIN, 5, flipped(at(5).root, 0))
    assert code(lambda: extends(at(5), forged, ())) == "split_view"


def test_a_checkpoint_is_compared_with_what_is_held() -> None:
    for size in range(41):
        check_held(at(size), 40, held)
    assert code(lambda: check_held(at(9, ALTERED), 40, held)) == "split_view"
    check_held(at(3, ALTERED), 40, held)
    assert code(lambda: check_held(at(9), 8, held)) == "checkpoint_ahead"
