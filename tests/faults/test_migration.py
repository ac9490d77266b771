"""From embedded to a cluster, by the commands that the page about it has."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from signal import SIGKILL, SIGTERM

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/migration-to-a-cluster.md"
CLUSTER = "-m adapters.embedded.cluster var/cluster"
_PATIENCE_S = 300
"""Past this it hangs; a machine at half speed is no failure."""


def blocks() -> tuple[str, str, str]:
    """The shell's blocks of the page: before the cluster, what starts it, and after."""
    found = re.findall(r"^```sh\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    at = found.index("make cluster\n")
    return "".join(found[:at]), found[at], "".join(found[at + 1 :])


def shell(script: str, place: Path) -> str:
    """Run it as somebody would type it, until an error; what it left in the background ends with it."""
    path = f"{sysconfig.get_path('scripts')}:{os.environ['PATH']}"
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("WATTLEDGER_")
    } | {"PATH": path}
    ending = "trap 'kill $(jobs -p) 2> /dev/null || true; wait || true' EXIT\n"
    command = ["bash", "-euo", "pipefail", "-c", ending + script]
    with (place / "told").open("w+") as told:
        running = subprocess.Popen(
            command, cwd=place, env=environment, stdout=told, stderr=told, start_new_session=True
        )
        try:
            code = running.wait(_PATIENCE_S)
        except subprocess.TimeoutExpired:
            code = -1
        finally:
            with suppress(ProcessLookupError):
                os.killpg(running.pid, SIGKILL)
            running.wait()
        told.seek(0)
        said = told.read()
    projecting = place / "var/project.log"
    assert code == 0, f"{script}\n{said}\n{projecting.read_text() if projecting.exists() else ''}"
    return said


@contextmanager
def cluster(place: Path) -> Iterator[None]:
    """What `make cluster` runs."""
    recipe = re.search(r"^cluster:.*\n\t\$\(PY\) (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert recipe is not None
    assert recipe[1] == CLUSTER
    running = subprocess.Popen(
        [sys.executable, *CLUSTER.split()],
        cwd=place,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    try:
        assert running.stdout is not None
        assert "three NATS nodes" in running.stdout.readline()
        assert "var/cluster/env" in running.stdout.readline()
        yield
        running.send_signal(SIGTERM)
        assert running.wait(_PATIENCE_S) == 0, "it stops clean"
        assert not (place / "var/cluster/env").exists(), "and says no more where it was"
    finally:
        running.kill()
        running.wait()
        running.stdout.close()


@pytest.mark.fault
def test_the_documented_commands_bring_a_book_to_a_cluster(tmp_path: Path) -> None:
    before, start, after = blocks()
    assert start == "make cluster\n"
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    shell("wattledger demo --exit --part settle", tmp_path)
    held = shell(before, tmp_path).splitlines()[-2]
    with cluster(tmp_path):
        told = shell(after, tmp_path)
        print(held, told, sep="\n")
        assert "restored, proven against 1 checkpoint and projected" in told
        assert held in told, "what held there holds here"
        assert re.search(r"replayed up to position \d+: equal", told)
        assert re.search(r"^stream +\d+ events", told, re.MULTILINE)
    with cluster(tmp_path):
        again = shell(". var/cluster/env\nwattledger project &\nwattledger status\n", tmp_path)
        assert re.search(r"^stream +\d+ events", again, re.MULTILINE), "the next start has the same book"
