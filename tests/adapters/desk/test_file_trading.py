"""The role by files: the reference market's drop folders, and what of them is not taken."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from adapters.gateway.file_exchange import FileExchange
from adapters.gateway.file_profile import FileProfile, file_profile
from tests.adapters.conftest import Bench
from tests.adapters.desk.desk_book import MW, ROOT
from tests.adapters.desk.trading_floor import CODE, Floor, Market, local, on_the_floor

PROFILE = file_profile((ROOT / "examples/gateways/reference_files.toml").read_bytes())
SHEETS = file_profile((ROOT / "examples/gateways/reference_sheets.toml").read_bytes())
_WAIT_S = 20


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Market]:
    running = Market(tmp_path_factory.mktemp("market"))
    yield running
    running.end()


class Files:
    """The unit's folders at the market, the one in which results are looked for, and ours."""

    def __init__(self, floor: Floor, folder: Path, kept: Path) -> None:
        self.floor = floor
        self.kept = kept / CODE
        self.at = floor.market.drop / CODE
        self.out = folder / CODE / "out"

    def wait_for(self, pattern: str) -> Path:
        until = time.monotonic() + _WAIT_S
        while not (found := sorted(self.at.glob(f"{pattern}.sha256"))):
            assert time.monotonic() < until, f"no {pattern} came"
            time.sleep(0.05)
        return found[-1].with_name(found[-1].name.removesuffix(".sha256"))

    def acknowledged(self, number: int, kind: str = "offer") -> None:
        self.wait_for(f"ack/{kind}_day_ahead_{self.floor.day}_r{number}.*.ack.csv")

    def result(self, run: int, ending: str = "csv") -> Path:
        return self.wait_for(f"out/result_day_ahead_{self.floor.day}_run{run}.{ending}")

    def publish(self, name: str, data: bytes, digest: str | None = None) -> None:
        """As the market would."""
        (self.out / name).write_bytes(data)
        digest = digest or hashlib.sha256(data).hexdigest()
        (self.out / f"{name}.sha256").write_text(f"{digest}  {name}\n")


Opened = Callable[..., Files]


@pytest.fixture
def opened(bench: Bench, market: Market, tmp_path: Path) -> Iterator[Opened]:
    with ExitStack() as closing:

        def made(profile: FileProfile, folder: Path = market.drop) -> Files:
            gateway = FileExchange(profile, folder, tmp_path)
            return Files(closing.enter_context(on_the_floor(bench, market, gateway)), folder, tmp_path)

        yield made


@pytest.fixture
def apart(market: Market, tmp_path: Path) -> Path:
    """Folders that go to the market and back, but for `out`, which is the test's own."""
    unit = tmp_path / "apart" / CODE
    (unit / "out").mkdir(parents=True)
    for name in ("in", "ack"):
        (unit / name).symlink_to(market.drop / CODE / name)
    return tmp_path / "apart"


def cleared(files: Files) -> bytes:
    """The bid is acknowledged and the result out at the market: answers its bytes."""
    files.floor.turn()
    files.acknowledged(1)
    assert files.floor.outcomes(1) == ["acknowledged"]
    files.floor.set_clock(local(files.floor.day, -1, 17, 31))
    return files.result(1).read_bytes()


@pytest.mark.parametrize("profile", [PROFILE, SHEETS], ids=["csv", "workbook"])
def test_a_bid_goes_out_and_its_result_comes_back_as_files(opened: Opened, profile: FileProfile) -> None:
    files = opened(profile)
    floor = files.floor
    [line] = floor.turn()
    assert "uncertain" in line
    assert "waits for its acknowledgement" in line
    files.acknowledged(1)
    assert floor.outcomes(2) == ["acknowledged"]
    assert floor.standing.reference == f"offer_day_ahead_{floor.day}_r1"
    floor.set_clock(local(floor.day, -1, 17, 31))
    result = files.result(1, profile.result.ending[1:])
    assert floor.outcomes(2) == ["cleared"]
    assert floor.standing.awarded_w == floor.bid.schedule_w
    assert floor.cleared is not None
    assert floor.cleared.latest.price_u[72] == 600_000
    assert not result.exists(), "it was moved"
    [kept] = (files.kept / "taken").iterdir()
    assert kept.read_bytes()
    floor.market.admin(
        "POST",
        "corrections",
        product="day_ahead",
        day=str(floor.day),
        awards=[{"participant": CODE, "start": local(floor.day, 0, 18).isoformat(), "award_w": MW // 4}],
    )
    files.result(2, profile.result.ending[1:])
    floor.later(600)
    assert floor.outcomes(1) == ["cleared"]
    assert floor.standing.awarded_w[72] == MW // 4


def test_a_refused_offer_says_why(opened: Opened) -> None:
    files = opened(PROFILE)
    files.floor.market.set_clock(local(files.floor.day, -1, 10, 31))
    files.floor.turn()
    files.acknowledged(1)
    [line] = files.floor.turns(2)
    assert "refused" in line
    assert "gate_closed" in line
    assert files.floor.standing.status == "refused"


def test_a_withdrawal_is_a_file_too(opened: Opened) -> None:
    files = opened(PROFILE)
    files.floor.turn()
    files.floor.desk.ask_withdrawal(files.floor.bid.id, "no", command_id="back", actor="anna")
    assert files.floor.outcomes(1) == ["withdrawing"]
    files.acknowledged(2, "withdraw")
    assert files.floor.outcomes(2) == ["withdrawn"]
    held = files.floor.market.held(files.floor.day)
    assert held is not None
    assert (held["state"], held["revision"]) == ("withdrawn", 2)


def test_without_an_acknowledgement_a_person_says(opened: Opened, tmp_path: Path) -> None:
    silent = tmp_path / "silent"
    for name in ("in", "ack", "out"):
        (silent / CODE / name).mkdir(parents=True)
    files = opened(PROFILE, silent)
    floor = files.floor
    assert floor.outcomes(1) == ["uncertain"]
    dropped = {file.name: file.stat().st_mtime_ns for file in (silent / CODE / "in").iterdir()}
    floor.set_clock(local(floor.day, -1, 10, 31), market=False)
    assert floor.outcomes(3) == [], "it is neither sent again nor expired"
    assert floor.standing.status == "uncertain"
    assert {file.name: file.stat().st_mtime_ns for file in (silent / CODE / "in").iterdir()} == dropped
    floor.desk.refuse(floor.bid.id, 1, "asked by telephone", command_id="told", actor="anna")
    assert floor.standing.status == "refused"


def test_of_a_result_that_is_not_good_nothing_is_stored(opened: Opened, apart: Path) -> None:
    files = opened(PROFILE, apart)
    floor = files.floor
    good = cleared(files)
    name = f"result_day_ahead_{floor.day}_run1.csv"
    lines = good.decode().splitlines(keepends=True)
    last = lines[-1]
    before = str(floor.day)
    cases = [
        (good[: len(good) // 2], "truncated_file"),
        ("".join(lines[:-1]).encode(), "clearing_intervals"),
        (good + last.replace(",96,", ",97,").encode(), "clearing_intervals"),
        (good + last.encode(), "clearing_intervals"),
        (good.replace(b",0.000000\n", b',"0,000000"\n'), "number"),
        (good.replace(b",0.000000\n", b",\n", 1), "empty_value"),
        (good.replace(b",0.000000\n", b",0.0000001\n", 1), "award"),
        (good.replace(b"400.000", b"400.0001", 1), "price_scale"),
        (good.replace(f"{before},".encode(), b"2026-01-01,"), "clearing_file"),
        (good.replace(b"\xe6\x97\xa5\xe5\x89\x8d", b"\xe5\xae\x9e\xe6\x97\xb6"), "clearing_file"),
        (good.replace("出清价格".encode(), b"price"), "missing_column"),
        (good.decode().encode("gb18030"), "encoding"),
        (b"", "empty_file"),
    ]
    for number, (data, code) in enumerate(cases):
        assert data != good, number
        files.publish(name, data)
        floor.later(15)
        [line] = floor.turn(floor.another())
        assert f"refused ({code})" in line, (number, line)
        assert name in line
        assert floor.cleared is None
        assert floor.turn(floor.another()) == [], "it was moved aside"
    assert len(list((files.kept / "refused").glob("*.txt"))) == len(cases)
    files.publish(name, good, digest="0" * 64)
    [line] = floor.turn(floor.another())
    assert "refused (file_digest)" in line
    files.publish(name, good)
    assert floor.outcomes(1) == ["cleared"]


def test_a_result_that_cannot_be_recorded_makes_room_for_the_right_one(opened: Opened, apart: Path) -> None:
    """More than was offered, an offer that was never made, a price beyond the cap: each told at once."""
    files = opened(PROFILE, apart)
    floor = files.floor
    good = cleared(files)
    name = f"result_day_ahead_{floor.day}_run1.csv"
    for data, code in (
        (good.replace(b",1.000000\n", b",9.000000\n"), "award_beyond_bid"),
        (good.replace(b"600.000", b"1500.001"), "price_limit"),
        (foreign(good), "clearing_file"),
    ):
        assert data != good
        files.publish(name, data)
        floor.later(15)
        [line] = floor.turn(floor.another())
        assert f"refused ({code})" in line
        assert floor.cleared is None
    assert not list((files.kept / "taken").iterdir())
    files.publish(name, good)
    floor.later(15)
    assert floor.outcomes(1) == ["cleared"]
    assert len(list((files.kept / "refused").glob("*.csv"))) == 3


def foreign(good: bytes) -> bytes:
    """Of an offer that was not sent from here."""
    head, *rows = good.decode().splitlines()
    at = head.removeprefix("\ufeff").split(",").index("申报版本")
    cells = [row.split(",") for row in rows]
    return "".join(
        f"{line}\n" for line in (head, *(",".join([*row[:at], "7", *row[at + 1 :]]) for row in cells))
    ).encode()


def test_bad_files_do_not_hold_up_a_good_one(opened: Opened, apart: Path) -> None:
    files = opened(PROFILE, apart)
    floor = files.floor
    good = cleared(files)
    for delivery in range(2, 17):
        files.publish(f"result_day_ahead_{floor.day}_run1_d{delivery}.csv", b"cut" * delivery)
    files.publish(f"result_day_ahead_{floor.day}_run1_d99.csv", good)
    lines = floor.turn()
    assert [line.partition(": ")[2].split(" (")[0] for line in lines] == ["refused", "cleared"]
    assert "run1_d16.csv" in lines[0]
    assert len(list((files.kept / "refused").glob("*.txt"))) == 15


def test_a_result_is_taken_once_however_often_it_comes(opened: Opened, apart: Path) -> None:
    files = opened(PROFILE, apart)
    floor = files.floor
    good = cleared(files)
    name = f"result_day_ahead_{floor.day}_run1.csv"
    files.publish(name, b"\xef\xbb\xbf" + good.replace(b"\n", b"\r\n"))
    assert floor.outcomes(1) == ["cleared"], "a byte order mark and CRLF are no other content"
    files.publish(name, good)
    files.publish(name.replace(".csv", "_d2.csv"), good)
    assert floor.turn(floor.another()) == []
    assert len(list((files.kept / "taken").iterdir())) == 2, "each content is kept"
    assert not list(files.out.glob(f"*{floor.day}*.csv*"))
    files.publish(name.replace(".csv", "_d3.csv"), good.replace(b"400.000", b"401.000", 1))
    [line] = floor.turn(floor.another())
    assert "refused (clearing_run)" in line
    assert floor.cleared is not None
    assert floor.cleared.latest.price_u[0] == 400_000
    assert floor.turn(floor.another()) == [], "what was told first stands"


def test_an_award_beyond_the_bid_stores_nothing(opened: Opened, apart: Path) -> None:
    files = opened(PROFILE, apart)
    floor = files.floor
    good = cleared(files)
    files.publish(f"result_day_ahead_{floor.day}_run1.csv", good.replace(b",1.000000\n", b",1.000001\n", 1))
    [line] = floor.turn()
    assert "refused (award_beyond_bid)" in line
    assert floor.cleared is None
    assert floor.standing.status == "acknowledged"


def test_an_award_of_an_offer_that_was_not_made_stores_nothing(opened: Opened, apart: Path) -> None:
    files = opened(PROFILE, apart)
    floor = files.floor
    lines = cleared(files).decode().splitlines(keepends=True)
    cells = [line.split(",") for line in lines]
    at = cells[0].index("申报版本")
    others = [[*row[:at], "7", *row[at + 1 :]] for row in cells[1:]]
    data = "".join([lines[0], *(",".join(row) for row in others)]).encode()
    files.publish(f"result_day_ahead_{floor.day}_run1.csv", data)
    [line] = floor.turn()
    assert "refused (clearing_file)" in line
    assert "revision 7" in line
    assert floor.cleared is None
