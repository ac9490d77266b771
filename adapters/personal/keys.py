"""A key for each natural person, in a folder that no backup of the book holds."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Final

from nacl.secret import SecretBox

from adapters.embedded.child import private_folder
from adapters.integrity.evidence import sync_folder
from ledger.identity import checked_id
from ledger.refusal import Refused

_KEY_BYTES: Final = SecretBox.KEY_SIZE


class PersonalKeys:
    """The keys of one book's persons: `<id>.key`, or once it was destroyed an empty `<id>.erased`.

    The mark stays, so that neither a copy of a key that is put back nor a restored book, which knows of no
    erasure yet, shows the person again.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def make(self, person: str) -> bytes:
        """A new key, on the disk when this returns.

        Raises:
            Refused: `exists` where there is one; `person_erased` where there was one.
        """
        private_folder(self.folder)
        if self._mark(person).exists():
            raise Refused("person_erased", f"the key of {person} was destroyed", place="person")
        key = secrets.token_bytes(_KEY_BYTES)
        partial = self.folder / f".{person}.{secrets.token_hex(6)}"
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as new:
            new.write(key)
            new.flush()
            os.fsync(new.fileno())
        try:
            os.link(partial, self._file(person))
        except FileExistsError:
            raise Refused("exists", f"person {person} has a key", place="person") from None
        finally:
            partial.unlink()
        sync_folder(self.folder)
        return key

    def find(self, person: str) -> bytes | None:
        """The person's key; None where it is not here or was destroyed.

        Raises:
            Refused: `personal_key` for a file that is none.
        """
        if self._mark(person).exists():
            return None
        try:
            key = self._file(person).read_bytes()
        except FileNotFoundError:
            return None
        if len(key) != _KEY_BYTES:
            raise Refused("personal_key", f"{person}.key does not hold {_KEY_BYTES} bytes", place=person)
        return key

    def destroy(self, person: str) -> None:
        """Destroy the key for good: mark it, overwrite it, unlink it, each on the disk before the next.

        Done twice, or where there is no key, it leaves the mark. A disk that writes elsewhere (SSD,
        copy-on-write) may keep the overwritten block until it is used again: encrypt the folder's volume.
        """
        private_folder(self.folder)
        self._mark(person).touch(mode=0o600)
        sync_folder(self.folder)
        file = self._file(person)
        if file.exists():
            with file.open("r+b", buffering=0) as old:
                old.write(secrets.token_bytes(max(_KEY_BYTES, file.stat().st_size)))
                os.fsync(old.fileno())
            file.unlink()
            sync_folder(self.folder)

    def _file(self, person: str) -> Path:
        return self.folder / f"{checked_id(person, 'person')}.key"

    def _mark(self, person: str) -> Path:
        return self.folder / f"{checked_id(person, 'person')}.erased"
