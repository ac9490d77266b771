"""A CSV of a million readings to queryable rows, against bare COPY of the same file into one table."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from adapters import meters
from adapters.importing import import_file
from benchmarks.figure import Figure, seconds
from benchmarks.rig import Book, Rig

_PROFILE = Path(__file__).parents[1] / "examples/meters/plain.toml"


def measure(rig: Rig, *, quick: bool) -> list[Figure]:
    """From the file's bytes to rows that a query sees."""
    count = 20 if quick else 168
    book = rig.book()
    book.register_sites(count, "none")
    book.projector().catch_up()
    data = file_of(count)
    rows = data.count(b"\n") - 1
    profile = meters.profile_of(_PROFILE.read_bytes())

    def ours() -> None:
        import_file(book.door, data, file_name="bench.csv", profile=profile, actor="bench")
        book.projector().catch_up()

    taken = seconds(ours)
    bare = bare_copy(book, data)
    book.close()
    return [
        Figure(
            f"CSV of {rows:,} readings to rows",
            rows / taken,
            rows / bare,
            "bare COPY of the CSV",
            "readings/s",
            bare / taken,
            0.3,
        )
    ]


def file_of(meters_count: int) -> bytes:
    start = datetime(2026, 8, 1, tzinfo=UTC)
    stamps = [f"{start + timedelta(minutes=15 * i):%Y-%m-%dT%H:%M:%SZ}" for i in range(2976)]
    lines = ["meter,register,start,wh"]
    for meter in range(meters_count):
        for register in ("charge", "discharge"):
            lines += [f"M{meter},{register},{stamp},{at * 7 % 60_000}" for at, stamp in enumerate(stamps)]
    return ("\n".join(lines) + "\n").encode()


def bare_copy(book: Book, data: bytes) -> float:
    with book.database.owning() as connection:
        connection.execute(
            "CREATE TABLE ledger.plain (meter text, register text, start timestamptz, wh integer,"
            " PRIMARY KEY (meter, register, start))"
        )

    def load() -> None:
        with (
            book.database.owning() as connection,
            connection.cursor().copy("COPY ledger.plain FROM STDIN (FORMAT csv, HEADER)") as copy,
        ):
            for begin in range(0, len(data), 1 << 20):
                copy.write(data[begin : begin + (1 << 20)])

    return seconds(load)
