"""A later file of a storage's meter: what it says about some days replaces what was there."""

from __future__ import annotations

from adapters import meters
from adapters.demo.four_sites import shanghai_tariffs
from adapters.demo.portfolio_book import EXAMPLES, PREPARES, PortfolioBook
from adapters.demo.portfolios import readings_csv, told
from adapters.demo.site_month import site_months
from adapters.importing import import_file

_PER_DAY = 96


def import_revision(book: PortfolioBook, site: str, *, days: range, percent: int, on: int) -> None:
    """Import what site `site` discharged on `days` of the month again, as `percent` of what was read first.

    Raises:
        Refused: what the file is refused for.
    """
    chosen = tuple(one for one in book.sites if one.site == site)
    ((_, month),) = site_months(chosen, shanghai_tariffs())
    values = month.discharge * percent // 100
    quarters = slice((days.start - 1) * _PER_DAY, (days.stop - 1) * _PER_DAY)
    name = f"{site}-revised.csv"
    done = import_file(
        book.door(on),
        readings_csv([(chosen[0].meter_id("storage"), "discharge", values)], quarters),
        file_name=name,
        profile=meters.profile_of((EXAMPLES / "demo/storage.toml").read_bytes()),
        actor=PREPARES,
    )
    book.console.print(f"  {on} September: {name:<15} {told(done)}")
