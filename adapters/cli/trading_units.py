"""Commands about trading units: register one, share out what the market paid it, and show who got what."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import msgspec
from cyclopts import App, Parameter

from adapters import approving, unit_statement_text
from adapters.allocating import allocate_month, check_members
from adapters.cli import given_file
from adapters.cli.as_of import AsOf, moment
from adapters.cli.session import ACTOR, PreparedBy, Session
from adapters.cli.submitting import where
from adapters.decoder_refusal import decoder_refusal
from adapters.documents.readable import readable_money, readable_sum
from adapters.queries.unit_statements import unit_statement
from ledger.effective import Period
from ledger.interval import Instant, Month
from ledger.refusal import Refused
from ledger.trading_unit import RegisterTradingUnit, TradingUnit


class _Registration(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of `POST /v1/trading-units`."""

    effective_from: Instant
    effective_to: Instant | None = None
    document: TradingUnit


def add_to(app: App, session: Session) -> None:
    """Add the commands."""

    @app["register"].command(name="trading-unit")
    def register_trading_unit(file: Path, *, by: PreparedBy = ACTOR) -> None:
        """Register a trading unit from a JSON file, or the version with which its membership changes."""
        text = given_file.read(file, "a trading unit in JSON (examples/market_facts/trading_unit.json)")
        plain: object = None
        try:
            plain = msgspec.json.decode(text)
            body = msgspec.json.decode(text, type=_Registration)
        except msgspec.ValidationError as error:
            raise decoder_refusal(error, _Registration, plain) from None
        except msgspec.DecodeError as error:
            raise Refused("json", f"{file} is not JSON: {error}", place=str(file)) from None
        command = RegisterTradingUnit(Period(body.effective_from, body.effective_to), body.document)
        with session.open() as stack:
            stack.caught_up()
            check_members(stack.door, stack.database, command)
            done = approving.record(stack.door, command, actor=by)
        print(f"trading unit {command.unit.id}: {where(done)}")

    @app.command
    def allocate(
        month: str, *, unit: Annotated[str | None, Parameter(help="only this unit's statements")] = None
    ) -> None:
        """Share out what markets told about trading units in a month among their sites, before settling it.

        A statement whose inputs have not changed keeps its allocation; otherwise the new one corrects it.
        """
        with session.open() as stack:
            done = allocate_month(stack.door, stack.database, Month.parse(month), actor=ACTOR, unit=unit)
        for one in done:
            state = "recorded" if one.recorded else "unchanged"
            shared = one.allocation
            print(
                f"{shared.fact:<24} unit {shared.unit} version {one.version} {state:<10}"
                f" statement {readable_sum(shared.statement)},"
                f" operator {readable_money(shared.operator)}  event {one.sequence}"
            )
        if not done:
            print(f"no market told anything about a trading unit in {month}")

    @app.command(name="unit-statement")
    def show(unit: str, month: str, *, format: Literal["text", "json"] = "text", as_of: AsOf = None) -> None:
        """Show a unit's month: each site's share, the operator's rounding, and the market's amount in all."""
        with session.open() as stack:
            book, position = stack.settings.book, moment(stack, as_of, fresh=False).position
            with stack.database.reading(book) as connection:
                found = unit_statement(connection, book, position, unit, Month.parse(month))
        if format == "json":
            print(msgspec.json.format(msgspec.json.encode(found), indent=2).decode())
        else:
            print(unit_statement_text.text(found))
