"""Natural persons as facts: ciphertext, which actors they are, and that they were erased.

An event has a person's details under a key that is kept outside the ledger. Destroying the key erases them in
every copy of every event, and no hash changes: hashes are of the ciphertext.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

import msgspec

from ledger.identity import checked_id
from ledger.interval import Instant
from ledger.refusal import Refused

_SEALED: Final = re.compile(r"[A-Za-z0-9+/]{4,4096}={0,2}", re.ASCII)
REASON_MAX: Final = 2000


class Person(msgspec.Struct, frozen=True):
    """`erased_by` asked for the erasure and `key_destroyed_at` is when the key was; None until then."""

    id: str
    sealed: str
    actors: tuple[str, ...] = ()
    erased_by: str | None = None
    key_destroyed_at: Instant | None = None

    @property
    def erased(self) -> bool:
        return self.erased_by is not None


class PersonRegistered(msgspec.Struct, frozen=True, tag_field="kind", tag="person.registered.v1"):
    """`sealed` is base64 of the encrypted details."""

    person: str
    sealed: str

    def apply(self, _: object) -> Person:
        return Person(self.person, self.sealed)


class ActorLinked(msgspec.Struct, frozen=True, tag_field="kind", tag="person.actor_linked.v1"):
    """The person acts under this id, as a key's holder or at a terminal."""

    actor: str

    def apply(self, state: Person) -> Person:
        return msgspec.structs.replace(state, actors=(*state.actors, self.actor))


class PersonErased(msgspec.Struct, frozen=True, tag_field="kind", tag="person.erased.v1"):
    """From here on nothing of the person is shown, whether or not the key is still there."""

    erased_by: str
    reason: str

    def apply(self, state: Person) -> Person:
        return msgspec.structs.replace(state, erased_by=self.erased_by)


class PersonKeyDestroyed(msgspec.Struct, frozen=True, tag_field="kind", tag="person.key_destroyed.v1"):
    """The key is gone from its folder: nobody can read the person's details in any copy of the book."""

    at: Instant

    def apply(self, state: Person) -> Person:
        return msgspec.structs.replace(state, key_destroyed_at=self.at)


class _OfPerson(msgspec.Struct, frozen=True):
    person: str

    @property
    def aggregate(self) -> str:
        return f"person.{self.person}"

    @property
    def reads(self) -> tuple[str, ...]:
        return ()


class RegisterPerson(_OfPerson, frozen=True):
    """Register a person by an opaque id."""

    sealed: str

    def __post_init__(self) -> None:
        checked_id(self.person, "person")
        if not _SEALED.fullmatch(self.sealed):
            raise Refused("personal_text", "details are recorded encrypted, in base64", place="sealed")

    def decide(self, state: Person | None, _: Mapping[str, object]) -> tuple[PersonRegistered]:
        """Raises:
        Refused: `exists`; the id of who was erased is not given again either."""
        if state is not None:
            raise Refused("exists", f"person {self.person} is registered", place="person")
        return (PersonRegistered(self.person, self.sealed),)


class LinkActor(_OfPerson, frozen=True):
    """Say that a person acts under an id."""

    actor: str

    def __post_init__(self) -> None:
        checked_id(self.actor, "actor")

    def decide(self, state: Person | None, _: Mapping[str, object]) -> tuple[ActorLinked]:
        """Raises:
        Refused: `unknown_person`, `person_erased`, `exists`."""
        person = _there(state, self.person)
        if person.erased:
            raise Refused("person_erased", f"person {self.person} was erased", place="person")
        if self.actor in person.actors:
            raise Refused("exists", f"person {self.person} acts as {self.actor} already", place="actor")
        return (ActorLinked(self.actor),)


class ErasePerson(_OfPerson, frozen=True, tag_field="command", tag="person.erase"):
    """Erase a person; there is no way back. The reason is kept, and must not tell who it was."""

    reason: str
    erased_by: str

    def __post_init__(self) -> None:
        checked_id(self.erased_by, "erased_by")
        if not 0 < len(self.reason.strip()) <= REASON_MAX:
            raise Refused("reason", f"say why, in at most {REASON_MAX} characters", place="reason")

    def decide(self, state: Person | None, _: Mapping[str, object]) -> tuple[PersonErased]:
        """Raises:
        Refused: `unknown_person`, `person_erased`."""
        if _there(state, self.person).erased:
            raise Refused("person_erased", f"person {self.person} was erased", place="person")
        return (PersonErased(self.erased_by, self.reason),)


class RecordKeyDestroyed(_OfPerson, frozen=True):
    """Say that an erased person's key is gone, and when it went."""

    at: Instant

    def decide(self, state: Person | None, _: Mapping[str, object]) -> tuple[PersonKeyDestroyed]:
        """Raises:
        Refused: `unknown_person`; `person_kept` for who was not erased; `exists`."""
        person = _there(state, self.person)
        if not person.erased:
            raise Refused("person_kept", f"person {self.person} was not erased", place="person")
        if person.key_destroyed_at is not None:
            raise Refused("exists", f"the key of {self.person} is gone already", place="person")
        return (PersonKeyDestroyed(self.at),)


def _there(state: Person | None, name: str) -> Person:
    if state is None:
        raise Refused("unknown_person", f"no person {name!r} is registered", place="person")
    return state
