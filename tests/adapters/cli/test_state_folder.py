"""A command finds its book, founds one only where that is meant, and shares servers with another command."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapters.cli.servers import _runs_already
from adapters.cli.session import check_folder
from adapters.settings import Settings
from adapters.state_folder import Addresses, StateFolder
from ledger.refusal import Refused
from tests.adapters.cli.program import started

ADDRESSES = Addresses("demo", "nats://127.0.0.1:1", None, None, None, "postgresql://127.0.0.1:2/x")


@pytest.mark.parametrize(
    "command",
    [
        "status",
        "project",
        "verify",
        "backup FILE",
        "statement 2026-08",
        "key grant --role finance --actor me",
        "register portfolio examples/demo/portfolio.toml",
    ],
)
def test_a_command_in_the_wrong_folder_is_refused_and_makes_nothing(tmp_path: Path, command: str) -> None:
    done = started(tmp_path / "var", *command.replace("FILE", str(tmp_path / "file")).split())
    _, said = done.communicate(timeout=60)
    assert done.returncode == 2
    assert said.startswith(f"refused (no_book): no book in {tmp_path}/var; WATTLEDGER_STATE points")
    assert said.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_missing_backup_founds_nothing(tmp_path: Path) -> None:
    done = started(tmp_path / "var", "restore", str(tmp_path / "none"))
    done.communicate(timeout=60)
    assert (done.returncode, list(tmp_path.iterdir())) == (2, [])


def test_a_book_is_founded_in_an_empty_or_new_folder_only(tmp_path: Path) -> None:
    check_folder(Settings(state=tmp_path / "new"), founding=True)
    check_folder(Settings(state=tmp_path), founding=True)
    (tmp_path / "lock").mkdir()  # as in /var, where `var` is found from the root folder
    for founding in (True, False):
        with pytest.raises(Refused, match="no book"):
            check_folder(Settings(state=tmp_path), founding=founding)
    check_folder(Settings(state=tmp_path, nats_url="nats://n", postgres_url="postgresql://p"))


def test_two_demos_at_once_share_servers_and_status_names_the_folder(tmp_path: Path) -> None:
    state = tmp_path / "var"
    both = [started(state, "demo", "--exit", "--part", "found") for _ in range(2)]
    for one in both:
        said = one.communicate(timeout=120)
        assert one.returncode == 0, said
    out, _ = started(state, "status").communicate(timeout=60)
    assert f"folder           {state}\nservers          started for this command\n" in out


def test_who_comes_second_joins_and_the_owner_waits_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner, second, third = (StateFolder(tmp_path / "var") for _ in range(3))
    monkeypatch.setattr("adapters.state_folder._JOINED_S", 0.2)
    monkeypatch.setattr("adapters.state_folder._OWNER_S", 0.2)
    assert not owner.founded
    with owner.entered() as others:
        assert (others, owner.founded, second.owned) == (None, True, True)
        with pytest.raises(RuntimeError, match="do not come up"), second.entered():
            pass
        owner.announce(ADDRESSES)
        with second.entered() as joined:
            assert joined == ADDRESSES
            owner.close()
            with pytest.raises(RuntimeError, match="do not come up"), third.entered():
                pass
        owner.close()
    assert not second.owned
    with second.entered() as others:
        assert others is None


def test_up_beside_a_running_command_says_what_runs_and_what_to_do(tmp_path: Path) -> None:
    folder = StateFolder(tmp_path)
    wanted = Settings(state=tmp_path, book="other", http_port=0)
    assert folder.announced is None
    with folder.entered():
        assert "starts or stops the servers; try again" in _runs_already(wanted).reason.replace(
            f" of {tmp_path}", ""
        )
        folder.announce(ADDRESSES)
        assert folder.announced == ADDRESSES
        told = _runs_already(wanted)
        assert (told.code, told.place) == ("servers_running", "state")
        assert (
            f"runs the servers of {tmp_path} and book 'demo': NATS at 127.0.0.1:1, PostgreSQL at"
            in told.reason
        )
        assert "On the same servers: WATTLEDGER_BOOK=other wattledger serve" in told.reason
        same = _runs_already(Settings(state=tmp_path, book="demo")).reason
        assert same.endswith("that is this book; commands join it, and nothing more needs to be started")
    assert folder.announced is None, "the note alone says nothing"


def test_an_owner_s_stale_note_is_not_joined(tmp_path: Path) -> None:
    folder = StateFolder(tmp_path)
    with folder.entered():
        folder.announce(ADDRESSES)
    assert (tmp_path / "running.json").exists(), "as after kill -9"
    with folder.entered() as others:
        assert others is None
    assert not (tmp_path / "running.json").exists()


def test_a_book_for_which_no_space_is_left_says_what_to_do(tmp_path: Path) -> None:
    """Space is promised to a book when it is founded; here the first asks for more than the server has."""
    done = started(tmp_path / "var", "demo", "--exit", "--part", "found", stream_max_bytes=str(1 << 60))
    _, said = done.communicate(timeout=60)
    assert done.returncode == 2
    assert said.startswith("refused (no_space): ")
    assert "WATTLEDGER_STREAM_MAX_BYTES" in said
    assert "WATTLEDGER_STATE" in said
    assert "10047" not in said
