"""The key that signs a book's checkpoints: a seed file that is made once and stays on its machine."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from adapters.embedded.child import private_folder
from ledger.refusal import Refused
from ledger.transparency.base64_text import base64_bytes, base64_text
from ledger.transparency.note_key import SEED_BYTES, KeyKind, NoteSigner


def signer_of(file: Path, origin: str) -> NoteSigner | None:
    """Who signs as `origin` with the seed in a file; None without the file.

    Raises:
        Refused: `log_key` for a file that is not a seed; nothing of it is shown. `note_key_name`.
    """
    try:
        text = file.read_text("ascii")
    except FileNotFoundError:
        return None
    except UnicodeDecodeError:
        raise _no_seed(file) from None
    try:
        seed = base64_bytes(text.removesuffix("\n"), "seed")
    except Refused:
        raise _no_seed(file) from None
    if len(seed) != SEED_BYTES:
        raise _no_seed(file)
    return NoteSigner.of_seed(origin, KeyKind.ED25519, seed)


def make_seed(file: Path) -> None:
    """Write a new seed, readable by its owner only, unless the file is there.

    Whoever is first makes it: two processes that start together end with one key.
    """
    if not file.parent.is_dir():
        private_folder(file.parent)
    partial = file.with_name(f"{file.name}.{secrets.token_hex(6)}")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as new:
        new.write(base64_text(secrets.token_bytes(SEED_BYTES)) + "\n")
        new.flush()
        os.fsync(new.fileno())
    try:
        os.link(partial, file)
    except FileExistsError:
        return
    finally:
        partial.unlink()


def next_key_file(file: Path) -> Path:
    """Where the key that a log is handed to waits until it is."""
    return file.with_name(f"{file.name}.next")


def adopt(file: Path) -> None:
    """Put the next key in the place of the one before, of which nothing is left: on the disk on return."""
    next_key_file(file).rename(file)
    descriptor = os.open(file.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _no_seed(file: Path) -> Refused:
    return Refused(
        "log_key", f"{file} does not hold {SEED_BYTES} bytes in base64", place="WATTLEDGER_LOG_KEY"
    )
