"""The driving role: drives the devices of this machine, and stops them without asking anybody."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated

from cyclopts import App, Parameter

from adapters.cli.session import Session, check_folder, projecting
from adapters.continuity import Discontinuity
from adapters.driving.driver_folder import DriverFolder, told_apart
from adapters.driving.emergencies import local_stop
from adapters.nats.stream import WeakStream
from adapters.stack import running
from ledger.refusal import Refused

_ANSWER_S = 10.0
_OTHER_WAY = "with NATS and PostgreSQL there: wattledger emergency stop-all REASON --as WHO"


def add_to(app: App, session: Session) -> None:
    """Add the command."""

    @app.command
    def drive(
        *,
        stop_all: Annotated[
            str | None,
            Parameter(name="--stop-all", help="stop everything that a driver of this folder drives; why"),
        ] = None,
        by: Annotated[
            str | None, Parameter(name="--as", help="who stops it: an opaque id, never a person's name")
        ] = None,
    ) -> int:
        """Drive the devices of this machine until stopped.

        WATTLEDGER_DEVICES names the file of the devices (examples/devices/fleet.toml). Each must be
        registered, and is read and never raised until it has passed its step test. It may be killed at any
        moment. With --stop-all it asks the driver that runs here to stop everything at once: neither NATS nor
        PostgreSQL is needed; the stop is put on record as an emergency when they are there, and another
        person ends it (wattledger emergency end).
        """
        settings = session.settings
        folder = DriverFolder(settings.state / "driving" / settings.book)
        if stop_all is not None:
            if by is None:
                raise Refused("empty", "say who stops it", place="--as")
            return _stop(folder, by, stop_all, session.clock())
        if by is not None:
            raise Refused("not_allowed", "only with --stop-all", place="--as")
        _drive(session, folder)
        return 0


def _stop(folder: DriverFolder, by: str, reason: str, now: datetime) -> int:
    stop = local_stop(by, reason, now)
    try:
        stop = folder.order(stop)
    except OSError as error:
        print(f"the stop cannot be ordered here: {error.strerror}\n{_OTHER_WAY}", file=sys.stderr)
        return 1
    if not folder.driven:
        print(
            f"no driver runs from {folder.path}: one that starts there stops everything first",
            file=sys.stderr,
        )
        return 1
    answer = folder.answered(stop, _ANSWER_S)
    if answer is None:
        silent = f"the driver has not answered within {_ANSWER_S:.0f} s"
        print(f"{silent}: stop at the devices\n{_OTHER_WAY}", file=sys.stderr)
        return 1
    each = f": {told_apart(answer.device_ms)}" if answer.device_ms else ""
    shown = f"{answer.verified} of {answer.devices} devices show a setpoint of 0 W, read back{each}"
    print(f"{shown}; their power goes down as fast as they ramp")
    if answer.stands:
        print(f"emergency {answer.stands} stands for it already: no other is ordered")
    for name, why in sorted(answer.failed.items()):
        print(f"{name} is not stopped: {why}", file=sys.stderr)
    return 0 if answer.verified == answer.devices else 1


def _drive(session: Session, folder: DriverFolder) -> None:
    # Modbus and telemetry take a while to import: no other command pays for it.
    from adapters.driving.fleet_file import load
    from adapters.driving.role import DrivingRole

    check_folder(session.settings)
    path = session.settings.devices
    if path is None:
        wrong = "set it to the file that names the devices, such as fleet.toml"
        raise Refused("settings", wrong, place="WATTLEDGER_DEVICES")
    try:
        devices = load(path)
    except OSError as error:
        raise Refused("fleet_file", f"{error.strerror}", place=str(path)) from None
    logging.getLogger("psycopg.pool").addHandler(_PoolLines(_say))
    with running(session.settings, session.clock, founding=False) as stack, projecting(stack):
        role = DrivingRole(stack, devices, folder, _say)
        try:
            role.run(_stopped_by_signal)
        except ExceptionGroup as several:
            raise _told(several) from several


class _PoolLines(logging.Handler):
    """What PostgreSQL's pool has to say, as a line of the driver's; it tries again each few seconds, and what
    it said last is not repeated."""

    def __init__(self, say: Callable[[str], None]) -> None:
        super().__init__(logging.WARNING)
        self._say = say
        self._last = ""

    def emit(self, record: logging.LogRecord) -> None:
        line = f"PostgreSQL: {' '.join(record.getMessage().split())}"
        if line != self._last:
            self._last = line
            self._say(line)


def _told(several: ExceptionGroup) -> Exception:
    """What ended the tasks of a driver; the whole of it where it is anything but told in one line."""
    known, others = several.split((Refused, Discontinuity, WeakStream))
    if known is None or others is not None:
        return several
    first: Exception = known
    while isinstance(first, ExceptionGroup):
        first = first.exceptions[0]
    return first


def _stopped_by_signal(stopping: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopping.set)


def _say(line: str) -> None:
    print(f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}  {line}", flush=True)
