"""Commands about the health of devices: what is known of one, capacity tests, and the role that takes
days."""

from __future__ import annotations

import signal
import threading
from datetime import UTC, datetime
from typing import Annotated, Literal

import msgspec
from cyclopts import App, Parameter

from adapters.cli.as_of import AsOf, moment
from adapters.cli.close import As
from adapters.cli.session import Session, check_folder, projecting
from adapters.cli.submitting import once
from adapters.http.instant import instant_of
from adapters.queries.device_health import device_health, health_lines
from adapters.stack import running
from dispatch.health.record import RecordCapacityTest, WithdrawCapacityTest
from ledger.refusal import Refused

Format = Literal["text", "json"]


def add_to(app: App, session: Session) -> None:
    """Add the commands."""
    group = App(name="health", help="How devices are, and what will soon not be well.")
    app.command(group)

    @group.default
    def health(device: str, *, format: Format = "text", as_of: AsOf = None) -> None:
        """Show the state of health, cycles, efficiency, availability, trends and open alarms of DEVICE.

        All of it from the book: days of telemetry that were taken, capacity tests, and alarms.
        """
        with session.open() as stack:
            position = moment(stack, as_of).position
            with stack.database.reading(stack.settings.book) as connection:
                found = device_health(connection, position, device)
        if format == "json":
            print(msgspec.json.format(msgspec.json.encode(found), indent=2).decode())
        else:
            print("\n".join(health_lines(found)))

    @group.command
    def tested(
        device: str,
        usable_wh: int,
        *,
        at: Annotated[str, Parameter(help="when the test ended, an instant with its offset")],
        evidence: Annotated[str, Parameter(help="what proves it, such as a report's number")],
        by: As,
    ) -> None:
        """Record that USABLE_WH came out of the full DEVICE until it was empty.

        At most 130 % of its nameplate. One that is wrong is withdrawn (wattledger health withdraw), and then
        recorded as it was.
        """
        command = RecordCapacityTest(
            device, usable_wh=usable_wh, tested_at=instant_of(at, "--at"), by=by, evidence=evidence
        )
        with session.open() as stack:
            receipt = stack.door.execute(command, command_id=once(), actor=by)
        print(f"capacity test of {device}: event {receipt.sequence}")

    @group.command
    def withdraw(
        device: str,
        reason: str,
        *,
        at: Annotated[str, Parameter(help="when the test ended, as it was recorded")],
        by: As,
    ) -> None:
        """Say that a capacity test of DEVICE does not count, and why; it stays on record."""
        command = WithdrawCapacityTest(device, tested_at=instant_of(at, "--at"), by=by, reason=reason)
        with session.open() as stack:
            receipt = stack.door.execute(command, command_id=once(), actor=by)
        print(f"capacity test of {device} withdrawn: event {receipt.sequence}")

    @group.command
    def watch() -> None:
        """Take each day of this machine's devices out of their telemetry, and watch their trends, until
        stopped.

        The setpoints of the book that meters showed become settled here, by the runs that cover their days.
        WATTLEDGER_DEVICES names the file of the devices. It may be killed at any moment.
        """
        _run(session)


def _run(session: Session) -> None:
    # Telemetry takes a while to import: no other command pays for it.
    from adapters.driving.fleet_file import load
    from adapters.driving.settling_commands import SettlingCommands
    from adapters.health.day_taking import DayTaking
    from adapters.telemetry.history import History

    check_folder(session.settings)
    path = session.settings.devices
    if path is None:
        wrong = "set it to the file that names the devices, such as fleet.toml"
        raise Refused("settings", wrong, place="WATTLEDGER_DEVICES")
    try:
        devices = load(path)
    except OSError as error:
        raise Refused("fleet_file", f"{error.strerror}", place=str(path)) from None
    stopping = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopping.set())
    with running(session.settings, session.clock, founding=False) as stack, projecting(stack):
        book = stack.settings.book
        history = History(stack.client, book)
        _say(f"the days of {path} are taken from now on")
        days = session.settings.telemetry_days
        taking = DayTaking(
            stack.door, stack.database, book, history, devices, stack.clock, _say, kept_days=days
        )
        taking.run(stopping, beside=SettlingCommands(stack.door, stack.database, _say).turn)


def _say(line: str) -> None:
    print(f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}  {line}", flush=True)
