"""What the storages did in the trading week, as their meters' files have it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Final

from adapters import meters
from adapters.demo.portfolio_book import EXAMPLES
from adapters.demo.trading_book import DAYS, TradingBook, bid_id, envelope, local, trading_unit
from adapters.demo.week_plan import QUARTER_S, Shared, metered
from adapters.demo.week_prices import INTERVAL_S
from adapters.desk.sender import ACTOR as GATEWAY
from adapters.importing import import_file
from adapters.queries import registered_page
from trading.award import SharedAward

_DAY: Final = timedelta(days=1)


def record_readings(book: TradingBook, day: date) -> None:
    """What the storages' meters read of a day that is over."""
    book.at(day + _DAY, "01:00")
    lines = ["meter,register,start,wh", *_readings(book, day)]
    import_file(
        book.door,
        ("\n".join(lines) + "\n").encode(),
        file_name=f"storage-{day}.csv",
        profile=meters.profile_of((EXAMPLES / "demo/storage.toml").read_bytes()),
        actor=GATEWAY,
        received_at=book.clock(),
    )


def _readings(book: TradingBook, day: date) -> Iterator[str]:
    """Each storage did what it was told when the day began: the first run's part of it."""
    until = DAYS[: DAYS.index(day) + 1]
    with book.reading() as (connection, position):
        told = [
            registered_page.versions(connection, "award", SharedAward, position, f"{bid_id(one)}_1")[
                0
            ].document
            for one in until
        ]
    unit = envelope()
    whole = unit.discharge_w
    powers = {member.site: member.capability_w for member in trading_unit().members}
    shares = {
        site: Shared(
            power_w=power,
            stored_wh=unit.stored_wh * power // whole,
            floor_wh=unit.floor_wh * power // whole,
            ceiling_wh=unit.ceiling_wh * power // whole,
            days=tuple(award.sites[site] for award in told),
        )
        for site, power in powers.items()
    }
    start = local(day, "00:00")
    for site, days in metered(unit, shares, INTERVAL_S).items():
        for register, values in (("charge", days[-1].charge_wh), ("discharge", days[-1].discharge_wh)):
            for number, wh in enumerate(values):
                at = start + timedelta(seconds=number * QUARTER_S)
                yield f"{site}-STORAGE,{register},{at:%Y-%m-%dT%H:%M:%SZ},{wh}"
