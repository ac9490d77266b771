"""Parties: whom money is owed to and by. What a party is in a contract is the contract's to say."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from ledger.effective import History, Period, extended
from ledger.identity import checked_id
from ledger.personal.person import Person
from ledger.refusal import Refused


class Party(msgspec.Struct, frozen=True, omit_defaults=True):
    """A legal person, or a natural one under a name that is none: `person` is then the id of whose name
    stands on its documents for as long as it can be read.

    Contact and bank data of natural persons do not belong here.
    """

    id: str
    name: str
    person: str = ""

    def __post_init__(self) -> None:
        checked_id(self.id, "party.id")
        if not self.name.strip():
            raise Refused("empty", "a party needs a name", place="party.name")
        if self.person:
            checked_id(self.person, "party.person")


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
        return (f"person.{self.party.person}",) if self.party.person else ()

    def decide(self, _: object, known: Mapping[str, object]) -> tuple[PartyRegistered]:
        """Raises:
        Refused: `unknown_person`; `person_erased` for one that no document can name any more."""
        for aggregate in self.reads:
            person = known.get(aggregate)
            if not isinstance(person, Person):
                text = (
                    f"no person {self.party.person!r} is registered; wattledger privacy register-person does"
                )
                raise Refused("unknown_person", text, place="party.person")
            if person.erased:
                raise Refused("person_erased", f"person {person.id} was erased", place="party.person")
        return (PartyRegistered(self.period, self.party),)
