"""An emergency that is ordered while a server is frozen: what it waits for is said at once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from adapters.cli import emergency
from adapters.cli.emergency import _awaited, _servers
from adapters.settings import Settings
from tests.adapters.conftest import Bench
from tests.stack import NatsServer

ROOT = Path(__file__).parents[3]
PASSWORD = "s3cret"


@pytest.mark.fault
@pytest.mark.parametrize(
    ("order", "hint"), [(("stop-all", "smoke"), True), (("hold", "smoke"), False)], ids=["stop", "hold"]
)
def test_what_is_waited_for_is_said_while_nats_is_frozen(
    bench: Bench, tmp_path: Path, order: tuple[str, ...], hint: bool
) -> None:
    nats = NatsServer(tmp_path / "nats")
    os.kill(nats.child.process.pid, signal.SIGSTOP)
    given = {
        "WATTLEDGER_BOOK": bench.book,
        "WATTLEDGER_STATE": str(tmp_path / "state"),
        "WATTLEDGER_NATS_URL": nats.url,
        "WATTLEDGER_NATS_SEED": str(nats.app_seed),
        "WATTLEDGER_POSTGRES_URL": bench.database.url,
    }
    program = (sys.executable, "-m", "adapters.main", "emergency", *order, "--as", "anna")
    process = subprocess.Popen(
        program,
        cwd=ROOT,
        env=os.environ | given,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    try:
        _, said = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
        os.kill(nats.child.process.pid, signal.SIGCONT)
        nats.stop()
    first, *others = said.splitlines()
    assert first.startswith(f"waiting for NATS at {nats.url.rpartition('@')[2].removeprefix('nats://')}"), (
        said
    )
    assert ("wattledger drive --stop-all" in others[0]) == hint
    assert others[-1].startswith("not available: NATS at")
    assert process.returncode == 3


def test_what_is_on_record_at_once_is_not_waited_for(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(emergency, "_SILENT_S", 60.0)
    with _awaited(Settings(), "stop_all"):
        pass
    assert capsys.readouterr().err == ""


def test_where_servers_are_is_told_without_passwords() -> None:
    yours = Settings(
        nats_url=f"nats://a:{PASSWORD}@n1:4222,n2:4222",
        postgres_url=f"postgresql://ledger:{PASSWORD}@p1:5432/x?password={PASSWORD}",
    )
    assert _servers(yours) == "NATS at n1:4222, n2:4222 and PostgreSQL at p1:5432"
    plain = Settings(nats_url="n1:4222", postgres_url=f"host=p1 password={PASSWORD}")
    assert _servers(plain) == "NATS at n1:4222 and PostgreSQL"
    assert _servers(Settings(state=Path("var"))) == "NATS and PostgreSQL of var"
