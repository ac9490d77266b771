"""The file face: offers in two encodings, acknowledgements, results, and files that are not whole."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
from python_calamine import CalamineWorkbook

from adapters.reference_market.drop_folder import DropFolder
from adapters.reference_market.faults import Faults, Outage, SpoiltResult
from adapters.reference_market.market import Market
from tests.adapters.reference_market.markets import DAY, MW, PARAMETERS, PUBLISHED, at, local, opened

HEADER = "交易日,时段,段号,起始出力MW,终止出力MW,报价元/MWh"
BLOCKS = HEADER + ",块号,互斥组"
NAME = f"offer_day_ahead_{DAY}_r1.csv"
SELL = f"{HEADER}\n{DAY},9,1,-20,0,200.5\n{DAY},9,2,0,50,400\n"


class Folder:
    """Alpha's folders, and the market behind them."""

    def __init__(self, root: Path, market: Market, faults: Faults) -> None:
        self.root, self.market, self.faults = root / "alpha", market, faults
        self.face = DropFolder(root, market, faults)

    def drop(self, text: str | bytes, name: str = NAME, digest: str | None = None) -> None:
        data = text.encode() if isinstance(text, str) else text
        (self.root / "in" / name).write_bytes(data)
        digest = digest or hashlib.sha256(data).hexdigest()
        (self.root / "in" / f"{name}.sha256").write_text(f"{digest}  {name}\n")

    def acks(self) -> list[dict[str, str]]:
        self.face.turn()
        return [row for file in sorted((self.root / "ack").glob("*.csv")) for row in rows(file)]

    def refused(self, text: str | bytes, name: str = NAME) -> tuple[str, str]:
        """The code and place with which a file is refused."""
        for file in (*(self.root / "in").iterdir(), *(self.root / "ack").iterdir()):
            file.unlink()
        self.drop(text, name)
        (ack,) = self.acks()
        assert ack["结果"] == "已拒绝"
        return ack["代码"], ack["位置"]

    def out(self) -> list[str]:
        self.face.turn()
        return sorted(file.name for file in (self.root / "out").glob("*.csv"))


def rows(file: Path, encoding: str = "utf-8") -> list[dict[str, str]]:
    data = file.read_bytes()
    beside = file.with_name(f"{file.name}.sha256").read_text()
    assert beside == f"{hashlib.sha256(data).hexdigest()}  {file.name}\n"
    return list(csv.DictReader(io.StringIO(data.decode(encoding))))


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Folder]:
    market = opened(tmp_path)
    yield Folder(tmp_path / "drop", market, Faults())
    market.close()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
def test_an_offer_is_taken_in_each_encoding(folder: Folder, encoding: str) -> None:
    data = SELL.replace("\n", "\r\n").encode(encoding)
    folder.drop(data)
    (ack,) = folder.acks()
    assert ack == {
        "文件": NAME,
        "SHA256": hashlib.sha256(data).hexdigest(),
        "结果": "已受理",
        "代码": "",
        "位置": "",
        "说明": "",
        "版本": "1",
        "市场时间": "2026-01-25T08:00:00+08:00",
    }
    receipt, offer = folder.market.offer(at())
    assert receipt.sha256 == ack["SHA256"]
    assert offer is not None
    (curve,) = offer.curves
    assert curve.start == local(f"{DAY}T08:00")
    found = [(one.start_w, one.end_w, one.price_micro_per_kwh) for one in curve.segments]
    assert found == [(-20 * MW, 0, 200_500), (0, 50 * MW, 400_000)]


def test_a_file_counts_once_its_digest_is_there(folder: Folder) -> None:
    (folder.root / "in" / NAME).write_text(SELL)
    assert folder.acks() == []
    folder.drop(SELL)
    assert len(folder.acks()) == 1
    assert len(folder.acks()) == 1, "and is acknowledged once"
    assert not list(folder.root.rglob("*.part"))


def test_a_lost_acknowledgement_is_written_again(folder: Folder) -> None:
    folder.drop(SELL)
    (first,) = folder.acks()
    for file in (folder.root / "ack").iterdir():
        file.unlink()
    folder.market.set_clock(PUBLISHED)
    assert folder.acks() == [first], "the gate has closed since, and the answer is the first one"


def test_another_digest_is_refused_and_the_right_file_taken_after_it(folder: Folder) -> None:
    folder.drop(SELL[:-30], digest=hashlib.sha256(SELL.encode()).hexdigest())
    (ack,) = folder.acks()
    assert (ack["代码"], ack["位置"]) == ("file_digest", f"{NAME}.sha256")
    folder.drop(SELL)
    assert sorted(one["结果"] for one in folder.acks()) == ["已受理", "已拒绝"]


def test_what_cannot_be_taken_is_refused_with_its_row(folder: Folder) -> None:
    row = f"{DAY},9,1,0,50,400\n"
    head = HEADER + "\n"
    assert folder.refused(head.replace("元", "EUR") + row) == ("file_header", "row 1")
    assert folder.refused(head) == ("offer_empty", "")
    assert folder.refused(head + row + row.replace(",400", "")) == ("column_count", "row 3")
    assert folder.refused(head + row.replace("26", "27", 1).replace("01-26", "01-27")) == (
        "file_row",
        "row 2",
    )
    assert folder.refused(head + row.replace(",9,", ",25,")) == ("offer_interval", "row 2")
    assert folder.refused(head + row.replace(",9,1,", ",9,2,")) == ("offer_segments", "row 2")
    assert folder.refused(head + row.replace(",9,1,", ",9,,")) == ("file_row", "row 2")
    assert folder.refused(head + row.replace("50", "5e1")) == ("number", "row 2")
    assert folder.refused(head + row.replace("50", "0.0000001")) == ("offer_lot", "row 2")
    assert folder.refused(head + row.replace("50", "0.0005")) == ("offer_lot", "row 2")
    assert folder.refused(head + row.replace("400", "400.0001")) == ("offer_price", "row 2")
    assert folder.refused(head + row.replace(",9,", ",8,") + row + f"{DAY},9,2,50,60,300\n") == (
        "offer_descending",
        "row 4",
    )
    assert folder.refused(head + f'{DAY},9,1,0,50,"400\n') == ("csv_syntax", "")
    assert folder.refused(b"\xff\xff\n") == ("encoding", "")
    assert folder.refused(SELL, "offer_day_ahead_2026-02-30_r1.csv")[0] == "file_name"
    assert folder.refused(SELL, "offer.csv") == ("file_name", "offer.csv")
    assert folder.refused(SELL, "offer_day_ahead_2027-01-01_r1.csv") == ("unknown_day", "day")


def test_blocks_are_rows_with_their_name(folder: Folder) -> None:
    text = f"{BLOCKS}\n{DAY},18,,0,5,300,evening,g\n{DAY},19,,0,6,300,evening,g\n{DAY},1,1,0,1,1400,,\n"
    folder.drop(text)
    assert folder.acks()[0]["结果"] == "已受理"
    offer = folder.market.offer(at())[1]
    assert offer is not None
    (block,) = offer.blocks
    assert (block.id, block.group, block.price_micro_per_kwh) == ("evening", "g", 300_000)
    assert [one.power_w for one in block.intervals] == [5 * MW, 6 * MW]
    folder.market.set_clock(PUBLISHED)
    assert folder.out() == [
        f"result_day_ahead_{DAY}_run1.csv",
        f"result_day_ahead_{DAY}_run1_blocks.csv",
    ]
    (outcome,) = rows(folder.root / "out" / f"result_day_ahead_{DAY}_run1_blocks.csv")
    assert outcome == {"交易日": str(DAY), "品种": "日前", "版次": "1", "块号": "evening", "结果": "中标"}
    name = f"offer_day_ahead_{DAY + timedelta(days=1)}_r1.csv"
    other = text.replace("19,,0,6,300", "19,,0,6,301").replace(str(DAY), str(DAY + timedelta(days=1)))
    assert folder.refused(other, name) == ("file_row", "row 3")


def test_an_offer_is_withdrawn_by_a_file(folder: Folder) -> None:
    folder.drop(SELL)
    folder.drop(HEADER + "\n", f"withdraw_day_ahead_{DAY}_r2.csv")
    assert [ack["版本"] for ack in folder.acks()] == ["1", "2"]
    assert folder.market.offer(at())[0].state == "withdrawn"


def test_results_come_as_csv_and_workbook(folder: Folder) -> None:
    folder.drop(SELL)
    folder.face.turn()
    folder.market.set_clock(PUBLISHED)
    assert folder.out() == [f"result_day_ahead_{DAY}_run1.csv"]
    found = rows(folder.root / "out" / f"result_day_ahead_{DAY}_run1.csv")
    assert len(found) == 24
    assert found[8] == {
        "交易日": str(DAY),
        "市场": "shandong_spot",
        "节点": "unified",
        "品种": "日前",
        "版次": "1",
        "发布时间": "2026-01-25T17:30:00+08:00",
        "申报版本": "1",
        "时段": "9",
        "开始时间": "2026-01-26T08:00:00+08:00",
        "出清价格元/MWh": "520.000",
        "中标出力MW": "50.000000",
    }
    book = folder.root / "out" / f"result_day_ahead_{DAY}_run1.xlsx"
    table = CalamineWorkbook.from_path(str(book)).get_sheet_by_name("日前").to_python()
    assert table[0] == list(found[0])
    assert table[9][-2:] == [520, 50]
    folder.market.set_clock(local("2026-01-27T10:00"))
    assert folder.out()[-1] == f"result_real_time_{DAY}_run1.csv"


def test_every_run_and_delivery_is_a_file_of_its_own(folder: Folder) -> None:
    folder.drop(SELL)
    folder.face.turn()
    folder.market.set_clock(PUBLISHED)
    folder.market.correct("day_ahead", DAY, {local(f"{DAY}T08:00"): 1}, {})
    stem = f"result_day_ahead_{DAY}"
    assert folder.out() == [f"{stem}_run1.csv", f"{stem}_run2.csv"]
    folder.market.deliver_again("day_ahead", DAY)
    assert folder.out() == [f"{stem}_run1.csv", f"{stem}_run2.csv", f"{stem}_run2_d2.csv"]
    out = folder.root / "out"
    assert (out / f"{stem}_run2.csv").read_bytes() == (out / f"{stem}_run2_d2.csv").read_bytes()
    assert rows(out / f"{stem}_run2.csv")[8]["出清价格元/MWh"] == "0.001"


def test_files_are_spoilt_on_demand(folder: Folder) -> None:
    folder.drop(SELL)
    folder.face.turn()
    folder.market.set_clock(PUBLISHED)
    folder.faults.set_spoilt(SpoiltResult("day_ahead", DAY, "cut_bytes"))
    folder.face.turn()
    file = folder.root / "out" / f"result_day_ahead_{DAY}_run1.csv"
    with pytest.raises(AssertionError):
        rows(file)
    folder.faults.set_spoilt(SpoiltResult("day_ahead", DAY, "cut_intervals"))
    folder.market.deliver_again("day_ahead", DAY)
    folder.face.turn()
    assert len(rows(file.with_name(f"{file.stem}_d2.csv"))) == 18
    folder.faults.set_spoilt(SpoiltResult("day_ahead", DAY, "wrong_digest"))
    folder.market.deliver_again("day_ahead", DAY)
    folder.face.turn()
    with pytest.raises(AssertionError):
        rows(file.with_name(f"{file.stem}_d3.csv"))
    folder.market.deliver_again("day_ahead", DAY)
    folder.face.turn()
    assert len(rows(file.with_name(f"{file.stem}_d4.csv"))) == 24


def test_during_an_outage_nothing_is_taken_or_written(folder: Folder) -> None:
    folder.drop(SELL)
    folder.faults.set_outage(Outage(3600, "hang"))
    assert folder.acks() == []
    folder.faults.set_outage(Outage(0, "hang"))
    assert len(folder.acks()) == 1


def test_the_market_can_write_gb18030(tmp_path: Path) -> None:
    rules = msgspec.structs.replace(PARAMETERS, encoding="gb18030")
    market = opened(tmp_path, parameters=rules)
    folder = Folder(tmp_path / "drop", market, Faults())
    folder.drop(SELL)
    folder.face.turn()
    (ack,) = [row for file in (folder.root / "ack").glob("*.csv") for row in rows(file, "gb18030")]
    assert ack["结果"] == "已受理"
    market.close()
