"""Commands about natural persons' data: register-person, link, list, show, erase."""

from __future__ import annotations

from datetime import UTC
from typing import Annotated

from cyclopts import App, Parameter

from adapters.cli.close import As
from adapters.cli.counted import counted
from adapters.cli.session import Session
from adapters.personal.people import ShownPerson
from ledger.personal.details import Details


def add_to(app: App, session: Session) -> None:
    """Add the commands."""
    group = App(
        name="privacy", help="Natural persons: kept encrypted, each under a key that can be destroyed."
    )
    app.command(group)

    @group.command(name="register-person")
    def register_person(
        person: Annotated[str, Parameter(help="an opaque id, no person's name")],
        *,
        name: str,
        contact: str = "",
        by: As,
    ) -> None:
        """Register a person; the ledger gets ciphertext only."""
        details = Details(name=name, contact=contact)
        with session.open() as stack:
            receipt = stack.people.register(person, details, actor=by)
            stack.caught_up()
        print(f"person {person} registered, event {receipt.sequence}")

    @group.command
    def link(person: str, *, actor: str, by: As) -> None:
        """Say under which id a person acts, as a key's holder or at a terminal."""
        with session.open() as stack:
            receipt = stack.people.link(person, actor, actor=by)
            stack.caught_up()
        print(f"person {person} acts as {actor}, event {receipt.sequence}")

    @group.command(name="list")
    def list_people() -> None:
        """List everybody: id, name, and the ids each acts under."""
        with session.open() as stack:
            stack.caught_up()
            stack.people.finish_all()
            found = [stack.people.show(one) for one in stack.people.ids()]
        for one in found:
            print(f"{one.id:<24} {one.name:<24} {', '.join(one.actors)}".rstrip())
        print(counted(len(found), "person"))

    @group.command
    def show(person: str) -> None:
        """Show what is kept of a person."""
        with session.open() as stack:
            stack.caught_up()
            stack.people.finish(person)
            print(_text(stack.people.show(person)))

    @group.command
    def erase(person: str, reason: str, *, by: As) -> None:
        """Erase a person by destroying its key: in every copy of the book, for good.

        Where the book asks for two persons another one approves it first. The reason stays and must not tell
        who it was.
        """
        with session.open() as stack:
            proposal = stack.people.erase(person, reason, actor=by)
            stack.caught_up()
        if proposal is not None:
            print(f"person {person}: waits for approval as {proposal}")
        else:
            print(f"person {person} is erased; its key is destroyed")


def _text(one: ShownPerson) -> str:
    lines = [
        f"person   {one.id}",
        f"name     {one.name}",
        f"contact  {one.contact or '-'}",
        f"acts as  {', '.join(one.actors) or '-'}",
    ]
    if one.key_destroyed_at is not None:
        lines.append(f"erased   key destroyed at {one.key_destroyed_at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}")
    elif one.erased:
        lines.append("erased   as far as this folder goes: WATTLEDGER_PERSONAL_KEYS has no key")
    return "\n".join(lines)
