"""The program: reads the environment, wires everything together, and turns errors into exit codes."""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime

import psycopg
from cyclopts import App
from eventsourcing.persistence import OperationalError
from rich.console import Console

from adapters.cli import access, close, facts, money, proof, questions, reconcile, servers
from adapters.cli.session import Session
from adapters.continuity import Discontinuity
from adapters.embedded.child import ChildFailed
from adapters.nats.stream import StreamError, WeakStream
from adapters.settings import Settings
from adapters.settling import Behind
from ledger.refusal import Refused

_REFUSED = 2
_UNAVAILABLE = 3
_INTERRUPTED = 130


def application(session: Session) -> App:
    """The command line of Wattledger."""
    app = App(
        name="wattledger",
        help="Settlement ledger for aggregated battery storage: meter data in, partners' statements out.",
        version="0.1.0",
        result_action="return_value",
        suppress_keyboard_interrupt=False,
    )
    servers.add_to(app, session)
    facts.add_to(app, session)
    money.add_to(app, session)
    proof.add_to(app, session)
    access.add_to(app, session)
    close.add_to(app, session)
    questions.add_to(app, session)
    reconcile.add_to(app, session)
    return app


def main() -> None:
    """Run one command. Exit codes: 0 done, 1 a check failed, 2 your input, 3 a server is not available."""
    errors = Console(stderr=True, soft_wrap=True)
    try:
        session = Session(Settings.from_environment(os.environ), lambda: datetime.now(UTC))
        code = application(session)()
        sys.exit(code if isinstance(code, int) else 0)
    except Refused as refused:
        errors.print(f"refused ({refused.code}): {refused}", style="red", markup=False, highlight=False)
        sys.exit(_REFUSED)
    except (
        FileNotFoundError,
        FileExistsError,
        IsADirectoryError,
        NotADirectoryError,
        PermissionError,
        UnicodeDecodeError,
    ) as error:
        errors.print(f"refused (file): {error}", style="red", markup=False, highlight=False)
        sys.exit(_REFUSED)
    except (
        ChildFailed,
        ConnectionError,
        OperationalError,
        psycopg.OperationalError,
        StreamError,
        WeakStream,
        Discontinuity,
        Behind,
        TimeoutError,
    ) as error:
        errors.print(f"not available: {error}", style="red", markup=False, highlight=False)
        sys.exit(_UNAVAILABLE)
    except KeyboardInterrupt:
        errors.print("interrupted", style="red")
        sys.exit(_INTERRUPTED)


if __name__ == "__main__":
    main()
