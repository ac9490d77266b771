"""Commands about the markets that are traded in: publish one, list them, show a day's gates."""

from __future__ import annotations

from datetime import UTC, date
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from cyclopts import App, Parameter

from adapters.cli import given_file
from adapters.cli.as_of import AsOf, moment
from adapters.cli.counted import counted
from adapters.cli.session import ACTOR, Session
from adapters.queries import registered_page
from adapters.queries.market_gates import DayGates, day_gates
from ledger.effective import Period
from ledger.interval import midnight, zone_of
from ledger.refusal import Refused
from trading import market_file
from trading.product import Market
from trading.published_market import PublishMarket

_LISTED = 1000


def add_to(app: App, session: Session) -> None:
    """Add the commands."""
    group = App(name="market", help="Markets to bid in: their products and gates.")
    app.command(group)

    @group.command
    def register(
        file: Path,
        *,
        since: Annotated[date, Parameter(name="--from", help="the market's local day from which it holds")],
        until: Annotated[date | None, Parameter(name="--to", help="the first local day without it")] = None,
    ) -> None:
        """Publish a market from a TOML file (examples/markets), or the version that replaces it."""
        market = market_file.parse(given_file.read(file, "a market in TOML (examples/markets has many)"))
        zone = zone_of(market.zone)
        end = None if until is None else midnight(until, zone).astimezone(UTC)
        command = PublishMarket(Period(midnight(since, zone).astimezone(UTC), end), market)
        with session.open() as stack:
            receipt = stack.door.record(command, actor=ACTOR)
        known = ", in force already" if receipt.repeated else ""
        print(
            f"market {market.id}: {counted(len(market.products), 'product')}, event {receipt.sequence}{known}"
        )

    @group.command(name="list")
    def list_markets(*, as_of: AsOf = None) -> None:
        """List markets and their products, each in the version recorded last."""
        with session.open() as stack:
            position = moment(stack, as_of).position
            with stack.database.reading(stack.settings.book) as connection:
                found = registered_page.page(connection, "market", Market, position, limit=_LISTED)
        for one in found:
            print(f"{one.id}  version {one.version}, event {one.sequence}: {one.document.title}")
            for product in one.document.products:
                print(f"    {product.id:<20} {product.title}")
        print(counted(len(found), "market"))

    @group.command
    def gates(
        market: str,
        day: date,
        *,
        first: Annotated[
            int, Parameter(help="number of the first interval bid for, from 1, where the gate follows it")
        ] = 1,
        format: Literal["text", "json"] = "text",
        as_of: AsOf = None,
    ) -> None:
        """Show when bids for a delivery day may come in, and when results are published."""
        if first < 1:
            raise Refused("bid_intervals", "intervals are numbered from 1", place="--first")
        with session.open() as stack:
            position = moment(stack, as_of).position
            with stack.database.reading(stack.settings.book) as connection:
                found = day_gates(connection, position, market, day, first - 1)
        if format == "json":
            print(msgspec.json.format(msgspec.json.encode(found), indent=2).decode())
        else:
            print(_gates(found), end="")


def _gates(found: DayGates) -> str:
    zone = zone_of(found.zone)
    lines = [f"market {found.market} version {found.version} on {found.day}, local times of {found.zone}"]
    for one in found.gates:
        opens, closes, published = (
            f"{instant.astimezone(zone):%Y-%m-%d %H:%M}" for instant in (one.opens, one.closes, one.published)
        )
        interval = f", of interval {one.first + 1}" if one.by_interval else ""
        lines.append(
            f"{one.product:<20} opens {opens}, closes {closes}, published {published}{interval};"
            f" {one.margin_s} s are kept"
        )
        intervals = counted(one.intervals, "interval")
        delivered = f"{intervals} of {one.interval_s} s" if one.delivers else "not delivered on that day"
        prices = f"{one.price_floor} to {one.price_cap} {found.currency}/{one.price_unit}"
        lines.append(f"{'':<20} {delivered}, {prices} in steps of {one.price_tick}")
    return "\n".join(lines) + "\n"
