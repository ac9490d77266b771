"""Commands about who may use the API: key grant, key revoke, key list."""

from __future__ import annotations

import secrets
from datetime import UTC
from typing import Annotated

from cyclopts import App, Parameter

from adapters.cli.as_of import AsOf, moment
from adapters.cli.counted import counted
from adapters.cli.session import ACTOR, Session
from adapters.http.secret import digest_of, new_secret
from adapters.queries import access_keys
from ledger.access import Grant, GrantKey, RevokeKey, Role


def add_to(app: App, session: Session) -> None:
    """Add the commands."""
    key = App(name="key", help="Keys for the API; only their hashes are stored.")
    app.command(key)

    @key.command
    def grant(
        *,
        role: Role,
        actor: Annotated[str, Parameter(help="an opaque id of who uses it, no person's name")],
        party: Annotated[str | None, Parameter(help="whose statements a partner's key reads")] = None,
    ) -> None:
        """Grant a key and print its secret, this once."""
        secret = new_secret()
        made = Grant(f"k{secrets.token_hex(8)}", digest_of(secret), actor, role, party)
        with session.open() as stack:
            stack.door.execute(GrantKey(made), command_id=f"grant:{made.key_id}", actor=ACTOR)
            stack.caught_up()
        print(f"key     {made.key_id}\nsecret  {secret}")

    @key.command
    def revoke(key_id: str) -> None:
        """Revoke a key; it is refused from the next request on."""
        with session.open() as stack:
            stack.door.execute(RevokeKey(key_id), command_id=f"revoke:{key_id}", actor=ACTOR)
            stack.caught_up()
        print(f"key {key_id} is revoked")

    @key.command(name="list")
    def list_keys(
        *,
        all: Annotated[bool, Parameter(help="also those that are revoked")] = False,
        as_of: AsOf = None,
    ) -> None:
        """List the keys by when they were made: who acts with each, in which role; never a secret."""
        with session.open() as stack:
            at = moment(stack, as_of)
            with stack.database.reading(stack.settings.book) as connection:
                found = access_keys.page(connection, at.position)
        shown = sorted((one for one in found if all or not one.revoked), key=lambda one: one.granted_at)
        for one in shown:
            reads = f"  reads {one.party}" if one.party else ""
            revoked = "  revoked" if one.revoked else ""
            print(
                f"{one.key_id:<22} {one.role:<12} {one.actor:<24}"
                f" {one.granted_at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}{reads}{revoked}"
            )
        print(f"{counted(sum(not one.revoked for one in found), 'key')} in force")
