"""What one party is told of a settlement run, as the bytes that are committed to.

It is the party's statement, which holds nothing of anybody else, and one anonymous sum for all the others:
in the open where the contract shows the pool, else as a commitment that only the auditor can open
(DESIGN.md Security).
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Final, Self

import msgspec

from ledger.quantity import Money
from ledger.refusal import Refused
from ledger.settlement.statement import Statement
from ledger.transparency.merkle import HASH_BYTES, leaf_hash

SECRET_BYTES: Final = 32
FORMAT: Final = "wattledger.disclosure.v1"


class Others(msgspec.Struct, frozen=True):
    """What all other parties are entitled to, in one sum.

    `commitment` is SHA-256 of 0x00, the salt and the sum as text, in hex; `sum` is empty where the party may
    not see the pool, from which it would follow.
    """

    commitment: str
    sum: str = ""


class Disclosed(msgspec.Struct, frozen=True):
    """A statement with the others' sum; where that is shown, entitlement + others = pool.

    `contract_event` is the sequence of the contract version that was settled, 0 where none was recorded. Of
    its text the statement shows what the contract lets the party see.
    """

    format: str
    contract_event: int
    statement: Statement
    others: Others

    @classmethod
    def of(cls, statement: Statement, others: Money, salt: bytes, contract_event: int) -> Self:
        """What the statement's party is told, `others` being what the rest of the pool goes to."""
        shown = "" if statement.pool is None else str(others)
        return cls(FORMAT, contract_event, statement, Others(sum_commitment(salt, others), shown))

    def __post_init__(self) -> None:
        pool, entitled = self.statement.pool, self.statement.entitlement
        if (pool is None) != (not self.others.sum):
            text = "the others' sum is told where the pool is, and nowhere else"
            raise Refused("disclosed_others", text, place="others")
        if pool is not None and str(pool - entitled) != self.others.sum:
            text = f"{entitled:,} and {self.others.sum} are not the pool of {pool:,}"
            raise Refused("disclosed_others", text, place="others")

    @property
    def content(self) -> bytes:
        """The bytes committed to: JSON with its fields in order of name, without blanks."""
        return _ENCODER.encode(self)


def salt_of(secret: bytes, party: str, purpose: str) -> bytes:
    """The salt that hides a party's leaf (`document`) or its others' sum (`others`) from whoever guesses.

    HMAC-SHA256 under the run's secret, so that the auditor, who has the secret, can recompute every one.

    Raises:
        Refused: `disclosure_secret`.
    """
    checked_secret(secret)
    return hmac.digest(secret, f"{purpose} {party}".encode(), hashlib.sha256)


def checked_secret(secret: bytes) -> bytes:
    """`secret`, when it has 32 bytes.

    Raises:
        Refused: `disclosure_secret`.
    """
    if len(secret) != SECRET_BYTES:
        text = f"{len(secret)} bytes are not the {SECRET_BYTES} of a secret"
        raise Refused("disclosure_secret", text, place="secret")
    return secret


def disclosure_leaf(salt: bytes, content: bytes) -> bytes:
    """The leaf that stands for a document: SHA-256 of 0x00, the salt and the document's bytes.

    Raises:
        Refused: `disclosure_salt`.
    """
    if len(salt) != HASH_BYTES:
        text = f"{len(salt)} bytes are not the {HASH_BYTES} of a salt"
        raise Refused("disclosure_salt", text, place="salt")
    return leaf_hash(salt + content)


def sum_commitment(salt: bytes, others: Money) -> str:
    """The others' sum, committed to: as a leaf of its text, in hex.

    Raises:
        Refused: `disclosure_salt`.
    """
    return disclosure_leaf(salt, str(others).encode()).hex()


_ENCODER: Final = msgspec.json.Encoder(order="sorted")
