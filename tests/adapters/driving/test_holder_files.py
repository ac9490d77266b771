"""That a holder has ended is believed only where the kernel that locked its file says so."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from adapters.driving import holder_files
from adapters.driving.holder_files import SETTLED_S, HolderFiles
from ledger.refusal import Refused
from tests.adapters.bess_peer.running_peer import ROOT

HOLDS = """
import sys, time
from pathlib import Path
from adapters.driving.holder_files import HolderFiles
with HolderFiles(Path(sys.argv[1])).living(sys.argv[2]):
    print("lives", flush=True)
    time.sleep(60)
"""


class Seconds:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def holding(folder: Path, holder: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", HOLDS, str(folder), holder]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "lives\n"
    return process


def killed(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.wait(10)
    assert process.stdout is not None
    process.stdout.close()


def test_a_killed_holder_has_ended_a_moment_after_that_was_seen(tmp_path: Path) -> None:
    seconds = Seconds()
    files = HolderFiles(tmp_path, seconds)
    process = holding(tmp_path, "drive-1")
    try:
        assert not files.ended("drive-1")
        seconds.now += 100
        assert not files.ended("drive-1"), "it lives"
    finally:
        killed(process)
    assert not files.ended("drive-1"), "what it sent may be on its way"
    seconds.now += SETTLED_S
    assert files.ended("drive-1")
    with pytest.raises(FileExistsError), files.living("drive-1"):
        pass


def test_who_starts_looks_at_once_so_that_the_moment_is_over_when_it_asks(tmp_path: Path) -> None:
    seconds = Seconds()
    killed(holding(tmp_path, "drive-1"))
    files = HolderFiles(tmp_path, seconds)
    with files.living("drive-2"):
        seconds.now += SETTLED_S
        assert files.ended("drive-1")
        other = HolderFiles(tmp_path, seconds)
        assert not other.ended("drive-2")
        seconds.now += SETTLED_S
        assert not other.ended("drive-2"), "we live"


def test_what_proves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here, copied = tmp_path / "here", tmp_path / "copied"
    process = holding(here, "drive-1")
    try:
        shutil.copytree(here, copied)
        (here / "empty").touch()
        seconds = Seconds()
        for folder, holder in ((copied, "drive-1"), (here, "drive-2"), (here, "empty")):
            files = HolderFiles(folder, seconds)
            files.ended(holder)
            seconds.now += SETTLED_S
            assert not files.ended(holder), f"{folder.name}/{holder}"
        with pytest.raises(Refused):
            files.ended("../here")
    finally:
        killed(process)
    boot = tmp_path / "boot_id"
    boot.write_text("another start of the machine\n")
    for found in (boot, tmp_path / "none"):
        monkeypatch.setattr(holder_files, "_BOOT", found)
        files = HolderFiles(here, seconds)
        files.ended("drive-1")
        seconds.now += SETTLED_S
        assert not files.ended("drive-1")
        with files.living(f"run-{found.name}"):
            pass


def test_old_files_go_unless_they_are_held(tmp_path: Path) -> None:
    files = HolderFiles(tmp_path)
    for holder in ("old", "new"):
        with files.living(holder):
            pass
    with files.living("held"):
        for holder in ("old", "held"):
            os.utime(tmp_path / holder, (0, 0))
        with HolderFiles(tmp_path).living("next"):
            assert {path.name for path in tmp_path.iterdir()} == {"new", "held", "next"}
