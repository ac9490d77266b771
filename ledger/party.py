"""Parties: whom money is owed to and by. What a party is in a contract is the contract's to say."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from ledger.effective import History, Period, extended
from ledger.identity import checked_id
from ledger.refusal import Refused


class Party(msgspec.Struct, frozen=True):
    """A legal person. Contact and bank data of natural persons do not belong here."""

    id: str
    name: str

    def __post_init__(self) -> None:
        checked_id(self.id, "party.id")
        if not self.name.strip():
            raise Refused("empty", "a party needs a name", place="party.name")


class PartyRegistered(msgspec.Struct, frozen=True, tag_field="kind", tag="party.registered.v1"):
    period: Period
    party: Party

    def apply(self, state: History[Party] | None) -> History[Party]:
        return extended(state, self.period, self.party)


class RegisterParty(msgspec.Struct, frozen=True):
    """Register a party, or a new version of one."""

    period: Period
    party: Party

    @property
    def aggregate(self) -> str:
        return f"party.{self.party.id}"

    @property
    def reads(self) -> tuple[str, ...]:
        return ()

    def decide(self, _: object, __: Mapping[str, object]) -> tuple[PartyRegistered]:
        return (PartyRegistered(self.period, self.party),)
