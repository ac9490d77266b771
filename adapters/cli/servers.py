"""Commands that run things: demo, up, serve, project, status."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
import urllib.request
from datetime import UTC, datetime
from functools import partial
from http.client import HTTPException
from pathlib import Path
from typing import Annotated, Final

from cyclopts import App, Parameter

from adapters import continuity
from adapters.access_log import AccessLog
from adapters.access_sealing import keep_sealing
from adapters.cli.kept_role import KeptRole
from adapters.cli.session import ACTOR, Session, check_folder, projecting
from adapters.cli.webhook import signing_keys
from adapters.continuity import Discontinuity
from adapters.demo import Chapter, run_demo
from adapters.embedded.child import Child, accepts
from adapters.embedded.revived import Revived
from adapters.gateway.configured import gateway_file
from adapters.http.app import create_app
from adapters.http.server import serve as serve_http
from adapters.integrity import checkpoint_files, known_damage, position_rows
from adapters.loaded import keep_what_is_loaded
from adapters.projections import PROJECTIONS
from adapters.projector import Position, Projector
from adapters.queries import imports_page
from adapters.settings import Settings
from adapters.stack import Stack, running
from adapters.state_folder import StateFolder
from adapters.stated_settings import state_settings
from ledger.refusal import Refused

_RESTART_S = 1.0
_PROJECTOR_NICE: Final = 5
"""Who waits for an answer comes first: what is projected a moment later is read a moment later."""
_IMPORTS_SHOWN: Final = 20
_ROLE_OPTIONS: Final = {"plan": ("--role",), "health": ("watch",)}
_WIDTH: Final = 2 + max(len(name) for name in ("open import", *(one.name for one in PROJECTIONS)))


def add_to(app: App, session: Session) -> None:
    """Add the commands."""
    settings = session.settings

    @app.command
    def demo(
        *,
        part: Annotated[Chapter, Parameter(help="stop after this chapter")] = "all",
        exit: Annotated[bool, Parameter(help="stop after printing, without leaving the API running")] = False,
    ) -> None:
        """Run the main job on real servers: found a book, import a month, settle it, print the statements.

        It ends with the API running and its documentation at a printed address. While another command
        serves the same folder, it joins that one's servers and ends after printing.
        """
        check_folder(settings, founding=True)
        joins = settings.embedded and StateFolder(settings.state).owned and _answers(settings)
        if not exit and not joins:
            _check_port(settings)
        with running(settings, session.clock) as stack, projecting(stack) as projector:
            run_demo(stack, part)
            if exit:
                return
            print("a key: .venv/bin/wattledger key grant --role finance --actor me    stop: Ctrl-C")
            if joins:
                print(f"{_address(settings)}   served by the command that runs already")
            else:
                _serve(stack, projector, session)

    @app.command
    def up() -> int:
        """Run everything: servers, projector, API, what is told live and planning, each a process of its own.

        Where WATTLEDGER_GATEWAYS names gateways, the trading role too; where WATTLEDGER_DEVICES names
        devices, the driving role and the one that watches their health. Whatever dies is started again, the
        servers where they were. Where another command runs the folder's servers it founds and starts
        nothing, and says how to join them.
        """
        check_folder(settings, founding=True)
        if settings.embedded and StateFolder(settings.state).owned:
            raise _runs_already(settings)
        _check_port(settings)
        if settings.gateways is not None:
            gateway_file(settings.gateways)
        stopping = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: stopping.set())
        with running(settings, session.clock) as stack:
            return _supervise(stack, stopping)

    @app.command
    def serve() -> None:
        """Run the API until stopped; its documentation is at /docs."""
        check_folder(settings, founding=True)
        _check_port(settings)
        with running(settings, session.clock) as stack, projecting(stack) as projector:
            _serve(stack, projector, session)

    @app.command
    def project() -> int:
        """Run the projector until stopped; ends with 1 and says why when it halts."""
        check_folder(settings)
        with running(settings, session.clock) as stack:
            projector = stack.projector()
            keep_what_is_loaded()
            os.nice(_PROJECTOR_NICE)
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, lambda *_: projector.stop())
            access = AccessLog(stack.client, settings.book, stack.database, session.clock)
            ended = threading.Event()
            sealing = threading.Thread(
                target=keep_sealing, args=(access, stack.door, ended), kwargs={"actor": ACTOR}, name="sealing"
            )
            sealing.start()
            try:
                projector.run()
            finally:
                ended.set()
                sealing.join()
        if projector.halted is not None:
            print(f"halted: {projector.halted}", file=sys.stderr)
            return 1
        return 0

    @app.command
    def status() -> int:
        """Show the data folder, where the servers are, how far the stream and each projection have come.

        Lists the imports that are open. Ends with 1 when the stream is not the one that was projected.
        """
        try:
            with session.open() as stack:
                lines, fault = _status(stack)
        except Discontinuity as lost:
            lines, fault = [_line("book", settings.book)], str(lost.fault)
        print("\n".join(lines))
        if fault is not None:
            print(f"FAULT {fault}; see `wattledger verify`")
        return 0 if fault is None else 1


def _serve(stack: Stack, projector: Projector | None, session: Session) -> None:
    def halted() -> str | None:
        return projector.halted if projector is not None else None

    print(_address(session.settings), flush=True)
    state_settings(stack.door, stack.published, actor=ACTOR)
    stack.people.finish_all()
    app = create_app(
        stack.door,
        stack.database,
        halted,
        session.clock,
        stack.published,
        stack.people,
        signing_keys(session.settings),
    )
    keep_what_is_loaded()
    serve_http(app, session.settings.http_host, session.settings.http_port, stack.client)


def _supervise(stack: Stack, stopping: threading.Event) -> int:
    """One process a role; a role or server that dies is started again, and the others ride through it."""
    if stack.settings.embedded and not stack.children:
        raise _runs_already(stack.settings)
    folder = stack.settings.state.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    kept: list[KeptRole] = []
    servers = [Revived(server, lambda line: print(line, flush=True)) for server in stack.children]
    roles = ["project", "serve", "tell", "plan"]
    roles += ["trade"] if stack.settings.gateways is not None else []
    roles += ["drive", "health"] if stack.settings.devices is not None else []
    print(f"{_address(stack.settings)}   logs: {folder}", flush=True)
    try:
        kept.extend(
            KeptRole(partial(_role, role, folder), lambda line: print(line, flush=True)) for role in roles
        )
        while not stopping.wait(_RESTART_S):
            for server in servers:
                server.look()
            for one in kept:
                one.look()
    finally:
        for one in kept:
            one.stop()
    return 0


def _role(name: str, folder: Path) -> Child:
    command = [sys.executable, "-m", "adapters.main", name, *_ROLE_OPTIONS.get(name, ())]
    return Child(name, command, folder / f"{name}.log", stop_signal=signal.SIGTERM, grace=10)


def _runs_already(settings: Settings) -> Refused:
    """What runs in the folder and where, and the command for what was wanted."""
    folder = StateFolder(settings.state)
    found = folder.announced
    if found is None:
        runs = f"another command starts or stops the servers of {folder.path}"
        return Refused("servers_running", f"{runs}; try again in a minute", place="state")
    process = "" if found.process is None else f" (process {found.process})"
    database = found.postgres_url.rpartition("@")[2].partition("/")[0]
    runs = f"another command{process} runs the servers of {folder.path} and book {found.book!r}"
    where = f"NATS at {found.nats_url.rpartition('/')[2]}, PostgreSQL at {database}"
    free = f"WATTLEDGER_HTTP_PORT={settings.http_port + 1} " if settings.http_port else ""
    if found.book == settings.book:
        text = "that is this book; commands join it, and nothing more needs to be started"
    else:
        text = (
            f"book {settings.book!r} was not started. On the same servers:"
            f" {free}WATTLEDGER_BOOK={settings.book} wattledger serve, and wattledger tell for what is told"
            " live. On servers of its own: wattledger up with WATTLEDGER_STATE set to another folder"
            f"{' and another port' if free else ''}"
        )
    return Refused("servers_running", f"{runs}: {where}; {text}", place="state")


def _check_port(settings: Settings) -> None:
    if settings.http_port and accepts(settings.http_port):
        who = "another Wattledger" if _answers(settings) else "another program"
        raise Refused(
            "port",
            f"port {settings.http_port} is in use by {who}; stop it, or set WATTLEDGER_HTTP_PORT to another",
            place="http_port",
        )


def _answers(settings: Settings) -> bool:
    """Whether a Wattledger serves at our address."""
    try:
        with urllib.request.urlopen(
            f"http://{settings.http_host}:{settings.http_port}/v1/health/live", timeout=2
        ) as answer:
            return bool(json.load(answer) == {"alive": True})
    except (OSError, HTTPException, ValueError):
        return False


def _address(settings: Settings) -> str:
    base = f"http://{settings.http_host}:{settings.http_port}"
    return f"API: {base}/v1   documentation: {base}/docs"


def _line(name: str, value: object) -> str:
    return f"{name:<{_WIDTH}}{value}"


def _folder(stack: Stack) -> list[str]:
    if not stack.settings.embedded:
        return []
    owner = "started for this command" if stack.children else "running already"
    return [_line("folder", stack.settings.state.resolve()), _line("servers", owner)]


def _status(stack: Stack) -> tuple[list[str], str | None]:
    """The lines, and what is wrong with the stream."""
    state = stack.log.client.run(stack.log.last_sequence())
    projector = stack.projector()
    give_up = time.monotonic() + 2
    while stack.projects and time.monotonic() < give_up:
        if all(position.sequence >= state for position in projector.positions().values()):
            break
        time.sleep(0.05)
    lines = [
        _line("book", stack.settings.book),
        *_folder(stack),
        _line("NATS", stack.addresses.nats_url),
        _line("PostgreSQL", stack.addresses.postgres_url.rpartition("@")[2].partition("?")[0]),
        _line("stream", f"{state} events at {datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"),
    ]
    if not state:
        lines.append(_line("", "an empty book: restore a backup (wattledger restore FILE), or found it"))
    positions = projector.positions()
    for name, position in positions.items():
        behind = state - position.sequence
        where = f"{behind} behind" if behind >= 0 else f"{-behind} beyond the stream's end"
        lines.append(_line(name, f"{position.sequence} ({where})"))
    lines += _open_imports(stack, positions["imports"].sequence)
    lines.append(_line("compared", "where they stand, not what they hold: `wattledger verify` reads it all"))
    return lines, _fault(stack, max(positions.values(), key=lambda position: position.sequence))


def _fault(stack: Stack, position: Position) -> str | None:
    """Why the stream is not the one that was projected, or projections stand elsewhere, if so; or what is
    known of damage."""
    try:
        with stack.database.reading(stack.settings.book) as connection:
            position_rows.check(connection)
            known_damage.check(connection)
        continuity.check_position(stack.log, stack.database, position.sequence, position.hash)
        checkpoint_files.guard(stack.published, stack.log)
    except Discontinuity as lost:
        return str(lost)
    return None


def _open_imports(stack: Stack, position: int) -> list[str]:
    with stack.database.reading(stack.settings.book) as connection:
        found = imports_page.page(connection, position, status="open", after="", limit=_IMPORTS_SHOWN + 1)
    lines = [
        _line(
            "open import",
            f"{one.id}   {one.file_name}, {one.covers_from:%Y-%m-%d} to {one.covers_to:%Y-%m-%d}",
        )
        for one in found[:_IMPORTS_SHOWN]
    ]
    if len(found) > _IMPORTS_SHOWN:
        lines.append(_line("", "and more"))
    if found:
        lines.append(_line("", "import the file again, or give it up: wattledger abandon ID REASON"))
    return lines
