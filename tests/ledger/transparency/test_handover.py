"""A log is handed from one key to the next by a checkpoint that both sign."""

from __future__ import annotations

from functools import partial

import pytest
from msgspec.structs import replace

from ledger.transparency.checkpoint import Checkpoint
from ledger.transparency.handover import Handover, LogKeys
from ledger.transparency.merkle import leaf_hash
from ledger.transparency.note import Note, sign_text
from ledger.transparency.note_key import KeyKind, NoteSigner
from tests.ledger.transparency.refusal_code import code
from tests.ledger.transparency.signers import LOG, OTHER

FIRST, SECOND, THIRD = (
    NoteSigner.of_seed(LOG.key.name, KeyKind.ED25519, bytes([number] * 32)) for number in (1, 2, 3)
)


def checkpoint(size: int) -> Checkpoint:
    return Checkpoint(LOG.key.name, size, leaf_hash(b"%d" % size))


ONE = Handover.signed(checkpoint(10), FIRST, SECOND)
TWO = Handover.signed(checkpoint(20), SECOND, THIRD)


def test_it_names_both_keys_and_both_signed_it() -> None:
    assert Handover.opened(Note.parse(ONE.note.content())) == ONE
    assert [one.key_id for one in ONE.note.signatures] == [FIRST.key.key_id, SECOND.key.key_id]
    lines = ONE.note.text.splitlines()
    assert lines[3:] == [f"former-key {FIRST.key}", f"next-key {SECOND.key}"]
    assert Checkpoint.parse(ONE.note.text).size == 10


@pytest.mark.parametrize("signers", [[FIRST], [SECOND], [FIRST, THIRD], [SECOND, THIRD]])
def test_one_signature_hands_nothing_over(signers: list[NoteSigner]) -> None:
    note = sign_text(ONE.note.text, signers)
    assert code(partial(Handover.opened, note)) == "key_handover"


def test_a_signature_of_another_text_is_refused() -> None:
    stolen = Note(ONE.note.text, Handover.signed(checkpoint(11), FIRST, SECOND).note.signatures)
    assert code(partial(Handover.opened, stolen)) == "note_forged"


def test_a_plain_checkpoint_and_keys_of_another_log_are_no_handover() -> None:
    assert code(partial(Handover.opened, checkpoint(10).signed(LOG))) == "key_handover"
    assert code(partial(Handover.signed, checkpoint(10), FIRST, OTHER)) == "key_handover"
    assert code(partial(Handover.signed, checkpoint(10), FIRST, FIRST)) == "key_handover"
    foreign = replace(checkpoint(10), extensions=(f"former-key {FIRST.key}", f"next-key {OTHER.key}"))
    assert code(partial(Handover.opened, sign_text(foreign.text, [FIRST, OTHER]))) == "key_handover"


def test_each_key_counts_up_to_its_handover() -> None:
    keys = LogKeys.leading_to(THIRD.key, [TWO, ONE])
    assert keys.handovers == (ONE, TWO)
    whose = [keys.at(size) for size in (0, 10, 11, 20, 21)]
    assert whose == [FIRST.key, FIRST.key, SECOND.key, SECOND.key, THIRD.key]


def test_what_does_not_lead_to_the_key_is_left_out() -> None:
    """A handover that was begun and not finished, before and after it was done."""
    begun = Handover.signed(checkpoint(8), FIRST, SECOND)
    assert LogKeys.leading_to(FIRST.key, [ONE]) == LogKeys(FIRST.key)
    assert LogKeys.leading_to(SECOND.key, [ONE, begun]).handovers == (ONE,)
    foreign = Handover.signed(checkpoint(30), SECOND, LOG)
    assert LogKeys.leading_to(THIRD.key, [foreign, TWO, ONE, begun]).handovers == (ONE, TWO)
