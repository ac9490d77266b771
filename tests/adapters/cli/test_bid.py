"""The desk's day at a terminal: market, policy, envelope, a bid from its table to its receipt, the switch."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from ledger.refusal import Refused
from ledger.transparency.note import Note
from tests.adapters import sample
from tests.adapters.cli.terminal import Terminal, terminal_of
from tests.adapters.conftest import Bench
from tests.adapters.desk.desk_book import DAY, MARKET, UNIT, bid, furnish
from tests.adapters.http.conftest import Api
from trading.receipt import BidReceipt

ROOT = Path(__file__).parents[3]


@pytest.fixture
def run(bench: Bench, capsys: pytest.CaptureFixture[str]) -> Iterator[Terminal]:
    furnish(bench)
    api = Api(bench)
    assert api.published.signer() is not None
    yield terminal_of(bench, capsys)
    api.close()


@pytest.fixture
def table(run: Terminal, tmp_path: Path) -> Path:
    """The template of the day, filled in: 1 MW at 500 CNY/MWh in the first quarter-hour."""
    file = tmp_path / "bid.csv"
    run("bid", "template", MARKET, "day_ahead", f"{DAY}", "--out", str(file))
    text = file.read_text()
    assert text.count("\n") == 6 + 1 + 96
    filled = text.replace("T00:00+08:00,1,,,,", "T00:00+08:00,1,0,1,500,1")
    for number in range(2, 97):
        head, found, rest = filled.partition(f"\n{number},")
        line, end, rest = rest.partition("\n")
        filled = head + found + line + "0" + end + rest
    file.write_text(filled.replace("UNIT", UNIT).replace(f"bid,{MARKET}-day_ahead-{DAY}", "bid,t1"))
    return file


def digest_in(told: str) -> str:
    return told.partition("digest ")[2][:16]


def refused(run: Terminal, *arguments: str) -> Refused:
    with pytest.raises(Refused) as caught:
        run(*arguments)
    return caught.value


def test_a_bid_from_template_to_receipt(run: Terminal, table: Path, tmp_path: Path) -> None:
    checked = run("bid", "check", str(table), "--as", "anna")
    assert checked.endswith("it would be accepted\n")
    assert "limit volume of anna (volume_wh): 0.00 used, 250,000.00 asked for, of 40000000\n" in (
        checked.replace("40,000,000", "40000000")
    )
    drafted = run("bid", "draft", str(table), "--as", "anna")
    assert drafted.startswith("bid t1 revision 1: draft, digest ")
    digest = digest_in(drafted)
    assert refused(run, "bid", "submit", "t1", "--as", "anna").code == "approval_missing"
    assert refused(run, "bid", "approve", "t1", "--digest", digest, "--as", "anna").code == "four_eyes"
    wrong = refused(run, "bid", "approve", "t1", "--digest", "0" * 16, "--as", "bert")
    assert (wrong.code, wrong.place) == ("bid_revision", "--digest")
    assert refused(run, "bid", "approve", "t1", "--digest", digest[:7], "--as", "bert").code == "bid_revision"
    run("bid", "approve", "t1", "--digest", digest[:8], "--as", "bert")
    assert run("bid", "submit", "t1", "--as", "anna").startswith("bid t1 revision 1: submitted")
    shown = run("bid", "show", "t1")
    assert "  00:00-00:15  0 to 1 at 500  (schedule 1)\n" in shown
    assert "approved by bert" in shown and "submitted by anna" in shown
    assert run("bid", "list", "--live", "--unit", UNIT).splitlines()[-1] == "1 bid"
    assert run("bid", "list", "--no-live") == "0 bids\n"
    out = tmp_path / "receipt.txt"
    run("bid", "receipt", "t1", "--out", str(out))
    receipt = BidReceipt.parse(Note.parse(out.read_bytes()).text)
    assert (receipt.bid, receipt.revision, receipt.submitted_by) == ("t1", 1, "anna")
    assert receipt.digest.startswith(digest)
    day = run("desk", "unit-day", UNIT, f"{DAY}")
    assert "envelope standing: discharge 2 MW, charge 2 MW, stored 1 MWh of 0.2 to 4 MWh" in day
    assert "t1 (day_ahead, spot) bound\n    00:00-00:15  discharge 1 MW, charge 0 MW\n" in day
    assert "used: volume of user anna, 2026-09-03: 250,000 of 40,000,000 Wh (t1)" in run("desk", "show")
    assert run("bid", "withdraw", "t1", "price moved", "--as", "anna").startswith(
        "bid t1 revision 1: withdrawing"
    )


def test_a_revision_and_an_acknowledgement_by_hand(run: Terminal, table: Path) -> None:
    digest = digest_in(run("bid", "draft", str(table), "--as", "anna"))
    assert refused(run, "bid", "draft", str(table), "--as", "anna").code == "bid_exists"
    table.write_text(table.read_text().replace(",500,", ",400.1,"))
    again = run("bid", "draft", str(table), "--as", "anna", "--revision", "1")
    assert again.startswith("bid t1 revision 2: draft")
    assert digest_in(again) != digest
    run("bid", "approve", "t1", "--digest", digest_in(again), "--as", "bert")
    run("bid", "submit", "t1", "--as", "anna", "--revision", "2")
    hand = ("acknowledge", "t1", "M-17", "--as", "anna")
    assert refused(run, "bid", *hand).code == "bid_status", "nobody has sent it"
    run("bid", "send", "t1", "--as", "anna")
    run("bid", "unsent", "t1", "the platform was closed", "--as", "anna")
    run("bid", "send", "t1", "--as", "anna")
    run("bid", *hand)
    shown = run("bid", "show", "t1")
    assert "revision 2 acknowledged" in shown
    assert "the market's reference M-17" in shown
    assert "0 to 1 at 400.1" in shown
    assert "revision 1 draft" in run("bid", "show", "t1", "--as-of", shown_at(run, digest))
    run("bid", "withdraw", "t1", "price moved", "--as", "anna")
    assert "t1 (day_ahead" in run("desk", "unit-day", UNIT, f"{DAY}")
    assert "withdrawn, digest" in run("bid", "withdrawn", "t1", "given back", "--as", "anna")
    assert run("desk", "unit-day", UNIT, f"{DAY}").endswith("committed to nothing\n")


def test_a_bid_that_the_market_does_not_take_binds_nothing(run: Terminal, table: Path) -> None:
    digest = digest_in(run("bid", "draft", str(table), "--as", "anna"))
    run("bid", "approve", "t1", "--digest", digest, "--as", "bert")
    run("bid", "submit", "t1", "--as", "anna")
    run("bid", "send", "t1", "--as", "anna")
    assert ": refused, digest" in run("bid", "refuse", "t1", "no licence", "--as", "anna")
    assert "  no licence\n" in run("bid", "show", "t1")
    assert "used:" not in run("desk", "show")
    assert run("desk", "unit-day", UNIT, f"{DAY}").endswith("committed to nothing\n")


def shown_at(run: Terminal, digest: str) -> str:
    """The sequence number at which the bid had that digest."""
    for sequence in range(1, 100):
        try:
            if digest in run("bid", "show", "t1", "--as-of", str(sequence)):
                return str(sequence)
        except Refused as early:
            assert early.code == "unknown_bid"
    raise AssertionError(digest)


def test_a_json_file_is_the_body_of_the_api(run: Terminal, tmp_path: Path) -> None:
    file = tmp_path / "b1.json"
    file.write_bytes(msgspec.json.encode({"bid": bid(), "revision": 0}))
    assert run("bid", "draft", str(file), "--as", "anna").startswith("bid b1 revision 1: draft")
    shown = run("bid", "show", "b1")
    assert "  02:00-04:00  -1 to 0 at 300  (schedule -1)\n" in shown
    assert "  18:00-20:00  0 to 1 at 500  (schedule 1)\n" in shown
    file.write_bytes(b'{"bid": {"price": 1}}')
    assert refused(run, "bid", "draft", str(file), "--as", "anna").code == "field_unknown"
    file.write_bytes(b"{")
    assert refused(run, "bid", "draft", str(file), "--as", "anna").code == "json"


def test_what_is_wrong_in_a_table_has_its_row(run: Terminal, table: Path) -> None:
    table.write_text(table.read_text().replace(",500,", ",500.01,"))
    wrong = refused(run, "bid", "draft", str(table), "--as", "anna")
    assert (wrong.code, wrong.place) == ("price_tick", "row 8 (curves[0][0])")
    assert refused(run, "bid", "check", str(table)).place == "row 8 (curves[0][0])"


def test_a_check_that_fails_ends_with_1(run: Terminal, table: Path) -> None:
    run("desk", "stop", "storm", "--as", "anna")
    told = run("bid", "check", str(table), "--as", "anna")
    assert "refused (kill_switch): switch: anna stopped trading: storm" in told
    assert "it would be accepted" not in told


def test_the_desk_is_stopped_by_one_and_resumed_by_another(run: Terminal, table: Path) -> None:
    digest = digest_in(run("bid", "draft", str(table), "--as", "anna"))
    run("bid", "approve", "t1", "--digest", digest, "--as", "bert")
    run("desk", "stop", "meters disagree", "--as", "anna")
    assert run("desk", "show").startswith("TRADING IS STOPPED by anna: meters disagree\n")
    assert refused(run, "bid", "submit", "t1", "--as", "anna").code == "kill_switch"
    assert refused(run, "desk", "resume", "all is well", "--as", "anna").code == "four_eyes"
    run("desk", "resume", "all is well", "--as", "bert")
    assert run("bid", "submit", "t1", "--as", "anna").startswith("bid t1 revision 1: submitted")


def test_a_limit_is_exceeded_only_by_a_second_person(run: Terminal, table: Path, tmp_path: Path) -> None:
    text = (ROOT / "examples/risk/desk.toml").read_text().replace('most = "400000000"', 'most = "1000"')
    file = tmp_path / "desk.toml"
    file.write_text(text)
    prepared = digest_in(run("desk", "policy", str(file), "--as", "anna"))
    assert refused(run, "desk", "approve", "--digest", prepared, "--as", "anna").code == "four_eyes"
    assert refused(run, "desk", "approve", "--digest", "f" * 8, "--as", "bert").code == "risk_policy"
    assert refused(run, "desk", "approve", "--digest", "", "--as", "bert").code == "risk_policy"
    shown = run("desk", "show")
    assert f"risk policy {prepared} prepared by anna waits for approval" in shown
    run("desk", "approve", "--digest", prepared, "--as", "bert")
    assert f"risk policy {prepared} in force" in run("desk", "show")
    assert "EXCEEDED" in run("bid", "check", str(table), "--as", "anna")
    digest = digest_in(run("bid", "draft", str(table), "--as", "anna"))
    run("bid", "approve", "t1", "--digest", digest, "--as", "bert")
    assert refused(run, "bid", "submit", "t1", "--as", "anna").code == "limit_volume"
    override = ("bid", "override", "t1", "user-volume", "agreed at noon")
    assert refused(run, *override, "--as", "anna").code == "four_eyes"
    run(*override, "--as", "bert")
    assert "may exceed user-volume" in run("bid", "show", "t1")
    assert "submitted" in run("bid", "submit", "t1", "--as", "anna")


def known_operator(bench: Bench) -> None:
    party = sample.register_party("shandong-operator")
    bench.door.execute(party, command_id="its operator", actor="setup")


def test_a_market_of_an_unknown_operator_is_refused(run: Terminal, bench: Bench) -> None:
    register = (
        "market",
        "register",
        str(ROOT / "examples/markets/shandong_spot.toml"),
        "--from",
        "2026-01-01",
    )
    wrong = refused(run, *register)
    assert (wrong.code, wrong.place) == ("unknown_party", "operator")
    assert run("market", "list").splitlines()[-1] == "1 market"
    known_operator(bench)
    assert run(*register).startswith("market shandong_spot: ")


def test_markets_are_registered_and_their_gates_shown(run: Terminal, bench: Bench) -> None:
    known_operator(bench)
    file = str(ROOT / "examples/markets/shandong_spot.toml")
    told = run("market", "register", file, "--from", "2026-01-01")
    assert told.startswith("market shandong_spot: 2 products, event ")
    assert run("market", "register", file, "--from", "2026-01-01").endswith("in force already\n")
    assert run("market", "list").splitlines()[-1] == "2 markets"
    gates = run("market", "gates", "shandong_spot", f"{DAY}")
    assert (
        "opens 2026-09-02 08:00, closes 2026-09-02 11:00, published 2026-09-02 17:30; 2 s are kept" in gates
    )
    assert "96 intervals of 900 s, -80 to 1300 CNY/MWh in steps of 0.1" in gates
    assert refused(run, "market", "gates", "shandong_spot", "2025-12-31").code == "market_gap"
    assert refused(run, "market", "gates", "nowhere", f"{DAY}").code == "unknown_market"
    wrong = refused(run, "market", "gates", "shandong_spot", f"{DAY}", "--first", "0")
    assert (wrong.code, wrong.place) == ("bid_intervals", "--first")


def test_a_version_that_ends_holds_no_longer(run: Terminal, bench: Bench, tmp_path: Path) -> None:
    """A market's file for one month only: its gates are those of the version before and after it."""
    known_operator(bench)
    text = (ROOT / "examples/markets/shandong_spot.toml").read_text()
    month = tmp_path / "month.toml"
    month.write_text(text.replace('at = "11:00"', 'at = "10:00"'))
    run("market", "register", str(ROOT / "examples/markets/shandong_spot.toml"), "--from", "2026-01-01")
    run("market", "register", str(month), "--from", "2026-09-01", "--to", "2026-10-01")
    closing = {
        day: "closes" in (found := run("market", "gates", "shandong_spot", day)) and "10:00, pub" in found
        for day in ("2026-08-31", "2026-09-01", "2026-09-30", "2026-10-01")
    }
    assert closing == {"2026-08-31": False, "2026-09-01": True, "2026-09-30": True, "2026-10-01": False}


def test_envelopes_are_stated_standing_and_for_a_day(run: Terminal, tmp_path: Path) -> None:
    standing, day = tmp_path / "standing.json", tmp_path / "day.json"
    limits = {
        "discharge_w": 1_000_000,
        "charge_w": 1_500_000,
        "stored_wh": 0,
        "floor_wh": 0,
        "ceiling_wh": 4_000_000,
        "charge_ppm": 950_000,
        "discharge_ppm": 950_000,
    }
    standing.write_bytes(msgspec.json.encode(limits))
    day.write_bytes(msgspec.json.encode({"limits": limits | {"discharge_w": 500_000}}))
    by = ("--as", "otto")
    run("desk", "envelope", UNIT, str(standing), "--from", "2026-09-03", *by)
    assert "standing: discharge 1 MW, charge 1.5 MW" in run("desk", "unit-day", UNIT, "2026-09-03")
    assert "standing: discharge 2 MW" in run("desk", "unit-day", UNIT, "2026-09-02")
    run("desk", "envelope", UNIT, str(day), "--day", "2026-09-04", *by)
    assert "of this day: discharge 0.5 MW" in run("desk", "unit-day", UNIT, "2026-09-04")
    for wrong in (
        ("--from", "2026-09-03", "--day", "2026-09-03"),
        (),
        ("--day", "2026-09-03", "--to", "2026-09-09"),
    ):
        assert refused(run, "desk", "envelope", UNIT, str(standing), *wrong, *by).code == "envelope"
    assert refused(run, "desk", "unit-day", "nobody", "2026-09-03").code == "unknown_trading_unit"
