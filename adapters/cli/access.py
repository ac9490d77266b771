"""Commands about who may use the API: key grant, key revoke."""

from __future__ import annotations

import secrets
from typing import Annotated

from cyclopts import App, Parameter

from adapters.cli.session import ACTOR, Session
from adapters.http.secret import digest_of, new_secret
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
