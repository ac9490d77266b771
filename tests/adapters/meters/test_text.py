"""Bytes to lines: size, gzip, marks, encodings."""

from __future__ import annotations

import gzip
import io

import pytest

from adapters.meters import text
from ledger.refusal import Refused


def code(call: object, *arguments: object) -> tuple[str, str]:
    with pytest.raises(Refused) as caught:
        call(*arguments)  # type: ignore[operator]
    return caught.value.code, caught.value.place


def test_gzip_is_unpacked_and_a_stream_is_read() -> None:
    data = b"time,kwh\n"
    assert text.load(data) == text.load(gzip.compress(data)) == text.load(io.BytesIO(data)) == data


def test_damaged_gzip_is_refused() -> None:
    packed = gzip.compress(b"time,kwh\n" * 1000)
    assert code(text.load, packed[:-9]) == ("truncated_file", "")
    assert code(text.load, packed[:20] + b"\xff\xff\xff\xff" + packed[24:]) == ("gzip", "")
    assert code(text.load, b"\x1f\x8b\x00" + bytes(20)) == ("gzip", "")


def test_the_limit_counts_unpacked_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text, "FILE_BYTES_MAX", 10)
    assert text.load(b"x" * 10) == b"x" * 10
    assert code(text.load, b"x" * 11) == ("file_too_large", "")
    assert code(text.load, io.BytesIO(b"x" * 11)) == ("file_too_large", "")


def test_a_packed_file_may_not_unpack_above_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    packed = gzip.compress(b"x" * 100_000)
    monkeypatch.setattr(text, "FILE_BYTES_MAX", 1000)
    assert len(packed) < 1000
    assert code(text.load, packed) == ("file_too_large", "")


@pytest.mark.parametrize(
    ("data", "encoding", "expected"),
    [
        ("a\nb".encode("utf-16"), "utf-8", ("encoding", "row 1")),
        ("a\nb".encode("utf-16-le"), "utf-8", ("encoding", "row 1")),
        (b"a\nb\0", "utf-8", ("encoding", "row 2")),
        (b"\xef\xbb\xbfa", "gb18030", ("encoding", "row 1")),
        (b"a\r\nb\rc\n", "utf-8", ("line_end", "row 2")),
        (b"a\rb\r", "utf-8", ("line_end", "row 1")),
    ],
)
def test_what_is_not_lines_of_text_is_refused(data: bytes, encoding: str, expected: tuple[str, str]) -> None:
    assert code(text.body, data, encoding) == expected


def test_marks_are_taken_off() -> None:
    assert text.body(b"\xef\xbb\xbfa\r\n", "utf-8-sig") == b"a\r\n"
    assert text.body("\ufeffa".encode("gb18030"), "gb18030") == b"a"


def test_lines_have_their_numbers_and_no_ends() -> None:
    data = "表\r\n\n二".encode("gb18030")
    assert list(text.lines(data, "gb18030", 5)) == [(5, "表"), (6, ""), (7, "二")]
    assert text.raw_lines(data, "gb18030", [3, 1]) == {1: "表", 3: "二"}
    assert text.raw_lines(data, "gb18030", []) == {}


def test_wrong_bytes_are_refused_with_their_row() -> None:
    data = b"a\n" + "表".encode("gb18030")
    assert code(list, text.lines(data, "utf-8")) == ("encoding", "row 2")
    assert code(list, text.lines(b"a\n\xff\xff\n", "gb18030")) == ("encoding", "row 2")


@pytest.mark.parametrize("size", [1, 3, 100])
def test_chunks_are_whole_lines_and_the_whole_file(size: int) -> None:
    data = b"ab\ncdef\n\ng"
    pieces = list(text.chunks(data, size))
    assert b"".join(pieces) == data
    assert all(piece.endswith(b"\n") for piece in pieces[:-1])
    assert (len(pieces) > 1) == (size < 9)


def test_cells() -> None:
    assert text.fields_of(" a , b,", ",") == ["a", "b", ""]
    assert text.fields_of('"a,b","c""d"', ",") == ["a,b", 'c"d']
    assert code(text.fields_of, '"a', ",") == ("csv_syntax", "")
    assert code(text.fields_of, '"a"b,c', ",") == ("csv_syntax", "")
