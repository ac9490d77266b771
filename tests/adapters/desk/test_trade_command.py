"""`wattledger trade`: its settings, one pass, and its end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from adapters.cli.session import Session
from adapters.embedded.child import free_port
from adapters.gateway.configured import (
    FilesAccess,
    OpenAdrAccess,
    ReferenceAccess,
    gateway_file,
    opened,
    tokens,
)
from adapters.gateway.file_exchange import FileExchange
from adapters.main import application
from adapters.settings import Settings
from ledger.refusal import Refused
from tests.adapters.conftest import Bench
from tests.adapters.desk.desk_book import ROOT
from tests.adapters.desk.trading_floor import CODE, TOKEN, Floor, Market, local, on_the_floor

EXAMPLE = ROOT / "examples/gateways/gateways.toml"


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Market]:
    running = Market(tmp_path_factory.mktemp("market"))
    yield running
    running.end()


@pytest.fixture
def floor(bench: Bench, market: Market) -> Iterator[Floor]:
    with on_the_floor(bench, market) as made:
        yield made


def gateways(folder: Path, market: Market) -> Path:
    """The floor's market names the gateway `none`."""
    (folder / "tokens.toml").write_text(f'{CODE} = "{TOKEN}"\n')
    (folder / "tokens.toml").chmod(0o600)
    file = folder / "gateways.toml"
    file.write_text(
        f'period_s = 1\n[gateways.none]\ntype = "reference"\nurl = "{market.url}"\ntokens = "tokens.toml"\n'
    )
    return file


def stated(bench: Bench, **more: object) -> dict[str, object]:
    return {
        "book": bench.book,
        "nats_url": bench.nats.url,
        "nats_monitor_url": bench.nats.monitor_url,
        "nats_seed": bench.nats.app_seed,
        "postgres_url": bench.postgres_url,
        **more,
    }


def test_once_carries_all_that_waits_and_ends(
    floor: Floor, market: Market, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = Settings(**stated(floor.bench, state=tmp_path, gateways=gateways(tmp_path, market)))  # type: ignore[arg-type]
    handlers = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    app = application(Session(settings, lambda: floor.now), ["trade"])
    try:
        app(["trade", "--once"], exit_on_error=False)
        out = capsys.readouterr().out
        assert out.count("\n") == 2
        assert "gateways none; a turn every 1 s" in out
        assert f"bid {floor.bid.id}: acknowledged" in out
        floor.set_clock(local(floor.day, -1, 17, 31))
        app(["trade", "--once"], exit_on_error=False)
    finally:
        signal.signal(signal.SIGINT, handlers[0])
        signal.signal(signal.SIGTERM, handlers[1])
    out = capsys.readouterr().out
    assert "cleared (run 1)" in out
    assert "follow-up 1: refused (sharing_missing)" in out, "the floor's unit says no terms"
    assert floor.standing.awarded_w == floor.bid.schedule_w


def test_it_runs_until_it_is_stopped(floor: Floor, market: Market, tmp_path: Path) -> None:
    named = stated(floor.bench, state=tmp_path, gateways=gateways(tmp_path, market))
    process = subprocess.Popen(
        [sys.executable, "-m", "adapters.main", "trade"],
        cwd=ROOT,
        env=os.environ | {f"WATTLEDGER_{name.upper()}": str(value) for name, value in named.items()},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    with process.stdout as said:
        first = said.readline()
        process.send_signal(signal.SIGTERM)
        rest = said.read()
    assert process.wait(30) == 0, first + rest
    assert "gateways none" in first
    assert datetime.fromisoformat(first.split()[0]).tzinfo == UTC


def test_up_runs_it_where_gateways_are_named(market: Market, tmp_path: Path) -> None:
    file = gateways(tmp_path, market)
    state = tmp_path / "state"
    kept = {name: value for name, value in os.environ.items() if not name.startswith("WATTLEDGER_")}
    named = {
        "WATTLEDGER_STATE": str(state),
        "WATTLEDGER_HTTP_PORT": str(free_port()),
        "WATTLEDGER_GATEWAYS": str(file),
    }
    command = [sys.executable, "-m", "adapters.main", "up"]
    process = subprocess.Popen(command, cwd=ROOT, env=kept | named, stdout=subprocess.DEVNULL)
    try:
        until = time.monotonic() + 60
        log = state / "trade.log"
        while not (log.exists() and "gateways none" in log.read_text()):
            assert process.poll() is None
            assert time.monotonic() < until, "the role does not start"
            time.sleep(0.1)
        process.terminate()
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.wait()
    file.write_text(file.read_text().replace("period_s", "peroid_s"))
    settings = Settings(state=tmp_path / "other", http_port=0, gateways=file)
    with pytest.raises(Refused, match="peroid_s"):
        application(Session(settings, lambda: datetime.now(UTC)), ["up"])(["up"], exit_on_error=False)
    assert not (tmp_path / "other").exists(), "said before anything starts"


def test_without_gateways_there_is_nothing_to_trade(floor: Floor, tmp_path: Path) -> None:
    settings = Settings(**stated(floor.bench, state=tmp_path))  # type: ignore[arg-type]
    handlers = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    try:
        with pytest.raises(Refused, match="WATTLEDGER_GATEWAYS"):
            asked = ["trade", "--once"]
            application(Session(settings, lambda: floor.now), asked)(asked, exit_on_error=False)
    finally:
        signal.signal(signal.SIGINT, handlers[0])
        signal.signal(signal.SIGTERM, handlers[1])


def test_the_example_names_one_gateway_of_each_kind(tmp_path: Path) -> None:
    file = gateway_file(EXAMPLE)
    assert [type(one) for one in file.gateways.values()] == [ReferenceAccess, FilesAccess, OpenAdrAccess]
    only_files = type(file)(gateways={"file": file.gateways["file"]})
    with opened(only_files, EXAMPLE.parent) as found:
        assert isinstance(found["file"], FileExchange)


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("period_s = 2", "period_s = 0", "not_allowed"),
        ("period_s = 2", "peroid_s = 2", "field_unknown"),
        ('type = "reference"', 'type = "ftp"', "not_allowed"),
        ('type = "reference"', "", "field_missing"),
        ('url = "http:', 'url = "ftp:', "gateway_url"),
        ("[gateways.file]", '[gateways."a b"]', "id"),
        ('kept = "../../var/gateway"', "", "field_missing"),
    ],
)
def test_a_file_of_gateways_that_cannot_be_is_refused_with_its_line(
    tmp_path: Path, old: str, new: str, code: str
) -> None:
    text = EXAMPLE.read_text()
    assert text.count(old) == 1
    (tmp_path / "gateways.toml").write_text(text.replace(old, new))
    with pytest.raises(Refused) as refused:
        gateway_file(tmp_path / "gateways.toml")
    assert refused.value.code == code
    assert refused.value.place.startswith("line ")


def test_tokens_that_others_can_read_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "tokens.toml"
    file.write_text('CODE-1 = "secret"\n')
    file.chmod(0o640)
    with pytest.raises(Refused) as refused:
        tokens(file)
    assert refused.value.code == "gateway_token"
    file.chmod(0o600)
    assert tokens(file) == {"CODE-1": "secret"}
    file.write_text("CODE-1 = 7\n")
    with pytest.raises(Refused, match="CODE-1"):
        tokens(file)
