"""Commands about what markets cleared: recorded by hand, approved by another, shown with every run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import msgspec
from cyclopts import App, Parameter

from adapters.cli import given_file
from adapters.cli.as_of import AsOf, moment
from adapters.cli.close import As
from adapters.cli.session import Session
from adapters.cli.submitting import once
from adapters.decoder_refusal import decoder_refusal
from adapters.desk.bid_csv import mw, price_name, price_text
from adapters.desk.desk import Desk
from adapters.postgres.database import Connection
from adapters.queries import clearings
from adapters.queries.market_gates import market_on
from adapters.queries.registered_page import Entry
from ledger.refusal import Refused
from trading.clearing import Clearing

_DIGITS = 16

Name = Annotated[str, Parameter(help="the clearing's id: MARKET_PRODUCT_DAY, as record says it")]


def add_to(app: App, session: Session) -> None:
    """Add the commands."""
    group = App(name="clearing", help="What markets cleared, where no gateway fetches it, and every run.")
    app.command(group)

    @group.command
    def record(file: Path, *, by: As) -> None:
        """Record a run of a clearing: FILE is the body of POST /v1/clearings (docs/trading.md)."""
        one = _read(file)
        with session.open() as stack:
            stack.caught_up()
            posted = Desk(stack.door, stack.database).post_clearing(one, command_id=once(), actor=by)
        state = "waits for another person to approve it" if posted.waits else "recorded"
        print(
            f"clearing {one.id} run {one.run}: {state}, digest {one.digest}, event {posted.receipt.sequence}"
        )

    @group.command
    def approve(name: Name, *, digest: str, by: As) -> None:
        """Let a posted run take effect, as another person than who posted it or bid."""
        with session.open() as stack:
            stack.caught_up()
            desk = Desk(stack.door, stack.database)
            receipt = desk.approve_clearing(name, digest, command_id=once(), actor=by)
        print(f"clearing {name}: recorded, event {receipt.sequence}")

    @group.command
    def show(name: Name, *, as_of: AsOf = None) -> None:
        """Show every run of a clearing, oldest first, and what waits for approval."""
        with session.open() as stack:
            position = moment(stack, as_of).position
            with stack.database.reading(stack.settings.book) as connection:
                runs, posted = clearings.known(connection, position, name)
                lines = [line for one in runs for line in _run(connection, one)]
        if posted is not None:
            one = posted.clearing
            lines += [f"waits for approval: run {one.run}, posted by {posted.by}, digest {one.digest}"]
            lines += _awards(one)
        print("\n".join(lines))


def _read(file: Path) -> Clearing:
    """Raises:
    Refused: `json`, and what the Structs refuse, each with its field."""
    text = given_file.read(file, "a clearing in JSON, the body of POST /v1/clearings")
    try:
        return msgspec.json.decode(text, type=Clearing)
    except msgspec.ValidationError as error:
        raise decoder_refusal(error, Clearing) from None
    except msgspec.DecodeError as error:
        raise Refused("json", f"not valid JSON: {error}", place=str(file)) from None


def _run(connection: Connection, entry: Entry[Clearing]) -> Iterator[str]:
    one = entry.document
    market, _ = market_on(connection, entry.sequence, one.market, one.day)
    product = market.product(one.product)
    low, high = price_text(product, min(one.price_u)), price_text(product, max(one.price_u))
    yield (
        f"clearing {one.id} run {one.run}, published {one.published.isoformat()}, event {entry.sequence},"
        f" digest {one.digest[:_DIGITS]}"
    )
    yield f"  {len(one.price_u)} intervals, {low} to {high} {price_name(market, product)}, from {one.source}"
    yield from _awards(one)


def _awards(one: Clearing) -> Iterator[str]:
    for award in one.awards:
        least, most, count = min(award.power_w), max(award.power_w), sum(map(bool, award.power_w))
        yield f"  {award.bid}: {mw(least)} to {mw(most)} MW, in {count} of {len(award.power_w)} intervals"
    if not one.awards:
        yield "  nothing is awarded"
