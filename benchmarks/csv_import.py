"""A CSV of a million readings to queryable rows, against bare COPY of the same file into one table."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from adapters import meters
from adapters.importing import import_file
from benchmarks.figure import Figure, median_ratio, seconds
from benchmarks.rig import Book, Rig

_PROFILE = Path(__file__).parents[1] / "examples/meters/plain.toml"


def measure(rig: Rig, *, quick: bool) -> list[Figure]:
    """From the file's bytes to rows that a query sees. Medians of fresh books."""
    meters_count, rounds = (20, 1) if quick else (168, 3)
    data = file_of(meters_count)
    rows = data.count(b"\n") - 1
    taken = [one_book(rig, data, meters_count) for _ in range(rounds)]
    figures: list[Figure] = []
    for at, name, wanted in (
        (1, "bare COPY of the CSV, no index", 0.3),
        (2, "bare COPY of the CSV, with a primary key", None),
    ):
        ours, peer, ratio = median_ratio([(rows / one[0], rows / one[at]) for one in taken])
        figures.append(
            Figure(f"CSV of {rows:,} readings to rows", ours, peer, name, "readings/s", ratio, wanted)
        )
    return figures


def one_book(rig: Rig, data: bytes, meters_count: int) -> tuple[float, float, float]:
    """Seconds: ours, bare into a table without an index, and into one with a primary key."""
    book = rig.book()
    book.register_sites(meters_count, "none")
    book.projector().catch_up()
    profile = meters.profile_of(_PROFILE.read_bytes())

    def ours() -> None:
        import_file(book.door, data, file_name="bench.csv", profile=profile, actor="bench")
        book.projector().catch_up()

    taken = seconds(ours)
    with book.database.owning() as connection:
        stored = connection.execute("SELECT sum(cardinality(wh)) FROM ledger.meter_run").fetchone()
    assert stored == (data.count(b"\n") - 1,)
    plain = bare_copy(book, data, "plain", "")
    keyed = bare_copy(book, data, "keyed", ", PRIMARY KEY (meter, register, start)")
    book.close()
    return taken, plain, keyed


def file_of(meters_count: int) -> bytes:
    start = datetime(2026, 8, 1, tzinfo=UTC)
    stamps = [f"{start + timedelta(minutes=15 * i):%Y-%m-%dT%H:%M:%SZ}" for i in range(2976)]
    lines = ["meter,register,start,wh"]
    for meter in range(meters_count):
        for register in ("charge", "discharge"):
            lines += [f"M{meter},{register},{stamp},{at * 7 % 60_000}" for at, stamp in enumerate(stamps)]
    return ("\n".join(lines) + "\n").encode()


def bare_copy(book: Book, data: bytes, table: str, key: str) -> float:
    columns = f"meter text, register text, start timestamptz, wh integer{key}"
    with book.database.owning() as connection:
        connection.execute(f"CREATE TABLE ledger.{table} ({columns})")

    def load() -> None:
        with (
            book.database.owning() as connection,
            connection.cursor().copy(f"COPY ledger.{table} FROM STDIN (FORMAT csv, HEADER)") as copy,
        ):
            for begin in range(0, len(data), 1 << 20):
                copy.write(data[begin : begin + (1 << 20)])

    return seconds(load)
