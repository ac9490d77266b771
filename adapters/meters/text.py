"""Bytes of a meter file to lines of text: size limit, gzip, byte order mark and encoding."""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from collections.abc import Iterable, Iterator
from typing import BinaryIO, Final, Literal

from ledger.refusal import Refused

FILE_BYTES_MAX: Final = 128 * 2**20
"""The largest file that is read, unpacked: 128 MiB. A month of one year's 15-minute rows for about
80 meters fits; larger deliveries come in several files."""

CHUNK_BYTES: Final = 8 * 2**20
"""What is parsed at a time, so that memory stays a small multiple of the file."""

Encoding = Literal["utf-8", "utf-8-sig", "gb18030"]

_BOM: Final = b"\xef\xbb\xbf"
_GB18030_BOM: Final = b"\x84\x31\x95\x33"
_OTHER_MARKS: Final = (b"\xff\xfe", b"\xfe\xff")


def load(source: bytes | BinaryIO) -> bytes:
    """The file's bytes, unpacked when they are gzip.

    Raises:
        Refused: `file_too_large`, `empty_file`, `truncated_file` (a cut gzip file) or `gzip`.
    """
    data = source if isinstance(source, bytes) else source.read(FILE_BYTES_MAX + 1)
    if len(data) > FILE_BYTES_MAX:
        raise Refused("file_too_large", f"a file may have {FILE_BYTES_MAX} bytes: cut it into parts")
    if data.startswith(b"\x1f\x8b"):
        data = _unzipped(data)
    if not data.strip():
        raise Refused("empty_file", "the file holds nothing")
    return data


def _unzipped(data: bytes) -> bytes:
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as file:
            plain = file.read(FILE_BYTES_MAX + 1)
    except EOFError:
        raise Refused("truncated_file", "the gzip file ends too early") from None
    except (gzip.BadGzipFile, zlib.error) as error:
        raise Refused("gzip", f"the gzip file is damaged: {error}") from None
    if len(plain) > FILE_BYTES_MAX:
        raise Refused("file_too_large", f"a file may have {FILE_BYTES_MAX} bytes unpacked: cut it into parts")
    return plain


def body(data: bytes, encoding: Encoding) -> bytes:
    """The bytes without a UTF-8 byte order mark (Excel writes one), checked to be lines of text.

    Raises:
        Refused: `encoding` for UTF-16 and other binary bytes, `line_end` for a lone carriage return.
    """
    if data.startswith(_OTHER_MARKS):
        raise Refused("encoding", f"this is UTF-16; save the file as {encoding}", place="row 1")
    if data.startswith(_BOM):
        if encoding == "gb18030":
            raise Refused("encoding", "a UTF-8 byte order mark, not gb18030", place="row 1")
        data = data[len(_BOM) :]
    if encoding == "gb18030":
        data = data.removeprefix(_GB18030_BOM)
    nul = data.find(b"\0")
    if nul >= 0:
        raise Refused("encoding", "a zero byte: this is not text", place=f"row {_row_of(data, nul)}")
    if data.count(b"\r") != data.count(b"\r\n"):
        at = next(i for i in _positions(data, b"\r") if data[i + 1 : i + 2] != b"\n")
        reason = "a carriage return that does not end the line; lines end with LF or CRLF"
        raise Refused("line_end", reason, place=f"row {_row_of(data, at)}")
    return data


def _positions(data: bytes, byte: bytes) -> Iterator[int]:
    at = data.find(byte)
    while at >= 0:
        yield at
        at = data.find(byte, at + 1)


def _row_of(data: bytes, offset: int) -> int:
    return data.count(b"\n", 0, offset) + 1


def chunks(data: bytes, size: int = CHUNK_BYTES) -> Iterator[bytes]:
    """The data in pieces of about `size` bytes that end with a line."""
    start = 0
    while start < len(data):
        end = data.find(b"\n", start + size)
        end = len(data) if end < 0 else end + 1
        yield data[start:end]
        start = end


def lines(data: bytes, encoding: Encoding, first_row: int = 1) -> Iterator[tuple[int, str]]:
    """Each line with its row number, without its line end. A line break inside quotes ends the line.

    Raises:
        Refused: `encoding` with the row whose bytes are not of that encoding.
    """
    for row, raw in enumerate(io.BytesIO(data), first_row):
        try:
            text = raw.decode("gb18030" if encoding == "gb18030" else "utf-8")
        except UnicodeDecodeError:
            hint = "utf-8" if encoding == "gb18030" else "gb18030"
            reason = f"the bytes are not {encoding}; if the file is {hint}, say so in its profile"
            raise Refused("encoding", reason, place=f"row {row}") from None
        yield row, text.removesuffix("\n").removesuffix("\r")


def fields_of(line: str, delimiter: str) -> list[str]:
    """The cells of a CSV line, without surrounding blanks.

    Raises:
        Refused: `csv_syntax` for an open or misplaced quote.
    """
    if '"' not in line:
        return [cell.strip() for cell in line.split(delimiter)]
    try:
        return [cell.strip() for cell in next(csv.reader([line], delimiter=delimiter, strict=True))]
    except csv.Error as error:
        raise Refused("csv_syntax", f"quotes: {error}") from None


def raw_lines(data: bytes, encoding: Encoding, rows: Iterable[int]) -> dict[int, str]:
    """The text of the rows with these numbers."""
    wanted = set(rows)
    if not wanted:
        return {}
    last = max(wanted)
    found: dict[int, str] = {}
    for row, text in lines(data, encoding):
        if row in wanted:
            found[row] = text
        if row == last:
            break
    return found
