"""Files that a command is given to read or to write, refused in words when that cannot be."""

from __future__ import annotations

from pathlib import Path

from ledger.refusal import Refused


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


def check_new(file: Path) -> None:
    """That a file of this name could be written, before anything long begins.

    Raises:
        Refused: `file`.
    """
    if file.is_dir():
        raise Refused("file", "this is a folder; name a file in it", place=str(file))
    if not file.parent.is_dir():
        raise Refused("file", f"there is no folder {file.parent} to write it to", place=str(file))


def write(file: Path, data: bytes) -> None:
    """Write the file, over one that is there.

    Raises:
        Refused: `file`.
    """
    check_new(file)
    try:
        file.write_bytes(data)
    except OSError as error:
        raise Refused("file", f"it cannot be written: {_why(error)}", place=str(file)) from None


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
