"""Commands that bring facts in: register, import, contract."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Annotated

import msgspec
from cyclopts import App, Parameter
from rich.console import Console
from rich.progress import Progress

from adapters import meters, portfolio_file
from adapters.cli.session import ACTOR, Session
from adapters.front_door import Receipt
from adapters.importing import import_file
from adapters.meters.report import rejected_csv
from ledger import contract_file, tariff_file
from ledger.market_price import price_ledger
from ledger.meter_import import AbandonImport
from ledger.published_tariff import PublishTariff
from ledger.recorded_price import RecordPrices, blocks_of
from ledger.signed_contract import RegisterContract

console = Console(stderr=True)


def add_to(app: App, session: Session) -> None:
    """Add the commands."""
    register = App(
        name="register", help="Register what a file describes; the same file twice is registered once."
    )
    contract = App(name="contract", help="Contract files.")
    app.command(register)
    app.command(contract)

    @register.command
    def portfolio(file: Path) -> None:
        """Register the book, parties, sites, meters and devices of a TOML file."""
        described = portfolio_file.parse(file.read_bytes())
        with session.open() as stack:
            receipts = portfolio_file.register(stack.door, described, actor=ACTOR)
        new = sum(not receipt.repeated for receipt in receipts)
        print(f"{new} registered, {len(receipts) - new} known already")

    @register.command
    def tariff(file: Path) -> None:
        """Publish a time-of-use tariff from a TOML file; every price is checked against its own formula."""
        command = PublishTariff(tariff_file.parse_tariff(file.read_text(encoding="utf-8"), name=file.name))
        with session.open() as stack:
            receipt = stack.door.record(command, actor=ACTOR)
        print(f"tariff {command.tariff.id}: event {receipt.sequence}{_known(receipt)}")

    @register.command
    def prices(
        file: Path,
        *,
        market: Annotated[str, Parameter(help="the market, such as shandong")],
        node: Annotated[str, Parameter(help="the price node or zone")],
        currency: str = "CNY",
        interval_s: int = 3600,
    ) -> None:
        """Record a market's day-ahead and real-time prices from a CSV (examples/prices has one)."""
        with file.open(encoding="utf-8", newline="") as lines:
            both = price_ledger(
                csv.DictReader(lines), market=market, node=node, currency=currency, interval_s=interval_s
            )
        commands = [RecordPrices(block) for series in both for block in blocks_of(series, file.name)]
        with session.open() as stack:
            for command in commands:
                stack.door.record(command, actor=ACTOR)
        print(f"{file.name}: {len(commands)} blocks of prices of {market} {node}")

    @register.command(name="contract")
    def register_contract(file: Path) -> None:
        """Register a contract from a TOML file, or a version that replaces it from its dates on."""
        command = RegisterContract(contract_file.parse(file.read_bytes()))
        with session.open() as stack:
            receipt = stack.door.record(command, actor=ACTOR)
        print(f"contract {command.contract.id}: event {receipt.sequence}{_known(receipt)}")

    @contract.command
    def check(file: Path) -> None:
        """Check a contract file; an error names its line and field. Nothing is stored."""
        found = contract_file.parse(file.read_bytes())
        sites = ", ".join(found.sites)
        print(f"{file}: contract {found.id} for {sites}, {len(found.clauses)} clauses, is in order")

    @contract.command
    def schema() -> None:
        """Print the JSON Schema of contract files, for your editor."""
        print(msgspec.json.format(msgspec.json.encode(contract_file.json_schema()), indent=2).decode())

    @app.command
    def abandon(import_id: str, reason: str) -> None:
        """Give up an import that will not be finished, so that its month can be settled as it is."""
        with session.open() as stack:
            command = AbandonImport(import_id, reason)
            stack.door.execute(command, command_id=f"abandon:{import_id}", actor=ACTOR)
        print(f"import {import_id} is abandoned")

    @app.command(name="import")
    def import_(
        file: Path,
        *,
        profile: Annotated[
            Path, Parameter(help="TOML file that maps the columns; examples/meters has one of each kind")
        ],
        accept_valid: Annotated[
            bool, Parameter(help="store the good rows and write the others to FILE.rejected.csv")
        ] = False,
    ) -> None:
        """Import meter readings from a CSV, NEM12 or JSON file, plain or gzip.

        The whole file is checked first. A file with a bad row is refused whole, with its row and reason.
        """
        reading = meters.profile_of(profile.read_bytes())
        with session.open() as stack, Progress(console=console, transient=True) as bar:
            task = bar.add_task(f"importing {file.name}", total=None)
            done = import_file(
                stack.door,
                file.read_bytes(),
                file_name=file.name,
                profile=reading,
                actor=ACTOR,
                accept_valid=accept_valid,
                progress=lambda at, of: bar.update(task, completed=at, total=of),
            )
        parsed = done.parsed
        print(
            f"import {done.import_id}: {parsed.readings:,} readings in {done.blocks} blocks"
            f"{' (known already)' if done.repeated else ''}, {len(parsed.gaps)} gaps,"
            f" {len(parsed.duplicates)} duplicates, rounding {float(parsed.drift_wh):+.3f} Wh in all"
        )
        if done.repeated:
            print("  note: what was recorded since for the same intervals stays in force")
        for gap in parsed.gaps[:10]:
            print(
                f"  gap: {gap.meter} {gap.register} {gap.start:%Y-%m-%dT%H:%MZ} to {gap.end:%Y-%m-%dT%H:%MZ}"
            )
        for notice in parsed.notices:
            print(f"  note: {notice}")
        if parsed.rejected:
            rest = file.with_name(file.name + ".rejected.csv")
            rest.write_bytes(rejected_csv(parsed))
            print(f"  {len(parsed.rejected)} readings rejected, written with their reasons to {rest}")


def _known(receipt: Receipt) -> str:
    return ", in force already" if receipt.repeated else ""
