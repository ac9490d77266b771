"""Files that a command is given to read or to write, refused in words when that cannot be."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Final

from ledger.refusal import Refused

TEXT_SUFFIXES: Final = (".txt", ".csv", ".json")
"""What people or another program read as text."""


def read(file: Path, what: str) -> bytes:
    """The bytes of a file that should hold `what`, such as `a contract (examples/contracts has one)`.

    Raises:
        Refused: `file`.
    """
    try:
        return file.read_bytes()
    except OSError as error:
        raise _unreadable(file, what, error) from None


def read_text(file: Path, what: str) -> str:
    """The text of a file in UTF-8.

    Raises:
        Refused: `file`, `encoding`.
    """
    data = read(file, what)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        wrong = f"byte 0x{data[error.start]:02x} is not UTF-8; {what} was expected"
        raise Refused("encoding", wrong, place=f"{file}, line {line}") from None


def check_readable(file: Path, what: str) -> None:
    """That the file is there, before anything long begins.

    Raises:
        Refused: `file`.
    """
    try:
        with file.open("rb"):
            pass
    except OSError as error:
        raise _unreadable(file, what, error) from None


def check_new(file: Path, suffixes: Collection[str] = TEXT_SUFFIXES) -> None:
    """That a file of this name could be written, before anything long begins.

    Raises:
        Refused: `file`; `output_suffix` for a name that ends in none of `suffixes`, where there are any.
    """
    if file.is_dir():
        raise Refused("file", "this is a folder; name a file in it", place=str(file))
    if not file.parent.is_dir():
        raise Refused("file", f"there is no folder {file.parent} to write it to", place=str(file))
    if suffixes and file.suffix.lower() not in suffixes and not _is_device(file):
        allowed = " or ".join(suffixes)
        raise Refused("output_suffix", f"let the file's name end in {allowed}", place=str(file))


def check_absent(file: Path) -> None:
    """That no file of this name is there, before anything long begins.

    Raises:
        Refused: `output_exists`.
    """
    if file.is_file():
        raise _exists(file)


def write(file: Path, data: bytes, *, replace: bool = False) -> None:
    """Write the file, over one that is there only if `replace` says so; the same content again is no change.

    Raises:
        Refused: `file`, `output_exists`.
    """
    check_new(file, ())
    try:
        if file.is_file() and not replace and file.read_bytes() != data:
            raise _exists(file)
        file.write_bytes(data)
    except OSError as error:
        raise Refused("file", f"it cannot be written: {_why(error)}", place=str(file)) from None


def _exists(file: Path) -> Refused:
    return Refused(
        "output_exists", "there is another file of this name; name a new one, or remove it", place=str(file)
    )


def _is_device(file: Path) -> bool:
    """Whether it is something like /dev/stdout, which takes any content."""
    return file.exists() and not file.is_file()


def _unreadable(file: Path, what: str, error: OSError) -> Refused:
    match error:
        case FileNotFoundError() | NotADirectoryError():
            where = "" if file.is_absolute() else f" in {Path.cwd()}"
            reason = f"there is no such file{where}; {what} was expected"
        case IsADirectoryError():
            reason = f"this is a folder; {what} was expected"
        case _:
            reason = f"it cannot be read: {_why(error)}; {what} was expected"
    return Refused("file", reason, place=str(file)[:_SHOWN_MAX])


def _why(error: OSError) -> str:
    return (error.strerror or type(error).__name__).lower()


_SHOWN_MAX = 200
