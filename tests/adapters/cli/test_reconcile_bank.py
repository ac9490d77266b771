"""A bank's statement at a terminal: each booking under what is known of it; open is what others owe."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from adapters.founded import book_of
from adapters.queries import lives
from ledger.quantity import Money
from tests.adapters.cli.terminal import Terminal
from tests.adapters.cli.test_payments_once import pay
from tests.adapters.cli.test_payments_once import run as issued_twice
from tests.adapters.conftest import Bench
from tests.adapters.http.conftest import HOST

run = issued_twice

PROFILE = """
format = "csv"
currency = "CNY"
date_pattern = "%Y-%m-%d"
row_order = "oldest_first"

[columns]
date = "date"
amount = "amount"
reference = "reference"
counterparty_name = "payer"
remittance = ["text"]
"""


def compared(run: Terminal, folder: Path, *rows: str, account: str = "main") -> list[str]:
    file, profile = folder / "bank.csv", folder / "bank.toml"
    file.write_text(
        "\n".join(
            ["date,amount,reference,payer,text", *(f"{row}{',' * (4 - row.count(','))}" for row in rows)]
        )
        + "\n"
    )
    profile.write_text(PROFILE)
    given = ("--profile", str(profile), "--party", f"Factory={HOST}")
    return run("reconcile", "bank", str(file), account, *given).splitlines()


def under(lines: list[str], title: str) -> list[str]:
    start = lines.index(title) + 1
    end = next((at for at in range(start, len(lines)) if not lines[at].startswith("  ")), len(lines))
    return lines[start:end]


def open_of(bench: Bench) -> list[Money]:
    """What the host owes by each run, those due first first."""
    with bench.database.reading(bench.book) as connection:
        own = [one for one in lives.page(connection, 1 << 62) if one.key.party == HOST]
    return [-one.open_amount for one in sorted(own, key=lambda one: one.key.run)]


def test_a_booking_is_recorded_or_still_to_be_or_differs(run: Terminal, tmp_path: Path) -> None:
    pay(run, "B1", "-100.00", "--on", "2026-09-01")
    pay(run, "B2", "-70.00", "--on", "2026-09-01")
    lines = compared(
        run,
        tmp_path,
        "2026-09-01,100.00,B1,Factory",
        "2026-09-01,75.00,B2,Factory",
        "2026-09-01,12.34,B3,nobody",
    )
    assert lines[0] == "account main, CNY: 187.34 moved by 3 bookings"
    assert [" ".join(line.split()) for line in lines[1:4]] == [
        "Recorded 1 100.00",
        "Recorded with another amount 1 75.00",
        "Pays nothing that is open 1 12.34",
    ]
    assert under(lines, "Recorded") == ["  2026-09-01 100.00 (B1) -> B1: recorded as B1"]
    (differs,) = under(lines, "Recorded with another amount")
    assert differs == (
        "  2026-09-01 75.00 (B2): amount_differs: the bank has 75.00, B2 is recorded with 70.00, difference"
        " 5.00"
    )
    assert "Paid" not in lines


def test_what_is_open_is_owed_by_or_to_others(run: Terminal, bench: Bench, tmp_path: Path) -> None:
    owner = book_of(bench.door).owner
    with bench.database.reading(bench.book) as connection:
        own = [one for one in lives.page(connection, 1 << 62) if one.key.party == owner]
    assert any(one.open_amount.minor for one in own), "the owner's own statements are issued too"
    still = under(
        compared(run, tmp_path, "2026-09-01,12.34,B3,nobody"), "Still open, before what is not recorded yet"
    )
    assert any(f"_{HOST}_1 " in line for line in still)
    assert not any(f"_{owner}_" in line for line in still)


def test_what_is_to_be_recorded_is_listed_until_it_is(run: Terminal, bench: Bench, tmp_path: Path) -> None:
    """Run again the file says the same; recorded, under the bank's reference or another, it is no more."""
    owed = open_of(bench)
    rows = (f"2026-09-02,{owed[0]},B1,Factory", f"2026-09-03,{owed[1]},B2,Factory")
    first = compared(run, tmp_path, *rows)
    title = "Pays what is open, not recorded yet"
    listed = under(first, title)
    assert len(listed) == 2, first
    again = compared(run, tmp_path, *rows)
    assert under(again, title) == listed
    assert not any("Matched in an earlier file" in line for line in again)

    pay(run, "B1", f"-{owed[0]}", "--on", "2026-09-01")
    third = compared(run, tmp_path, *rows)
    assert [line.split("(")[1][:2] for line in under(third, title)] == ["B2"]
    assert [line.split("(")[1][:2] for line in under(third, "Recorded")] == ["B1"]
    pay(run, "by-another-name", f"-{owed[1]}", "--on", "2026-09-01")
    last = compared(run, tmp_path, *rows)
    assert title not in last
    assert [" ".join(line.split()[:-1]) for line in last[1:2]] == ["Matched in an earlier file 2"]


def test_what_fits_nothing_exactly_has_its_cause(run: Terminal, bench: Bench, tmp_path: Path) -> None:
    """Less and more than is open, a return and a charge are for a person; nothing is recorded of them."""
    owed = open_of(bench)
    total, more = owed[0] + owed[1], owed[0] + owed[1] + Money(700, "CNY")
    lines = compared(
        run,
        tmp_path,
        "2026-09-02,40.00,B1,Factory,part",
        f"2026-09-02,{more},B2,Factory,all",
        "2026-09-03,-5.50,B3,,手续费",
        "2026-09-03,12.34,B4,nobody,x",
        "2026-09-04,-12.34,B5,nobody,退回",
    )
    told = "\n".join(under(lines, "Not certain what is meant"))
    left = total - Money(4000, "CNY")
    for cause in (
        f"part payment of {HOST}: 40.00 of the {total:,} that it has to pay, {left:,} is left",
        f"overpaid by 7.00: {HOST} has {total:,} to pay",
        "2026-09-03 -5.50 (B3): bank charge, as its text says",
        "(B4) + 2026-09-04 -12.34 (B5): returned: B5 takes back 12.34 of 2026-09-03, B4",
    ):
        assert cause in told
    assert "Pays nothing that is open" not in lines
    assert open_of(bench) == owed


NOT_AT_BANK = "Recorded, not at the bank (2026-09-01 to 2026-09-03)"


def test_what_the_bank_lacks_of_the_file_s_days_is_listed(
    run: Terminal, bench: Bench, tmp_path: Path
) -> None:
    """Recorded in its days: one payment that it has, one mistyped, one that never was, and a charge."""
    bench.now += timedelta(days=4)
    owed = open_of(bench)
    mistyped = owed[0] + Money(72, "CNY")
    pay(run, "B1", "-100.00", "--on", "2026-09-01")
    pay(run, "GHOST", f"-{mistyped}", "--on", "2026-09-02")
    pay(run, "NEVER", "-1.00", "--on", "2026-09-03")
    pay(run, "FEE", "61.64", "--kind", "bank_charge", "--on", "2026-09-02")
    pay(run, "LATER", "-2.00", "--on", "2026-09-04")
    lines = compared(run, tmp_path, "2026-09-01,100.00,B1,Factory", f"2026-09-03,{owed[0]},B2,Factory")
    assert "beside them, recorded and not at the bank: 2, -60.64" in lines
    listed = under(lines, NOT_AT_BANK)
    assert [line.partition(": ")[0] for line in listed] == [
        "  2026-09-02 -61.64 (FEE, bank charge)",
        f"  2026-09-03 1.00 (NEVER, receipt, {HOST})",
    ]
    (slip,) = under(lines, "Recorded with another amount")
    assert slip.endswith(
        f"the bank has {owed[0]:,}, GHOST is recorded with {mistyped:,}, difference -0.72;"
        " differs by 0.72 from GHOST of 2026-09-02: the payer and the days fit"
    )
    assert "Not certain what is meant" not in lines, "no part payment of anything"


def test_what_waited_and_is_recorded_under_another_name_is_at_the_bank(
    run: Terminal, bench: Bench, tmp_path: Path
) -> None:
    bench.now += timedelta(days=4)
    owed = open_of(bench)
    rows = (f"2026-09-01,{owed[0]},B1,Factory", "2026-09-03,12.34,B3,nobody")
    compared(run, tmp_path, *rows)
    pay(run, "by-another-name", f"-{owed[0]}", "--on", "2026-09-03")
    assert NOT_AT_BANK not in compared(run, tmp_path, *rows)
    pay(run, "twice", f"-{owed[0]}", "--on", "2026-09-03")
    (listed,) = under(compared(run, tmp_path, *rows), NOT_AT_BANK)
    assert "(twice, receipt, " in listed


def test_a_payment_that_another_account_has_is_not_missed(run: Terminal, tmp_path: Path) -> None:
    pay(run, "B1", "-100.00", "--on", "2026-09-01")
    row = "2026-09-01,12.34,X1,nobody"
    title = "Recorded, not at the bank (2026-09-01 to 2026-09-01)"
    assert len(under(compared(run, tmp_path, row), title)) == 1
    compared(run, tmp_path, "2026-09-01,100.00,B1,Factory", account="second")
    assert title not in compared(run, tmp_path, row)


def test_the_same_file_with_the_same_result_is_recorded_once(run: Terminal, tmp_path: Path) -> None:
    """What was matched is known before when the file comes again; from then on nothing changes."""
    pay(run, "B1", "-100.00", "--on", "2026-09-01")
    rows = ("2026-09-01,100.00,B1,Factory", "2026-09-03,12.34,B3,nobody")
    first, second, third = (compared(run, tmp_path, *rows) for _ in range(3))
    told = "recorded as reconciliation "
    assert first[-1].startswith(told)
    assert second[-1].startswith(told)
    assert (
        third[-1] == f"the same file and result: recorded before as {second[-1].removeprefix('recorded as ')}"
    )
    assert third[:-1] == second[:-1]
    other = compared(run, tmp_path, *rows, "2026-09-03,1.00,B4,nobody")
    assert other[-1].startswith(told)
    pay(run, "B5", "-1.00", "--on", "2026-09-01")
    assert compared(run, tmp_path, *rows)[-1].startswith(told), "the same file, with another result"
