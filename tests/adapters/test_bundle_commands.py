"""`wattledger bundle`: what it writes the stand-alone verifier accepts, and refuses with a byte flipped."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from adapters.cli.session import Session
from adapters.main import application
from adapters.settings import Settings
from ledger.refusal import Refused
from tests.adapters.conftest import Bench
from tests.adapters.test_settling import filled, settle
from tests.verifier.test_verify_bundle import VERIFIER

Run = Callable[..., str]


@pytest.fixture
def wattledger(bench: Bench, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Run]:
    """On servers of yours, with a settled month."""
    filled(bench)
    settle(bench)
    settings = Settings(
        state=tmp_path / "state",
        book=bench.book,
        nats_url=bench.nats.url,
        nats_monitor_url=bench.nats.monitor_url,
        nats_seed=bench.nats.app_seed,
        nats_operator_seed=bench.nats.operator_seed,
        postgres_url=bench.postgres_url,
        log_origin="ledger.example",
    )
    session = Session(settings, bench.clock)
    projector = bench.projector()
    thread = threading.Thread(target=projector.run)
    thread.start()

    def run(*arguments: str) -> str:
        capsys.readouterr()
        app: Any = application(session, arguments)
        assert app(arguments, exit_on_error=False) in (None, 0)
        return capsys.readouterr().out

    try:
        yield run
    finally:
        projector.stop()
        thread.join()


def verify(folder: Path, bundle: str, *more: str) -> tuple[int, str]:
    command = [sys.executable, "-I", str(VERIFIER), bundle, "--key", "key", *more]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    return done.returncode, done.stdout


def test_the_auditors_walk(wattledger: Run, tmp_path: Path) -> None:
    (tmp_path / "key").write_text(wattledger("log", "key", "--make"))
    (tmp_path / "kept").write_text(wattledger("log", "checkpoint"))
    for name in ("book.jsonl", "book.jsonl.gz"):
        said = wattledger("bundle", "book", "--out", str(tmp_path / name))
        assert said.startswith(f"{tmp_path / name}: the book ")
        code, told = verify(tmp_path, name, "--earlier", "kept")
        assert code == 0, told
        assert "storage energies recomputed from readings" in told
    said = wattledger(
        "bundle", "statement", "eaas-s1", "2026-08", "operator", "--out", f"{tmp_path}/own.jsonl"
    )
    assert "eaas-s1, 2026-08, run 1, operator" in said
    code, told = verify(tmp_path, "own.jsonl")
    assert code == 0, told
    bundle = tmp_path / "own.jsonl"
    content = bytearray(bundle.read_bytes())
    content[-200] ^= 1
    bundle.write_bytes(content)
    code, told = verify(tmp_path, "own.jsonl")
    assert code == 1
    assert told.startswith("REFUSED line ")
    wattledger("bundle", "book", "--out", f"{tmp_path}/part.jsonl", "--as-of", "5")
    assert verify(tmp_path, "part.jsonl")[1].startswith(f"{5:>12}  envelopes")


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("statement", "eaas-s1", "2026-08", "nobody", "--out", "new.jsonl"), "unknown_statement"),
        (("statement", "eaas-s1", "2026-13", "operator", "--out", "new.jsonl"), "month"),
        (("statement", "eaas-s1", "2026-08", "operator", "--out", "new.pdf"), "output_suffix"),
        (("book", "--out", "there.jsonl"), "output_exists"),
        (("book", "--out", "new.jsonl", "--as-of", "999"), "as_of"),
        (("book", "--out", "new.jsonl"), "unknown_checkpoint"),
    ],
)
def test_what_cannot_be_exported_is_refused_and_no_file_is_left(
    wattledger: Run, tmp_path: Path, arguments: tuple[str, ...], code: str
) -> None:
    (tmp_path / "there.jsonl").touch()
    here = [f"{tmp_path}/{one}" if "." in one else one for one in arguments]
    with pytest.raises(Refused) as caught:
        wattledger("bundle", *here)
    assert caught.value.code == code
    assert [one.name for one in tmp_path.iterdir() if one.is_file()] == ["there.jsonl"]
