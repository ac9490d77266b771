"""Commands about sharing awards out among sites, and handing them over to settlement."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
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
from adapters.desk.desk import Desk
from adapters.desk.handing_over import HandingOver
from adapters.desk.sharing_out import SharingOut
from adapters.queries.shared_awards import shared_award
from ledger.effective import History, Period
from ledger.interval import midnight, zone_of
from ledger.refusal import Refused
from ledger.toml_file import TomlFile
from trading.award import SharedAward
from trading.sharing import AvailableSites, SharingTerms, StateAvailableSites, StateSharing

_UNIT = Annotated[str, Parameter(help="the trading unit's id")]


def add_to(app: App, session: Session) -> None:
    """Add the commands."""
    group = App(name="sharing", help="Awards shared out among a unit's sites, and handed over to settlement.")
    app.command(group)
    _add_terms(group, session)
    _add_shares(group, session)


def _add_terms(group: App, session: Session) -> None:
    @group.command
    def state(unit: _UNIT, file: Path, first: date, *, by: As) -> None:
        """State how UNIT is shared out from day FIRST on: a TOML file of discount, confidence and sites."""
        text = given_file.read(file, "terms of sharing out in TOML: discount, confidence, [sites]")
        read = TomlFile(text)
        terms = read.struct(SharingTerms, read.root, ())
        with session.open() as stack:
            history = stack.door.state(f"trading_unit.{unit}")
            if not isinstance(history, History):
                wrong = f"no trading_unit {unit!r} is registered"
                raise Refused("unknown_trading_unit", wrong, place="unit")
            period = Period(midnight(first, zone_of(history.latest.document.zone)))
            receipt = stack.door.execute(StateSharing(unit, period, terms), command_id=once(), actor=by)
        print(f"sharing out of {unit} stated: event {receipt.sequence}")

    @group.command
    def sites(unit: _UNIT, day: date, file: Path, *, by: As) -> None:
        """State what UNIT's sites can do on DAY: JSON of `sites`, each with its W a quarter-hour."""
        text = given_file.read(file, "what sites can do in JSON, the body of POST .../days/{day}/sites")
        try:
            found = msgspec.json.decode(text, type=AvailableSites)
        except msgspec.ValidationError as error:
            raise decoder_refusal(error, AvailableSites) from None
        except msgspec.DecodeError as error:
            raise Refused("json", f"not valid JSON: {error}", place=str(file)) from None
        with session.open() as stack:
            receipt = stack.door.execute(StateAvailableSites(unit, day, found), command_id=once(), actor=by)
        print(f"sites of {unit} on {day} stated: event {receipt.sequence}")


def _add_shares(group: App, session: Session) -> None:
    @group.command
    def out(market: str, product: str, day: date, *, by: As) -> None:
        """Share out what MARKET awarded for PRODUCT on DAY, and hand it over; what was done is left."""
        with session.open() as stack:
            desk = Desk(stack.door, stack.database)
            said = [
                *SharingOut(desk).follow_up(market, product, day, actor=by),
                *HandingOver(desk).follow_up(market, product, day, actor=by),
            ]
        print("\n".join(said) if said else "all shared out and handed over already")

    @group.command
    def show(bid: str, *, as_of: AsOf = None) -> None:
        """Show what each site is to do for BID's award: the largest W toward and from the grid."""
        with session.open() as stack:
            position = moment(stack, as_of).position
            with stack.database.reading(stack.settings.book) as connection:
                parts = shared_award(connection, position, bid)
        print("\n".join(shares_text(parts)) if parts else f"bid {bid} is not shared out")


def shares_text(parts: tuple[SharedAward, ...]) -> Iterator[str]:
    """A line a site, and one for what no site stands behind."""
    first = parts[0]
    yield f"{first.bid} of {first.unit}, {first.clearing} run {first.run}, {len(first.gap_w)} intervals"
    rows = [(site, powers) for part in parts for site, powers in part.sites.items()]
    for name, powers in (*rows, ("without a site", first.gap_w)):
        up, down, count = max((0, *powers)), -min((0, *powers)), sum(map(bool, powers))
        yield f"  {name}: up to {up} W toward the grid, {down} W from it, in {count} intervals"
