"""Secrets on disk are whole or absent, and theirs alone who owns the folder."""

from __future__ import annotations

from pathlib import Path

from adapters.embedded.child import secret_file


def test_a_secret_is_written_once_and_only_for_its_owner(tmp_path: Path) -> None:
    file = tmp_path / "key"
    assert secret_file(file, b"first").read_bytes() == b"first"
    assert secret_file(file, b"second").read_bytes() == b"first"
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_half_written_secret_is_written_again(tmp_path: Path) -> None:
    (tmp_path / "key.new").write_bytes(b"fi")
    assert secret_file(tmp_path / "key", b"first").read_bytes() == b"first"
