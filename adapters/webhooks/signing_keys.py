"""The keys that webhooks are signed with: files that only their owner reads, named by the key's id."""

from __future__ import annotations

import base64
import secrets
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from standardwebhooks import Webhook as Signer

from adapters.embedded.child import private_folder, secret_file
from ledger.identity import checked_id
from ledger.refusal import Refused

_BYTES: Final = 32
_PREFIX: Final = "whsec_"


class SigningKeys:
    """Those of one book, in `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, key_id: str) -> Path:
        return self.folder / f"{checked_id(key_id, 'key_id')}.whsec"

    def made(self, key_id: str) -> str:
        """The secret to give to the receiver (`whsec_` and base64), made on first use."""
        private_folder(self.folder)
        fresh = _PREFIX + base64.b64encode(secrets.token_bytes(_BYTES)).decode()
        return secret_file(self.path(key_id), fresh.encode()).read_text(encoding="ascii").strip()

    def headers(self, key_id: str, message: str, body: bytes, now: datetime) -> dict[str, str]:
        """What signs a body that is sent now (Standard Webhooks 1.0).

        Raises:
            Refused: `webhook_key` when the key's file is not here.
        """
        path = self.path(key_id)
        if not path.exists():
            raise Refused("webhook_key", f"there is no key file {path}", place="key_id")
        at = now.astimezone(UTC)
        signature = Signer(path.read_text(encoding="ascii").strip()).sign(message, at, body.decode())
        return {
            "webhook-id": message,
            "webhook-timestamp": str(int(at.timestamp())),
            "webhook-signature": signature,
        }
