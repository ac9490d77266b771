"""API keys' secrets: random, shown once, recorded only as their SHA-256."""

from __future__ import annotations

import hashlib
import secrets
from typing import Final

_BYTES: Final = 32


def new_secret() -> str:
    """32 random bytes as text that needs no escaping in a header, and is no option on a command line."""
    while (secret := secrets.token_urlsafe(_BYTES)).startswith("-"):
        continue
    return secret


def digest_of(secret: str) -> str:
    """What is recorded of a secret. It has 256 random bits, so a plain hash cannot be searched."""
    return hashlib.sha256(secret.encode()).hexdigest()
