"""The command line as a user meets it: real processes, real servers, golden output."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from adapters.embedded.child import free_port
from tests.adapters.cli.program import ROOT, wattledger

GOLDEN = Path(__file__).with_name("statement_2026-08.txt")


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state folder with the demo's book in it."""
    state = tmp_path_factory.mktemp("demo")
    done = wattledger(state, "demo", "--exit", "--part", "verify")
    assert done.returncode == 0, done.stderr
    assert "every chain of hashes whole" in done.stdout
    assert "rows equal" in done.stdout
    return state


def test_the_demo_s_statements_are_the_golden_ones(demo: Path) -> None:
    done = wattledger(demo, "statement", "2026-08")
    assert done.stdout == GOLDEN.read_text(encoding="utf-8")


def test_a_second_demo_finds_everything_done(demo: Path) -> None:
    again = wattledger(demo, "demo", "--exit", "--part", "verify")
    assert again.returncode == 0
    assert again.stdout.count("known already") == 2
    assert again.stdout.count("unchanged") == 4


def test_statements_as_csv_and_json_agree(demo: Path) -> None:
    rows = wattledger(demo, "statement", "2026-08", "--party", "host-s2", "--format", "csv").stdout
    (statement,) = json.loads(
        wattledger(demo, "statement", "2026-08", "--party", "host-s2", "--format", "json").stdout
    )
    payable = next(row for row in rows.splitlines() if "total,payable" in row)
    assert payable.split(",")[12].replace(".", "") == str(statement["payable"]["minor"])


def test_explain_goes_down_to_the_events(demo: Path) -> None:
    out = wattledger(demo, "explain", "eaas-s1", "2026-08", "1").stdout
    assert "discharged, sharp" in out
    assert "meter.readings_recorded.v1" in out
    assert "tariff.published.v1" in out
    missing = wattledger(demo, "explain", "eaas-s1", "2026-08", "99")
    assert (missing.returncode, "unknown_line" in missing.stderr) == (2, True)


def test_explain_shows_the_exact_leaves_of_a_total(demo: Path) -> None:
    total = ("--amount", "payable", "--party", "operator")
    out = wattledger(demo, "explain", "eaas-s1", "2026-08", *total).stdout
    assert re.search(r"leaves +\d+, which sum exactly to -?[\d,]+\.\d\d CNY", out)
    assert re.search(r"clause \[line \d+\] .*kWh", out), "a fee is its own leaf"
    neither = wattledger(demo, "explain", "eaas-s1", "2026-08")
    assert (neither.returncode, "name a line, or an amount" in neither.stderr) == (2, True)


def test_what_cannot_be_explained_or_printed_is_named_with_what_there_is(demo: Path) -> None:
    unknown = wattledger(demo, "explain", "foo", "2026-08", "1")
    assert (unknown.returncode, "unknown_contract" in unknown.stderr) == (2, True)
    assert "agency-s3, co-investment-s2, eaas-s1, eaas-s4" in unknown.stderr
    unsettled = wattledger(demo, "statement", "2026-01")
    assert (unsettled.returncode, "months settled: 2026-08" in unsettled.stderr) == (2, True)
    nobody = wattledger(demo, "statement", "2026-08", "--party", "nobody")
    assert "for party nobody; there are: host-s3 under agency-s3" in nobody.stderr


PLAIN = "examples/meters/plain.toml"


def meter_file(folder: Path, *, bad: int, good: int = 1) -> Path:
    """A file of `bad` rows below zero after `good` ones."""
    rows = [f"S1-STORAGE,charge,2026-09-02T{n // 4:02d}:{n % 4 * 15:02d}:00Z,{n}" for n in range(good + bad)]
    rows[good:] = [row.rpartition(",")[0] + ",-5" for row in rows[good:]]
    file = folder / "meters.csv"
    file.write_text("\n".join(["meter,register,start,wh", *rows]) + "\n", encoding="utf-8")
    return file


def test_a_refused_import_lists_its_rows_and_writes_them_all_to_a_file(demo: Path, tmp_path: Path) -> None:
    file = meter_file(tmp_path, bad=25)
    rest = tmp_path / "rest.csv"
    done = wattledger(demo, "import", str(file), "--profile", PLAIN, "--rejected", str(rest))
    lines = done.stderr.splitlines()
    listed = [line for line in lines if line.startswith("  row ")]
    assert (done.returncode, len(listed)) == (2, 20)
    assert listed[0].startswith("  row 3, wh: -5 is below zero")
    assert listed[0].endswith("(negative_energy)")
    assert "  and 5 more" in lines
    assert lines[-1].startswith("refused (negative_energy)")
    assert "25 readings rejected" in lines[-1]
    assert str(rest) in lines[-1]
    assert len(rest.read_text(encoding="utf-8").splitlines()) == 26


def test_readings_of_the_future_are_refused(demo: Path, tmp_path: Path) -> None:
    file = tmp_path / "late.csv"
    file.write_text("meter,register,start,wh\nS1-STORAGE,charge,2099-01-01T00:00:00Z,1\n", encoding="utf-8")
    rest = tmp_path / "rest.csv"
    done = wattledger(demo, "import", str(file), "--profile", PLAIN, "--rejected", str(rest))
    assert (done.returncode, "future_reading" in done.stderr) == (2, True)
    assert "2099-01-01T00:15:00Z" in done.stderr


def test_a_backup_restores_to_an_equal_book(demo: Path, tmp_path: Path) -> None:
    file = tmp_path / "demo.backup"
    assert wattledger(demo, "backup", str(file)).returncode == 0
    shutil.copytree(demo / "checkpoints", tmp_path / "other" / "checkpoints")
    shutil.copy(demo / "log.key", tmp_path / "other")
    restored = wattledger(tmp_path / "other", "restore", str(file))
    assert "57 events restored" in restored.stdout, restored.stderr
    assert wattledger(tmp_path / "other", "statement", "2026-08").stdout == GOLDEN.read_text(encoding="utf-8")
    assert "equal" in wattledger(tmp_path / "other", "replay").stdout
    assert wattledger(tmp_path / "other", "verify").returncode == 0


def test_rebuild_and_status(demo: Path) -> None:
    assert "rebuilt up to position" in wattledger(demo, "rebuild", "readings", "settlements").stdout
    assert wattledger(demo, "statement", "2026-08").stdout == GOLDEN.read_text(encoding="utf-8")
    unknown = wattledger(demo, "rebuild", "nothing")
    assert (unknown.returncode, "is not one of archive" in unknown.stderr) == (2, True)
    assert "(0 behind)" in wattledger(demo, "status").stdout


@pytest.mark.parametrize(
    ("line", "new", "place"),
    [
        ('rate = "0.1"', 'rate = "a tenth"', "clauses[1].rate"),
        ('shares = { host-s1 = "70%", operator = "30%" }   #', 'shares = { host-s1 = "70%" }   #', "shares"),
        ('currency = "CNY"', 'currency = "EUR"\nsurprise = 1', "surprise"),
    ],
)
def test_a_contract_s_error_names_line_and_field(tmp_path: Path, line: str, new: str, place: str) -> None:
    text = (ROOT / "examples/contracts/eaas-s1.toml").read_text(encoding="utf-8")
    assert line in text
    file = tmp_path / "contract.toml"
    file.write_text(text.replace(line, new), encoding="utf-8")
    done = wattledger(tmp_path / "state", "contract", "check", str(file))
    assert done.returncode == 2
    assert "line " in done.stderr
    assert place in done.stderr


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (("contract", "check"), "a contract in TOML"),
        (("register", "contract"), "a contract in TOML"),
        (("register", "tariff"), "a tariff in TOML"),
        (("register", "portfolio"), "a portfolio in TOML"),
        (("register", "prices", "--market", "m", "--node", "n"), "a CSV of prices"),
        (("import", "--profile", PLAIN), "a file of meter readings"),
        (("restore",), "a backup"),
    ],
)
def test_a_file_that_is_not_there_is_named_with_what_was_expected(
    tmp_path: Path, command: tuple[str, ...], expected: str
) -> None:
    for file, why in ((tmp_path / "none.toml", "there is no such file"), (tmp_path, "this is a folder")):
        done = wattledger(tmp_path / "state", *command, str(file))
        assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
        assert f"refused (file): {file}: {why}; {expected}" in done.stderr
    assert not (tmp_path / "state").exists()


def test_a_fee_above_half_of_the_capital_a_year_is_warned_of(tmp_path: Path) -> None:
    text = (ROOT / "examples/contracts/eaas-s1.toml").read_text(encoding="utf-8")
    file = tmp_path / "contract.toml"
    file.write_text(text.replace('"kWh.year"', '"kWh.month"', 1), encoding="utf-8")
    done = wattledger(tmp_path / "state", "contract", "check", str(file))
    assert (done.returncode, "is in order" in done.stdout) == (0, True)
    assert "warning: clauses[0]: the base fee is 1,200,000 CNY a year" in done.stdout
    file.write_text(text, encoding="utf-8")
    assert "warning" not in wattledger(tmp_path / "state", "contract", "check", str(file)).stdout


def test_what_the_user_gets_wrong_is_said_and_nothing_starts(tmp_path: Path) -> None:
    assert wattledger(tmp_path, "contract", "check", str(tmp_path / "none.toml")).returncode == 2
    environment = os.environ | {"WATTLEDGER_SURPRISE": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "adapters.main", "status"],
        check=False, capture_output=True, text=True, cwd=ROOT, env=environment,
    )  # fmt: skip
    assert (done.returncode, "WATTLEDGER_STATE" in done.stderr) == (2, True)


class Up:
    """`wattledger up` in a process of its own."""

    def __init__(self, state: Path) -> None:
        self.port = free_port()
        environment = {k: v for k, v in os.environ.items() if not k.startswith("WATTLEDGER_")}
        environment |= {"WATTLEDGER_STATE": str(state), "WATTLEDGER_HTTP_PORT": str(self.port)}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "adapters.main", "up"],
            cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip

    def ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/v1/health/ready", timeout=2) as answer:
                return bool(json.load(answer)["ready"])
        except (urllib.error.URLError, OSError):
            return False

    def wait_ready(self) -> None:
        give_up = time.monotonic() + 120
        while not self.ready():
            assert self.process.poll() is None
            assert time.monotonic() < give_up
            time.sleep(0.1)


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Up]:
    running = Up(tmp_path / "state")
    yield running
    running.process.kill()
    running.process.wait()


def children(pid: int, role: str) -> list[int]:
    """The process's children whose command line holds `role`."""
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in found if role in command_line(child)]


def command_line(pid: str) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    except FileNotFoundError:
        return ""


@pytest.mark.fault
def test_up_runs_each_role_and_starts_a_dead_one_again(up: Up) -> None:
    up.wait_ready()
    (serving,) = children(up.process.pid, "adapters.main serve")
    os.kill(serving, signal.SIGKILL)
    give_up = time.monotonic() + 120
    while not (again := children(up.process.pid, "adapters.main serve")) or again == [serving]:
        assert time.monotonic() < give_up
        time.sleep(0.1)
    up.wait_ready()
    up.process.terminate()
    assert up.process.wait(120) == 0
    assert not up.ready()


@pytest.mark.fault
def test_up_starts_a_dead_server_again_where_it_was_and_the_api_never_ends(up: Up, tmp_path: Path) -> None:
    up.wait_ready()
    (serving,) = children(up.process.pid, "adapters.main serve")
    note = tmp_path / "state" / "running.json"
    where = json.loads(note.read_text())
    for server in ("nats-server", "bin/postgres"):
        (dead,) = children(up.process.pid, server)
        os.kill(dead, signal.SIGKILL)
        give_up = time.monotonic() + 120
        while not (again := children(up.process.pid, server)) or again == [dead] or not up.ready():
            assert up.process.poll() is None
            assert time.monotonic() < give_up, f"{server} is not there again"
            time.sleep(0.1)
    assert children(up.process.pid, "adapters.main serve") == [serving]
    up.process.terminate()
    assert up.process.wait(120) == 0
    once_more = Up(tmp_path / "state")
    try:
        once_more.wait_ready()
        there = json.loads(note.read_text())
        assert [there[name] for name in ("nats_url", "nats_monitor_url", "postgres_url")] == [
            where[name] for name in ("nats_url", "nats_monitor_url", "postgres_url")
        ], "who knew them finds them again"
        once_more.process.terminate()
        assert once_more.process.wait(120) == 0
    finally:
        once_more.process.kill()
        once_more.process.wait()
