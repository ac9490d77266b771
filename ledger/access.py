"""API keys: who may act in which role. Only a key's SHA-256 is ever recorded."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, Literal, get_args

import msgspec

from ledger.identity import checked_id
from ledger.refusal import Refused

Role = Literal["finance", "auditor", "market_desk", "partner", "operator", "gateway", "admin"]
ROLES: Final[tuple[Role, ...]] = get_args(Role)


class Grant(msgspec.Struct, frozen=True):
    """What a key allows. `actor` is an opaque id, never a person's name; a partner key has its party."""

    key_id: str
    sha256: str
    actor: str
    role: Role
    party: str | None = None

    def __post_init__(self) -> None:
        checked_id(self.key_id, "key_id")
        checked_id(self.actor, "actor")
        if self.role not in ROLES:
            raise Refused("role", f"{self.role!r} is not one of {', '.join(ROLES)}", place="role")
        if not re.fullmatch(r"[0-9a-f]{64}", self.sha256):
            raise Refused("sha256", "a key is recorded by its SHA-256 in hexadecimal", place="sha256")
        if (self.role == "partner") != (self.party is not None):
            raise Refused("party", "a partner key names its party, and no other key does", place="party")


class Key(msgspec.Struct, frozen=True):
    grant: Grant
    revoked: bool = False


class KeyGranted(msgspec.Struct, frozen=True, tag_field="kind", tag="access.key_granted.v1"):
    grant: Grant

    def apply(self, _: object) -> Key:
        return Key(self.grant)


class KeyRevoked(msgspec.Struct, frozen=True, tag_field="kind", tag="access.key_revoked.v1"):
    key_id: str

    def apply(self, state: Key) -> Key:
        return Key(state.grant, revoked=True)


class GrantKey(msgspec.Struct, frozen=True):
    grant: Grant

    @property
    def aggregate(self) -> str:
        return f"key.{self.grant.key_id}"

    @property
    def reads(self) -> tuple[str, ...]:
        return () if self.grant.party is None else (f"party.{self.grant.party}",)

    def decide(self, state: Key | None, others: Mapping[str, object]) -> tuple[KeyGranted]:
        if state is not None:
            raise Refused("exists", f"key {self.grant.key_id} exists already", place="key_id")
        for party in self.reads:
            if others.get(party) is None:
                raise Refused("unknown_party", f"no party {self.grant.party!r} is registered", place="party")
        return (KeyGranted(self.grant),)


class RevokeKey(msgspec.Struct, frozen=True):
    key_id: str

    @property
    def aggregate(self) -> str:
        return f"key.{self.key_id}"

    @property
    def reads(self) -> tuple[str, ...]:
        return ()

    def decide(self, state: Key | None, _: Mapping[str, object]) -> tuple[KeyRevoked]:
        if state is None or state.revoked:
            raise Refused("unknown_key", f"no key {self.key_id!r} is in force", place="key_id")
        return (KeyRevoked(self.key_id),)
