"""A month of every stream, from committed rows to stored runs, against COPY OUT and bare numpy sums."""

from __future__ import annotations

import gc
import itertools
import statistics
from collections import defaultdict
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt
from psycopg import sql

from adapters.settling import Settled, settle_month
from benchmarks import portfolio
from benchmarks.figure import Figure, median_ratio, seconds_and
from benchmarks.portfolio import BEFORE, INTERVALS, Whole
from benchmarks.rig import MONTH, PROJECTED_WITHIN_S, Book, Rig
from ledger.settlement.settle import check_line
from ledger.signed_contract import RegisterContract
from ledger.stored_energy import Stored, tag
from ledger.tariff import Tariff, prices_of_month

_EPOCH: Final = datetime(2000, 1, 1, tzinfo=UTC)
_EPOCH_TO_READINGS_S: Final = int((portfolio.READ_FROM - _EPOCH).total_seconds())
_SIGNATURE_BYTES: Final = 19
_ROW_BYTES: Final = 38
_MEMORY_MIB_MAX: Final = 1024
_MICRO: Final = 10**6

Sums = dict[tuple[str, str], Fraction]
"""Exact money of (site, stream), before any rounding."""


def measure(rig: Rig, *, quick: bool) -> list[Figure]:
    """Every round settles the month anew, because each contract was amended since."""
    sites, rounds = (100, 2) if quick else (1000, 3)
    warm = rig.book()
    settled(warm, portfolio.found(warm, 2 * portfolio.SITES_A_CONTRACT), 0)
    warm.close()
    book = rig.book()
    tariff = portfolio.found(book, sites)
    taken = [settled(book, tariff, number) for number in range(rounds)]
    book.close()
    ours, peer, ratio = median_ratio([(one.ours, one.bare) for one in taken])
    peak = max(one.memory_mib for one in taken)
    return [
        Figure(
            f"settling all streams, {sites} sites x one month", ours, peer,
            "COPY OUT, the same sums in numpy", "sites/s", ratio, 0.33,
        ),
        Figure(
            "peak memory while all streams are settled", peak, _MEMORY_MIB_MAX, "limit", "MiB",
            _MEMORY_MIB_MAX / peak, 1.0,
        ),
    ]  # fmt: skip


class _Round(NamedTuple):
    ours: float
    bare: float
    memory_mib: float


def settled(book: Book, tariff: Tariff, number: int) -> _Round:
    """Sites a second, ours and bare; both find the same money for every site and stream."""
    if number:
        _amend_contracts(book, number)
    book.projector().catch_up(PROJECTED_WITHIN_S)
    bare = [seconds_and(lambda: bare_sums(book, tariff)) for _ in range(2)]
    _forget_peak_memory()
    taken, runs = seconds_and(lambda: settle_month(book.door, book.database, MONTH, actor="bench").runs)
    memory = _peak_memory_mib()
    assert all(one.recorded for one in runs)
    _compare(runs, bare[0][1])
    sites = len({site for site, _ in bare[0][1]})
    return _Round(sites / taken, sites / statistics.median(elapsed for elapsed, _ in bare), memory)


def _forget_peak_memory() -> None:
    """Let the process's peak begin anew, so that it is settling's own and not the peer's."""
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")


def _peak_memory_mib() -> float:
    status = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmHWM"))


def _amend_contracts(book: Book, number: int) -> None:
    with book.database.reading(book.log.book) as connection:
        rows = connection.execute(
            "SELECT id FROM ledger.registered WHERE kind = 'site' AND to_seq IS NULL"
        ).fetchall()
    for index, covered in enumerate(portfolio.batched_sites(len(rows))):
        amended = msgspec.structs.replace(portfolio.contract(index, covered), title=f"amended {number}")
        book.door.execute(RegisterContract(amended), command_id=f"c{index}-{number}", actor="bench")


def _compare(runs: list[Settled], bare: Sums) -> None:
    found: Sums = defaultdict(Fraction)
    for run in runs:
        for line in run.result.lines:
            check_line(line)
            if line.kind == "stream":
                assert line.site is not None
                stream = "arbitrage" if line.code == "pv_time_shift" else line.code
                found[line.site, stream] += Fraction(line.exact)
    for key, money in bare.items():
        assert found[key] == money, (key, found[key], money)


def bare_sums(book: Book, tariff: Tariff) -> Sums:
    """Rows and facts out, laid out and summed; it looks for no gap, no revision, no overlap, no conflict.

    The bill effect beside arbitrage is summed and not compared: its items are rounded one by one.
    """
    meters = _Meters(book)
    facts = _facts(book)
    prices = prices_of_month(tariff, MONTH, 900)
    spot_prices = _spot_prices(book)
    behind = [name for name in meters.sites if portfolio.is_behind_the_meter(int(name[1:]))]
    market = [name for name in meters.sites if not portfolio.is_behind_the_meter(int(name[1:]))]
    found: Sums = {}
    found.update(_behind_the_meter(meters, behind, prices.mantissa, prices.period, prices.scale))
    found.update(_responses(meters, behind, facts))
    found.update(_spot(meters, market, facts, spot_prices, tariff))
    found.update(_regulation(market, facts))
    for name in market:
        certified, available = facts[f"{name}-capacity"], facts[f"{name}-available"]
        (node,) = available["nodes"]
        kw = Fraction(certified["certified_w"], 1000) * min(
            Fraction(1), Fraction(certified["full_hours"]) / 4
        )
        factor = Fraction(node["available_min"], node["available_min"] + node["unavailable_min"])
        found[name, "capacity"] = kw * factor * Fraction(165, 12)
    for name in meters.sites:
        wh = int(meters.of(name, "charge").sum() + meters.of(name, "discharge").sum())
        found[name, "service"] = Fraction(wh, 10_000)
    return found


class _Meters:
    """All runs of the book as one matrix a kind of site: a row a register, from `READ_FROM` on."""

    def __init__(self, book: Book) -> None:
        with book.database.owning() as connection:
            keys = connection.execute(
                "SELECT register, meter FROM ledger.meter_run GROUP BY 1, 2 ORDER BY 2, 1"
            ).fetchall()
        self.rows: dict[tuple[str, str], Whole] = {}
        for behind in (True, False):
            own = [(r, m) for r, m in keys if portfolio.is_behind_the_meter(int(m[1:])) == behind]
            matrix = _runs_of(book, own)
            for row, (register, meter) in enumerate(own):
                self.rows[register, f"S{meter[1:]}"] = matrix[row]
        self.sites = sorted({site for _, site in self.rows})

    def of(self, site: str, register: str) -> Whole:
        """The register over the settled month."""
        return self.rows[register, site][BEFORE:]

    def matrix(self, sites: list[str], register: str, *, history: bool = False) -> Whole:
        first = 0 if history else BEFORE
        return np.stack([self.rows[register, site][first:] for site in sites])


def _runs_of(book: Book, keys: list[tuple[str, str]]) -> Whole:
    """The registers' runs, parsed a length at a time; every register has the same runs."""
    query = sql.SQL(
        "COPY (SELECT start, wh FROM ledger.meter_run WHERE book = {} AND meter = ANY({})"
        " ORDER BY meter, register, start) TO STDOUT (FORMAT binary)"
    ).format(book.log.book, sorted({meter for _, meter in keys}))
    with book.database.owning() as connection, connection.cursor().copy(query) as copy:
        rows = [bytes(row) for row in copy]
    rows[0] = rows[0][_SIGNATURE_BYTES:]
    found = np.empty((len(keys), BEFORE + INTERVALS), dtype=np.int64)
    lengths = np.fromiter(map(len, rows), dtype=np.int64, count=len(rows))
    for length in np.unique(lengths).tolist():
        count = (length - _ROW_BYTES) // 8
        if count <= 0:
            continue
        layout = [("_", "V6"), ("start", ">i8"), ("head", "V24"), ("wh", ">i4", (count, 2))]
        table = np.frombuffer(b"".join(itertools.compress(rows, lengths == length)), dtype=layout)
        offset = (table["start"].astype(np.int64) // _MICRO - _EPOCH_TO_READINGS_S) // 900
        by_key = table["wh"][:, :, 1].reshape(len(keys), -1, count)
        for day, first in enumerate(offset.reshape(len(keys), -1)[0].tolist()):
            found[:, first : first + count] = by_key[:, day]
    return found


def _facts(book: Book) -> dict[str, Any]:
    query = "COPY (SELECT document::text FROM ledger.registered WHERE kind = 'market_fact') TO STDOUT"
    with book.database.owning() as connection, connection.cursor().copy(query) as copy:
        text = b"".join(bytes(row) for row in copy)
    return {fact["id"]: fact for fact in map(msgspec.json.decode, text.splitlines())}


def _spot_prices(book: Book) -> dict[str, Whole]:
    with book.database.owning() as connection:
        rows = connection.execute(
            "SELECT product, mantissas FROM ledger.price_block ORDER BY start"
        ).fetchall()
    return {
        product: np.concatenate([np.array(block, dtype=np.int64) for of, block in rows if of == product])
        for product in ("day_ahead", "real_time")
    }


class _Bill(NamedTuple):
    imported: Whole
    exported: Whole
    largest: Whole


def _behind_the_meter(
    meters: _Meters, sites: list[str], mantissa: Whole, period: npt.NDArray[np.int8], scale: int
) -> Sums:
    charge, discharge = meters.matrix(sites, "charge"), meters.matrix(sites, "discharge")
    load = meters.matrix(sites, "load") - meters.matrix(sites, "pv")
    meters.matrix(sites, "reactive_lagging").sum(axis=1)
    bills = [_bill(load, period), _bill(load + charge - discharge, period)]
    assert (bills[0].largest > 0).all()
    tagged = tag(charge, discharge, -load, [Stored()] * len(sites), "proportional")
    fed_in = portfolio.EXPORT_PRICE
    import_worth = (discharge - (charge - tagged.pv_charge_wh)) @ mantissa
    forgone = tagged.pv_charge_wh.sum(axis=1)
    return {
        (name, "arbitrage"): Fraction(worth, 1000 * 10**scale) - Fraction(wh, 1000) * fed_in.exact
        for name, worth, wh in zip(sites, import_worth.tolist(), forgone.tolist(), strict=True)
    }


def _bill(net: Whole, period: npt.NDArray[np.int8]) -> _Bill:
    taken = np.maximum(net, 0)
    imported = np.stack([taken[:, period == one].sum(axis=1) for one in np.unique(period)], axis=1)
    return _Bill(imported, imported.sum(axis=1) - net.sum(axis=1), taken.max(axis=1))


def _responses(meters: _Meters, sites: list[str], facts: dict[str, Any]) -> Sums:
    """Each event against the mean of the five working days before its announcement."""
    used = meters.matrix(sites, "load", history=True) - meters.matrix(sites, "pv", history=True)
    used += meters.matrix(sites, "charge", history=True) - meters.matrix(sites, "discharge", history=True)
    paid = np.zeros(len(sites), dtype=np.int64)
    events = portfolio.event_days()
    for day in events:
        announced = day - 1
        back = (one for one in range(announced - 1, -40, -1) if (one + 5) % 7 < 5 and one not in events)
        windows = [BEFORE + 96 * one + 76 for one in itertools.islice(back, 5)]
        base = sum(used[:, start : start + 8] for start in windows)
        event = BEFORE + 96 * day + 76
        response = np.maximum(base - 5 * used[:, event : event + 8], 0).sum(axis=1)
        award = np.array([5 * sum(facts[f"{name}-e{day}"]["awarded_w"]) // 4 for name in sites])
        counted = np.where(10 * response < 8 * award, 0, response)
        assert (5 * counted <= 6 * award).all(), "the cap of 1.2 x award is not reached here"
        paid += counted
    price = Fraction(portfolio.RESPONSE_PRICE)
    return {
        (name, "demand_response"): Fraction(total, 5000) * price
        for name, total in zip(sites, paid.tolist(), strict=True)
    }


def _spot(
    meters: _Meters, sites: list[str], facts: dict[str, Any], prices: dict[str, Whole], tariff: Tariff
) -> Sums:
    charge, discharge = meters.matrix(sites, "charge"), meters.matrix(sites, "discharge")
    _bill(meters.matrix(sites, "load"), np.zeros(INTERVALS, dtype=np.int8))
    _bill(meters.matrix(sites, "load") + charge - discharge, np.zeros(INTERVALS, dtype=np.int8))
    days = [[facts[f"{name}-d{day:02d}"] for day in range(31)] for name in sites]
    cleared = np.array([[fact["injected_wh"] for fact in own] for own in days], dtype=np.int64)
    cleared -= np.array([[fact["withdrawn_wh"] for fact in own] for own in days], dtype=np.int64)
    cleared = cleared.reshape(len(sites), -1)
    worth = cleared @ (prices["day_ahead"] - prices["real_time"])
    worth += (discharge - charge) @ prices["real_time"]
    components = tariff.table_for(MONTH).components
    assert components is not None
    each = components.transmission.exact + components.government_fund.exact
    bearing = np.maximum(charge.sum(axis=1) - discharge.sum(axis=1), 0)
    return {
        (name, "spot"): Fraction(total, 1000 * _MICRO) - Fraction(wh, 1000) * each
        for name, total, wh in zip(sites, worth.tolist(), bearing.tolist(), strict=True)
    }


def _regulation(sites: list[str], facts: dict[str, Any]) -> Sums:
    award = np.array([facts[f"{name}-award"]["capacity_w"] for name in sites], dtype=np.int64)
    score = np.array([facts[f"{name}-performance"]["score"] for name in sites], dtype=np.int64)
    capacity, mileage, ratio = (
        np.array(facts[f"x-{kind}"]["mantissas"], dtype=np.int64)
        for kind in ("capacity", "mileage", "mileage_ratio")
    )
    worth = (award * score) @ (100 * capacity + ratio * mileage)
    return {
        (name, "ancillary"): Fraction(total, _MICRO * 1000 * 10_000)
        for name, total in zip(sites, worth.tolist(), strict=True)
    }
