"""The command line in this process, on a test's book: real servers, a real projector."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from adapters.cli.groups import groups_of
from adapters.cli.session import Session
from adapters.main import application
from adapters.settings import Settings
from tests.adapters.conftest import Bench

Terminal = Callable[..., str]
"""Runs one command with its arguments; answers what it printed."""


def terminal_of(bench: Bench, capsys: pytest.CaptureFixture[str]) -> Terminal:
    """A terminal of the bench's book, whose projector must be running; it loads what a command needs."""
    settings = Settings(
        book=bench.book,
        nats_url=bench.nats.url,
        nats_monitor_url=bench.nats.monitor_url,
        nats_seed=bench.nats.app_seed,
        nats_operator_seed=bench.nats.operator_seed,
        postgres_url=bench.postgres_url,
        state=bench.nats.folder,
    )
    session = Session(settings, bench.clock)
    loaded: dict[tuple[str, ...], Any] = {}

    def run(*arguments: str) -> str:
        capsys.readouterr()
        groups = groups_of(arguments)
        if groups not in loaded:
            loaded[groups] = application(session, arguments)
        loaded[groups](arguments, exit_on_error=False)
        return capsys.readouterr().out

    return run
