"""What can become of a person: registered, linked, erased, its key destroyed, in this order only."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from ledger.personal.person import ErasePerson, LinkActor, Person, RecordKeyDestroyed, RegisterPerson
from ledger.refusal import Refused

NOW = datetime(2026, 9, 1, tzinfo=UTC)
SEALED = "QUJD"


def after(*commands: Any) -> Person | None:
    state: Person | None = None
    for command in commands:
        for event in command.decide(state, {}):
            state = event.apply(state)
    return state


REGISTER = RegisterPerson("u1", SEALED)
LINK = LinkActor("u1", "clerk-7")
ERASE = ErasePerson("u1", "asked for it", "ada")
DESTROYED = RecordKeyDestroyed("u1", NOW)


def test_the_whole_life() -> None:
    assert after(REGISTER, LINK, LinkActor("u1", "clerk-8")) == Person("u1", SEALED, ("clerk-7", "clerk-8"))
    assert after(REGISTER, LINK, ERASE, DESTROYED) == Person("u1", SEALED, ("clerk-7",), "ada", NOW)


@pytest.mark.parametrize(
    ("commands", "code"),
    [
        ((LINK,), "unknown_person"),
        ((ERASE,), "unknown_person"),
        ((DESTROYED,), "unknown_person"),
        ((REGISTER, REGISTER), "exists"),
        ((REGISTER, LINK, LINK), "exists"),
        ((REGISTER, DESTROYED), "person_kept"),
        ((REGISTER, ERASE, ERASE), "person_erased"),
        ((REGISTER, ERASE, LINK), "person_erased"),
        ((REGISTER, ERASE, REGISTER), "exists"),
        ((REGISTER, ERASE, DESTROYED, DESTROYED), "exists"),
    ],
)
def test_nothing_else(commands: tuple[Any, ...], code: str) -> None:
    with pytest.raises(Refused) as caught:
        after(*commands)
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (lambda: RegisterPerson("Wang Li", SEALED), "id"),
        (lambda: RegisterPerson("u1", "Wang Li"), "personal_text"),
        (lambda: RegisterPerson("u1", ""), "personal_text"),
        (lambda: LinkActor("u1", "Wang Li"), "id"),
        (lambda: ErasePerson("u1", " ", "ada"), "reason"),
        (lambda: ErasePerson("u1", "why", "ada lovelace"), "id"),
    ],
)
def test_what_cannot_be_recorded(make: Any, code: str) -> None:
    with pytest.raises(Refused) as caught:
        make()
    assert caught.value.code == code
