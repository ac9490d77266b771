"""Notes that others signed and published: those of golang.org/x/mod/sumdb/note, the first implementation, and
the examples of C2SP's signed-note and tlog-checkpoint. The malformed ones are refused."""

from __future__ import annotations

import base64

import pytest

from ledger.refusal import Refused
from ledger.transparency.checkpoint import Checkpoint
from ledger.transparency.note import Note, open_note, sign_text
from ledger.transparency.note_key import KeyKind, NoteKey, NoteSigner

PETER = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
PETERS_SECRET = "AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
"""Published with the test, as a kind of key and a seed: nothing rests on it."""
ENOCH = "EnochRoot+af0cfe78+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop"
TEXT = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
PETER_SIGNED = (
    "\u2014 PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6"
    "KE6RyyBwJnAM=\n"
)
ENOCH_SIGNED = (
    "\u2014 EnochRoot rwz+eBzmZa0SO3NbfRGzPCpDckykFXSdeX+MNtCOXm2/5n2tiOHp+vAF1aGrQ5ovTG01oOTGwnWLox33WWd1RvM"
    "c+QQ=\n"
)
BOTH = f"{TEXT}\n{PETER_SIGNED}{ENOCH_SIGNED}".encode()
SALVATORE = (
    "Ognuno sta solo sul cuor della terra\ntrafitto da un raggio di sole:\n\ned è subito sera.\n\n"
    "\u2014 quasimodo.example/salvatore NnugSzTjtVAewIS+Z/iJhUPeFDkO/5QQ2i5ddnGITLlC+EhfLW9oJKONrMouFSQU0x"
    "McXxj99ihAQwaqP3ZekRwNtIc=\n"
)
SOFA = (
    "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n"
    "\u2014 example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gG"
    "zGku9nTo+zyWE+xeMcTOAYQ8=\n"
)


def test_both_signatures_open() -> None:
    peter, enoch = NoteKey.parse(PETER), NoteKey.parse(ENOCH)
    assert (str(peter), str(enoch)) == (PETER, ENOCH)
    note = Note.parse(BOTH)
    assert note.content() == BOTH
    assert [key for key, _ in open_note(note, [peter, enoch]).by] == [peter, enoch]
    one = open_note(note, [peter])
    assert (one.text, [key for key, _ in one.by], len(one.unknown)) == (TEXT, [peter], 1)
    with pytest.raises(Refused):
        open_note(note, [])


def test_the_same_seed_signs_the_same_bytes() -> None:
    typed = base64.b64decode(PETERS_SECRET)
    signer = NoteSigner.of_seed("PeterNeumann", KeyKind(typed[0]), typed[1:])
    assert str(signer.key) == PETER
    assert sign_text(TEXT, [signer]).content().decode() == f"{TEXT}\n{PETER_SIGNED}"


def test_a_signature_of_other_bytes_is_refused() -> None:
    bent = f"{TEXT}\n{PETER_SIGNED[:60]}ABCD{PETER_SIGNED[60:]}"
    with pytest.raises(Refused):
        open_note(Note.parse(bent.encode()), [NoteKey.parse(PETER)])


@pytest.mark.parametrize(
    "content",
    [
        TEXT.encode(),
        f"{TEXT}\n".encode(),
        f"{TEXT}\n{PETER_SIGNED[:-1]}".encode(),
        f"\x01{TEXT}\n{PETER_SIGNED}".encode(),
        b"\xff" + f"{TEXT}\n{PETER_SIGNED}".encode(),
        f"{TEXT}\n{PETER_SIGNED}".replace("PeterNeumann", "Bad Name").encode(),
        f"{TEXT}\n{PETER_SIGNED}Unexpected line.\n".encode(),
        f"{TEXT}\n{PETER_SIGNED * 101}".encode(),
    ],
)
def test_malformed_notes_are_refused(content: bytes) -> None:
    with pytest.raises(Refused):
        open_note(Note.parse(content), [NoteKey.parse(PETER)])


def test_no_part_of_a_key_and_no_changed_key_is_one() -> None:
    wrong = [PETER[:end] for end in range(len(PETER))] + [PETER[start:] for start in range(1, len(PETER))]
    wrong += [PETER[:at] + chr(ord(PETER[at]) + 1) + PETER[at + 1 :] for at in range(len(PETER))]
    wrong += [
        "PeterNeumann+cc469956+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TWBADKEY==",
        "PeterNeumann+173116ae+ZRpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
    ]
    for key in wrong:
        with pytest.raises(Refused):
            NoteKey.parse(key)


def test_the_specifications_examples_read_back() -> None:
    poem = Note.parse(SALVATORE.encode())
    assert (poem.content().decode(), poem.text.count("\n")) == (SALVATORE, 4)
    sofa = Note.parse(SOFA.encode())
    checkpoint = Checkpoint.parse(sofa.text)
    assert (checkpoint.origin, checkpoint.size) == ("example.com/behind-the-sofa", 20_852_163)
    assert checkpoint.text == sofa.text
