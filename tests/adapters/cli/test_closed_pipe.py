"""Who reads only the beginning, as `head` does, is not told of an error."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("unbuffered", [False, True])
@pytest.mark.parametrize("command", [("contract", "schema"), ("--help",)])
def test_a_reader_that_has_gone_ends_the_command_quietly(
    tmp_path: Path, command: tuple[str, ...], *, unbuffered: bool
) -> None:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("WATTLEDGER_")}
    environment |= {"WATTLEDGER_STATE": str(tmp_path), "PYTHONUNBUFFERED": "1" if unbuffered else ""}
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, "-m", "adapters.main", *command],
        check=False, stdout=write, stderr=subprocess.PIPE, text=True, cwd=ROOT, env=environment, timeout=60,
    )  # fmt: skip
    os.close(write)
    assert done.stderr == ""
    assert done.returncode == (141 if command[0] == "contract" else 1), "rich ends a help text with 1"
