"""The trading role: carries bids to the markets and their results back."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Annotated

from cyclopts import App, Parameter

from adapters.cli.session import Session, check_folder, projecting
from adapters.desk.desk import Desk
from adapters.desk.follow_up import follow_ups
from adapters.desk.trading_role import TradingRole
from adapters.gateway.configured import gateway_file, opened
from adapters.stack import Stack, running
from ledger.refusal import Refused


def add_to(app: App, session: Session) -> None:
    """Add the command."""

    @app.command
    def trade(
        *, once: Annotated[bool, Parameter(help="carry what waits as far as it goes, and end")] = False
    ) -> None:
        """Carry bids to the markets, and their answers and results back, until stopped.

        WATTLEDGER_GATEWAYS names the file of the gateways (examples/gateways/README.md). Each line says what
        became of a bid, a result or a call. It may be killed at any moment: a bid that was being sent is
        asked about before anything is sent again. Calls of OpenADR 3 programmes are heard, followed or opted
        out of, and handed over to settlement (docs/openadr.md).
        """
        check_folder(session.settings)
        stopping = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: stopping.set())
        with (
            running(session.settings, session.clock, founding=False) as stack,
            projecting(stack),
            trading(stack) as role,
        ):
            if once:
                role.once()
            else:
                role.run(stopping)


@contextmanager
def trading(stack: Stack) -> Iterator[TradingRole]:
    """The role on the gateways that the settings name.

    Raises:
        Refused: `settings` when they name none; see `gateway_file` and `opened`.
    """
    path = stack.settings.gateways
    if path is None:
        wrong = "set it to the file that names the gateways, such as gateways.toml"
        raise Refused("settings", wrong, place="WATTLEDGER_GATEWAYS")
    file = gateway_file(path)
    with opened(file, path.parent) as gateways:
        _say(f"gateways {', '.join(gateways)}; a turn every {file.period_s} s")
        desk = Desk(stack.door, stack.database)
        yield TradingRole(
            desk,
            stack.database,
            gateways,
            stack.clock,
            _say,
            follow=follow_ups(desk),
            period_s=file.period_s,
            recheck_s=file.recheck_s,
        )


def _say(line: str) -> None:
    print(f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}  {line}", flush=True)
