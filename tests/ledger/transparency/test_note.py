"""Signed notes: the text counts only under a known key, and what is malformed is named."""

from __future__ import annotations

import base64
import hashlib

import pytest
from Crypto.PublicKey import ECC
from Crypto.Signature import eddsa
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.refusal import Refused
from ledger.transparency.base64_text import base64_bytes
from ledger.transparency.cosignature import TIME_MAX_S, cosigned_message, cosigned_time, timestamped
from ledger.transparency.note import Note, NoteSignature, cosign, open_note, sign_text
from ledger.transparency.note_key import KeyKind, NoteKey, NoteSigner
from tests.ledger.transparency.refusal_code import code
from tests.ledger.transparency.signers import LOG, OTHER, WITNESS

TEXT = "log.example/main\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n"
NOTE = sign_text(TEXT, [LOG])
LINE = NOTE.signatures[0].line


def test_another_library_agrees_on_every_byte() -> None:
    """The note put together by hand, signed by PyCryptodome."""
    secret = ECC.construct(curve="Ed25519", seed=bytes(range(32)))
    public = secret.public_key().export_key(format="raw")
    key_id = hashlib.sha256(b"log.example/main\n\x01" + public).digest()[:4]
    signature = eddsa.new(secret, "rfc8032").sign(TEXT.encode())
    line = "\u2014 log.example/main " + base64.b64encode(key_id + signature).decode() + "\n"
    assert NOTE.content().decode() == f"{TEXT}\n{line}"
    typed = base64.b64encode(b"\x01" + public).decode()
    assert str(LOG.key) == f"log.example/main+{key_id.hex()}+{typed}"
    witness = ECC.construct(curve="Ed25519", seed=bytes(range(2, 34)))
    by_hand = eddsa.new(witness, "rfc8032").sign(b"cosignature/v1\ntime 1679315147\n" + TEXT.encode())
    assert cosign(TEXT, WITNESS, 1_679_315_147).signature == (1_679_315_147).to_bytes(8, "big") + by_hand


def test_rfc_8032_vector() -> None:
    """Test 1 of its section 7.1: the key and the signature of no message at all."""
    public = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
    signature = (
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
        "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"
    )
    key = NoteKey("rfc8032", KeyKind.ED25519, bytes.fromhex(public))
    assert key.accepts("", bytes.fromhex(signature))
    assert not key.accepts("\n", bytes.fromhex(signature))


def test_a_note_reads_back_and_opens() -> None:
    cosigned = NOTE.with_signature(cosign(TEXT, WITNESS, 1_785_542_400))
    assert Note.parse(cosigned.content()) == cosigned
    opened = open_note(cosigned, [LOG.key, WITNESS.key])
    assert opened.text == TEXT
    assert [key for key, _ in opened.by] == [LOG.key, WITNESS.key]
    assert opened.witnessed_s == {WITNESS.key: 1_785_542_400}
    assert open_note(cosigned, [LOG.key]).unknown == (cosigned.signatures[1],)
    assert open_note(cosigned, [LOG.key]).witnessed_s == {}


def test_a_text_may_hold_empty_lines_and_lines_like_signatures() -> None:
    for text in ["\n", "\n\n", "a\n\nb\n", f"a\n\n{LINE}\n\n", "ed è subito sera\n\n"]:
        note = sign_text(text, [LOG, OTHER])
        assert Note.parse(note.content()) == note
        assert open_note(Note.parse(note.content()), [OTHER.key]).text == text


@settings(max_examples=100)
@given(st.integers(0, 8 * len(NOTE.content()) - 1))
def test_no_flipped_bit_of_a_note_is_accepted(bit: int) -> None:
    content = bytearray(NOTE.content())
    content[bit // 8] ^= 1 << bit % 8
    with pytest.raises(Refused):
        open_note(Note.parse(bytes(content)), [LOG.key])


@settings(max_examples=100)
@given(st.binary(max_size=80), st.binary(max_size=80))
def test_whatever_bytes_come_are_a_note_or_refused(start: bytes, end: bytes) -> None:
    for content in (start, start + b"\n\n\xe2\x80\x94 a " + base64.b64encode(end) + b"\n"):
        try:
            note = Note.parse(content)
        except Refused as refused:
            assert refused.code.startswith("note") or refused.code == "base64"
        else:
            assert note.content() == content


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (TEXT, "note"),
        (TEXT + "\n", "note"),
        (TEXT + LINE, "note"),
        ("\n" + LINE, "note"),
        ("", "note"),
        (f"{TEXT}\n{LINE}"[:-1], "note"),
        (f"a\tb\n{TEXT}\n{LINE}", "note"),
        (f"a\r\n{TEXT}\n{LINE}", "note"),
        (f"a\0\n{TEXT}\n{LINE}", "note"),
        (f"{TEXT}\n{LINE}more\n", "note_signature"),
        (f"{TEXT}\n- log.example/main AAAAAAA=\n", "note_signature"),
        (f"{TEXT}\n\u2014 log.example/main\n", "note_signature"),
        (f"{TEXT}\n\u2014 log.example/main AAAAAA==\n", "note_signature"),
        (f"{TEXT}\n\u2014 log.example/main  AAAAAAA=\n", "base64"),
        (f"{TEXT}\n\u2014 log.example/main AAAAAAA\n", "base64"),
        (f"{TEXT}\n\u2014 log.example/main AAAAAAB=\n", "base64"),
        (f"{TEXT}\n\u2014 log.example/main AAAA-_A=\n", "base64"),
        (f"{TEXT}\n\u2014  AAAAAAA=\n", "note_key_name"),
        (f"{TEXT}\n\u2014 a+b AAAAAAA=\n", "note_key_name"),
        (f"{TEXT}\n\u2014 a\u2003b AAAAAAA=\n", "note_key_name"),
        (f"{TEXT}\n{LINE * 101}", "note_signatures"),
        ("x" * 1_000_000 + f"\n\n{LINE}", "note_size"),
    ],
)
def test_malformed_notes_are_refused(content: str, expected: str) -> None:
    assert code(lambda: Note.parse(content.encode())) == expected


def test_what_is_not_utf_8_is_refused() -> None:
    assert code(lambda: Note.parse(b"\xff" + NOTE.content())) == "note"
    assert code(lambda: sign_text("\ud800\n", [LOG])) == "note"
    assert code(lambda: NoteKey("\ud800", KeyKind.ED25519, bytes(32))) == "note_key_name"


def test_a_hundred_signatures_are_accepted() -> None:
    """The standard asks for 16 at least; one key's repeated line counts once."""
    opened = open_note(Note.parse(f"{TEXT}\n{LINE * 100}".encode()), [LOG.key])
    assert len(opened.by) == 1


def test_who_signed() -> None:
    forged = NoteSignature(LOG.key.name, LOG.key.key_id, NOTE.signatures[0].signature[::-1])
    assert code(lambda: open_note(Note(TEXT, (forged,)), [LOG.key])) == "note_forged"
    assert code(lambda: open_note(Note(TEXT, (*NOTE.signatures, forged)), [LOG.key])) == "note_forged"
    assert code(lambda: open_note(NOTE, [OTHER.key])) == "note_unsigned"
    assert code(lambda: open_note(NOTE, [])) == "note_unsigned"
    assert code(lambda: open_note(NOTE, [LOG.key, LOG.key])) == "note_keys"
    renamed = NoteKey("log.example/other", KeyKind.ED25519, LOG.key.public_key)
    assert code(lambda: open_note(NOTE, [renamed])) == "note_unsigned"
    for short in (b"", b"1", bytes(63), bytes(65)):
        assert not LOG.key.accepts(TEXT, short)
        assert not WITNESS.key.accepts(TEXT, short)


def test_a_cosignature_is_not_a_signature() -> None:
    """One secret under both kinds: neither's line is taken for the other's."""
    seed = bytes(range(2, 34))
    plain = NoteSigner.of_seed(WITNESS.key.name, KeyKind.ED25519, seed)
    assert plain.key.public_key == WITNESS.key.public_key
    assert plain.key.key_id != WITNESS.key.key_id
    stamped = cosign(TEXT, WITNESS, 5)
    assert not plain.key.accepts(TEXT, stamped.signature)
    assert not plain.key.accepts(TEXT, stamped.signature[8:])
    assert not WITNESS.key.accepts(TEXT, timestamped(5, plain.sign(TEXT.encode())))
    assert not WITNESS.key.accepts(TEXT, timestamped(6, stamped.signature[8:]))
    asked: list[bytes] = []
    for signer, call in (
        (WITNESS, lambda wrong: sign_text(TEXT, [wrong])),
        (LOG, lambda wrong: cosign(TEXT, wrong, 5)),
    ):
        recording = NoteSigner(signer.key, lambda message: asked.append(message) or bytes(64))
        assert code(lambda use=call, wrong=recording: use(wrong)) == "note_signer"
    assert not asked, "the secret was not even used"


def test_the_time_of_a_cosignature() -> None:
    assert cosigned_message("x\n", 0) == b"cosignature/v1\ntime 0\nx\n"
    assert cosigned_time(timestamped(TIME_MAX_S, bytes(64))) == TIME_MAX_S
    assert cosigned_time((TIME_MAX_S + 1).to_bytes(8, "big") + bytes(64)) is None
    assert cosigned_time(timestamped(5, bytes(63))) is None
    assert code(lambda: cosign(TEXT, WITNESS, -1)) == "cosignature_time"
    assert code(lambda: timestamped(TIME_MAX_S + 1, bytes(64))) == "cosignature_time"


def test_a_signer_with_anothers_secret_is_refused() -> None:
    """Else a wrong key file would be found out only by whoever checks."""
    assert code(lambda: sign_text(TEXT, [NoteSigner(LOG.key, OTHER.sign)])) == "note_signer"
    assert code(lambda: sign_text(TEXT, [])) == "note_signatures"
    assert code(lambda: sign_text("no end", [LOG])) == "note"
    assert code(lambda: NoteSigner.of_seed("a", KeyKind.ED25519, bytes(31))) == "note_seed"
    assert bytes(range(32)).hex() not in repr(LOG)


def test_a_new_signature_replaces_the_same_keys() -> None:
    first = NOTE.with_signature(cosign(TEXT, WITNESS, 1))
    second = first.with_signature(cosign(TEXT, WITNESS, 2))
    assert len(second.signatures) == 2
    assert open_note(second, [WITNESS.key]).witnessed_s == {WITNESS.key: 2}


def test_verifier_keys() -> None:
    for key in (LOG.key, WITNESS.key):
        assert NoteKey.parse(str(key)) == key
    name, key_id, encoded = str(LOG.key).split("+", 2)
    wrong = {
        "": "note_key",
        name: "note_key",
        f"{name}+{key_id}": "note_key",
        f"{name}+{key_id.upper()}+{encoded}": "note_key",
        f"{name}+00000000+{encoded}": "note_key",
        f"{name}x+{key_id}+{encoded}": "note_key",
        f"+{key_id}+{encoded}": "note_key_name",
        f"{name}+{key_id}+{encoded[:-4]}": "note_key",
        f"{name}+{key_id}+{encoded} ": "base64",
        f"{name}+{key_id}+{encoded}+": "base64",
        f"{name}+{key_id}+AgAA": "note_key",
    }
    for text, expected in wrong.items():
        assert (text, code(lambda key=text: NoteKey.parse(key))) == (text, expected)


@settings(max_examples=200)
@given(st.text("AB/+=\n", max_size=8))
def test_base64_has_one_spelling(text: str) -> None:
    try:
        value = base64_bytes(text, "here")
    except Refused as refused:
        assert (refused.code, refused.place) == ("base64", "here")
    else:
        assert base64.b64encode(value).decode() == text
