"""Commands that bring facts in: register, import, contract."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date
from pathlib import Path
from typing import Annotated, Final

import msgspec
import nats.errors
import psycopg
from cyclopts import App, Parameter
from rich.console import Console
from rich.progress import Progress

from adapters import approving, meters, portfolio_file
from adapters.cli import given_file
from adapters.cli.close import As
from adapters.cli.counted import counted
from adapters.cli.session import ACTOR, PreparedBy, Session
from adapters.cli.submitting import once, where
from adapters.contract_currency import check_currency
from adapters.decoder_refusal import decoder_refusal
from adapters.gateway import price_formats
from adapters.importing import Imported, import_file
from adapters.meters.report import NotWhole, Parsed, rejected_csv
from adapters.nats.log import StoreUnavailable, Unverified
from adapters.overlap import check_overlap
from adapters.withdrawing import withdrawal
from ledger import contract_file, market_rule_file, tariff_file
from ledger.contract import Contract
from ledger.effective import Period
from ledger.exclusivity import policy_file
from ledger.exclusivity.published import PublishExclusivity
from ledger.interval import midnight, zone_of
from ledger.market_fact import PublishMarketRule, RecordMarketFact
from ledger.meter_import import AbandonImport
from ledger.published_tariff import PublishTariff
from ledger.recorded_price import RecordPrices, blocks_of
from ledger.refusal import Refused
from ledger.signed_contract import RegisterContract
from ledger.streams import Fact
from ledger.unstated import optional_parts

console = Console(stderr=True)

_SHOWN = 20
"""Rejected readings that are printed; the file that is written has them all."""

_GAPS_SHOWN = 10

_HELD: Final = {"stated": "", "default": "default: ", "absent": "not stated: "}
_CONTRACT = "a contract in TOML (examples/contracts has one of each model)"


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
        data = given_file.read(file, "a portfolio in TOML (see examples/demo/portfolio.toml)")
        described = portfolio_file.parse(data)
        with session.open() as stack:
            try:
                receipts = portfolio_file.register(stack.door, described, actor=ACTOR)
            except Refused as refused:
                place = ", ".join(filter(None, (str(file), refused.place)))
                raise Refused(refused.code, refused.reason, place=place) from None
        new = sum(not receipt.repeated for receipt in receipts)
        print(f"{new} registered, {len(receipts) - new} known already")

    @register.command
    def tariff(file: Path, *, by: PreparedBy = ACTOR) -> None:
        """Publish a time-of-use tariff from a TOML file; every price is checked against its own formula."""
        text = given_file.read(file, "a tariff in TOML (examples/tariffs has some)")
        command = PublishTariff(tariff_file.parse_tariff(text, name=file.name))
        with session.open() as stack:
            done = approving.record(stack.door, command, actor=by)
        print(f"tariff {command.tariff.id}: {where(done)}")

    @register.command
    def prices(
        file: Path,
        *,
        market: Annotated[str, Parameter(help="the market, such as shandong")],
        node: Annotated[str, Parameter(help="the price node or zone")],
        file_format: Annotated[
            price_formats.Format,
            Parameter(name="--format", help="our own layout, or a public file: AEMO's (zip or CSV), CAISO's"),
        ] = "ledger",
        currency: Annotated[str | None, Parameter(help="of our own layout; CNY unless stated")] = None,
        interval_s: Annotated[int | None, Parameter(help="of our own layout; 3600 unless stated")] = None,
        zone: Annotated[str | None, Parameter(help="of a platform's local hours: their clocks")] = None,
        extract: Annotated[
            bool, Parameter(help="a public file is a part of an original, without rows or its last line end")
        ] = False,
        regulation_rule: Annotated[
            str | None, Parameter(help="record a public file's regulation prices too, under this market rule")
        ] = None,
    ) -> None:
        """Record a market's day-ahead and real-time prices from a CSV (examples/prices has one).

        Real-time prices are of intervals that are over; a later one is refused, and the file with it.
        """
        data = given_file.read(file, "a CSV of prices (examples/prices has one)")
        asked = price_formats.Asked(
            market=market, node=node, run=file.name, currency=currency, interval_s=interval_s, zone=zone,
            extract=extract, regulation_rule=regulation_rule, now=session.clock(),
        )  # fmt: skip
        told = price_formats.told_by(data, file_format, asked)
        commands = [RecordPrices(block) for series in told.series for block in blocks_of(series, file.name)]
        facts = [RecordMarketFact(fact) for fact in told.regulation]
        with session.open() as stack:
            recorded = [stack.door.record(command, actor=ACTOR) for command in facts]
            receipts = [stack.door.record(command, actor=ACTOR) for command in commands]
        known = sum(receipt.repeated for receipt in receipts)
        if known == len(receipts):
            new = "registered already, nothing is new"
        else:
            new = f"{len(receipts) - known} recorded, {known} known already"
        print(f"{file.name}: {counted(len(commands), 'block')} of prices of {market} {node}: {new}")
        if facts:
            fresh = sum(not receipt.repeated for receipt in recorded)
            print(f"  {counted(fresh, 'fact')} of {regulation_rule}, {len(facts) - fresh} known already")
        for notice in told.notices:
            print(f"  note: {notice}")

    @register.command(name="market-rule")
    def market_rule(
        file: Path,
        *,
        since: Annotated[date, Parameter(name="--from", help="the local day from which it holds")],
        zone: Annotated[str, Parameter(help="the zone of that day")] = "Asia/Shanghai",
        by: PreparedBy = ACTOR,
    ) -> None:
        """Publish a market's rule from a TOML file (examples/market_rules has many, with their sources)."""
        text = given_file.read(file, "a market rule in TOML (examples/market_rules has some)")
        start = midnight(since, zone_of(zone)).astimezone(UTC)
        command = PublishMarketRule(Period(start), market_rule_file.parse(text))
        with session.open() as stack:
            done = approving.record(stack.door, command, actor=by)
        print(f"market rule {command.rule.id}: {where(done)}")

    @register.command
    def exclusivity(file: Path, *, by: PreparedBy = ACTOR) -> None:
        """Publish who may be paid for which kWh and kW from a TOML file (examples/exclusivity)."""
        text = given_file.read(file, "an exclusivity policy in TOML (examples/exclusivity has two)")
        command = PublishExclusivity(policy_file.parse(text))
        with session.open() as stack:
            done = approving.record(stack.door, command, actor=by)
        print(f"exclusivity policy {command.policy.id}: {where(done)}")

    @register.command(name="market-facts")
    def register_market_facts(file: Path) -> None:
        """Record what markets told: a JSON list of clearings, awards, instructions, orders ..."""
        text = given_file.read(file, "a JSON list of market facts")
        try:
            facts = msgspec.json.decode(text, type=list[Fact])
        except msgspec.ValidationError as error:
            raise decoder_refusal(error, list[Fact]) from None
        except msgspec.DecodeError as error:
            raise Refused("json", f"{file} is not JSON: {error}", place=str(file)) from None
        with session.open() as stack:
            receipts = [stack.door.record(RecordMarketFact(fact), actor=ACTOR) for fact in facts]
        new = sum(not receipt.repeated for receipt in receipts)
        print(f"{counted(new, 'fact')} recorded, {len(receipts) - new} known already")

    @register.command(name="contract")
    def register_contract(file: Path, *, by: PreparedBy = ACTOR) -> None:
        """Register a contract from a TOML file, or a version that replaces it from its dates on."""
        command = RegisterContract(contract_file.parse(given_file.read(file, _CONTRACT)))
        with session.open() as stack:
            check_overlap(stack.door, stack.database, command)
            check_currency(stack.door, stack.database, command)
            done = approving.record(stack.door, command, actor=by)
        print(f"contract {command.contract.id}: {where(done)}")
        _print_notices(command.contract)

    @contract.command
    def check(file: Path) -> None:
        """Check a contract file; an error names its line and field. Nothing is stored.

        Where there is a book, its sites' tariffs and market rules must have the contract's currency. Of each
        part that a contract may leave out it says what is stated, or what holds without it.

        A warning points at what is acceptable, and perhaps not meant, such as a fee above half of the capital
        a year.
        """
        found = contract_file.parse(given_file.read(file, _CONTRACT))
        if session.founded:
            with session.open() as stack:
                check_currency(stack.door, stack.database, RegisterContract(found))
        sites = ", ".join(found.sites)
        clauses = counted(len(found.clauses), "clause")
        print(f"{file}: contract {found.id} for {sites}, {clauses}, is in order")
        for part in optional_parts(found):
            print(f"  {part.field}: {_HELD[part.held]}{part.says}")
        _print_notices(found)

    @contract.command
    def withdraw(contract: str, reason: str, *, by: As) -> None:
        """Withdraw a contract that was never settled: no month waits for it, and its id is free again."""
        with session.open() as stack:
            command = withdrawal(stack.door, contract, reason)
            done = approving.submit(stack.door, command, command_id=once(), actor=by)
        print(f"contract {contract} withdrawn: {where(done)}")

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
            bool, Parameter(help="store the good rows and write the others to a file of their own")
        ] = False,
        rejected: Annotated[
            Path | None,
            Parameter(help="where rejected rows go; else FILE.rejected.csv in the current folder"),
        ] = None,
    ) -> None:
        """Import meter readings from a CSV, NEM12 or JSON file, plain or gzip.

        The whole file is checked first. A file with a bad row is refused whole, with its row and reason.
        """
        how = given_file.read(profile, "a profile in TOML (examples/meters has one of each kind)")
        reading = meters.profile_of(how)
        data = given_file.read(file, "a file of meter readings")
        rest = rejected_path(file, rejected)
        with session.open() as stack, Progress(console=console, transient=True) as bar, _resumable():
            task = bar.add_task(f"importing {file.name}", total=None)
            try:
                done = import_file(
                    stack.door,
                    data,
                    file_name=file.name,
                    profile=reading,
                    actor=ACTOR,
                    accept_valid=accept_valid,
                    progress=lambda at, of: bar.update(task, completed=at, total=of),
                    received_at=session.clock(),
                )
            except NotWhole as refused:
                raise _whole_report(file, rest, refused) from None
        _print_imported(done)
        if done.parsed.rejected:
            print(f"  {_write_rejected(rest, done.parsed)}")


def _print_imported(done: Imported) -> None:
    parsed = done.parsed
    print(
        f"import {done.import_id}: {counted(parsed.readings, 'reading')} in {counted(done.blocks, 'block')}"
        f"{' (known already)' if done.repeated else ''}, {counted(len(parsed.gaps), 'gap')} in the file,"
        f" {counted(len(parsed.duplicates), 'duplicate')},"
        f" rounding {float(parsed.drift_wh):+.3f} Wh in all"
    )
    if done.repeated:
        print("  note: what was recorded since for the same intervals stays in force")
    for gap in parsed.gaps[:_GAPS_SHOWN]:
        print(f"  gap: {gap.meter} {gap.register} {gap.start:%Y-%m-%dT%H:%MZ} to {gap.end:%Y-%m-%dT%H:%MZ}")
    if len(parsed.gaps) > _GAPS_SHOWN:
        print(f"  and {counted(len(parsed.gaps) - _GAPS_SHOWN, 'more gap')}")
    if parsed.gaps:
        print("  note: what was recorded before for the intervals of a gap stays in force")
    for notice in parsed.notices:
        print(f"  note: {notice}")


class ImportInterrupted(ConnectionError):
    """A server went away during an import; what was stored of it stays."""


@contextmanager
def _resumable() -> Iterator[None]:
    """An import that a server's loss interrupts says that it can go on.

    Raises:
        ImportInterrupted: with the cause.
    """
    try:
        yield
    except (
        StoreUnavailable,
        Unverified,
        nats.errors.Error,
        psycopg.OperationalError,
        ConnectionError,
        TimeoutError,
    ) as error:
        cause = str(error) or type(error).__name__
        raise ImportInterrupted(f"{cause}; run it again: it goes on where it stopped") from error


def rejected_path(file: Path, stated: Path | None) -> Path:
    """Where the rejected rows of `file` go: a folder of originals may be closed to us, or must stay as it is.

    Raises:
        Refused: `file` when it cannot be written there, or is the file itself.
    """
    rest = Path.cwd() / f"{file.name}.rejected.csv" if stated is None else stated
    if rest.resolve() == file.resolve():
        raise Refused("file", "this is the file itself; rejected rows go to another", place=str(rest))
    given_file.check_new(rest, ())
    return rest


def _write_rejected(rest: Path, parsed: Parsed) -> str:
    """Write the rejected rows, and say so."""
    told = f"{counted(len(parsed.rejected), 'reading')} rejected"
    try:
        given_file.write(rest, rejected_csv(parsed), replace=True)
    except Refused as refused:
        return f"{told}; their list could not be written: {refused}"
    return f"{told}, written with their reasons to {rest}"


def _whole_report(file: Path, rest: Path, refused: NotWhole) -> Refused:
    """The refusal of the whole file, after its rejected readings were listed."""
    rejected = refused.parsed.rejected
    for entry in rejected[:_SHOWN]:
        print(f"  {entry.place}: {entry.reason} ({entry.code})", file=sys.stderr)
    if len(rejected) > _SHOWN:
        print(f"  and {len(rejected) - _SHOWN:,} more", file=sys.stderr)
    written = _write_rejected(rest, refused.parsed)
    then = "nothing was stored; put them right, or store the rest with --accept-valid"
    return Refused(refused.code, f"{written}; {then}", place=str(file))


def _print_notices(contract: Contract) -> None:
    for notice in contract.notices:
        print(f"  warning: {notice.message}")
