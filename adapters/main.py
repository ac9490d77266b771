"""The program: reads the environment, wires everything together, and turns errors into exit codes."""

from __future__ import annotations

import importlib
import os
import select
import sys
from collections.abc import Sequence
from datetime import UTC, datetime

import nats.errors
import psycopg
from cyclopts import App, CycloptsError
from eventsourcing.persistence import InterfaceError, OperationalError
from rich.console import Console

from adapters.cli.groups import groups_of
from adapters.cli.reads import put_on_record
from adapters.cli.session import Session
from adapters.cli.usage import usage_refusal
from adapters.continuity import Discontinuity
from adapters.embedded.child import ChildFailed
from adapters.integrity.fault import REMEDIES
from adapters.nats.stream import NO_SPACE, StreamError, WeakStream
from adapters.settings import Settings
from adapters.settling import Behind
from adapters.transparency.published_log import DAMAGED
from ledger.refusal import Refused

_REFUSED = 2
_UNAVAILABLE = 3
_INTERRUPTED = 130
_PIPE_CLOSED = 141
"""As of a program that SIGPIPE ended; the signal itself would not let us stop the servers."""


def application(session: Session, words: Sequence[str] = ()) -> App:
    """The command line of Wattledger; of it only the group of commands that `words` begin with, where they
    begin with one: a group brings libraries along that take a second to load."""
    app = App(
        name="wattledger",
        help="Settlement ledger for aggregated battery storage: meter data in, partners' statements out.",
        version="0.1.0",
        result_action="return_value",
        suppress_keyboard_interrupt=False,
    )
    for group in groups_of(words):
        importlib.import_module(f"adapters.cli.{group}").add_to(app, session)
    put_on_record(app)
    return app


def main() -> None:
    """Run one command. Exit codes: 0 done, 1 a check failed, 2 your input, 3 a server is not available.

    A reader that has read enough, as `head` has, ends it without a word.
    """
    errors = Console(stderr=True, soft_wrap=True)
    try:
        try:
            code = _run(errors)
        finally:
            sys.stdout.flush()
    except BrokenPipeError as error:
        if not _reader_gone():
            code = _unavailable(errors, error)
        else:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            code = _PIPE_CLOSED
    sys.exit(code)


def _run(errors: Console) -> int:
    try:
        session = Session(Settings.from_environment(os.environ), lambda: datetime.now(UTC))
        app = application(session, sys.argv[1:])
        try:
            code = app(sys.argv[1:], print_error=False, exit_on_error=False)
        except CycloptsError as error:
            raise usage_refusal(app, error) from None
    except Refused as refused:
        if refused.code in DAMAGED:
            return _unavailable(errors, f"{refused.code}: {refused}\n  {_next(REMEDIES['tree_altered'])}")
        return _refused(errors, refused)
    except (
        FileNotFoundError,
        FileExistsError,
        IsADirectoryError,
        NotADirectoryError,
        PermissionError,
        UnicodeDecodeError,
    ) as error:
        errors.print(f"refused (file): {error}", style="red", markup=False, highlight=False)
        return _REFUSED
    except BrokenPipeError:
        raise
    except StreamError as error:
        return _unavailable(errors, error) if error.code != NO_SPACE else _refused(errors, _no_space())
    except (
        ChildFailed,
        OSError,
        InterfaceError,
        OperationalError,
        nats.errors.Error,
        psycopg.OperationalError,
        psycopg.InterfaceError,
        WeakStream,
        Behind,
    ) as error:
        return _unavailable(errors, error)
    except Discontinuity as error:
        return _unavailable(errors, _damage(error))
    except KeyboardInterrupt:
        errors.print("interrupted", style="red")
        return _INTERRUPTED
    return code if isinstance(code, int) else 0


def _no_space() -> Refused:
    return Refused(
        "no_space",
        "the space that this NATS server may use is promised to its books, and none is left for another one;"
        " bound the new book with WATTLEDGER_STREAM_MAX_BYTES (such as 1073741824), free disk space, or found"
        " it in a folder of its own with WATTLEDGER_STATE",
    )


def _damage(error: Discontinuity) -> str:
    """What is damaged, where, and what to do next; of a checkpoint's file or key the message says it all."""
    fault = error.fault
    if fault.code in {"checkpoint_file", "checkpoint_key"}:
        return fault.message
    return f"{fault}\n  {_next(fault.remedy)}"


def _next(remedy: str) -> str:
    return f"`wattledger verify` names all that is damaged; {remedy}"


def _refused(errors: Console, refused: Refused) -> int:
    errors.print(f"refused ({refused.code}): {refused}", style="red", markup=False, highlight=False)
    return _REFUSED


def _unavailable(errors: Console, error: Exception | str) -> int:
    errors.print(f"not available: {error}", style="red", markup=False, highlight=False)
    return _UNAVAILABLE


def _reader_gone() -> bool:
    """Whether it is our output that nobody reads any more, and not a server that hung up."""
    poll = select.poll()
    poll.register(sys.stdout.fileno(), select.POLLOUT)
    return any(event & select.POLLERR for _, event in poll.poll(0))


if __name__ == "__main__":
    main()
