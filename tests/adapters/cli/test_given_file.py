"""Files that a command writes: never over another one, and named as their content is."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapters.cli import given_file
from ledger.refusal import Refused


def refused(code: str) -> pytest.RaisesExc[Refused]:
    return pytest.raises(Refused, check=lambda error: error.code == code)


def test_a_file_is_not_written_over_unless_the_command_says_so(tmp_path: Path) -> None:
    file = tmp_path / "august.csv"
    given_file.write(file, b"first")
    given_file.write(file, b"first")
    with refused("output_exists") as caught:
        given_file.write(file, b"second")
    assert (caught.value.place, file.read_bytes()) == (str(file), b"first")
    given_file.write(file, b"second", replace=True)
    assert file.read_bytes() == b"second"
    with refused("output_exists"):
        given_file.check_absent(file)
    given_file.check_absent(tmp_path / "other.csv")


@pytest.mark.parametrize("name", ["README.md", "august", "august.csv.bak"])
def test_a_name_that_ends_in_something_else_is_told_what_is_allowed(tmp_path: Path, name: str) -> None:
    with pytest.raises(Refused, match=r"end in \.txt or \.csv or \.json$") as caught:
        given_file.check_new(tmp_path / name)
    assert caught.value.code == "output_suffix"
    with pytest.raises(Refused, match=r"end in \.pdf$"):
        given_file.check_new(tmp_path / name, (".pdf",))
    given_file.check_new(tmp_path / name, ())


def test_what_fits_may_be_written(tmp_path: Path) -> None:
    given_file.check_new(tmp_path / "AUGUST.CSV")
    given_file.check_new(Path("/dev/null"))
    with refused("file"):
        given_file.check_new(tmp_path)
    with refused("file"):
        given_file.check_new(tmp_path / "none" / "a.csv")
