"""Chapter 6: two portfolios are registered, and a month of their meters' files is imported."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC
from typing import Final

import numpy as np
from rich.progress import Progress

from adapters import meters, portfolio_file
from adapters.demo.four_sites import shanghai_tariffs
from adapters.demo.portfolio_book import EXAMPLES, PREPARES, PortfolioBook, by_two
from adapters.demo.roster import FOLDER, ZONE, RosterSite, portfolio
from adapters.demo.site_month import INTERVAL_S, MONTH, SiteMonth, Wh, site_months
from adapters.front_door import FrontDoor
from adapters.importing import Imported, import_file
from ledger import contract_file
from ledger.interval import zone_of
from ledger.meter import Position
from ledger.published_tariff import PublishTariff
from ledger.readings import Register
from ledger.signed_contract import RegisterContract

_DAY: Final = 1

_READ: Final[dict[Position, tuple[Register, ...]]] = {
    "load": ("load", "reactive_lagging", "reactive_leading"),
    "storage": ("charge", "discharge"),
    "pv": ("pv",),
}
"""The files of a portfolio: one for each kind of meter, with its registers."""


def tell(book: PortfolioBook) -> None:
    """Raises:
    Refused: what a file is refused for."""
    book.console.rule("6. two portfolios in a book of their own: 20 sites and 50 sites")
    door = book.door(_DAY)
    _register(door, book)
    book.console.print(
        "  real       the shapes of load (SimBench, ODbL) and of PV power (NREL, MIT), August 2016 moved to\n"
        "             August 2026 and scaled per site; State Grid Shanghai's tariff of August 2026, for the\n"
        "             Nantong sites too: of Jiangsu no price table was found\n"
        "  simulated  the storage meters (dispatch/time_of_use_rule.py); who has which peak, account and PV"
    )
    with Progress(console=book.console, transient=True) as bar:
        for name, data in _files(book):
            task = bar.add_task(name, total=None)
            done = import_file(
                door,
                data,
                file_name=name,
                profile=meters.profile_of((EXAMPLES / "demo/storage.toml").read_bytes()),
                actor=PREPARES,
                progress=lambda at, of, task=task: bar.update(task, completed=at, total=of),  # type: ignore[misc]
            )
            book.console.print(f"  {name:<28} {told(done)}")


def told(done: Imported) -> str:
    """What an import did, in a line."""
    state = "known already" if done.repeated else "stored"
    parsed = done.parsed
    return f"{parsed.readings:>8,} readings in {done.blocks} blocks, {len(parsed.gaps)} gaps, {state}"


def readings_csv(rows: Iterable[tuple[str, str, Wh]], quarters: slice = slice(None)) -> bytes:
    """Meters' readings of the month, or of some of its quarter-hours, as examples/demo/storage.toml reads."""
    step = np.timedelta64(INTERVAL_S, "s")
    start = np.datetime64(MONTH.interval(zone_of(ZONE)).start.astimezone(UTC).replace(tzinfo=None), "s")
    lines = ["meter,register,start,wh"]
    stamps: list[str] = []
    for meter, register, values in rows:
        if not stamps:
            stamps = [f"{at}Z" for at in np.datetime_as_string(start + step * np.arange(len(values)))]
        head = f"{meter},{register},"
        told_of = zip(stamps[quarters], values[quarters].tolist(), strict=True)
        lines += [f"{head}{at},{wh}" for at, wh in told_of]
    return ("\n".join(lines) + "\n").encode()


def _register(door: FrontDoor, book: PortfolioBook) -> None:
    described = portfolio(book.sites)
    receipts = portfolio_file.register(door, described, actor=PREPARES)
    new = sum(not receipt.repeated for receipt in receipts)
    for tariff in shanghai_tariffs().values():
        by_two(door, PublishTariff(tariff))
    for file in sorted((FOLDER / "contracts").glob("*.toml")):
        contract = contract_file.parse(file.read_bytes())
        by_two(door, RegisterContract(contract))
        chosen = [one for one in book.sites if one.site in contract.sites]
        power, energy = sum(one.storage_kw for one in chosen), sum(one.storage_kwh for one in chosen)
        least, most = min(one.storage_kwh for one in chosen), max(one.storage_kwh for one in chosen)
        sizes = f"{most:,} kWh each" if least == most else f"{least:,} to {most:,} kWh"
        book.console.print(
            f"  {contract.id:<22} {len(chosen)} sites of {sizes}, {power:,} kW / {energy:,} kWh in all,"
            f" {contract.title.partition(',')[0].lower()}"
        )
    book.console.print(
        f"  book {book.stack.settings.book}: {new} registered, {len(receipts) - new} known already;"
        " tariffs and contracts prepared by ada, approved by bob"
    )


def _files(book: PortfolioBook) -> list[tuple[str, bytes]]:
    months = list(site_months(book.sites, shanghai_tariffs()))
    names = sorted({one.portfolio for one, _ in months})
    return [
        (f"{name}-{position}-{MONTH}.csv", readings_csv(_rows(months, name, position)))
        for name in names
        for position in _READ
    ]


def _rows(
    months: Iterable[tuple[RosterSite, SiteMonth]], name: str, position: Position
) -> Iterable[tuple[str, str, Wh]]:
    for site, month in months:
        if site.portfolio == name:
            for register in _READ[position]:
                values: Wh | None = getattr(month, register.removeprefix("reactive_"))
                if values is not None:
                    yield site.meter_id(position), register, values
