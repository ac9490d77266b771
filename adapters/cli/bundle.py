"""Commands that export proof bundles (docs/bundle-format.md)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

from cyclopts import App, Parameter

from adapters.bundle.book_bundle import book_bundle, gzipped
from adapters.bundle.statement_bundle import statement_bundle
from adapters.cli import given_file
from adapters.cli.as_of import AsOf, moment
from adapters.cli.counted import counted
from adapters.cli.session import Session
from adapters.queries import statements
from ledger.interval import Month
from ledger.refusal import Refused

_PLAIN: Final = (".jsonl",)
_WAIT_S: Final = 60.0
Out = Annotated[Path, Parameter(help="write to this file")]


def add_to(app: App, session: Session) -> None:
    """Add the commands."""
    group = App(name="bundle", help="Export what an outsider checks without us: a statement, or the book.")
    app.command(group)

    @group.command
    def statement(
        contract: str,
        month: str,
        party: str,
        *,
        out: Out,
        run: Annotated[int | None, Parameter(help="this run's instead of the latest")] = None,
    ) -> None:
        """Export a party's statement with its proof; it holds nothing of anybody else (.jsonl)."""
        given_file.check_new(out, _PLAIN)
        given_file.check_absent(out)
        when = str(Month.parse(month))
        with session.open() as stack:
            position = stack.caught_up()
            with stack.database.reading(stack.settings.book) as connection:
                found = statements.latest(
                    connection, position, month=when, contract=contract, party=party, run=run, limit=1
                )
            if not found:
                text = f"no statement of {when} for {party} under {contract}"
                raise Refused("unknown_statement", text, place="PARTY")
            content = statement_bundle(stack.door, stack.database, stack.published, found[0], _WAIT_S)
        given_file.write(out, content)
        print(f"{out}: {contract}, {when}, run {found[0].run}, {party}: {counted(len(content), 'byte')}")

    @group.command
    def book(*, out: Out, as_of: AsOf = None) -> None:
        """Export all events up to a signed checkpoint, for an auditor (.jsonl, or .jsonl.gz compressed)."""
        given_file.check_new(out, (*_PLAIN, ".gz"))
        given_file.check_absent(out)
        partial = out.with_name(f".{out.name}.partial")
        size = 0
        with session.open() as stack:
            if as_of is None:
                stack.caught_up()
                if stack.published.signer() is not None:
                    stack.published.sign()
            up_to = None if as_of is None else moment(stack, as_of).position
            parts = book_bundle(stack.database, stack.published, up_to)
            try:
                with partial.open("wb") as file:
                    for part in gzipped(parts) if out.suffix.lower() == ".gz" else parts:
                        size += file.write(part)
                partial.rename(out)
            finally:
                partial.unlink(missing_ok=True)
        print(f"{out}: the book {session.settings.book}, {counted(size, 'byte')}")
