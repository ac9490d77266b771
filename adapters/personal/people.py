"""Natural persons of one book: registering, showing, linking and erasing them."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from datetime import datetime

import msgspec

from adapters import approving
from adapters.front_door import FrontDoor, Receipt
from adapters.personal.keys import PersonalKeys
from adapters.personal.sealing import seal, unseal
from adapters.postgres.database import Database
from ledger.approval import Proposal
from ledger.interval import Instant
from ledger.personal.details import ERASED, Details
from ledger.personal.person import ErasePerson, LinkActor, Person, RecordKeyDestroyed, RegisterPerson
from ledger.refusal import Refused


class ShownPerson(msgspec.Struct, frozen=True):
    """A person as it may be shown now; name and contact are `[erased]` where nobody can read them here."""

    id: str
    name: str
    contact: str
    actors: tuple[str, ...]
    erased: bool
    key_destroyed_at: Instant | None


class People:
    """Who is behind the opaque ids."""

    def __init__(
        self, door: FrontDoor, database: Database, keys: PersonalKeys, clock: Callable[[], datetime]
    ) -> None:
        self._door = door
        self._database = database
        self._keys = keys
        self._clock = clock

    def register(self, person: str, details: Details, *, actor: str) -> Receipt:
        """Register a person under a new key.

        Raises:
            Refused: `exists`, `person_erased`, `id`.
        """
        if self._door.state(f"person.{person}") is not None:
            raise Refused("exists", f"person {person} is registered", place="person")
        # A key without an event, left by a command that was killed between the two, opens nothing.
        key = self._keys.find(person) or self._keys.make(person)
        command = RegisterPerson(person, seal(key, self._door.book, person, details))
        return self._door.execute(command, command_id=f"person:{secrets.token_hex(8)}", actor=actor)

    def link(self, person: str, linked: str, *, actor: str) -> Receipt:
        """Say that a person acts under the id `linked`.

        Raises:
            Refused: `unknown_person`, `person_erased`, `exists`.
        """
        command = LinkActor(person, linked)
        return self._door.execute(command, command_id=f"link:{secrets.token_hex(8)}", actor=actor)

    def erase(self, person: str, reason: str, *, actor: str) -> str | None:
        """Erase a person, or prepare it where the book asks for two persons: then the proposal's name.

        Asked again after a crash in between, it destroys the key that was left.

        Raises:
            Refused: `unknown_person`, `person_erased`, `reason`.
        """
        if self.finish(person):
            return None
        command_id = f"erase:{secrets.token_hex(8)}"
        command = ErasePerson(person, reason, actor)
        done = approving.submit(self._door, command, command_id=command_id, actor=actor)
        self.finish(person)
        return done.proposal

    def after_approval(self, proposal: str) -> None:
        """Destroy the key of whom an approved proposal erased; other proposals are none of ours."""
        found = self._door.state(f"proposal.{proposal}")
        if isinstance(found, Proposal) and isinstance(found.command, ErasePerson):
            self.finish(found.command.person)

    def finish(self, person: str) -> bool:
        """Destroy the key of who was erased, and put on record when; whether there was anything to do."""
        state = self._door.state(f"person.{person}")
        if not isinstance(state, Person) or not state.erased or state.key_destroyed_at is not None:
            return False
        self._keys.destroy(person)
        command = RecordKeyDestroyed(person, self._clock())
        self._door.execute(command, command_id=f"destroyed:{person}", actor=state.erased_by or person)
        return True

    def finish_all(self) -> tuple[str, ...]:
        """As `finish`, for everybody: a crash may have left something to do."""
        return tuple(person for person in self.ids() if self.finish(person))

    def ids(self) -> tuple[str, ...]:
        """Everybody's id, in order, as far as the projections are."""
        with self._database.reading(self._door.book) as connection:
            rows = connection.execute(
                "SELECT id FROM ledger.registered WHERE kind = 'person' AND version = 1 ORDER BY id"
            )
            return tuple(str(name) for (name,) in rows)

    def show(self, person: str) -> ShownPerson:
        """A person as it may be shown now.

        Raises:
            Refused: `unknown_person`; `personal_key` for a key that does not fit.
        """
        state = self._door.state(f"person.{person}")
        if not isinstance(state, Person):
            raise Refused("unknown_person", f"no person {person!r} is registered", place="person")
        key = None if state.erased else self._keys.find(person)
        name, contact = ERASED, ERASED
        if key is not None:
            details = unseal(key, self._door.book, person, state.sealed)
            name, contact = details.name, details.contact
        return ShownPerson(person, name, contact, state.actors, key is None, state.key_destroyed_at)
