"""The market's file face: offers dropped into a folder, acknowledged and answered with files.

Below the root each participant has `in/`, `ack/` and `out/`; who may write there is the participant. Every
file has its SHA-256 beside it as `FILE.sha256`, written last: a file without it is not there yet.
"""

from __future__ import annotations

import hashlib
import os
import re
from datetime import date
from pathlib import Path
from typing import Final, NamedTuple

from adapters.reference_market.day_result import DayResult, sha256, told
from adapters.reference_market.faults import Faults, cut_intervals, spoilt_file
from adapters.reference_market.market import Market
from adapters.reference_market.offer_book import Place, Receipt
from adapters.reference_market.offer_csv import offer_file
from adapters.reference_market.parameters import PRODUCTS, Product
from adapters.reference_market.result_files import blocks_csv, result_csv, result_xlsx, table
from adapters.reference_market.trading_day import starts
from ledger.interval import zone_of
from ledger.refusal import Refused

ACK_COLUMNS: Final = ("文件", "SHA256", "结果", "代码", "位置", "说明", "版本", "市场时间")
ACCEPTED: Final = "已受理"
REFUSED: Final = "已拒绝"

_NAME: Final = re.compile(
    r"(?P<kind>offer|withdraw)_(?P<product>day_ahead|real_time)_(?P<day>\d{4}-\d{2}-\d{2})"
    r"_r(?P<revision>[1-9]\d{0,8})\.csv",
    re.ASCII,
)
_NAMES: Final = "offer_day_ahead_2026-01-26_r1.csv, or withdraw_ and the same"
_FILE_BYTES_MAX: Final = 4 << 20


class _Named(NamedTuple):
    kind: str
    product: Product
    day: date
    revision: int


class DropFolder:
    """The folders of all participants of one market."""

    def __init__(self, root: Path, market: Market, faults: Faults) -> None:
        self._root = root
        self._market = market
        self._faults = faults
        self._delivered: set[Path] = set()
        for name in market.parameters.participants:
            for folder in ("in", "ack", "out"):
                (root / name / folder).mkdir(parents=True, exist_ok=True)

    def turn(self) -> None:
        """Take what was dropped, and write what is due; nothing during an outage.

        Raises:
            OSError: the disk does not read or write.
        """
        if self._faults.outage() is not None:
            return
        for participant in sorted(self._market.parameters.participants):
            self._take(participant)
            self._deliver(participant)

    # Offers in

    def _take(self, participant: str) -> None:
        folder = self._root / participant
        for file in sorted((folder / "in").glob("*.csv")):
            beside = file.with_name(f"{file.name}.sha256")
            if not beside.exists():
                continue
            with file.open("rb") as opened:
                data = opened.read(_FILE_BYTES_MAX + 1)
            digest = sha256(data)
            ack = folder / "ack" / f"{file.stem}.{digest[:8]}.ack.csv"
            if ack.with_name(f"{ack.name}.sha256").exists():
                continue
            self._acknowledge(ack, file.name, digest, self._taken(participant, file.name, data, beside))

    def _taken(self, participant: str, name: str, data: bytes, beside: Path) -> Receipt | Refused:
        try:
            return self._submit(participant, name, data, beside.read_bytes())
        except Refused as refused:
            return refused

    def _submit(self, participant: str, name: str, data: bytes, beside: bytes) -> Receipt:
        digest = sha256(data)
        if beside.split()[:1] != [digest.encode()]:
            raise Refused("file_digest", f"the file's SHA-256 is {digest}", place=f"{name}.sha256")
        if len(data) > _FILE_BYTES_MAX:
            raise Refused("file_too_large", f"a file may have {_FILE_BYTES_MAX} bytes")
        named = _named(name)
        place = Place(participant, named.product, named.day)
        market = self._market
        market.gate(named.product, named.day)
        of_day = starts(market.parameters, named.day)
        key = f"file:{hashlib.sha256(name.encode() + data).hexdigest()}"
        read = offer_file(data, market.parameters, named.day, of_day, named.revision)
        if named.kind == "withdraw":
            if read.offer.curves or read.offer.blocks:
                raise Refused("file_row", "a withdrawal has the header only", place="row 2")
            return market.withdraw(place, key, named.revision)
        try:
            return market.put_offer(place, key, digest, read.offer)
        except Refused as refused:
            raise Refused(refused.code, refused.reason, place=read.place(refused.place)) from None

    def _acknowledge(self, ack: Path, name: str, digest: str, taken: Receipt | Refused) -> None:
        zone = zone_of(self._market.parameters.zone)
        if isinstance(taken, Refused):
            now = self._market.clock.now().astimezone(zone).isoformat()
            row = (name, digest, REFUSED, taken.code, taken.place, taken.reason, "", now)
        else:
            at = taken.recorded_at.astimezone(zone).isoformat()
            row = (name, digest, ACCEPTED, "", "", "", str(taken.revision), at)
        content = table(ACK_COLUMNS, [row], self._market.parameters.encoding)
        _write(ack, content, sha256(content))

    # Results out

    def _deliver(self, participant: str) -> None:
        market = self._market
        now = market.clock.now()
        for day in sorted({place.day for place in market.book.places(participant)}):
            for product in PRODUCTS:
                if now < market.published_at(product, day):
                    continue
                newest = market.result(product, day).run
                for run in range(1, newest + 1):
                    self._deliver_run(participant, market.result(product, day, run))

    def _deliver_run(self, participant: str, found: DayResult) -> None:
        again = self._market.deliveries[found.product, found.day, found.run]
        stem = f"result_{found.product}_{found.day}_run{found.run}" + (f"_d{again + 1}" if again else "")
        out = self._root / participant / "out"
        file = out / f"{stem}.csv"
        beside = file.with_name(f"{file.name}.sha256")
        if beside in self._delivered or beside.exists():
            self._delivered.add(beside)
            return
        parameters = self._market.parameters
        spoiling = self._faults.spoiling(found.product, found.day)
        result = told(found, participant, parameters, starts(parameters, found.day))
        if spoiling == "cut_intervals":
            result = cut_intervals(result)
        if result.blocks:
            content = blocks_csv(result, parameters)
            _write(out / f"{stem}_blocks.csv", content, sha256(content))
        content = result_xlsx(result, parameters)
        _write(out / f"{stem}.xlsx", content, sha256(content))
        content = result_csv(result, parameters)
        _write(file, *spoilt_file(content, sha256(content), spoiling))
        self._delivered.add(beside)


def _named(name: str) -> _Named:
    found = _NAME.fullmatch(name)
    if found is None:
        raise Refused("file_name", f"a file's name is {_NAMES}", place=name)
    try:
        day = date.fromisoformat(found["day"])
    except ValueError:
        raise Refused("file_name", f"{found['day']} is not a day", place=name) from None
    product: Product = "day_ahead" if found["product"] == "day_ahead" else "real_time"
    return _Named(found["kind"], product, day, int(found["revision"]))


def _write(file: Path, content: bytes, digest: str) -> None:
    """The file whole, then its digest beside it."""
    for path, data in (
        (file, content),
        (file.with_name(f"{file.name}.sha256"), f"{digest}  {file.name}\n".encode()),
    ):
        part = path.with_name(f".{path.name}.part")
        with part.open("wb") as opened:
            opened.write(data)
            opened.flush()
            os.fsync(opened.fileno())
        part.replace(path)
