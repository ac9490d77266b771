"""Commands about people who read the ledger with SQL: analyst add, remove, list."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlsplit

from cyclopts import App, Parameter

from adapters.cli.session import ACTOR, Session
from adapters.postgres import analysts
from ledger.refusal import Refused
from ledger.setting_record import StateSetting


def add_to(app: App, session: Session) -> None:
    """Add the commands."""
    group = App(name="analyst", help="Roles that read with SQL, row by row theirs (docs/analyst-views.md).")
    app.command(group)

    @group.command
    def add(
        name: str,
        *,
        party: Annotated[str | None, Parameter(help="reads this party's rows only; none: all")] = None,
    ) -> None:
        """Make a login role that reads this book's views, and print its password, this once."""
        with session.open() as stack:
            if party is not None and stack.door.state(f"party.{party}") is None:
                raise Refused("unknown_party", f"no party {party!r} is registered", place="--party")
            made, password = analysts.add(stack.database, name, stack.settings.book, party)
            stated = StateSetting(f"analyst-{name}", f"reads {made.party or 'all'}")
            stack.door.record(stated, actor=ACTOR)
            where = urlsplit(stack.addresses.postgres_url)
        reads = f"the rows of {made.party}" if made.party else "all rows"
        print(f"role      {made.role}, which reads {reads} of book {made.book}")
        print(f"password  {password}")
        print(f"connect   psql -h {where.hostname} -p {where.port or 5432} -U {made.role} {where.path[1:]}")

    @group.command
    def remove(name: str) -> None:
        """Take a role of this book away; another book's stays."""
        with session.open() as stack:
            analysts.remove(stack.database, name, stack.settings.book)
            stack.door.record(StateSetting(f"analyst-{name}", "removed"), actor=ACTOR)
        print(f"{name} is removed")

    @group.command(name="list")
    def list_analysts() -> None:
        """List the roles that read this book, and what each reads."""
        with session.open() as stack:
            found = analysts.of_book(stack.database, stack.settings.book)
        for one in found:
            print(f"{one.role:<40} book {one.book:<16} {one.party or 'all parties'}")
