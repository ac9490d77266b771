"""Chapters 1 to 5: a book of four sites, a month of readings, settled, stated and verified."""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.progress import Progress

from adapters import meters, portfolio_file, replay, statement_text
from adapters.demo.clock import ScaledClock
from adapters.documents.readable import readable_money, readable_sum
from adapters.front_door import FrontDoor
from adapters.importing import import_file
from adapters.portfolio_file import Portfolio
from adapters.queries import statements
from adapters.settling import lowest_position, settle_month
from adapters.stack import Stack
from adapters.verify import verify
from dispatch.time_of_use_rule import Storage, schedule
from ledger import contract_file, tariff_file
from ledger.interval import Month, zone_of
from ledger.published_tariff import PublishTariff
from ledger.quantity import decimal_text, exact, round_half_away
from ledger.refusal import Refused
from ledger.settlement.statement import Statement
from ledger.signed_contract import RegisterContract
from ledger.site import Site
from ledger.tariff import Tariff, prices_of_month

MONTH: Final = Month(2026, 8)
_EXAMPLES: Final = Path(__file__).parents[2] / "examples"
_ACTOR: Final = "demo"
_WEEKS_LATER: Final = timedelta(weeks=522)
"""From the load's August 2016 to the tariff's August 2026, on the same weekdays."""
_INTERVAL_S: Final = 900
_CHARGE_PERMILLE: Final = 960
_DISCHARGE_PERMILLE: Final = 950


class _Scaled(NamedTuple):
    """A site's load: a SimBench profile, scaled to the site's peak."""

    profile: str
    peak_kw: int
    peak_kvar: int


_LOADS: Final = {
    "S1": _Scaled("G1-B", 1000, 300),
    "S2": _Scaled("G3-A", 1800, 500),
    "S3": _Scaled("G0-M", 1000, 300),
    "S4": _Scaled("G4-M", 1300, 400),
}


def chapters(stack: Stack, console: Console) -> list[tuple[str, Callable[[], None]]]:
    """Each chapter's name and how to tell it, in order; each needs those before it."""
    clock = ScaledClock(datetime(2026, 8, 31, 16, tzinfo=UTC), 600)
    door = FrontDoor(stack.recorder, clock, stack.door.guard)
    return [
        ("found", lambda: _found(door, console)),
        ("import", lambda: _import(door, console)),
        ("settle", lambda: _settle(stack, door, console)),
        ("statements", lambda: _show_statements(stack)),
        ("verify", lambda: _verify(stack, console)),
    ]


def _found(door: FrontDoor, console: Console) -> None:
    console.rule("1. a book of four sites, 3.5 MWh, three contract models")
    portfolio = _portfolio()
    portfolio_file.register(door, portfolio, actor=_ACTOR)
    for tariff in shanghai_tariffs().values():
        door.record(PublishTariff(tariff), actor=_ACTOR)
    for file in sorted((_EXAMPLES / "demo/contracts").glob("*.toml")):
        contract = contract_file.parse(file.read_bytes())
        signed = RegisterContract(contract)
        door.record(signed, actor=_ACTOR)
        console.print(f"  {contract.id:<18} {contract.title}, {_plural(len(contract.clauses), 'clause')}")
    for site in portfolio.sites:
        console.print(f"  {site.id}  {site.storage_energy_wh // 1000:>5} kWh  {site.tariff:<28} {site.name}")


def _import(door: FrontDoor, console: Console) -> None:
    console.rule(f"2. a month of 15-minute readings: {MONTH}")
    efficiency = f"{_CHARGE_PERMILLE // 10} % in, {_DISCHARGE_PERMILLE // 10} % out"
    console.print(
        "  real       the load's shape: German business profiles (SimBench, ODbL), August 2016 moved by\n"
        "             522 weeks onto the same weekdays of August 2026, its clock read as Shanghai's, scaled\n"
        "             to a peak stated per site\n"
        "  real       the prices and hours: State Grid Shanghai's public tariff of August 2026\n"
        "  simulated  the storage meters: what the time-of-use rule (dispatch/time_of_use_rule.py) does\n"
        f"             with that load and tariff, {efficiency}"
    )
    loads = _load_csv()
    sites = {site.id: site for site in _portfolio().sites}
    jobs: list[tuple[str, bytes, str]] = [("load-2026-08.csv", loads, "load.toml")]
    jobs.append(("storage-2026-08.csv", _storage_csv(loads, sites, shanghai_tariffs()), "storage.toml"))
    with Progress(console=console, transient=True) as bar:
        for name, data, profile in jobs:
            task = bar.add_task(name, total=None)
            done = import_file(
                door,
                data,
                file_name=name,
                profile=meters.profile_of((_EXAMPLES / "demo" / profile).read_bytes()),
                actor=_ACTOR,
                progress=lambda at, of, task=task: bar.update(task, completed=at, total=of),  # type: ignore[misc]
            )
            console.print(
                f"  {name}: {done.parsed.readings:,} readings in {done.blocks} blocks,"
                f" {len(done.parsed.gaps)} gaps, {'known already' if done.repeated else 'stored'}"
            )


def _settle(stack: Stack, door: FrontDoor, console: Console) -> None:
    console.rule(f"3. settling {MONTH}")
    for one in settle_month(door, stack.database, MONTH, actor=_ACTOR).runs:
        result = one.result
        state = "recorded" if one.recorded else "unchanged"
        console.print(
            f"  {result.contract:<18} run {one.run} {state:<10} pool {readable_sum(result.pool)},"
            f" {len(result.lines)} lines, event {one.sequence}"
        )
        for bill in result.bills:
            without, with_storage = readable_money(bill.without_storage), readable_money(bill.with_storage)
            console.print(f"      {bill.site}: bill {without} without storage, {with_storage} with it")


def _statements(stack: Stack) -> list[Statement]:
    stack.caught_up()
    with stack.database.reading(stack.settings.book) as connection:
        return statements.latest(connection, lowest_position(connection), month=str(MONTH))


def _verify(stack: Stack, console: Console) -> None:
    console.rule("5. verifying the ledger")
    stack.caught_up()
    verdict = verify(stack.log, stack.database, stack.addresses.nats_monitor_url)
    proof = replay.replay(stack.log, stack.database)
    for fault in verdict.faults:
        console.print(f"  FAULT {fault}")
    console.print(
        f"  {verdict.envelopes} envelopes: no gap, equal to the archive, every chain of hashes whole\n"
        f"  {verdict.runs} settlement runs: settled again, the same digest\n"
        f"  replayed from the first event in an empty database: "
        f"{sum(table.rows for table in proof.tables):,} rows {'equal' if proof.equal else 'DIFFERENT'}"
    )
    if verdict.faults or not proof.equal:
        raise Refused("verify", "the ledger does not verify")


def _show_statements(stack: Stack) -> None:
    for statement in _statements(stack):
        print(statement_text.text(statement), end="\n\n")


def shanghai_tariffs() -> dict[str, Tariff]:
    """State Grid Shanghai's, by id."""
    files = sorted((_EXAMPLES / "tariffs").glob("shanghai_*.toml"))
    found = [tariff_file.parse_tariff(file.read_text(encoding="utf-8"), name=file.name) for file in files]
    return {tariff.id: tariff for tariff in found}


def _portfolio() -> Portfolio:
    return portfolio_file.parse((_EXAMPLES / "demo/portfolio.toml").read_bytes())


def _load_csv() -> bytes:
    """The shipped profiles as one long file: shares of the peak become kW and kvar, dates move ten years."""
    with gzip.open(_EXAMPLES / "demo/simbench_2016-08.csv.gz", "rt", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["local_start", *(f"{site}_{kind}" for site in _LOADS for kind in ("kw", "kvar"))])
    for row in rows:
        local = datetime.fromisoformat(row["local_start"]) + _WEEKS_LATER
        values: list[str] = [f"{local:%Y-%m-%dT%H:%M}"]
        for scaled in _LOADS.values():
            values.append(_times(row[f"{scaled.profile}_p"], scaled.peak_kw))
            values.append(_times(row[f"{scaled.profile}_q"], scaled.peak_kvar))
        writer.writerow(values)
    return out.getvalue().encode()


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _times(share: str, peak: int) -> str:
    return decimal_text(round_half_away(exact(share) * peak * 10**6), 6)


def _storage_csv(loads: bytes, sites: dict[str, Site], tariffs: dict[str, Tariff]) -> bytes:
    """What the storages' meters would read under the time-of-use rule."""
    rows = list(csv.DictReader(io.StringIO(loads.decode())))
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["meter", "register", "start", "wh"])
    for name, site in sites.items():
        storage = Storage(site.storage_energy_wh, site.storage_power_w, _CHARGE_PERMILLE, _DISCHARGE_PERMILLE)
        load_wh = np.array(
            [round_half_away(exact(row[f"{name}_kw"]) * 1000 * _INTERVAL_S / 3600) for row in rows],
            dtype=np.int64,
        )
        price = prices_of_month(tariffs[site.tariff], MONTH, _INTERVAL_S).mantissa
        done = schedule(storage, load_wh, price, _INTERVAL_S)
        for register, values in (("charge", done.charge_wh), ("discharge", done.discharge_wh)):
            _write(writer.writerow, f"{name}-STORAGE", register, values, site.zone)
    return out.getvalue().encode()


def _write(
    row: Callable[[list[str]], object], meter: str, register: str, values: npt.NDArray[np.int64], zone: str
) -> None:
    start = MONTH.interval(zone_of(zone)).start
    for i, wh in enumerate(values.tolist()):
        at = start + timedelta(seconds=_INTERVAL_S * i)
        row([meter, register, f"{at:%Y-%m-%dT%H:%M:%SZ}", str(wh)])
