"""A month of a thousand sites, from committed rows to stored runs, against COPY OUT and bare numpy sums."""

from __future__ import annotations

import itertools
import resource
import statistics
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from pathlib import Path

import msgspec
import numpy as np
from psycopg import sql

from adapters.front_door import Wish
from adapters.settling import settle_month
from benchmarks.figure import Figure, median_ratio, seconds_and
from benchmarks.rig import FROM, MONTH, REGISTERS, ZONE, Book, Rig, local_month_blocks
from ledger import book as book_of
from ledger import contract_file, tariff_file
from ledger.interval import zone_of
from ledger.party import Party, RegisterParty
from ledger.published_tariff import PublishTariff
from ledger.readings import Register
from ledger.signed_contract import RegisterContract
from ledger.tariff import Tariff, prices_of_month

INTERVAL_S = 900
MONTH_INTERVALS = 31 * 96
_MEMORY_MIB_MAX = 1024
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_SIGNATURE_BYTES = 19
_ROW_BYTES = 38
"""Of a binary row with a start and an array: everything but the array's elements."""
Key = tuple[str, Register]
_EXAMPLES = Path(__file__).parents[1] / "examples"


def measure(rig: Rig, *, quick: bool) -> list[Figure]:
    """One contract a site; every site's charge and discharge in quarter-hours. Medians of fresh books."""
    sites, rounds = (100, 3) if quick else (1000, 5)
    one_book(rig, 2)  # What is computed once in a process is no part of either side.
    pairs = [one_book(rig, sites) for _ in range(rounds)]
    ours, peer, ratio = median_ratio(pairs)
    what = f"settling {sites} sites x one month"
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return [
        Figure(what, ours, peer, "binary COPY OUT, the same sums in numpy", "readings/s", ratio, 0.3),
        Figure(
            f"peak memory of this process after {what}", peak, _MEMORY_MIB_MAX, "limit", "MiB",
            _MEMORY_MIB_MAX / peak, 1.0,
        ),
    ]  # fmt: skip


def one_book(rig: Rig, sites: int) -> tuple[float, float]:
    """Readings a second, ours and bare, over the same rows; both find the same money."""
    book = rig.book()
    tariff = found(book, sites)
    for save in local_month_blocks(sites):
        book.execute_all(save)
    book.projector().catch_up()
    keys = sorted((f"M{i}", register) for i in range(sites) for register in REGISTERS)
    bare = [seconds_and(lambda: bare_sums(book, tariff, keys)) for _ in range(3)]
    taken, settled = seconds_and(lambda: settle_month(book.door, book.database, MONTH, actor="bench").runs)
    for one in settled:
        (line,) = [line for line in one.result.lines if line.code == "arbitrage"]
        assert line.site is not None
        charged, discharged = (bare[0][1][f"M{line.site[1:]}", register] for register in REGISTERS)
        assert Fraction(line.exact) == discharged - charged
    assert len(settled) == sites
    book.close()
    readings = sites * len(REGISTERS) * MONTH_INTERVALS
    return readings / taken, readings / statistics.median(elapsed for elapsed, _ in bare)


def found(book: Book, sites: int) -> Tariff:
    file = _EXAMPLES / "tariffs/shanghai_single_part_1-10kv.toml"
    tariff = tariff_file.parse_tariff(file.read_text(encoding="utf-8"), name=file.name)
    contract = contract_file.parse((_EXAMPLES / "demo/contracts/eaas-s4.toml").read_bytes())
    founded = book_of.Book("A benchmark", "operator", "CNY", ZONE, "one_person")
    book.door.execute(book_of.FoundBook(founded), command_id="book", actor="bench")
    book.door.execute(PublishTariff(tariff), command_id="tariff", actor="bench")
    book.execute_all([Wish(RegisterParty(FROM, Party(p, p)), f"p-{p}") for p in contract.party_ids])
    book.register_sites(sites, tariff.id)
    only_arbitrage = {"pool_streams": ("arbitrage",), "cash_holder": {"arbitrage": "host-s4"}}
    book.execute_all(
        [
            Wish(
                RegisterContract(
                    msgspec.structs.replace(
                        contract,
                        id=f"C{i}",
                        sites=(f"S{i}",),
                        effective_from=date(2026, 8, 1),
                        **only_arbitrage,
                    )
                ),
                f"c{i}",
            )
            for i in range(sites)
        ]
    )
    return tariff


def bare_sums(book: Book, tariff: Tariff, keys: Sequence[Key]) -> dict[Key, Fraction]:
    """Energy times price of each of `keys`, which ascend: rows out, parsed and summed in int64.

    It is told the keys and how long an interval is; it looks for no gap, no revision and no overlap.
    """
    prices = prices_of_month(tariff, MONTH, INTERVAL_S)
    begin = (MONTH.interval(zone_of(ZONE)).start - _EPOCH) // timedelta(microseconds=1)
    rows = rows_out(book)
    rows[0] = rows[0][_SIGNATURE_BYTES:]
    lengths = np.fromiter(map(len, rows), dtype=np.int64, count=len(rows))
    sums = np.zeros(len(keys), dtype=np.int64)
    for length in np.unique(lengths).tolist():
        count = (length - _ROW_BYTES) // 8
        if count <= 0:
            continue
        layout = [("_", "V6"), ("start", ">i8"), ("head", "V24"), ("wh", ">i4", (count, 2))]
        table = np.frombuffer(b"".join(itertools.compress(rows, lengths == length)), dtype=layout)
        offset = (table["start"].astype(np.int64) - begin) // (INTERVAL_S * 1_000_000)
        by_key = table["wh"][:, :, 1].reshape(len(keys), -1, count)
        for day, first in enumerate(offset.reshape(len(keys), -1)[0].tolist()):
            sums += by_key[:, day].astype(np.int64) @ prices.mantissa[first : first + count]
    scale = 1000 * 10**prices.scale
    return {key: Fraction(total, scale) for key, total in zip(keys, sums.tolist(), strict=True)}


def rows_out(book: Book) -> list[bytes]:
    """Every run of the book as a binary COPY row, by meter, register and start."""
    query = sql.SQL(
        "COPY (SELECT start, wh FROM ledger.meter_run WHERE book = {}"
        " ORDER BY meter, register, start) TO STDOUT (FORMAT binary)"
    ).format(book.log.book)
    with book.database.owning() as connection, connection.cursor().copy(query) as copy:
        return [bytes(row) for row in copy]
