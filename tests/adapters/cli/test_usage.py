"""What is wrong with a command line has a code, says what is allowed, and how the command is used."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.adapters.cli.program import wattledger


@pytest.mark.parametrize(
    ("command", "wrong", "usage"),
    [
        ("foo", 'Unknown command "foo"', "wattledger COMMAND"),
        ("settle", "--month requires an argument", "wattledger settle "),
        ("settle 2026-08 --bogus", "Unknown option: --bogus", "wattledger settle "),
        (
            "key grant --actor x --role king",
            'Choose from: "finance", "auditor"',
            "wattledger key grant --role ",
        ),
        (
            "dispute decide c 2026-08 p d maybe --answer x --as a",
            '"upheld", "rejected"',
            "wattledger dispute decide ",
        ),
        ("runs due --effective yesterday", 'unable to convert "yesterday" into date', "wattledger runs due "),
    ],
)
def test_a_usage_error_is_a_coded_refusal(tmp_path: Path, command: str, wrong: str, usage: str) -> None:
    done = wattledger(tmp_path / "state", *command.split())
    first, second = done.stderr.splitlines()
    assert (done.returncode, done.stdout) == (2, "")
    assert first.startswith("refused (cli_usage): ")
    assert wrong in first
    assert second.startswith(f"usage: {usage}")
    assert not (tmp_path / "state").exists()


def test_help_and_version_are_no_errors(tmp_path: Path) -> None:
    for command, told in ((("--version",), "0.1.0"), (("dispute", "--help"), "frozen")):
        done = wattledger(tmp_path / "state", *command)
        assert (done.returncode, done.stderr, told in done.stdout) == (0, "", True)
