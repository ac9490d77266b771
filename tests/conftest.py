"""Servers shared by a test process; each test has its own book (stream) and database."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from _pytest.doctest import DoctestModule
from hypothesis import settings
from hypothesis.internal.conjecture import providers

from tests.stack import NatsServer, PostgresServer, shared_nats

settings.register_profile("fixed", derandomize=True, deadline=None, database=None)
settings.register_profile("new", deadline=None, database=None, print_blob=True)
_SEEDS = os.environ.get("PROPERTY_SEEDS", "fixed")
settings.load_profile(_SEEDS)
if _SEEDS == "fixed":
    # Hypothesis strews in the constants of each module that happens to be imported: the same seed would give
    # other examples when a test runs alone. And to match thousands of words with each alphabet is dear.
    assert callable(providers._get_local_constants)
    _NO_CONSTANTS = providers.Constants()
    providers._get_local_constants = lambda: _NO_CONSTANTS

_HERE = Path(__file__).parent

# Otherwise each test process, and each command that one starts, compiles anew all that it loads.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


@pytest.hookimpl(wrapper=True)
def pytest_collect_file(
    file_path: Path,
) -> Generator[None, list[pytest.Collector], list[pytest.Collector]]:
    """Tests have no doctests; to look for some in each costs every worker a second."""
    found = yield
    return [one for one in found if not (isinstance(one, DoctestModule) and _HERE in file_path.parents)]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The long ones first: begun last, one of them would keep a single worker busy at the end."""
    items.sort(key=lambda item: item.get_closest_marker("long") is None)


def pytest_collection_finish() -> None:
    """What was collected stays to the end: garbage need not be looked for in it again and again."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def nats_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServer]:
    with shared_nats(tmp_path_factory.mktemp("nats")) as server:
        yield server


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    server = PostgresServer(tmp_path_factory.mktemp("postgres"))
    yield server
    server.stop()
