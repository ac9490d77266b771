"""Commands about what trading units are bound to, did and earned."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

import msgspec
from cyclopts import App, Parameter

from adapters.cli.as_of import AsOf, moment
from adapters.cli.session import Session
from adapters.desk.unit_results import unit_positions, unit_profit
from trading.position import UnitPositions
from trading.profit import Profit

Format = Annotated[Literal["text", "json"], Parameter(help="text or json")]
Last = Annotated[date | None, Parameter(help="up to and with this day; FIRST alone, if not stated")]
_NONE = "-"


def add_to(app: App, session: Session) -> None:
    """Add the commands."""
    group = App(name="position", help="Positions and profit of trading units, by delivery day.")
    app.command(group)

    @group.command
    def show(
        unit: str, first: date, *, last: Last = None, as_of: AsOf = None, format: Format = "text"
    ) -> None:
        """Show what UNIT offered, was awarded and did from FIRST on, by quarter-hour."""
        with session.open() as stack:
            position = moment(stack, as_of).position
            with stack.database.reading(stack.settings.book) as connection:
                days = unit_positions(connection, stack.settings.book, position, unit, first, last or first)
        if format == "json":
            print(msgspec.json.encode(days).decode())
            return
        for one in days:
            print("\n".join(positions_text(one)))

    @group.command
    def profit(
        unit: str, first: date, *, last: Last = None, as_of: AsOf = None, format: Format = "text"
    ) -> None:
        """Show what UNIT's day-ahead trading earned from FIRST on, and where money was lost."""
        with session.open() as stack:
            position = moment(stack, as_of).position
            with stack.database.reading(stack.settings.book) as connection:
                found = unit_profit(connection, stack.settings.book, position, unit, first, last or first)
        if format == "json":
            print(msgspec.json.encode(found).decode())
            return
        print("\n".join(profit_text(found)))


def positions_text(day: UnitPositions) -> list[str]:
    """The quarter-hours in which something was offered or done, a line each."""
    rows = [f"{day.unit} on {day.day}: Wh above zero toward the grid; deviation at the real-time price"]
    names = " ".join(f"{name:>12}" for name in ("awarded", "metered", "deviation", "value"))
    rows.append(f"{'from (UTC)':17} {'state':9} {names} offered")
    rows += [
        f"conflict: bid {short.bid} is awarded more than is left beside {', '.join(short.beside)}:"
        f" {short.energy_wh} Wh of storage lack, imbalance at worst {short.imbalance}"
        for short in day.conflicts
    ]
    if (lacks := day.not_covered) is not None:
        rows.append(
            f"not covered: the unit cannot keep {', '.join(lacks.beside)}: {lacks.energy_wh} Wh of storage"
            f" lack, imbalance at worst {lacks.imbalance}"
        )
    for one in day.positions:
        offers = [
            f"{offer.product} {offer.low_w}..{offer.high_w} W, awarded {offer.awarded_w or _NONE}"
            + (f", {offer.short_w} W short" if offer.short_w else "")
            for offer in one.offered
            if offer.low_w or offer.high_w
        ]
        if not offers and not one.metered_wh:
            continue
        metered = _NONE if one.metered_wh is None else str(one.metered_wh)
        cells = (one.awarded_wh, metered, one.deviation_wh, one.deviation_value)
        numbers = " ".join(f"{cell or _NONE:>12}" for cell in cells)
        rows.append(f"{one.start:%Y-%m-%dT%H:%MZ} {one.state:9} {numbers} {'; '.join(offers)}".rstrip())
    return rows


def profit_text(profit: Profit) -> list[str]:
    """The days, a line each, and their sums."""
    rows = [f"{profit.unit} in {profit.currency or _NONE}: exact, day-ahead trading"]
    names = ("earned", "schedule", "foresight", "by price", "by volume", "by deviation")
    rows.append(f"{'day':10} {'basis':10} " + " ".join(f"{name:>14}" for name in names))
    for one in profit.days:
        cells = (
            one.earned,
            one.schedule,
            one.foresight,
            one.lost_by_price,
            one.lost_by_volume,
            one.lost_by_deviation,
        )
        rows.append(f"{one.day} {one.basis:10} " + " ".join(f"{cell or _NONE:>14}" for cell in cells))
    rows.append(f"realised {profit.realised}, open {profit.open}")
    rows.append(
        f"lost in {profit.days_explained} days: by price {profit.lost_by_price}, by volume"
        f" {profit.lost_by_volume}, by deviation {profit.lost_by_deviation}"
    )
    return rows
